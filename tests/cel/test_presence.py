"""What has no fields is asked for them: an error to the language, "no" to Kubernetes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kpolicy import cel
from kpolicy.cel.errors import CelError
from kpolicy.cel.reference import reference_program
from kpolicy.cel.trace import trace

SHARED = Path(__file__).parents[2] / ".." / "shared" / "cel-conformance"

LENIENT = cel.Environment(
    variables={"x": cel.DYN}, libraries=cel.kubernetes_libraries(), lenient_presence=True
)
STRICT = cel.Environment(variables={"x": cel.DYN}, libraries=cel.kubernetes_libraries())

#: Source and what it gives where `x` has no fields.
ASKED = [
    ("has(x.f)", False),
    ("has(x.f) && x.f == 1", False),
    ("x.?f.hasValue()", False),
    ("x.?f.orValue(9)", 9),
    ("x.?f.?g.orValue(9)", 9),
    ("x.?f.g.orValue(9)", 9),
    ("x[?'f'].orValue(9)", 9),
    ("x[?0].orValue(9)", 9),
    ("x[?'f'][?'g'].orValue(9)", 9),
    ("optional.of(x).f.orValue(9)", 9),
    ("optional.of(x)['f'].orValue(9)", 9),
    ("has(optional.of(x).f)", False),
    ("[1, 2].all(i, has(x.f))", False),
    ("x.?f.optMap(v, v + 1).orValue(9)", 9),
]


@pytest.mark.parametrize(("source", "expected"), ASKED)
@pytest.mark.parametrize("x", [None, 5, 1.5, "text", True], ids=repr)
def test_what_has_no_fields_has_none_to_ask_for(source: str, expected: Any, x: Any) -> None:
    program = LENIENT.compile(source)
    assert program.evaluate({"x": x}) == expected
    assert program.evaluate_exactly({"x": x}) == expected
    assert reference_program(LENIENT, source).evaluate({"x": x}) == expected
    assert trace(program, {"x": x}).root.value == expected


@pytest.mark.parametrize(("source", "expected"), ASKED)
def test_without_the_setting_it_is_an_error(source: str, expected: Any) -> None:
    program = STRICT.compile(source)
    for evaluate in (program.evaluate, program.evaluate_exactly):
        with pytest.raises(CelError):
            evaluate({"x": None})


@pytest.mark.parametrize("source", ["has(x.f)", "x.?f", "x[?'f']", "x.f", "x.f.g"])
def test_a_list_has_no_fields_either_but_an_index_that_cannot_be_a_text(source: str) -> None:
    with pytest.raises(CelError):
        LENIENT.compile(source).evaluate({"x": [1]})


@pytest.mark.parametrize("x", [None, 5, "text"])
def test_reading_is_still_an_error(x: Any) -> None:
    for source in ("x.f", "x['f']", "x.f.?g", "has(x.f.g)"):
        with pytest.raises(CelError):
            LENIENT.compile(source).evaluate({"x": x})


def shared_cases() -> list[Any]:
    """Return the supplied cases of optionals that Kubernetes answers otherwise."""
    path = SHARED / "optionals.json"
    cases = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [pytest.param(case, id=case["id"]) for case in cases if "k8s_expected" in case]


@pytest.mark.parametrize("case", shared_cases())
def test_the_supplied_cases_as_kubernetes_answers_them(case: dict[str, Any]) -> None:
    expected = case["k8s_expected"]["value"]["value"]
    assert LENIENT.compile(case["expr"]).evaluate({}) == expected
