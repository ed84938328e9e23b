"""Runs a conformance case through an engine and says what differs from what the case expects."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from cel_tagged import Tagged, same, tag, untag

from kpolicy import cel
from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.authorizer import Authorizer, Decision
from kpolicy.cel.reference import reference_program
from kpolicy.cel.types import DYN, Type, parse_type

SHARED = Path(__file__).parents[3] / "shared" / "cel-conformance"
OWN = Path(__file__).parents[1] / "cel" / "cases"

Case = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an engine made of a case: a tagged value or an error, and the static type."""

    value: Tagged | None = None
    error: CelError | None = None
    type: Type | None = field(default=None, compare=False)


def cases_of(folder: Path) -> list[Case]:
    """Return all cases of all files below `folder` in a fixed order; [] where it is absent."""
    return [
        case for path in sorted(folder.rglob("*.json")) for case in json.loads(path.read_text())
    ]


def type_named(text: str) -> Type:
    """Return the type that a case spells; it has short names for three of them."""
    short = {"null": "null_type", "duration": "google.protobuf.Duration"}
    return parse_type(short.get(text, text))


def _no_implementation(*_: object) -> NoReturn:
    raise CelError("this case declares the function for the type checker only")


@lru_cache(maxsize=256)
def _environment(variables: str, functions: str, container: str, strict: bool) -> Any:
    declared = {name: type_named(text) for name, text in json.loads(variables).items()}
    made = tuple(
        Function(
            name,
            tuple(
                Overload(
                    overload["id"],
                    tuple(type_named(p) for p in overload["params"]),
                    type_named(overload["result"]),
                    _no_implementation,
                    member=overload["instance"],
                )
                for overload in overloads
            ),
        )
        for name, overloads in json.loads(functions).items()
    )
    libraries = cel.kubernetes_libraries() + ((Library("case", made),) if made else ())
    return cel.Environment(
        variables=declared,
        libraries=libraries,
        container=container,
        strict_literals=strict,
    )


def bindings_of(case: Case) -> dict[str, Any]:
    """Return the variables of a case; "authorizer" asks for one that allows everything."""
    bindings = {name: untag(value) for name, value in case.get("bindings", {}).items()}
    if "authorizer" in case.get("features", ()):
        bindings["authorizer"] = Authorizer(lambda _: Decision(allowed=True))
    return bindings


def environment_of(case: Case, *, strict: bool = False) -> Any:
    """Return the environment that a case asks for; bindings without a declared type are `dyn`."""
    declared = {name: str(DYN) for name in bindings_of(case)}
    functions: dict[str, Any] = {}
    for entry in case.get("type_env", ()):
        if "overloads" in entry:
            functions[entry["name"]] = entry["overloads"]
        else:
            declared[entry["name"]] = entry["type"]
    return _environment(
        json.dumps(declared), json.dumps(functions), case.get("container", ""), strict
    )


def run_compiled(case: Case, *, strict: bool = False) -> Outcome:
    """Compile, check and evaluate a case with kpolicy's own engine."""
    environment = environment_of(case, strict=strict)
    try:
        program = environment.compile(case["expr"], check=not case.get("disable_check", False))
    except CelError as error:
        return Outcome(error=error)
    if case.get("check_only"):
        return Outcome(type=program.result_type)
    try:
        value = program.evaluate(bindings_of(case))
    except CelError as error:
        return Outcome(error=error, type=program.result_type)
    return Outcome(tag(value, environment.opaque), type=program.result_type)


def run_reference(case: Case, *, strict: bool = False) -> Outcome:
    """Evaluate a case by cel-python, behind kpolicy's parser and checker."""
    environment = environment_of(case, strict=strict)
    try:
        program = reference_program(
            environment, case["expr"], check=not case.get("disable_check", False)
        )
        value = program.evaluate(bindings_of(case))
    except CelError as error:
        return Outcome(error=error)
    return Outcome(tag(value, environment.opaque))


def difference(case: Case, run: Callable[[Case], Outcome]) -> str:
    """Return how the outcome of `run` differs from what `case` expects; '' = as expected."""
    expected, outcome = case["expected"], run(case)
    if expected.get("error"):
        return "" if outcome.error else f"expected an error, got {outcome.value}"
    if outcome.error:
        return f"expected {expected}, got the error: {outcome.error}"
    static = expected.get("deduced_type") or case.get("static_type")
    if static and outcome.type is not None and outcome.type != type_named(static):
        return f"expected the static type {static}, got {outcome.type}"
    if "value" not in expected:
        return ""
    if outcome.value is None or not same(expected["value"], outcome.value):
        return f"expected {expected['value']}, got {outcome.value}"
    return ""
