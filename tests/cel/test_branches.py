"""Condition coverage: what counts as a condition, and which outcomes were seen."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpolicy import cel
from kpolicy.cel.branches import Probe
from kpolicy.cel.types import DYN


def probe(source: str, *, boolean: bool = True, whole: bool = True) -> Probe:
    return Probe(cel.compile(source, check=False), boolean=boolean, whole=whole)


@pytest.mark.parametrize(
    ("source", "conditions"),
    [
        ("a && (b || !c)", ["a", "b", "c"]),
        ("a ? b : !c", ["a", "b", "c"]),
        ("a ? b : true", ["a", "b"]),
        ("!(a == 1)", ["a == 1"]),
        ("true", []),
        ("has(o.x) && o.x > 1", ["has(o.x)", "o.x > 1"]),
        ("l.all(x, x > 1 || x == y)", ["l.all(x, x > 1 || x == y)", "x > 1", "x == y"]),
        ("l.filter(x, x).size() > 0", ["l.filter(x, x).size() > 0", "x"]),
        ("cel.bind(v, a && b, v || c)", ["a", "b", "v", "c"]),
    ],
)
def test_the_conditions_of_a_boolean(source: str, conditions: list[str]) -> None:
    assert [each.text for each in probe(source).conditions] == conditions


@pytest.mark.parametrize(
    ("source", "conditions"),
    [
        ("a", []),
        ("a == b", []),
        ("a ? b : c", ["a"]),
        ("[a && b, has(o.x), !c]", ["a", "b", "has(o.x)", "c"]),
        ("l.map(x, x > 1, x > 2)", ["x > 1"]),
        ("'it is ' + (a ? 'so' : 'not so')", ["a"]),
    ],
)
def test_the_conditions_of_any_value(source: str, conditions: list[str]) -> None:
    """What gives a value decides nothing by itself; what it chooses by, does."""
    assert [each.text for each in probe(source, boolean=False).conditions] == conditions


def test_the_whole_may_be_left_to_the_caller() -> None:
    assert probe("!(a == 1)", whole=False).conditions == ()
    assert [c.text for c in probe("a && b", whole=False).conditions] == ["a", "b"]
    assert [c.text for c in probe("l.exists(x, x)", whole=False).conditions] == ["x"]


def test_a_condition_is_placed_where_its_text_begins() -> None:
    source = "a.b == 1 && has( o.x) || l.exists(x, x.y)"
    variables = dict.fromkeys(("a", "o", "l"), DYN)
    watched = Probe(cel.compile(source, variables=variables), boolean=True)
    starts = [source[each.offset :] for each in watched.conditions]
    assert [start.split(" ")[0] for start in starts] == ["a.b", "has(", "l.exists(x,", "x.y)"]


def test_a_probe_gives_what_the_program_gives() -> None:
    watched = probe("a && b / c == 1")
    assert watched.evaluate({"a": True, "b": 2, "c": 2}) is True
    assert watched.seen == {(0, "true"), (1, "true")}
    watched.seen.clear()
    with pytest.raises(cel.CelError, match="zero"):
        watched.evaluate({"a": True, "b": 2, "c": 0})
    # What failed was neither.
    assert watched.seen == {(0, "true")}


Tree = tuple[object, ...]


def _trees(depth: int = 4) -> st.SearchStrategy[Tree]:
    leaf = st.just(("leaf",))
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(["&&", "||"]), inner, inner),
            st.tuples(st.just("!"), inner),
            st.tuples(st.just("?"), inner, inner, inner),
        ),
        max_leaves=5,
    )


def _numbered(tree: Tree, names: list[str]) -> Tree:
    """Give each leaf a variable of its own, in the order of the text."""
    if tree[0] == "leaf":
        names.append(f"v{len(names)}")
        return ("leaf", names[-1])
    return (tree[0], *(_numbered(part, names) for part in tree[1:]))  # type: ignore[arg-type]


def _text(tree: Tree) -> str:
    match tree:
        case ("leaf", str(name)):
            return name
        case ("!", inner):
            return f"!({_text(inner)})"  # type: ignore[arg-type]
        case ("?", test, one, other):
            return f"(({_text(test)}) ? ({_text(one)}) : ({_text(other)}))"  # type: ignore[arg-type]
        case (str(sign), left, right):
            return f"(({_text(left)}) {sign} ({_text(right)}))"  # type: ignore[arg-type]
    raise AssertionError(tree)


def _walk(tree: Tree, values: dict[str, bool], asked: list[str]) -> bool:
    """Evaluate by hand, with the leaves that were asked for."""
    match tree:
        case ("leaf", str(name)):
            asked.append(name)
            return values[name]
        case ("!", inner):
            return not _walk(inner, values, asked)  # type: ignore[arg-type]
        case ("?", test, one, other):
            chosen = one if _walk(test, values, asked) else other  # type: ignore[arg-type]
            return _walk(chosen, values, asked)  # type: ignore[arg-type]
        case ("&&", left, right):
            return _walk(left, values, asked) and _walk(right, values, asked)  # type: ignore[arg-type]
        case (_, left, right):
            return _walk(left, values, asked) or _walk(right, values, asked)  # type: ignore[arg-type]
    raise AssertionError(tree)


@given(_trees(), st.data())
def test_outcomes_are_those_of_the_conditions_that_were_asked(
    tree: Tree, data: st.DataObject
) -> None:
    """Over any boolean expression and any inputs: exactly what short-circuit evaluation asks."""
    names: list[str] = []
    tree = _numbered(tree, names)
    watched = probe(_text(tree))
    assert [each.text for each in watched.conditions] == names
    every = [
        dict(zip(names, row, strict=True)) for row in product((True, False), repeat=len(names))
    ]
    expected = set()
    for values in data.draw(st.lists(st.sampled_from(every), max_size=6)):
        asked: list[str] = []
        assert watched.evaluate(values) is _walk(tree, values, asked)
        expected |= {(names.index(n), "true" if values[n] else "false") for n in asked}
    assert watched.seen == expected


@given(_trees())
def test_an_outcome_that_was_seen_decided(tree: Tree) -> None:
    """A condition that is asked for decides: turn it round, and the rest may be set so that

    the whole turns round too (masking MC/DC, for expressions that read each variable once).
    """
    names: list[str] = []
    tree = _numbered(tree, names)
    rows = [dict(zip(names, row, strict=True)) for row in product((True, False), repeat=len(names))]
    for name in names:
        turned = [
            _walk(tree, {**row, name: True}, []) != _walk(tree, {**row, name: False}, [])
            for row in rows
        ]
        assert any(turned)
