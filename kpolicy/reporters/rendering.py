"""What several reporters share: untrusted text made harmless, paths, counts in words.

Names, messages and source lines come from scanned repositories. None may reach a terminal,
a CI log or a web page with its control characters.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kpolicy.findings import RENDERED

if TYPE_CHECKING:
    from kpolicy.findings import Finding, Report
    from kpolicy.reporters.model import ReportContext

#: ECMA-48 control sequences: CSI, OSC/DCS/SOS/PM/APC strings up to their terminator, other escapes.
_ESCAPE_SEQUENCE = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
#: Controls (C0 but tab and newline, DEL, C1), line separators, and the bidirectional overrides
#: that can make a line read differently from what it says ("Trojan Source", CVE-2021-42574).
_CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_SURROGATE = "[\ud800-\udfff]"


def clean(text: str) -> str:
    """Return `text` without terminal escape sequences, other controls shown as U+FFFD.

    Tabs and newlines stay. Use it on every string that comes from a scanned file.
    """
    if text.isascii() and text.isprintable():
        return text
    text = re.sub(_ESCAPE_SEQUENCE, "", text.replace("\r\n", "\n"))
    return re.sub(_SURROGATE, "\ufffd", re.sub(_CONTROL, "\ufffd", text))


def one_line(text: str) -> str:
    """Return `text` cleaned, with every run of white space as one space."""
    return " ".join(clean(text).split())


def xml_text(text: str) -> str:
    """Return `text` escaped for XML 1.0 content and double-quoted attributes."""
    cleaned = clean(text).replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
    return (
        cleaned.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        .replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    )  # fmt: skip


def repository_path(path: str, context: ReportContext) -> str:
    """Return `path` relative to the repository's root, or as given when it is outside."""
    root = context.repository_root.replace("\\", "/").rstrip("/")
    if path.startswith("<") or not root:
        return path
    base = context.working_directory.replace("\\", "/") or root
    absolute = posixpath.normpath(posixpath.join(base, path))
    return absolute[len(root) + 1 :] if absolute.startswith(root + "/") else path


def failing(report: Report) -> tuple[Finding, ...]:
    """Return the findings that fail or err (all of them unless `--results all`)."""
    return tuple(f for f in report.findings if f.outcome in ("fail", "error"))


def message_with_places(finding: Finding) -> str:
    """Return the message and one sentence for each related place, for formats without any."""
    parts = [one_line(finding.message)]
    if made := finding.details.get(RENDERED, ""):
        parts.append(f"Rendered by {one_line(made)}.")
    for related in finding.related:
        how = f" ({one_line(related.relation)})" if related.relation else ""
        at = one_line(str(related.place.location))
        parts.append(f"See {one_line(str(related.resource))}{how} at {at}.")
    if len(parts) > 1 and not parts[0].endswith((".", "!", "?")):
        parts[0] += "."
    return " ".join(parts)


def plural(number: int, noun: str) -> str:
    """Return `1 error`, `2 errors`, `2 policies`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def severity_counts(report: Report) -> str:
    """Return `2 errors, 1 warning, 3 info`, or `no findings`."""
    counts = []
    if errors := report.count("error"):
        counts.append(plural(errors, "error"))
    if warnings := report.count("warning"):
        counts.append(plural(warnings, "warning"))
    if info := report.count("info"):
        counts.append(f"{info:,} info")
    return ", ".join(counts) or "no findings"


def skipped_words(report: Report) -> str:
    """Return `12 skipped (10 not-kubernetes, 2 helm-template)`, or ''."""
    skipped = {k: n for k, n in sorted(report.summary.skipped.items()) if n}
    if not skipped:
        return ""
    return (
        f"{sum(skipped.values()):,} skipped ({', '.join(f'{n:,} {k}' for k, n in skipped.items())})"
    )


def summary_lines(report: Report) -> list[str]:
    """Return the closing sentence and, where the scan saw little, a last line that says so."""
    summary = report.summary
    seconds = report.timings.get("total")
    lines = [
        "".join(
            (
                f"{severity_counts(report)} in {plural(summary.resources, 'resource')}",
                f", {plural(summary.policies, 'policy')}",
                f", {seconds:.2f} s" if seconds is not None else "",
                "".join(f"; {part}" for part in _remarks(report)),
                ".",
            )
        )
    ]
    # What was rendered was scanned all the same.
    skipped = sum(n for reason, n in summary.skipped.items() if reason != RENDERED)
    if summary.resources == 0:
        reason = f": {skipped_words(report)}" if skipped else ": no manifests were found"
        if summary.invalid:
            reason = f": {plural(summary.invalid, 'input')} could not be read"
        lines.append(f"Nothing was scanned{reason}.")
    elif skipped > summary.resources:
        lines.append(
            f"More was skipped than scanned: {skipped_words(report)},"
            f" {plural(summary.resources, 'resource')} scanned."
        )
    return [line[0].upper() + line[1:] for line in lines]


def digest_lines(report: Report) -> list[str]:
    """Return the resources' digest as a line; none where there were no resources."""
    shown = report.digest and report.summary.resources
    return [f"Digest: {report.digest}"] if shown else []


def _remarks(report: Report) -> Iterator[str]:
    if report.summary.fixed:
        yield f"fixed {report.summary.fixed:,}"
    if report.summary.suppressed:
        yield f"{report.summary.suppressed:,} suppressed"
    if report.problems:
        yield plural(len(report.problems), "problem")
    if report.summary.invalid:
        yield f"{report.summary.invalid:,} invalid"
    if words := skipped_words(report):
        yield words


def by_path(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Return the findings grouped by file, in their order."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.place.location.path, []).append(finding)
    return groups
