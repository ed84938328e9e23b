"""The report for people: grouped by file, each place shown once with its line and a caret.

Findings at one place share its excerpt, so that a container with five faults is one block. The
remediation stands at the first finding of its policy and is not repeated.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from kpolicy.findings import RENDERED, Finding, Place, Report, ResourceRef
from kpolicy.location import SourceLocation
from kpolicy.reporters.excerpt import excerpt
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import (
    by_path,
    clean,
    digest_lines,
    one_line,
    plural,
    summary_lines,
)

#: With more findings than this, counts by policy stand before the summary.
MANY = 20

_STYLES = {
    "error": "1;31", "warning": "1;33", "info": "1;36", "pass": "32", "skip": "2",
    "path": "1;4", "place": "36", "bold": "1", "dim": "2", "help": "32",
}  # fmt: skip


def render(report: Report, context: ReportContext) -> str:
    """Return the report as text; with ANSI colours when `context.color`."""
    return _Text(report, context).render()


class _Text:
    """One rendering: remembers which remediations were shown and which files were read."""

    def __init__(self, report: Report, context: ReportContext) -> None:
        self.report = report
        self.context = context
        self.helped: set[str] = set()
        self.lines: dict[str, list[str]] = {}

    def render(self) -> str:
        out: list[str] = []
        for path, findings in by_path(self.report.findings).items():
            counts = self.counts(findings)
            out += [f"{self.paint('path', one_line(path))}{counts}", ""]
            for place, group in _by_place(findings):
                out += [*self.block(place, group), ""]
        if self.report.invalid:
            title = "Could not be read" if self.report.findings else "Some input could not be read"
            out += [self.paint("bold", title), ""]
            for invalid in self.report.invalid:
                out += [*self.invalid(invalid.location, invalid.message), ""]
        out += [*self.overview(), *self.closing()]
        return "\n".join(out) + "\n"

    def counts(self, findings: list[Finding]) -> str:
        found = [f for f in findings if f.outcome in ("fail", "error")]
        return self.paint("dim", f"  {plural(len(found), 'finding')}") if found else ""

    def block(self, place: Place, group: list[Finding]) -> Iterator[str]:
        worst = min(group, key=lambda f: ("error", "warning", "info").index(f.severity))
        at = one_line(str(place.location))
        made = group[0].details.get(RENDERED, "")
        by = self.paint("dim", f"  ({one_line(made)})") if made else ""
        yield f"  {self.paint('place', at)}  {_resource(group[0].resource)}{by}"
        yield from self.excerpt(place.location, worst.severity, "  ")
        for finding in group:
            yield from self.finding(finding)

    def finding(self, finding: Finding) -> Iterator[str]:
        shown = finding.outcome in ("fail", "error")
        style = finding.severity if shown else finding.outcome
        label = self.paint(style, finding.severity if shown else finding.outcome)
        head = f"    {label}[{self.paint('bold', one_line(finding.policy))}] "
        indent = 4 + len(finding.severity if shown else finding.outcome) + len(finding.policy) + 3
        message = clean(finding.message).strip() or ("(no message)" if shown else "")
        if finding.outcome == "error" and not message.startswith("could not be evaluated"):
            message = f"could not be evaluated: {message}"
        if finding.certainty == "unknowable":
            message += " (it may exist where this scan cannot see)"
        yield from self.wrapped(head if message else head.rstrip(), message, indent, "      ")
        if finding.labels:
            labels = ", ".join(f"{one_line(k)}={one_line(v)}" for k, v in finding.labels.items())
            yield f"      {self.paint('dim', labels)}"
        for related in finding.related:
            how = f" ({one_line(related.relation)})" if related.relation else ""
            at = self.paint("place", one_line(str(related.place.location)))
            yield f"      related: {at}  {_resource(related.resource)}{self.paint('dim', how)}"
            yield from self.excerpt(related.place.location, "dim", "      ")
        if shown and finding.policy not in self.helped and finding.remediation.strip():
            self.helped.add(finding.policy)
            text = " ".join(clean(finding.remediation).split())
            yield from self.wrapped(f"      {self.paint('help', 'fix:')} ", text, 11, "           ")

    def invalid(self, location: SourceLocation, message: str) -> Iterator[str]:
        label = f"{self.paint('error', 'invalid')} "
        at = self.paint("place", one_line(str(location)))
        yield f"  {at}"
        yield from self.excerpt(location, "error", "  ")
        yield from self.wrapped(f"    {label}", clean(message).strip(), 12, "      ")

    def excerpt(self, location: SourceLocation, style: str, indent: str) -> Iterator[str]:
        if not location.line or self.context.read_lines is None:
            return
        if location.path not in self.lines:
            self.lines[location.path] = self.context.read_lines(location.path)
        shown = excerpt(
            self.lines[location.path],
            location.line,
            location.column,
            gutter=4,
            width=max(self.context.width - len(indent), 0),
        )
        if shown is not None:
            text, caret = shown
            bar = text.index("│") + 1
            yield f"{indent}{self.paint('dim', text[:bar])}{text[bar:]}"
            yield f"{indent}{self.paint('dim', caret[:bar])}{self.paint(style, caret[bar:])}"

    def wrapped(self, head: str, text: str, first: int, indent: str) -> Iterator[str]:
        """Yield `head` (of width `first`) and `text`, wrapped to the terminal if there is one."""
        width = self.context.width
        for number, line in enumerate(text.splitlines() or [""]):
            if width > 40:
                pieces = textwrap.wrap(
                    line,
                    width - len(indent),
                    initial_indent=" " * max(first - len(indent), 0) if number == 0 else "",
                    break_long_words=False,
                    break_on_hyphens=False,
                ) or [""]
                pieces[0] = pieces[0].lstrip()
            else:
                pieces = [line]
            for piece in pieces:
                yield (head if head else indent) + piece
                head = ""

    def overview(self) -> Iterator[str]:
        """Yield how many findings each policy has, where there are too many to see at once."""
        counts: dict[str, int] = {}
        severities: dict[str, str] = {}
        for finding in self.report.findings:
            if finding.outcome in ("fail", "error"):
                counts[finding.policy] = counts.get(finding.policy, 0) + 1
                severities[finding.policy] = finding.severity
        if sum(counts.values()) <= MANY or len(counts) < 2:
            return
        order = ("error", "warning", "info")
        ranked = sorted(counts, key=lambda p: (order.index(severities[p]), -counts[p], p))
        width = max(len(f"{count:,}") for count in counts.values())
        yield self.paint("bold", "By policy")
        for policy in ranked:
            label = self.paint(severities[policy], severities[policy].ljust(7))
            yield f"  {counts[policy]:>{width},}  {label}  {one_line(policy)}"
        yield ""

    def closing(self) -> Iterator[str]:
        lines = summary_lines(self.report)
        style = next((s for s in ("error", "warning", "info") if self.report.count(s)), "pass")
        if self.report.invalid or self.report.problems:
            style = "error"
        said = [self.paint("dim", line) for line in digest_lines(self.report)]
        yield " ".join([self.paint(style, lines[0]), *said])
        for line in lines[1:]:
            yield self.paint("warning", line)

    def paint(self, style: str, text: str) -> str:
        if not self.context.color or not text:
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def _resource(resource: ResourceRef) -> str:
    where = f"{resource.namespace}/{resource.name}" if resource.namespace else resource.name
    return one_line(f"{resource.kind} {where}")


def _by_place(findings: list[Finding]) -> list[tuple[Place, list[Finding]]]:
    groups: dict[tuple[SourceLocation, ResourceRef, str], list[Finding]] = {}
    for finding in findings:
        made = finding.details.get(RENDERED, "")
        groups.setdefault((finding.place.location, finding.resource, made), []).append(finding)
    return [(group[0].place, group) for group in groups.values()]
