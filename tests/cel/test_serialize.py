"""A checked expression as data: the same program comes back, and nothing else gets in."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from cel_runner import OWN, cases_of

from kpolicy import cel
from kpolicy.cel import serialize
from kpolicy.cel.errors import CelError
from kpolicy.cel.serialize import Damaged
from kpolicy.cel.types import BOOL, DYN

ENVIRONMENT = cel.Environment({"o": DYN}, cel.kubernetes_libraries())

SOURCES = [
    "has(o.a) && o.a.b >= 3 ? 'x' : string(1u)", "[1, ?o.?a, -0.0, 1e300, b'\\xff', null, true]",
    "{?'a': o.?b, 1: 2u, true: 'x'}", "o.l.map(x, x > 1, x * 2).transformMap(i, v, i < 2, v)",
    "cel.bind(x, o.a, x.?b.optMap(y, y + 1).orValue(0))",
    "cel.block([1, cel.index(0)], cel.index(1))",
    "o.l.sortBy(x, -x.n)", "a.B{c: 1}", "o.l.transformMapEntry(k, v, {v: k})",
    "o[?'a'].optFlatMap(v, v.?c)", "math.greatest(1, 2) == size(o.l)", ".o.`a-b`",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_a_program_survives_as_data(source: str) -> None:
    program = ENVIRONMENT.compile(source, check=False)
    data = json.loads(json.dumps(program.dump()))
    again = ENVIRONMENT.load(data)
    assert repr(again.ast) == repr(program.ast)
    assert again.source == source
    assert again.python_source() == program.python_source()


def test_every_own_case_survives_as_data() -> None:
    for case in cases_of(OWN):
        try:
            program = ENVIRONMENT.compile(case["expr"], check=False)
        except CelError:
            continue
        assert repr(ENVIRONMENT.load(program.dump()).ast) == repr(program.ast)


def test_the_result_type_is_kept() -> None:
    program = ENVIRONMENT.compile("o.a == 1", expected=BOOL)
    assert ENVIRONMENT.load(program.dump()).result_type == BOOL


def test_a_loaded_program_evaluates_and_points_at_its_source() -> None:
    program = ENVIRONMENT.load(ENVIRONMENT.compile("true &&\n o.a.b == 1").dump())
    assert program.evaluate({"o": {"a": {"b": 1}}}) is True
    with pytest.raises(CelError) as caught:
        program.evaluate({"o": {}})
    assert (caught.value.line, caught.value.column) == (2, 3)


def _node(*parts: Any) -> list[Any]:
    return [serialize.FORMAT, "x", list(parts), None]


@pytest.mark.parametrize(
    "data",
    [
        None, {}, [], [serialize.FORMAT],
        [serialize.FORMAT + 1, "1", ["constant", 0, "int", 1], None],
        [serialize.FORMAT, "1", ["constant", 0, "int", 1], "list("], _node("exec", 0, "x"),
        _node("constant", -1, "int", 1), _node("constant", 0, "int", 2**63),
        _node("constant", 0, "int", True),
        _node("constant", 0, "uint", -1), _node("constant", 0, "double", "nope"),
        _node("constant", 0, "bytes", "%%"), _node("constant", 0, "object", "x"),
        _node("constant", 0, "string", 1), _node("constant", True, "int", 1),
        _node("identifier", 0, None), _node("identifier", 0), _node("call", 0, "f", None, "x"),
        _node("call", 0, "_&&_", None, []), _node("call", 0, "!_", ["identifier", 0, "x"], []),
        _node("select", 0, ["identifier", 0, "x"], "f", 1, False),
        _node("list", 0, [["identifier", 0, "x"]], [1]), _node("map", 0, [[1, 2]]),
        _node("comprehension", 0, "while", ["identifier", 0, "x"], "v", None,
              ["identifier", 0, "v"], None),
        _node("block", 0, "x", ["identifier", 0, "x"]),
    ],
)  # fmt: skip
def test_damaged_data_is_refused(data: Any) -> None:
    with pytest.raises(Damaged):
        ENVIRONMENT.load(data)


def test_deep_data_is_refused() -> None:
    tree: list[Any] = ["identifier", 0, "x"]
    for _ in range(400):
        tree = ["select", 0, tree, "f", False, False]
    with pytest.raises(Damaged, match="too deep"):
        ENVIRONMENT.load([serialize.FORMAT, "x", tree, None])


def test_random_damage_is_refused_or_harmless() -> None:
    """Whatever is changed in the data, reading it raises `Damaged` and evaluating it `CelError`."""
    chance = random.Random(7)
    original = ENVIRONMENT.compile(
        "o.l.all(x, x.a == 1 && has(x.b) || [1, 2].exists(y, y > 1))"
    ).dump()
    junk = [None, True, 0, -1, 2**70, 1.5, "", "x", "__import__", [], {}, ["constant", 0, "int", 1]]
    for _ in range(2_000):
        data: Any = copy.deepcopy(original)
        where = data
        while True:
            position = chance.randrange(len(where))
            if isinstance(where[position], list) and where[position] and chance.random() < 0.8:
                where = where[position]
                continue
            where[position] = chance.choice(junk)
            break
        try:
            program = ENVIRONMENT.load(data)
        except Damaged:
            continue
        try:
            program.evaluate({"o": {"l": [{"a": 1, "b": 2}]}})
        except CelError:
            continue
