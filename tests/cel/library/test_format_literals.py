"""A literal template with a literal list is checked when it is compiled, as the API server does."""

from __future__ import annotations

import pytest

from kpolicy import cel

STRICT = cel.Environment(
    variables={"x": cel.DYN}, libraries=cel.kubernetes_libraries(), strict_literals=True
)
LENIENT = cel.Environment(variables={"x": cel.DYN}, libraries=cel.kubernetes_libraries())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("'%s %s'.format([1])", "index 1 out of range"),
        ("'%s'.format([1, 2])", "too many arguments"),
        ("''.format([1])", r"too many arguments supplied to string.format \(expected 0, got 1\)"),
        ("'%d'.format(['a'])", "%d takes no string"),
        ("'%f'.format([null])", "%f takes no null_type"),
        ("'%b'.format([1.5])", "%b takes no double"),
        ("'%o'.format([true])", "%o takes no bool"),
        ("'%x'.format([[1]])", "%x takes no list"),
        ("'%s'.format([ip('::1')])", "%s takes no net.IP"),
        ("'%y'.format([1])", "unrecognized formatting clause"),
        ("'%.101f'.format([1.0])", "exceeds maximum allowed precision"),
        ("'%'.format([1])", "unexpected end of string"),
    ],
)
def test_what_can_never_be_formatted_is_an_error_at_once(source: str, message: str) -> None:
    """The error has the place of the call; without strictness it comes when it is evaluated."""
    with pytest.raises(cel.CelError, match=message) as caught:
        STRICT.compile(source)
    assert caught.value.phase == "check" and caught.value.line == 1
    program = LENIENT.compile(source)
    if "too many" not in message:
        with pytest.raises(cel.CelError):
            program.evaluate({"x": 1})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'%d %s'.format([x, x])", "1 1"),
        ("'%s %.1f %%'.format(['a', 1])", "a 1.0 %"),
        ("'%s'.format([{'a': 1, 'b': 'c'}])", "{a: 1, b: c}"),
        ("'%s'.format([['a', 1]])", "[a, 1]"),
        ("'%d'.format(dyn(['a', 1].filter(i, i == 1)))", "1"),
    ],
)
def test_what_may_be_right_compiles(source: str, expected: str) -> None:
    """Unknown types pass, and the arguments of `format` may mix types."""
    assert STRICT.compile(source).evaluate({"x": 1}) == expected
