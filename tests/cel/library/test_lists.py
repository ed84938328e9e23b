"""What the lists library owes to the checker: an empty list's sum has the static type's zero."""

from __future__ import annotations

import pytest

from kpolicy import cel


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[1.5].filter(x, x > 2.0).sum() / 2.0 == 0.0", True),
        ("type([1.5].filter(x, false).sum()) == double", True),
        ("type([1u].filter(x, false).sum()) == uint", True),
        ("type([1].filter(x, false).sum()) == int", True),
        ("l.map(x, duration(x)).sum() < duration('1s')", True),
        ("l.map(x, double(x)).sum() + 1.5", 1.5),
        ("l.map(x, uint(x)).sum() + 1u", 1),
        ("l.sum()", 0),
        ("dyn([1.5, 2.0]).sum()", 3.5),
        ("dyn([duration('1s')]).sum() == duration('1s')", True),
        ("['1s', '2m'].map(x, duration(x)).sum() == duration('121s')", True),
    ],
)
def test_sum(source: str, expected: object) -> None:
    """Run-time values cannot tell what a list is empty of; the checker can."""
    program = cel.compile(source, variables={"l": cel.DYN})
    value = program.evaluate({"l": []})
    assert value == expected and type(value) is not str
    restored = program.environment.load(program.dump())
    assert restored.evaluate({"l": []}) == expected


def test_the_hidden_functions_have_no_name_to_call() -> None:
    """No source can spell them."""
    with pytest.raises(cel.CelError):
        cel.compile("[1.5].@sum_double()")
