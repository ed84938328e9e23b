"""`orValue` on what is no optional value, in Kyverno's policies and nowhere else."""

from __future__ import annotations

import pytest
from kpolicy import cel
from kpolicy.location import SourceLocation
from kpolicy.policy.model import Expression

from kpolicy_kyverno.leniency import lenient
from kpolicy_kyverno.library import library

ENVIRONMENT = cel.Environment({"object": cel.DYN}, (*cel.kubernetes_libraries(), library()))
OBJECT = {"list": [1], "text": "a.orValue(b)"}


def rewritten(source: str) -> str:
    return lenient(Expression(source, SourceLocation("p.yaml"))).source


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("object.list.orValue([2])", [1]),
        ("object.list.map(i, i + 1).orValue([])", [2]),
        ("object.?list.orValue([2])", [1]),
        ("object.?none.orValue([2])", [2]),
        ("object.?none.deep.orValue([2]).orValue([3])", [2]),
        ("object[?'none'].orValue(3)", 3),
        ("object.?list.optMap(l, l.size()).orValue(0)", 1),
        ("[object.?none, object.?list].map(o, o.orValue([]))", [[], [1]]),
        ("object.list .  orValue ([2])", [1]),
        ("object.list.orValue(object.none)", [1]),
        ("object.text == 'a.orValue(b)'", True),
    ],
)
def test_a_value_is_its_own_value(source: str, value: object) -> None:
    program = ENVIRONMENT.compile(rewritten(source))
    assert program.evaluate({"object": OBJECT}) == value
    assert program.evaluate_exactly({"object": OBJECT}) == value


def test_what_says_that_it_is_optional_is_left_as_it_is() -> None:
    program = ENVIRONMENT.compile(rewritten("object.?none[0].orValue(1)"))
    assert "orValue" in program.functions
    assert "kyverno.isOptional" not in program.functions


def test_elsewhere_it_stays_an_error() -> None:
    with pytest.raises(cel.CelError, match="orValue"):
        ENVIRONMENT.compile("object.list.orValue([2])").evaluate({"object": OBJECT})
