"""Policies' own tests: `NAME_test.yaml`, the runner, and coverage. See docs/testing.md."""

from __future__ import annotations

from kpolicy.testing.loader import load_tests
from kpolicy.testing.model import (
    Branch,
    Case,
    CaseResult,
    Coverage,
    Expected,
    TestFile,
    Unreachable,
)
from kpolicy.testing.runner import PolicyTester

__all__ = [
    "Branch",
    "Case",
    "CaseResult",
    "Coverage",
    "Expected",
    "PolicyTester",
    "TestFile",
    "Unreachable",
    "load_tests",
]
