"""CSV (RFC 4180) for spreadsheets, one row a finding."""

from __future__ import annotations

import csv
import io

from kpolicy.findings import Report
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import one_line

COLUMNS = (
    "severity", "policy", "pack", "outcome", "kind", "namespace", "name", "path", "line", "column",
    "message", "related", "scope", "fingerprint",
)  # fmt: skip
# A cell that begins with one of these is a formula to a spreadsheet (OWASP: CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(report: Report, _context: ReportContext) -> str:
    """Return a header and one row for each finding and each invalid input."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for finding in report.findings:
        at, resource = finding.place.location, finding.resource
        related = "; ".join(f"{r.resource} {r.place.location}" for r in finding.related)
        row: tuple[str, ...] = (
            finding.severity, finding.policy, finding.pack, finding.outcome, resource.kind,
            resource.namespace, resource.name, at.path, str(at.line), str(at.column),
            finding.message, related, finding.scope, finding.fingerprint,
        )  # fmt: skip
        writer.writerow([_cell(value) for value in row])
    for invalid in report.invalid:
        at = invalid.location
        row = (
            "error", "", "", "invalid", "", "", "", at.path, str(at.line), str(at.column),
            invalid.message, "", "", "",
        )  # fmt: skip
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: str) -> str:
    shown = one_line(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
