"""GitLab's code quality report: a JSON array in the manner of Code Climate's issues."""

from __future__ import annotations

import hashlib
from typing import Any

from kpolicy.findings import Report, Severity
from kpolicy.reporters.json import encode
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import failing, message_with_places, one_line, repository_path

_SEVERITIES: dict[Severity, str] = {"error": "critical", "warning": "major", "info": "info"}


def render(report: Report, context: ReportContext) -> str:
    """Return findings and invalid input as code quality issues, each fingerprint unique."""
    issues: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for finding in failing(report):
        at = finding.place.location
        # GitLab drops issues whose fingerprint it has seen in the same report.
        count = seen[finding.fingerprint] = seen.get(finding.fingerprint, 0) + 1
        mark = finding.fingerprint if count == 1 else f"{finding.fingerprint}-{count}"
        issues.append(
            _issue(
                f"{finding.resource}: {message_with_places(finding)}",
                finding.policy,
                mark,
                _SEVERITIES[finding.severity],
                repository_path(at.path, context),
                at.line,
            )
        )
    for invalid in report.invalid:
        at = invalid.location
        path = repository_path(at.path, context)
        text = f"{path}\0{at.line}\0{invalid.message}".encode("utf-8", "surrogatepass")
        mark = hashlib.sha256(text).hexdigest()
        issues.append(_issue(invalid.message, "invalid-input", mark, "blocker", path, at.line))
    return encode(issues)


def _issue(
    description: str, name: str, fingerprint: str, severity: str, path: str, line: int
) -> dict[str, Any]:
    return {
        "description": one_line(description),
        "check_name": name,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": path, "lines": {"begin": max(line, 1)}},
    }
