"""GitHub workflow commands: each finding becomes an annotation at its line in a pull request.

Escaping as the Actions toolkit does it: a value must not end the command or begin another one.
GitHub shows at most 10 annotations of a level for a step; SARIF has no such limit.
"""

from __future__ import annotations

from kpolicy.findings import Report, Severity
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import (
    clean,
    digest_lines,
    failing,
    message_with_places,
    one_line,
    repository_path,
    summary_lines,
)

_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def render(report: Report, context: ReportContext) -> str:
    """Return one workflow command for each finding and each invalid input, and the summary."""
    lines = []
    for finding in failing(report):
        at = finding.place.location
        text = message_with_places(finding)
        if finding.remediation.strip():
            text += f"\n{clean(finding.remediation).strip()}"
        title = f"{finding.policy} ({finding.resource})"
        path = repository_path(at.path, context)
        lines.append(_command(_LEVELS[finding.severity], path, at.line, at.column, title, text))
    for invalid in report.invalid:
        at = invalid.location
        path = repository_path(at.path, context)
        lines.append(_command("error", path, at.line, at.column, "invalid input", invalid.message))
    first, *others = map(one_line, summary_lines(report))
    return "\n".join([*lines, " ".join([first, *digest_lines(report)]), *others]) + "\n"


def _command(level: str, path: str, line: int, column: int, title: str, message: str) -> str:
    properties = {"file": path, "line": str(line) if line else "1"}
    if column:
        properties["col"] = str(column)
    properties["title"] = title
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {given}::{_data(message)}"


def _data(text: str) -> str:
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
