"""Programs that ask the same of an object alone are evaluated once for each object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kpolicy import cel
from kpolicy.policy.programs import LazyProgram, Patience, share

NAMES = ("object", "params", "variables")


class Counted:
    """A program that counts its evaluations."""

    def __init__(self, source: str) -> None:
        names = dict.fromkeys((*NAMES, "item"), cel.DYN)
        self._program = cel.Environment(names).compile(source)
        self.count = 0

    def evaluate(self, bindings: Mapping[str, Any], context: Any = None) -> Any:
        self.count += 1
        return self._program.evaluate(bindings, context)

    evaluate_exactly = evaluate


def lazy(counted: Counted, source: str, names: tuple[str, ...] = NAMES) -> LazyProgram:
    return LazyProgram(source, names, lambda: counted, Patience(), None, lambda _: counted.evaluate)  # type: ignore[arg-type, return-value]


def evaluations(source: str, *bindings: Mapping[str, Any], names: tuple[str, ...] = NAMES) -> int:
    """Return how often two programs of one source run, each on the same objects."""
    counted = Counted(source)
    programs = [lazy(counted, source), lazy(counted, source, names)]
    share(programs)
    expected = Counted(source)
    for each in bindings:
        for program in programs:
            assert program.evaluate(each) == expected.evaluate(each)
    return counted.count


def of(value: int, **more: Any) -> dict[str, Any]:
    return {"object": {"value": value}, "params": {"limit": 2}, **more}


def test_once_for_each_object() -> None:
    assert evaluations("object.value > 1", of(1), of(2), of(2)) == 3


@pytest.mark.parametrize(
    "source", ["object.value > params.limit", "variables.x && object.value > 1"]
)
def test_what_reads_more_than_the_object_is_evaluated_each_time(source: str) -> None:
    assert evaluations(source, of(1, variables={"x": True}), of(3, variables={"x": True})) == 4


def test_a_name_that_one_of_them_binds_is_no_word_of_the_other() -> None:
    """`item` is a variable of the second program's environment."""
    bindings = of(1, item=5), of(2, item=6)
    assert evaluations("object.value > 0 && item > 5", *bindings, names=(*NAMES, "item")) == 4


def test_null_is_the_object_of_every_deletion() -> None:
    assert evaluations("object == null", {"object": None}, {"object": None}) == 4


def test_a_failure_is_no_answer_to_keep() -> None:
    counted = Counted("object.missing")
    programs = [lazy(counted, "object.missing") for _ in range(2)]
    share(programs)
    for program in programs:
        with pytest.raises(cel.CelError):
            program.evaluate(of(1))
    assert counted.count == 2


def test_another_context_may_answer_otherwise() -> None:
    counted = Counted("object.value")
    programs = [lazy(counted, "object.value") for _ in range(2)]
    share(programs)
    bindings, context = of(1), object()
    for at in (None, context, context):
        for program in programs:
            assert program.evaluate(bindings, at) == 1
    assert counted.count == 2
