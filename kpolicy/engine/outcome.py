"""What a report means for the caller: the exit status. Pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kpolicy.config.model import Config, FailOn
from kpolicy.findings import Report

if TYPE_CHECKING:
    from kpolicy.engine.request import ScanRequest

OK = 0
FINDINGS = 1
FAILED = 2

_RANK = {"info": 0, "warning": 1, "error": 2}
_THRESHOLD = {**_RANK, "never": 3}


def status_of(report: Report, request: ScanRequest, config: Config) -> int:
    """Return the exit status of a scan by a request and its configuration."""
    return exit_status(
        report,
        fail_on=request.fail_on or config.fail_on,
        enforced=None if request.fail_on else config.guards,
        skip_invalid=request.skip_invalid,
        fail_if_nothing_scanned=request.fail_if_nothing_scanned,
    )


def exit_status(
    report: Report,
    *,
    fail_on: FailOn = "warning",
    enforced: Callable[[str], bool] | None = None,
    skip_invalid: bool = False,
    fail_if_nothing_scanned: bool = False,
) -> int:
    """Return the exit status that `report` stands for.

    0: no finding at or above `fail_on`; 1: at least one; 2: a policy could not run, an input could
    not be read (unless `skip_invalid`), or nothing was scanned although that was said to be a
    failure. 2 wins over 1. Usage and configuration errors are 2 as well; they are raised.

    `enforced` says of which policies findings count from `warning` on, whatever `fail_on` is.
    """
    if report.problems:
        return FAILED
    if report.invalid and not skip_invalid:
        return FAILED
    if fail_if_nothing_scanned and not report.summary.resources:
        return FAILED
    for finding in report.findings:
        if finding.outcome not in ("fail", "error"):
            continue
        rank = _RANK[finding.severity]
        if rank >= _THRESHOLD[fail_on]:
            return FINDINGS
        if rank >= _RANK["warning"] and enforced is not None and enforced(finding.policy):
            return FINDINGS
    return OK
