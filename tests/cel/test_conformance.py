"""Every conformance case through kpolicy's engine: value and kind, or error, and static type."""

from __future__ import annotations

from pathlib import Path

import pytest
from cel_runner import OWN, SHARED, Case, cases_of, difference, run_compiled

DOCS = Path(__file__).parents[2] / "docs" / "cel.md"

#: Cases in which cel-spec and the API server contradict each other; docs/cel.md has the reasons.
EXCEPTIONS = ("kubernetes/crd_rules/unicode strings/valid 4f3b29d9",)

SHARED_CASES = cases_of(SHARED)
OWN_CASES = cases_of(OWN)


def _ids(cases: list[Case]) -> list[str]:
    return [case["id"] for case in cases]


@pytest.mark.skipif(not SHARED_CASES, reason="the shared conformance cases are not here")
@pytest.mark.parametrize("case", SHARED_CASES, ids=_ids(SHARED_CASES))
def test_shared_case(case: Case) -> None:
    """The outcome is the one that cel-spec or the API server gives.

    A case with another outcome without the API server's checker (it refuses literals of mixed
    types, which cel-spec's cases use) is run under that rule and, for the other, without it.
    """
    differs = difference(case, lambda c: run_compiled(c, strict="unchecked" in c))
    if case["id"] in EXCEPTIONS:
        assert differs, "this exception is none any more: take it out, here and in docs/cel.md"
        return
    assert not differs
    if "unchecked" in case:
        assert not difference(case | {"expected": case["unchecked"]}, run_compiled)


@pytest.mark.parametrize("identifier", EXCEPTIONS)
def test_exception_is_explained(identifier: str) -> None:
    """Each case that is answered otherwise stands in docs/cel.md, with the reason why."""
    assert f"`{identifier}`" in DOCS.read_text()


@pytest.mark.parametrize("case", OWN_CASES, ids=_ids(OWN_CASES))
def test_own_case(case: Case) -> None:
    """The cases that this project wrote itself, in the same form, have the outcome they state."""
    assert not difference(case, run_compiled)
