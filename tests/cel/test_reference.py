"""The reference engine: cel-python behind kpolicy's parser and checker, and where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cel_runner import OWN, SHARED, Case, cases_of, difference, run_reference

from kpolicy import cel
from kpolicy.cel.errors import CelError
from kpolicy.cel.reference import ReferenceProgram, reference_program
from kpolicy.cel.reference_corrections import CORRECTIONS
from kpolicy.frozen import freeze

DOCS = Path(__file__).parents[2] / "docs" / "cel.md"

#: Cases that cel-python answers wrongly, each with the name of its entry in docs/cel.md.
DIVERGENCES = {
    "block_ext/basic/timestamp": "timestamp-of-int",
    "kubernetes/crd_rules/duration format/error de57f4a8": "duration-of-days",
    "timestamps/timestamp_conversions/toString_timestamp_nanos": "microseconds",
    "timestamps/timestamp_range/add_duration_nanos_over": "microseconds",
    "timestamps/duration_converters/get_milliseconds": "duration-milliseconds",
    # Not cel-python's: docs/cel.md, "Exceptions".
    "kubernetes/crd_rules/unicode strings/valid 4f3b29d9": "Exceptions",
}

CASES = [case for case in cases_of(SHARED) if not case.get("check_only")]
#: Library functions are kpolicy's own in both engines, so the cases about the core suffice.
OWN_CASES = [case for case in cases_of(OWN) if case["file"] == "own"]


def _program(source: str, *, corrected: bool = True, **variables: cel.Type) -> ReferenceProgram:
    environment = cel.Environment(variables, cel.kubernetes_libraries())
    return reference_program(environment, source, corrections=None if corrected else ())


@pytest.mark.skipif(not CASES, reason="the shared conformance cases are not here")
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_shared_case(case: Case) -> None:
    """cel-python gives the expected outcome, but for the divergences that are listed."""
    differs = difference(case, lambda c: run_reference(c, strict="unchecked" in c))
    assert bool(differs) == (case["id"] in DIVERGENCES), differs


@pytest.mark.parametrize("case", OWN_CASES, ids=[case["id"] for case in OWN_CASES])
def test_own_case(case: Case) -> None:
    """The project's own cases have the outcome they state, by cel-python too."""
    assert not difference(case, run_reference)


@pytest.mark.parametrize("entry", sorted({*DIVERGENCES.values(), *CORRECTIONS}))
def test_divergence_is_documented(entry: str) -> None:
    """Each correction of cel-python and each remaining divergence has its entry in docs/cel.md."""
    assert entry in DOCS.read_text()


def test_elements_keep_their_identity() -> None:
    """An item of a body comes out as the same object, so that a finding can point at it."""
    body = freeze({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}})
    program = _program("object.spec.containers.filter(c, c.name == 'b')", object=cel.DYN)
    (found,) = program.evaluate({"object": body})
    assert found is body["spec"]["containers"][1]


def test_answers_for_the_compiled_program_too() -> None:
    """What a policy loader asks of a program is answered as the compiled one answers."""
    program = _program("object.spec.replicas > 1", object=cel.DYN)
    assert program.references == {"object"}
    assert program.result_type == cel.BOOL
    assert program.source == "object.spec.replicas > 1"


class _Lazy(dict[str, Any]):
    """As a policy's `variables`: computed when read."""

    def __missing__(self, key: str) -> Any:
        if key == "bad":
            raise CelError("no such thing")
        return self.setdefault(key, [key])

    def __contains__(self, key: object) -> bool:
        return key in ("peers", "bad")


def test_variables_are_computed_when_read() -> None:
    """A map that computes its entries is read entry by entry."""
    variables = _Lazy()
    program = _program("variables.peers.size() == 1", variables=cel.DYN)
    assert program.evaluate({"variables": variables}) is True
    assert list(variables) == ["peers"]


def test_error_of_a_variable_is_absorbed() -> None:
    """An error inside a computed entry is an error value, which `||` absorbs."""
    program = _program("variables.bad == 1 || true", variables=cel.DYN)
    assert program.evaluate({"variables": _Lazy()}) is True


def test_context_reaches_functions() -> None:
    """A function that needs the context gets it, and the receiver as the original object."""
    seen: list[Any] = []

    def related(context: Any, receiver: Any, name: str) -> list[Any]:
        seen.append((context, receiver, name))
        return [receiver]

    overload = cel.Overload(
        "related", (cel.DYN, cel.STRING), cel.DYN, related, member=True, needs_context=True
    )
    library = cel.Library("test", (cel.Function("related", (overload,)),))
    environment = cel.Environment({"object": cel.DYN}, (library,))
    program = reference_program(environment, "object.related('x')[0].name == 'n'")
    body = {"name": "n"}
    assert program.evaluate({"object": body}, "context") is True
    assert seen == [("context", body, "x")]
    assert seen[0][1] is body


@pytest.mark.parametrize(
    ("source", "uncorrected"),
    [("dyn(1) == 1.0", None), ("dyn(1) == 'a' || true", True), ("dyn('a') != null", True)],
)
def test_comparisons_are_corrected(source: str, uncorrected: bool | None) -> None:
    """Comparing across types is mended by default, and is cel-python's own on request."""
    assert _program(source).evaluate({}) is True
    raw = _program(source, corrected=False)
    if uncorrected is None:
        with pytest.raises(CelError, match="no matching overload"):
            raw.evaluate({})
    else:
        assert raw.evaluate({}) is uncorrected


def test_unchecked_unknown_function_fails_when_reached() -> None:
    """Without the checker, an unknown function is an evaluation error, absorbed as any other."""
    environment = cel.Environment(None, ())
    assert reference_program(environment, "nope(1) || true", check=False).evaluate({}) is True
    with pytest.raises(CelError, match="nope"):
        reference_program(environment, "nope(1)", check=False).evaluate({})


@pytest.fixture
def hostile() -> Iterator[dict[str, Any]]:
    """Bindings whose names are cel-python's own words."""
    yield dict.fromkeys(("size", "map", "has", "reduce", "in_", "l0_x", "v_x", "x_list"), 1)


def test_names_cannot_meet_cel_pythons_own(hostile: dict[str, Any]) -> None:
    """Variables named like functions and helpers are just variables."""
    for name in hostile:
        environment = cel.Environment({name: cel.INT}, cel.kubernetes_libraries())
        source = f"[{name}].all({name}, {name} == 1) && has({{'a': {name}}}.a)"
        assert reference_program(environment, source).evaluate(hostile) is True


@pytest.mark.parametrize(
    "text", ["it's", 'say "x"', "back\\slash", "line\nbreak", "astral 😀", "\0", "`"]
)
def test_strings_arrive_unchanged(text: str) -> None:
    """Strings that cel-python's lexer would misread are handed over as values."""
    quoted = "'" + "".join(f"\\U{ord(c):08x}" for c in text) + "'"
    assert _program(quoted).evaluate({}) == text
