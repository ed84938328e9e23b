"""Written trees read back as what they were."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from cel_generate import Case, cases
from hypothesis import given, settings

from kpolicy import cel
from kpolicy.cel.nodes import Call, Constant, Node
from kpolicy.cel.writer import _chain, literal, write, write_lines

ENVIRONMENT = cel.Environment(libraries=cel.kubernetes_libraries())


def shape(node: Any) -> Any:
    """A tree without offsets, chains of && and || flat."""
    if isinstance(node, Call) and node.function in ("_&&_", "_||_"):
        return (node.function, *(shape(operand) for operand in _chain(node)))
    if dataclasses.is_dataclass(node):
        fields = (f.name for f in dataclasses.fields(node) if f.name != "offset")
        return (type(node).__name__, *(shape(getattr(node, name)) for name in fields))
    if isinstance(node, (list, tuple)):
        return tuple(shape(each) for each in node)
    return (type(node).__name__, repr(node))


def read(source: str) -> Node:
    return ENVIRONMENT.parse(source)


@pytest.mark.parametrize(
    "source",
    [
        "a.b[?'c'].?d.orValue(-1) > 0 ? x : y ? 1u : 2.5",
        "(a ? b : c) ? d : (e ? f : g)",
        "!(a && b) || c && (d || e)",
        "-(42) + -42 - (-x) - (1 - 2) * 3 % 4 / (5 / 6)",
        "(a + b).size() == [1, ?o, 'x\\n\\'\\\\', b'\\x00\\xff'].size()",
        "{'a': 1, ?'b': c, 2: {}}.exists(k, k in ['a'])",
        "has(a.b.c) && !has(a.`b/c`)",
        "l.map(x, x > 1, x * 2).filter(y, y != null).exists_one(z, z == 1)",
        "m.transformMap(k, v, v > 0, string(v)).all(k, v, k != v)",
        "cel.bind(x, 1, x + x) + o.optMap(v, v).optFlatMap(w, optional.of(w)).value()",
        "math.greatest(1, 2, 3) < math.least(4)",
        "l.sortBy(e, e.name).map(e, e.name).join(', ')",
        "'\\u200b' + 'é' + r'\\d'",
    ],
)
def test_what_is_written_means_the_same(source: str) -> None:
    assert shape(read(write(read(source)))) == shape(read(source))


@settings(max_examples=200, deadline=None)
@given(cases(extended=True))
def test_any_program_reads_back(program: Case) -> None:
    assert shape(read(write(read(program.source)))) == shape(read(program.source))


def test_a_long_conjunction_has_a_line_for_each_operand() -> None:
    source = " && ".join(f"object.spec.field{n} == 'value {n}'" for n in range(4))
    assert write_lines(read(source)).split(" &&\n") == source.split(" && ")
    assert write_lines(read("a && b")) == "a && b"


def test_what_has_no_source_is_refused() -> None:
    with pytest.raises(ValueError, match="no literal"):
        literal(float("inf"))
    with pytest.raises(ValueError, match="no literal"):
        write(Constant(0, object()))
