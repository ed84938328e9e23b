"""Calls that would produce too much, and texts that are hostile, end in a clear error, soon."""

from __future__ import annotations

import time

import pytest

from kpolicy import cel
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.limits import MAX_ELEMENTS, MAX_TEXT


def evaluate(source: str, **bindings: object) -> object:
    return cel.compile(source).evaluate(bindings)


#: Seconds of processor time, generous for a busy machine; each takes well below one alone.
LIMIT = 6

HALF = "x" * (MAX_TEXT // 2 + 1)


@pytest.mark.parametrize(
    ("source", "bindings"),
    [
        ("s.replace('x', s)", {"s": "x" * 4000}),
        ("s.replace('', t)", {"s": "x" * 4000, "t": "y" * 4000}),
        ("s.replace('x', t, 9000)", {"s": "x" * 9000, "t": "y" * 4000}),
        ("[s, s].join()", {"s": HALF}),
        ("l.join(s)", {"l": ["a"] * 5000, "s": "x" * 5000}),
        ("'%s%s'.format([s, s])", {"s": HALF}),
        ("'%s'.format([[s, s, s]])", {"s": HALF}),
        ("'%s'.format([{'a': s, 'b': s}])", {"s": HALF}),
        ("s.split('')", {"s": "x" * (MAX_ELEMENTS + 1)}),
        ("s.split(',')", {"s": "," * (MAX_ELEMENTS + 1)}),
        ("s.split('', 1000001)", {"s": "x" * (MAX_ELEMENTS + 5)}),
        ("s.findAll('x')", {"s": "x" * 200_000}),
        ("regex.extractAll(s, '')", {"s": "x" * 200_000}),
        ("regex.replace(s, 'x', 'y')", {"s": "x" * 200_000}),
        ("s.findAll('(a*b)|a')", {"s": "a" * 1_000_000}),
        ("l.flatten()", {"l": [["x"] * 1001] * 1000}),
        ("lists.range(1000001)", {}),
        ("regex.replace(s, 'x', t)", {"s": "x" * 4000, "t": "y" * 4000}),
    ],
)
def test_a_result_that_is_too_big_is_refused(source: str, bindings: dict[str, object]) -> None:
    """The error names the function and the bound, and nothing big is made first."""
    before = time.process_time()
    with pytest.raises(CelError, match=r"at most|maximum allowed|more than"):
        evaluate(source, **bindings)
    assert time.process_time() - before < LIMIT


@pytest.mark.parametrize(
    ("source", "bindings", "expected"),
    [
        ("s.replace('x', 'yy') == t", {"s": "x" * 60_000, "t": "y" * 120_000}, True),
        ("size(s.replace('x', 'y', 1))", {"s": "x" * 200_000}, 200_000),
        ("size(s.replace('', '-'))", {"s": "x" * 60_000}, 120_001),
        ("size(lists.range(1000000))", {}, MAX_ELEMENTS),
        ("size(s.split('', 3))", {"s": "x" * 5_000_000}, 3),
    ],
)
def test_a_big_result_within_the_bounds_is_made(
    source: str, bindings: dict[str, object], expected: object
) -> None:
    """The bounds refuse nothing that fits."""
    assert evaluate(source, **bindings) == expected


@pytest.mark.parametrize("source", ["(a+)+$", "(a|aa)*b", "(.*)*x", "([a-zA-Z]+)*@"])
def test_a_regex_that_would_hang_a_backtracking_engine_does_not(source: str) -> None:
    """RE2 is linear: a pattern that is catastrophic elsewhere answers at once."""
    before = time.process_time()
    evaluate("s.find(r) + s.findAll(r).join() + regex.replace(s, r, '')", s="a" * 20_000, r=source)
    assert time.process_time() - before < LIMIT


@pytest.mark.parametrize(
    "source",
    ["quantity(s)", "isQuantity(s)", "semver(s)", "ip(s)", "cidr(s)", "url(s)", "s.find(s)",
     "format.dns1123Subdomain().validate(s)", "format.byte().validate(s)",
     "format.qualifiedName().validate(s)", "format.datetime().validate(s)"],
)  # fmt: skip
@pytest.mark.parametrize(
    "text", ["9" * 300_000, "a." * 150_000 + "!", "(" * 300_000, "[::" * 99_999]
)
def test_a_huge_text_is_parsed_or_refused_soon(source: str, text: str) -> None:
    """Parsers of values are linear, and their errors do not repeat the whole text."""
    before = time.process_time()
    try:
        evaluate(source, s=text)
    except CelError as error:
        assert len(error.message) < 2000
    assert time.process_time() - before < LIMIT


@pytest.mark.parametrize(
    "source",
    [
        "quantity('1e2147483647').compareTo(quantity('1'))",
        "quantity('1e-2147483648').compareTo(quantity('1e2147483647'))",
        "quantity('1e2147483647') == quantity('1e2147483646')",
        "quantity('1e2147483647').add(quantity('1'))",
        "quantity('99999999999999999999e2147483647')",
        "quantity('1e2147483647').isInteger()",
        "quantity('1e2147483647').asApproximateFloat()",
    ],
)
def test_a_quantity_with_a_vast_exponent_is_not_written_out(source: str) -> None:
    """Go's library hangs on some of these; here each ends at once, with a value or an error."""
    before = time.process_time()
    try:
        evaluate(source)
    except CelError as error:
        assert "quantit" in error.message
    assert time.process_time() - before < LIMIT


def test_a_deeply_nested_value_is_refused_by_format() -> None:
    """Formatting recurses; what is nested too deeply is an error and not a crash."""
    value: list[object] = []
    for _ in range(50_000):
        value = [value]
    with pytest.raises(CelError, match="nested too deeply"):
        evaluate("'%s'.format([v])", v=value)
    assert evaluate("size(v.flatten(100000))", v=value) == 0


SHARED: list[object] = [[]]
for _ in range(60):
    SHARED = [SHARED, SHARED]


@pytest.mark.parametrize(
    "source",
    ["'%s'.format([v])", "json.encode(v)", "v.distinct()", "sets.contains([v], [v])",
     "v.flatten(99)", "sets.intersects(v, [1])", "[v, v].distinct()"],
)  # fmt: skip
def test_a_small_value_that_is_vast_when_written_out_is_refused(source: str) -> None:
    """Sixty lists, each twice in the next, are 2^60 when every one is visited."""
    before = time.process_time()
    with pytest.raises(CelError):
        evaluate(source, v=SHARED)
    assert time.process_time() - before < LIMIT


def test_many_complex_elements_take_linear_time() -> None:
    """Lists of maps are compared by hash and not each with each."""
    maps = [{"name": f"a{i}", "ports": [i, i + 1]} for i in range(30_000)]
    before = time.process_time()
    assert evaluate("size(l.distinct())", l=maps + maps) == 30_000
    assert evaluate("sets.equivalent(l, m)", l=maps, m=maps[::-1]) is True
    assert time.process_time() - before < LIMIT
