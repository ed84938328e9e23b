"""The exit status is a pure function of the report."""

from __future__ import annotations

import pytest

from kpolicy.engine.outcome import exit_status
from kpolicy.findings import Finding, Place, Report, ResourceRef, Summary
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid

HERE = SourceLocation("a.yaml", 1, 1)


def finding(severity="warning", outcome="fail"):
    """Return a finding."""
    ref = ResourceRef("v1", "Pod", "", "x")
    return Finding("p", "", severity, outcome, "m", ref, Place(HERE), "f")


def status(*findings, invalid=False, resources=1, **options):
    """Return the exit status of a report."""
    broken = (Invalid(HERE, "broken"),) if invalid else ()
    return exit_status(Report(findings, (), broken, (), Summary(resources=resources)), **options)


@pytest.mark.parametrize(
    ("severity", "fail_on", "expected"),
    [
        ("error", "error", 1), ("warning", "error", 0), ("info", "error", 0),
        ("error", "warning", 1), ("warning", "warning", 1), ("info", "warning", 0),
        ("error", "info", 1), ("warning", "info", 1), ("info", "info", 1),
        ("error", "never", 0),
    ],
)  # fmt: skip
def test_the_threshold_decides(severity, fail_on, expected):
    assert status(finding(severity), fail_on=fail_on) == expected


def test_passes_and_skips_do_not_count_and_errors_do():
    assert status(finding(outcome="pass"), finding(outcome="skip")) == 0
    assert status(finding(outcome="error")) == 1


def test_an_input_that_could_not_be_read_wins():
    assert status(finding(), invalid=True) == 2
    assert status(invalid=True, fail_on="never") == 2
    assert status(finding(), invalid=True, skip_invalid=True) == 1
    assert status(invalid=True, skip_invalid=True) == 0


def test_nothing_scanned_can_be_a_failure():
    assert status(resources=0) == 0
    assert status(resources=0, fail_if_nothing_scanned=True) == 2
    assert status(resources=1, fail_if_nothing_scanned=True) == 0
