"""Answers that differ from the API server's on purpose; docs/cel-functions.md gives the reasons."""

from __future__ import annotations

import pytest

from kpolicy import cel
from kpolicy.cel.errors import CelError


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("ip('::ffff:c0a8:1') == ip('192.168.0.1')", True),
        ("isIP('::ffff:c0a8:1') && !isIP('::ffff:192.168.0.1')", True),
        ("ip.isCanonical('::ffff:c0a8:1')", False),
        ("ip('::ffff:c0a8:1').family()", 4),
        ("cidr('192.168.0.0/16').containsIP('::ffff:c0a8:1')", True),
        ("isCIDR('::ffff:c0a8:1/120')", False),
        ("quantity('3').sign() == sign(quantity('3'))", True),
        ("'%s'.format([[1.5, {'a': null}]])", "[1.5, {a: null}]"),
        ("'%e'.format([1.5])", "1.500000e+00"),
        ("'tacocat'.indexOf('a', 7)", -1),
        ("'tacocat'.lastIndexOf('t', 7)", -1),
        ("quantity('0').sub(-9223372036854775808).compareTo(quantity('0'))", 1),
        ("[1, 2].includes(2)", True),
        ("quantity(2) == quantity('2') && isQuantity(2)", True),
        ("quantity(dyn(0.5)) == quantity('500m') && isQuantity(0.5)", True),
        ("quantity(dyn(1e21)) == quantity('1000E')", True),
        ("isQuantity(dyn(double('NaN'))) || isQuantity(double('-Infinity'))", False),
        (
            "{'cpu': 1}.cpu == 1 && quantity(dyn({'cpu': 1}).cpu).isLessThan(quantity('1001m'))",
            True,
        ),
    ],
)
def test_answer(source: str, expected: object) -> None:
    """The answer is cel-spec's where it has one, else the mathematically right one."""
    assert cel.compile(source).evaluate({}) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("'tacocat'.indexOf('a', 8)", "index out of range: 8"),
        ("'tacocat'.lastIndexOf('a', 30)", "index out of range: 30"),
        ("[dyn(1), dyn('a')].isSorted()", "no such overload"),
        ("[dyn(1), dyn('a')].min()", "no such overload"),
        ("[dyn(1), dyn(true)].max()", "no such overload"),
        ("[double('NaN'), 1.0].max()", "NaN values cannot be ordered"),
        ("[double('NaN'), 1.0].sort()", "NaN values cannot be ordered"),
        ("[dyn(1), dyn(1.5)].sum()", "no such overload"),
        ("semver('18446744073709551615.0.0').major()", "does not fit an int"),
        ("quantity('1e9999').add(quantity('1'))", "too far apart"),
    ],
)
def test_error(source: str, message: str) -> None:
    """What Go passes over, wraps around or hangs on is an error that says what is wrong."""
    with pytest.raises(CelError, match=message):
        cel.compile(source).evaluate({})


def test_a_quantity_beyond_the_suffixes_keeps_its_size_in_its_text() -> None:
    """Go leaves the suffix out and writes 3 for 3000E."""
    assert str(cel.compile("quantity('3000E')").evaluate({})) == "3e21"


@pytest.mark.parametrize("function", ["matches", "find", "findAll"])
def test_half_a_character_is_no_match(function: str) -> None:
    r"""`\C`, one byte, is known to RE2 in C++ only: a pattern with it is refused."""
    with pytest.raises(CelError, match=r"\\C"):
        cel.compile(f"'é'.{function}(r'\\C')").evaluate({})
    assert cel.compile(f"type('C'.{function}(r'\\QC\\E')) != null_type").evaluate({})
