"""An output format: who has to mend how much."""

from __future__ import annotations

from collections import Counter

from kpolicy.findings import Report
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import one_line


def render(report: Report, _context: ReportContext) -> str:
    """Return a line for each team with its findings, the team with the most first."""
    counts = Counter(
        finding.labels.get("team", "(no team)")
        for finding in report.findings
        if finding.outcome in ("fail", "error")
    )
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    lines = [f"{one_line(name)}: {count}" for name, count in rows]
    return "\n".join(lines or ["nothing to mend"]) + "\n"
