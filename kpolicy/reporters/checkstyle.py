"""Checkstyle XML (version 4.3), which reviewdog, Jenkins and many editors read."""

from __future__ import annotations

from kpolicy.findings import Report
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import by_path, failing, message_with_places
from kpolicy.reporters.rendering import xml_text as text


def render(report: Report, _context: ReportContext) -> str:
    """Return findings and invalid input as Checkstyle XML."""
    files: dict[str, list[str]] = {}
    for path, findings in by_path(failing(report)).items():
        files[path] = [
            _error(
                f.place.location.line,
                f.place.location.column,
                f.severity,
                message_with_places(f),
                f"kpolicy.{f.policy}",
            )
            for f in findings
        ]
    for invalid in report.invalid:
        at = invalid.location
        row = _error(at.line, at.column, "error", invalid.message, "kpolicy.invalid")
        files.setdefault(at.path, []).append(row)
    out = ['<?xml version="1.0" encoding="UTF-8"?>', '<checkstyle version="4.3">']
    if report.digest:
        out.append(f"  <!-- digest of the resources: {report.digest} -->")
    for path, rows in sorted(files.items()):
        out += [f'  <file name="{text(path)}">', *rows, "  </file>"]
    return "\n".join([*out, "</checkstyle>", ""])


def _error(line: int, column: int, severity: str, message: str, source: str) -> str:
    place = f' line="{max(line, 1)}"' + (f' column="{column}"' if column else "")
    return (
        f'    <error{place} severity="{severity}" message="{text(message)}"'
        f' source="{text(source)}"/>'
    )
