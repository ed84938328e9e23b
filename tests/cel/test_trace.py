"""Traces: the values that decided an evaluation."""

from __future__ import annotations

import json

from kpolicy import cel
from kpolicy.cel.declarations import Function, Overload
from kpolicy.cel.trace import MAX_EVENTS, Event, trace
from kpolicy.cel.types import BOOL, DYN, INT, STRING, list_of
from kpolicy.cel.values import MISSING


def texts(event: Event) -> list[str]:
    return [each.text for each in event]


def traced(source: str, **bindings: object) -> Event:
    return trace(cel.compile(source, check=False), bindings).decisive


def test_the_values_behind_a_conjunction_that_holds() -> None:
    event = traced("has(o.a) && o.a >= 3", o={"a": 5})
    assert event.value is True
    assert "\n".join(event.lines()) == (
        "has(o.a) && o.a >= 3 => true\n  has(o.a) => true\n  o.a >= 3 => true\n    o.a => 5"
    )


def test_only_the_operand_that_decided_is_shown() -> None:
    event = traced("o.a == 1 && o.b == 1 && o.c == 1", o={"a": 1, "b": 2, "c": 3})
    assert texts(event)[1:] == ["o.b == 1", "o.b"]
    assert texts(traced("o.a == 2 || o.a == 1", o={"a": 1}))[1:] == ["o.a == 1", "o.a"]


def test_an_operand_that_failed_is_left_out_where_another_decided() -> None:
    event = traced("o.x == 1 || o.a == 1", o={"a": 1})
    assert event.value is True
    assert not any(each.failed for each in event)


def test_only_the_turn_that_decided_is_shown() -> None:
    event = traced("o.l.all(c, c.n > 1)", o={"l": [{"n": 2}, {"n": 1}, {"n": 3}]})
    assert event.value is False
    turns = [each.turn for each in event if each.turn]
    assert turns == [(("c", {"n": 1}),)]


def test_all_turns_are_shown_where_all_decided() -> None:
    event = traced("o.l.exists(i, c, c > i + 5)", o={"l": [1, 2]})
    assert [each.turn for each in event if each.turn] == [
        (("i", 0), ("c", 1)),
        (("i", 1), ("c", 2)),
    ]


def test_the_branch_not_taken_is_not_there() -> None:
    assert texts(traced("o.a > 1 ? o.b : o.c", o={"a": 2, "b": 5})) == [
        "o.a > 1 ? o.b : o.c", "o.a > 1", "o.a", "o.b",
    ]  # fmt: skip


def test_an_error_is_followed_to_where_it_arose() -> None:
    event = traced("o.a == 1 && o.b.c == 2", o={"a": 1, "b": {}})
    assert event.failed
    assert event.value is MISSING
    assert texts(event) == ["o.a == 1 && o.b.c == 2", "o.b.c == 2", "o.b.c"]
    assert "no such key: c" in list(event)[-1].error
    assert (list(event)[-1].line, list(event)[-1].column) == (1, 16)


def test_a_call_shows_what_it_was_given() -> None:
    """So a join shows the key that it looked for."""
    related = Function(
        "related",
        (
            Overload(
                "related_dyn_string", (DYN, STRING), list_of(DYN),
                lambda context, body, key: context[key], member=True, needs_context=True,
            ),
        ),
    )  # fmt: skip
    program = cel.compile("o.related('peers').size() == 2", functions=[related])
    made = trace(program, {"o": {"name": "web"}}, {"peers": [1, 2]})
    (call,) = [each for each in made.root if each.function]
    assert call.function == "related"
    assert call.arguments == ({"name": "web"}, "peers")
    assert call.value == [1, 2]
    assert call.text == 'o.related("peers")'


def test_literals_are_shown_as_they_were_written() -> None:
    assert texts(traced("quantity('1Gi') == quantity(o)", o="1024Mi"))[0] == (
        'quantity("1Gi") == quantity(o)'
    )


def test_text_of_every_construct() -> None:
    sources = [
        "-a.b[0][?1].?c * (1 + 2u) / 2.5", "!(a && b) || c in [1, ?d]", '{"k": 1, ?"o": a.?b}',
        "a ? b : c ? d : e", "(a ? b : c) + 1", "l.map(x, x > 1, x)", "l.all(i, v, i < v)",
        "cel.bind(x, 1, x + y)", "o.optMap(x, x)", "o.optFlatMap(x, x)", "a.`b-c`", "-(-a)",
        "l.transformMap(k, v, k)", "a - (b - c)", "size(a) == a.size()",
    ]  # fmt: skip
    for source in sources:
        event = traced(source, a={"b": [[1]]}, b=1)
        assert event.text == source


def test_a_trace_is_json() -> None:
    program = cel.compile("o.l.all(c, c > 1)", check=False)
    made = trace(program, {"o": {"l": [2, 1]}}).root.as_json()
    assert json.loads(json.dumps(made)) == made
    assert made["value"] == "false"
    assert made["children"][-1]["turn"] == {"c": "1"}


def test_a_long_evaluation_is_cut() -> None:
    made = trace(cel.compile("l.all(x, x >= 0)"), {"l": list(range(10_000))})
    assert made.truncated
    assert sum(1 for _ in made.root) <= MAX_EVENTS + 1
    assert "only the first" in str(made)


def test_tracing_changes_nothing() -> None:
    program = cel.compile("l.filter(x, x > 1)", variables={"l": list_of(INT)})
    bindings = {"l": [1, 2, 3]}
    assert trace(program, bindings).root.value == program.evaluate(bindings) == [2, 3]
    assert cel.compile("1 == 1", variables={}).result_type == BOOL
