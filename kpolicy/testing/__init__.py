"""Policies' own tests: `NAME_test.yaml`, the runner, and coverage. See docs/testing.md."""

from __future__ import annotations

from kpolicy.testing.loader import load_tests
from kpolicy.testing.model import Case, CaseResult, Coverage, Expected, TestFile
from kpolicy.testing.runner import PolicyTester

__all__ = [
    "Case",
    "CaseResult",
    "Coverage",
    "Expected",
    "PolicyTester",
    "TestFile",
    "load_tests",
]
