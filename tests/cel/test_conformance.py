"""Every conformance case through kpolicy's engine: value and kind, or error, and static type."""

from __future__ import annotations

import pytest
from cel_runner import OWN, SHARED, Case, cases_of, difference, run_compiled

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
    assert not difference(case, lambda c: run_compiled(c, strict="unchecked" in c))
    if "unchecked" in case:
        assert not difference(case | {"expected": case["unchecked"]}, run_compiled)


@pytest.mark.parametrize("case", OWN_CASES, ids=_ids(OWN_CASES))
def test_own_case(case: Case) -> None:
    """The cases that this project wrote itself, in the same form, have the outcome they state."""
    assert not difference(case, run_compiled)
