"""One self-contained page: what people open from a pipeline's artifacts or send to somebody.

The summary is written as HTML. The findings travel as data in an island that the page's script
filters and draws a page at a time, so that ten thousand of them open at once; without scripts the
same findings are a plain list, inside `<noscript>`, which a browser that runs scripts never parses.

Everything that comes from a scanned repository is cleaned and escaped here, the island holds no
`<`, and the script writes with `textContent` alone. Should all that fail, the page's own content
security policy runs only the script and the style whose digests it names, and loads nothing.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any

from kpolicy.findings import SEVERITIES, Finding, Place, Report, ResourceRef, Severity
from kpolicy.location import SourceLocation
from kpolicy.reporters.excerpt import flat, marked_line
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import (
    by_path,
    clean,
    digest_lines,
    failing,
    one_line,
    severity_counts,
    summary_lines,
    xml_text,
)

#: Source lines shown before and after the marked one.
AROUND = 3
#: A longer line (minified JSON) is cut around its mark.
LONGEST = 400
#: Rows of the overview, and of a list of remarks, before the rest is folded.
TOP = 6

_STATUSES = ("error", "warning", "info", "pass", "skip", "suppressed")
_CLASSES = {"skip": "skipped"}
_CODE_SPAN = re.compile(r"`([^`]+)`")
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def render(report: Report, context: ReportContext) -> str:
    """Return the report as one HTML document; the same report gives the same bytes."""
    report = replace(report, timings={})
    island = _Island(report, context)
    early, script, style = (_part(f"report{name}") for name in ("_early.js", ".js", ".css"))
    headline, *sentences = _sentences(report)
    values = {
        "csp": _content_security_policy((early, script), style),
        "version": xml_text(context.version),
        "headline": xml_text(headline),
        "worst": _worst(report),
        "style": style,
        "early": early,
        "script": script,
        "sentences": "\n".join(f"<p>{xml_text(line)}</p>" for line in sentences),
        "tiles": _tiles(report),
        "context": "\n".join(_context(report)),
        "data": island.text(),
        "plain": "\n".join(_plain(report, island)),
    }
    # One pass: what is put in is never searched for placeholders again.
    return _PLACEHOLDER.sub(lambda match: values[match[1]], _part("report.html"))


@cache
def _part(name: str) -> str:
    from importlib.resources import files

    return files("kpolicy.reporters").joinpath(name).read_text(encoding="utf-8")


def _content_security_policy(scripts: Iterable[str], style: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(_digest(script) for script in scripts)}",
            f"style-src {_digest(style)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


class _Island:
    """The findings as data for the page's script; each text that repeats is there once.

    Keys are short because ten thousand findings repeat them; `report.js` names them all.
    """

    def __init__(self, report: Report, context: ReportContext) -> None:
        self.read_lines = context.read_lines
        self.information = {policy.id: policy for policy in report.policies}
        self.policies: dict[tuple[str, str, str], int] = {}
        self.resources: dict[ResourceRef, int] = {}
        self.paths: dict[str, int] = {}
        self.sources: list[dict[str, str]] = []
        self.lines: dict[str, list[str]] = {}
        self.findings = [self.finding(f) for f in (*report.findings, *report.suppressed)]

    def text(self) -> str:
        """Return the island as JSON without a character that HTML gives a meaning to."""
        import msgspec

        data = {
            "policies": [self.policy(*key) for key in self.policies],
            "resources": [
                {
                    "a": one_line(resource.api_version), "k": one_line(resource.kind),
                    "n": one_line(resource.namespace), "m": one_line(resource.name),
                }
                for resource in self.resources
            ],
            "paths": [one_line(path) for path in self.paths],
            "sources": self.sources,
            "findings": self.findings,
        }  # fmt: skip
        return re.sub("[<>&]", lambda m: _IN_SCRIPT[m[0]], msgspec.json.encode(data).decode())

    def policy(self, name: str, pack: str, remediation: str) -> dict[str, Any]:
        data: dict[str, Any] = {"id": one_line(name), "pack": one_line(pack)}
        known = self.information.get(name)
        if known is not None:
            data |= {"title": one_line(known.title), "text": clean(known.description).strip()}
            if known.references:
                data["refs"] = [one_line(reference) for reference in known.references]
        if remediation.strip():
            data["fix"] = clean(remediation).strip()
        return data

    def finding(self, finding: Finding) -> dict[str, Any]:
        key = (finding.policy, finding.pack, finding.remediation)
        at, cut = self.place(finding.place)
        data: dict[str, Any] = {
            "p": self.policies.setdefault(key, len(self.policies)),
            "s": _STATUSES.index(_status(finding)),
            "r": self.resource(finding.resource),
            "at": at,
            "m": clean(finding.message).strip(),
            "id": one_line(finding.fingerprint),
        }
        if cut:
            data["cut"] = cut
        if finding.outcome == "error":
            data["x"] = 1
        if data["s"] > 2:
            data["sev"] = finding.severity
        if finding.place.pointer:
            data["ptr"] = one_line(finding.place.pointer)
        if finding.fix is not None:
            data["mends"] = 1
        if finding.scope:
            data["scope"] = one_line(finding.scope)
        if finding.certainty:
            data["certain"] = finding.certainty
        if finding.suppression is not None:
            data["why"] = _reason(finding)
        if finding.labels:
            data["labels"] = {one_line(k): one_line(v) for k, v in finding.labels.items()}
        if finding.details:
            data["details"] = {one_line(k): one_line(v) for k, v in finding.details.items()}
        if finding.related:
            data["related"] = []
            for related in finding.related:
                at, cut = self.place(related.place)
                one = {
                    "r": self.resource(related.resource),
                    "how": one_line(related.relation),
                    "at": at,
                }
                data["related"].append({**one, "cut": cut} if cut else one)
        return data

    def resource(self, resource: ResourceRef) -> int:
        return self.resources.setdefault(resource, len(self.resources))

    def place(self, place: Place) -> tuple[list[int], tuple[str, str, str] | None]:
        """Return [path, line, column, mark's start, its end], and the line itself if it is cut.

        Start and end count characters of the line as it is shown.
        """
        location = place.location
        if location.path not in self.paths:
            self.paths[location.path] = len(self.paths)
            self.sources.append({})
        at = [self.paths[location.path], location.line, location.column]
        lines = self.lines_of(location)
        if not 0 < location.line <= len(lines):
            return at, None
        shown = self.sources[at[0]]
        first, last = max(location.line - AROUND, 1), min(location.line + AROUND, len(lines))
        for number in range(first, last + 1):
            key = str(number)
            if key not in shown:
                text = flat(lines[number - 1].rstrip("\r\n"))
                shown[key] = text if len(text) <= LONGEST else text[:LONGEST] + "…"
        before, marked, after = marked_line(lines[location.line - 1], location.column, LONGEST)
        if before + marked + after != shown[str(location.line)]:
            return at, (before, marked, after)
        return [*at, len(before), len(before) + len(marked)], None

    def lines_of(self, location: SourceLocation) -> list[str]:
        if not location.line or self.read_lines is None:
            return []
        if location.path not in self.lines:
            self.lines[location.path] = self.read_lines(location.path)
        return self.lines[location.path]

    def line(self, location: SourceLocation) -> str:
        """Return the one source line at a place, for the plain list; "" where there is none."""
        lines = self.lines_of(location)
        if not 0 < location.line <= len(lines):
            return ""
        return "".join(marked_line(lines[location.line - 1], location.column, LONGEST)).strip()


def _status(finding: Finding) -> str:
    if finding.suppression is not None:
        return "suppressed"
    return finding.severity if finding.outcome in ("fail", "error") else finding.outcome


def _reason(finding: Finding) -> str:
    suppression = finding.suppression
    if suppression is None:
        return ""
    where = f" at {one_line(str(suppression.location))}" if suppression.location else ""
    reason = f": {one_line(suppression.reason)}" if suppression.reason else ""
    return f"by {suppression.kind}{where}{reason}"


def _worst(report: Report) -> str:
    if report.invalid or report.problems:
        return "error"
    return next((severity for severity in SEVERITIES if report.count(severity)), "pass")


def _sentences(report: Report) -> list[str]:
    """Return the headline, then the summary without it."""
    counts = severity_counts(report)
    first, *others = summary_lines(report)
    rest = first[len(counts) :].lstrip()
    return [_capital(counts), _capital(rest), *others, *digest_lines(report)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tiles(report: Report) -> str:
    summary = report.summary
    tiles: list[tuple[str, int, str]] = [
        ("Errors", report.count("error"), "error"),
        ("Warnings", report.count("warning"), "warning"),
        ("Info", report.count("info"), "info"),
    ]
    tiles += [
        (label, number, "")
        for label, number in (
            ("Suppressed", summary.suppressed),
            ("Not readable", summary.invalid),
            ("Skipped", sum(summary.skipped.values())),
        )
        if number
    ]
    tiles += [("Resources", summary.resources, ""), ("Policies", summary.policies, "")]
    return "".join(
        f'<li class="{(style if number else "none") if style else "plain-tile"}"><b>{number:,}</b> '
        f"<span>{label}</span></li>"
        for label, number, style in tiles
    )


def _context(report: Report) -> list[str]:
    parts = [*_overview(report), *_remarks(report)]
    return ['<div class="context">', *parts, "</div>"] if parts else []


def _remarks(report: Report) -> Iterator[str]:
    """Yield what else the reader must know: what could not be read or run, and notes."""
    panels: tuple[tuple[str, str, list[str]], ...] = (
        ("Policies that could not run", "error", [_remark(p.location, p.message, p.hint)
                                                   for p in report.problems]),
        ("Could not be read", "error", [_remark(i.location, i.message) for i in report.invalid]),
        ("Notes", "info", [_remark(n.location, n.message) for n in report.notes]),
    )  # fmt: skip
    if not any(items for _, _, items in panels):
        return
    yield '<div class="remarks">'
    for number, (title, style, items) in enumerate(panels):
        if items:
            yield f'<section class="panel {style}" aria-labelledby="remarks-{number}">'
            yield f'<h2 id="remarks-{number}">{title}</h2>'
            yield from _folded(items, ("<ul>", "</ul>"))
            yield "</section>"
    yield "</div>"


def _folded(items: list[str], around: tuple[str, str]) -> Iterator[str]:
    """Yield the first items, and the rest behind one that opens them."""
    start, end = around
    yield f"{start}{''.join(items[:TOP])}{end}"
    if rest := items[TOP:]:
        yield f"<details><summary>{len(rest):,} more</summary>"
        yield f"{start}{''.join(rest)}{end}"
        yield "</details>"


def _remark(location: SourceLocation | None, message: str, hint: str = "") -> str:
    where = f'<p class="place">{_inline(str(location))}</p>' if location else ""
    more = f'<p class="message">{_marked_up(hint)}</p>' if hint else ""
    return f'<li>{where}<p class="message">{_marked_up(message)}</p>{more}</li>'


def _overview(report: Report) -> Iterator[str]:
    """Yield a table of the policies that found something, the worst first."""
    counts: dict[tuple[str, Severity], int] = {}
    for finding in failing(report):
        key = (finding.policy, finding.severity)
        counts[key] = counts.get(key, 0) + 1
    if not counts:
        return
    order = {severity: number for number, severity in enumerate(SEVERITIES)}
    ranked = sorted(counts, key=lambda key: (order[key[1]], -counts[key], key))
    titles = {policy.id: policy.title for policy in report.policies}
    most = max(counts.values())
    rows = [_row(*key, titles.get(key[0], ""), counts[key], most) for key in ranked]
    yield '<section class="panel overview" aria-labelledby="by-policy">'
    yield '<h2 id="by-policy">By policy</h2>'
    head = (
        '<table><thead><tr><th scope="col">Policy</th><th scope="col">Severity</th>'
        '<th scope="col" class="number">Findings</th><td class="bar-cell"></td></tr></thead><tbody>'
    )
    yield from _folded(rows, (head, "</tbody></table>"))
    yield "</section>"


def _row(policy: str, severity: str, title: str, count: int, most: int) -> str:
    name = _inline(policy)
    shown = f' <span class="title">{_inline(title)}</span>' if title else ""
    return (
        f'<tr class="{severity}"><td><a href="#findings" data-policy="{name}">{name}</a>{shown}'
        f'</td><td><span class="badge">{severity}</span></td><td class="number">{count:,}</td>'
        '<td class="bar-cell"><svg viewBox="0 0 100 4" preserveAspectRatio="none" '
        f'aria-hidden="true"><rect width="{100 * count / most:.1f}" height="4"/></svg></td></tr>'
    )


def _plain(report: Report, island: _Island) -> Iterator[str]:
    """Yield the findings as a plain list by file, for a browser that runs no scripts."""
    yield '<div class="plain">'
    if not report.findings:
        yield "<p>Nothing was found.</p>"
    helped: set[str] = set()
    for path, findings in by_path(report.findings).items():
        yield f"<h3>{_inline(path)}</h3>"
        yield "<ol>"
        for finding in findings:
            yield "".join(_plain_finding(finding, island, helped))
        yield "</ol>"
    yield "</div>"


def _plain_finding(finding: Finding, island: _Island, helped: set[str]) -> Iterator[str]:
    status = _status(finding)
    message = finding.message
    if finding.outcome == "error":
        message = f"Could not be evaluated: {message}"
    line = f", line {finding.place.location.line}" if finding.place.location.line else ""
    yield f'<li class="{_CLASSES.get(status, status)}"><p><strong class="badge">{status}</strong> '
    yield f"<code>{_inline(finding.policy)}</code> "
    yield f'<span class="message">{_prose(message)}</span></p>'
    yield f"<p>{_inline(_titled(finding.resource))}{line}</p>"
    if source := island.line(finding.place.location):
        yield f"<pre>{xml_text(source)}</pre>"
    if finding.related:
        yield "<ul>"
        for related in finding.related:
            how = f" ({_inline(related.relation)})" if related.relation else ""
            yield f"<li>Related: {_inline(_titled(related.resource))}{how}, "
            yield f'<span class="place">{_inline(str(related.place.location))}</span></li>'
        yield "</ul>"
    if finding.remediation.strip() and finding.policy not in helped and status in SEVERITIES:
        helped.add(finding.policy)
        yield f"<p>Fix: {_marked_up(finding.remediation)}</p>"
    if finding.fix is not None and status in SEVERITIES:
        yield "<p><code>kpolicy scan --fix</code> mends it.</p>"
    yield "</li>"


def _titled(resource: ResourceRef) -> str:
    where = f"{resource.namespace}/{resource.name}" if resource.namespace else resource.name
    return f"{resource.kind} {where}"


def _inline(text: str) -> str:
    return xml_text(one_line(text))


def _marked_up(text: str) -> str:
    """Return text with its code spans as elements; nothing else of Markdown is read."""
    return _CODE_SPAN.sub(r"<code>\1</code>", _prose(text))


def _prose(text: str) -> str:
    return xml_text(clean(text).strip())
