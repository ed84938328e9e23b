"""Environments: declarations, overloads by run-time types, contexts, and plugins' mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kpolicy import cel
from kpolicy.cel.declarations import Function, Library, Macro, Overload
from kpolicy.cel.errors import CelError, CelErrors
from kpolicy.cel.nodes import Constant
from kpolicy.cel.types import BOOL, DYN, INT, STRING, A, Type, list_of, type_of_type


class Point:
    """A library's own value."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and other.x == self.x

    def __hash__(self) -> int:
        return self.x

    def __str__(self) -> str:
        return f"point {self.x}"


_ROOT = Path(__file__).parents[2]
POINT = Type("acme.Point")


def overload(identifier: str, parameters: Any, result: Type, call: Any, **more: Any) -> Overload:
    return Overload(identifier, tuple(parameters), result, call, **more)


def fail(*_: Any) -> Any:
    raise ValueError("boom")


ACME = Library(
    "acme",
    functions=(
        Function("acme.point", (overload("point_int", [INT], POINT, Point),)),
        Function(
            "describe",
            (
                overload("describe_int", [INT], STRING, lambda v: f"int {v}"),
                overload("describe_string", [STRING], STRING, lambda v: f"string {v}"),
                overload("describe_point", [POINT], STRING, str),
                overload("describe_ints", [list_of(INT)], STRING, lambda v: f"ints {len(v)}"),
                overload("describe_texts", [list_of(STRING)], STRING, lambda v: f"texts {len(v)}"),
            ),
        ),
        Function("string", (overload("point_to_string", [POINT], STRING, str),)),
        Function("twice", (overload("a_twice", [A], list_of(A), lambda v: [v, v], member=True),)),
        Function(
            "here",
            (overload("here", [], DYN, lambda context: context["here"], needs_context=True),),
        ),
        Function("boom", (overload("boom", [DYN], BOOL, fail),)),
        Function("odd", (overload("odd", [DYN], BOOL, lambda v: 1),)),
    ),
    constants={"acme.Point": (type_of_type(POINT), POINT), "acme.origin": (POINT, Point(0))},
    macros=(
        Macro("always", 0, False, lambda expander, offset, target, args: Constant(offset, True)),
    ),
    opaque={Point: POINT},
)
ENVIRONMENT = cel.Environment({"x": DYN, "l": DYN}, (*cel.kubernetes_libraries(), ACME))


def run(source: str, context: Any = None, check: bool = True, **bindings: Any) -> Any:
    program = ENVIRONMENT.compile(source, check=check)
    fast = program.evaluate(bindings, context)
    assert fast == program.evaluate_exactly(bindings, context)
    return fast


def test_overloads_are_chosen_by_the_values() -> None:
    assert run("describe(x)", x=1) == "int 1"
    assert run("describe(x)", x="a") == "string a"
    assert run("describe(acme.point(3))") == "point 3"
    assert run("l.map(v, describe(v))", l=[1, "a", 2]) == ["int 1", "string a", "int 2"]


def test_overloads_on_lists_are_chosen_by_the_elements() -> None:
    assert run("l.map(v, describe(v))", l=[[1], ["a"], [2, 3]]) == ["ints 1", "texts 1", "ints 2"]


@pytest.mark.parametrize("value", [True, 1.5, None, [1.5], {}])
def test_no_overload_fits(value: Any) -> None:
    with pytest.raises(CelError, match=r"no such overload: describe on \("):
        run("describe(x)", x=value)


def test_a_library_may_add_to_a_standard_function() -> None:
    assert run("string(acme.point(3)) + string(x)", x=5) == "point 35"


def test_constants_types_and_opaque_values() -> None:
    assert run("type(acme.origin) == acme.Point && acme.origin == acme.point(0)") is True
    assert run("acme.origin == acme.point(1)") is False


def test_a_type_parameter_takes_anything() -> None:
    assert run("x.twice()", x=None) == [None, None]


def test_a_librarys_macro() -> None:
    assert run("always()") is True


def test_the_context_reaches_functions_that_need_it() -> None:
    assert run("here() == x", {"here": 5}, x=5) is True
    assert ENVIRONMENT.compile("here()").functions == {"here"}


def test_a_function_that_needs_the_context_is_never_folded() -> None:
    program = ENVIRONMENT.compile("here()")
    assert [program.evaluate({}, {"here": n}) for n in (1, 2)] == [1, 2]


def test_what_a_function_raises_becomes_an_evaluation_error() -> None:
    with pytest.raises(CelError, match="boom failed: ValueError: boom") as caught:
        run("x == 1 ||\n boom(x)", x=2)
    assert (caught.value.line, caught.value.column) == (2, 6)
    assert run("boom(x) || true", x=1) is True


def test_a_function_that_breaks_its_declaration_is_not_trusted() -> None:
    with pytest.raises(CelError, match="no such overload"):
        run("odd(x) && true", x=1)


def test_unknown_functions_are_errors_when_checked_and_else_at_evaluation() -> None:
    with pytest.raises(CelErrors) as caught:
        ENVIRONMENT.compile("nope(1)")
    assert caught.value.phase == "check"
    assert run("nope(1) || true", check=False) is True


def test_undeclared_variables_are_errors_when_checked() -> None:
    with pytest.raises(CelErrors) as caught:
        ENVIRONMENT.compile("objekt.x + missing")
    assert len(caught.value.errors) == 2


def test_the_expected_type_is_checked() -> None:
    assert ENVIRONMENT.compile("x.y", expected=BOOL).result_type is not None
    with pytest.raises(CelError):
        ENVIRONMENT.compile("'a'", expected=BOOL)


def test_compile_takes_functions_and_libraries() -> None:
    function = Function("plus", (overload("plus", [INT], INT, lambda v: v + 1),))
    assert cel.compile("plus(1) + size(describe(1))", functions=[function, ACME]).evaluate({}) == 7


def test_importing_cel_loads_nothing_else() -> None:
    """The start-up budget: no parser, no checker, no oracle, until something is compiled."""
    code = (
        "import sys, kpolicy.cel; print([m for m in sys.modules if m.startswith(('kpolicy.cel.',"
        " 'celpy', 'lark', 're2', 'zoneinfo', 'kpolicy.policy'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_ROOT
    )
    assert done.stdout.strip() == "[]"


def test_evaluating_a_loaded_expression_imports_neither_parser_nor_checker() -> None:
    code = """
import sys
from kpolicy import cel
from kpolicy.cel.environment import Environment
program = Environment({"o": cel.DYN}).load(
    [1, "o.a", ["select", 1, ["identifier", 0, "o"], "a", False, False], None])
assert program.evaluate({"o": {"a": 1}}) == 1
late = ("kpolicy.cel.checker", "kpolicy.cel.parser", "kpolicy.cel.lexer", "celpy", "lark", "re2")
print([m for m in sys.modules if m.startswith(late)])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_ROOT
    )
    assert done.stdout.strip() == "[]"
