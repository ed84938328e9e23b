"""GitHub-flavoured Markdown, made for a comment on a pull request."""

from __future__ import annotations

import re

from kpolicy.findings import Finding, Report
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import (
    clean,
    digest_lines,
    failing,
    one_line,
    plural,
    repository_path,
    summary_lines,
)

#: A comment on GitHub holds 65,536 characters; a note stands where more would be said.
LIMIT = 60_000

# Everything that CommonMark and GFM give a meaning to, and "@" that notifies people.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~@&:])")
_BACKTICKS = re.compile(r"`+")


def render(report: Report, context: ReportContext) -> str:
    """Return a heading with the counts, and a folded section for each policy with findings."""
    findings = failing(report)
    lines = summary_lines(report)
    out = ["## kpolicy", "", f"**{escaped(lines[0])}**", ""]
    out += [f"{escaped(line)}\n" for line in lines[1:]]
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.policy, []).append(finding)
    order = ("error", "warning", "info")
    ranked = sorted(groups.values(), key=lambda g: (order.index(g[0].severity), g[0].policy))
    titles = {policy.id: policy.title for policy in report.policies}
    size = sum(map(len, out))
    for number, group in enumerate(ranked):
        section = _section(group, titles.get(group[0].policy, ""), context)
        size += len(section)
        if size > LIMIT:
            rest = plural(len(ranked) - number, "policy")
            out.append(f"… and findings of {rest} more; the full report has them.\n")
            break
        out.append(section)
    if report.invalid:
        rows = [
            f"- {code(repository_path(str(i.location), context))}: {escaped(i.message)}"
            for i in report.invalid[:100]
        ]
        out += ["<details open><summary>Could not be read</summary>", "", *rows, "", "</details>"]
    out += [f"\n<sub>{line}</sub>" for line in digest_lines(report)]
    return "\n".join(out).rstrip("\n") + "\n"


def _section(group: list[Finding], title: str, context: ReportContext) -> str:
    first = group[0]
    label = f"{first.severity}: <code>{_html(first.policy)}</code>"
    said = f" – {_html(title)}" if title else ""
    shut = "" if first.severity == "info" else " open"
    out = [f"<details{shut}><summary>{label}{said} ({len(group)})</summary>", ""]
    out += ["| Resource | Where | What |", "|---|---|---|"]
    for finding in group:
        at = finding.place.location
        place = code(f"{repository_path(at.path, context)}:{max(at.line, 1)}")
        what = escaped(finding.message)
        for related in finding.related:
            there = related.place.location
            where = f"{repository_path(there.path, context)}:{max(there.line, 1)}"
            what += f"<br>→ {escaped(str(related.resource))} {code(where)}"
        out.append(f"| {code(str(finding.resource))} | {place} | {what} |")
    if first.remediation.strip():
        out += ["", f"**What to do:** {prose(first.remediation)}"]
    return "\n".join([*out, "", "</details>", ""])


def escaped(text: str) -> str:
    """Return text on one line that Markdown shows as it is."""
    return escaped_part(one_line(text))


def prose(text: str) -> str:
    """Return text on one line whose code spans are kept and whose other markup shows as it is."""
    parts = one_line(text).split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    return "".join(code(p) if n % 2 and p else escaped_part(p) for n, p in enumerate(parts))


def escaped_part(text: str) -> str:
    """Return a piece of a line, its outer spaces kept, that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", text)


def code(text: str) -> str:
    """Return text on one line as a code span that may stand in a table."""
    shown = one_line(text).replace("|", "\\|") or " "
    longest = max((len(run) for run in _BACKTICKS.findall(shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _html(text: str) -> str:
    return one_line(clean(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
