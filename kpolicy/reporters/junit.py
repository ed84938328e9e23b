"""JUnit XML, as Jenkins, GitLab and most CI systems read it.

There is no standard; elements and attributes are those of Ant's JUnit task and Jenkins' schema.
One suite a file, one case a finding; a clean scan is one case that passed.
"""

from __future__ import annotations

from collections.abc import Iterable

from kpolicy.findings import Finding, Report
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import by_path, message_with_places
from kpolicy.reporters.rendering import xml_text as text


def render(report: Report, _context: ReportContext) -> str:
    """Return the report as JUnit XML."""
    suites: list[str] = []
    totals = [0, 0, 0, 0]
    everything = sorted((*report.findings, *report.suppressed), key=lambda f: f.sort_key)
    for path, findings in by_path(everything).items():
        _add(suites, totals, path, [_case(finding) for finding in findings])
    if report.invalid:
        cases = [
            (
                "error",
                f'    <testcase name="{text(str(i.location))}" classname="invalid">\n'
                f'      <error message="{text(i.message)}" type="invalid"/>\n    </testcase>',
            )
            for i in report.invalid
        ]
        _add(suites, totals, "invalid input", cases)
    if not suites:
        case = ("pass", '    <testcase name="no findings" classname="kpolicy"/>')
        _add(suites, totals, "kpolicy", [case])
    head = (
        f'<testsuites name="kpolicy" tests="{totals[0]}" failures="{totals[1]}"'
        f' errors="{totals[2]}">'
    )
    if report.digest:
        # The format has no properties of a whole run: they stand in the first suite.
        one = f'      <property name="digest" value="{report.digest}"/>'
        suites[1:1] = ["    <properties>", one, "    </properties>"]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>", ""])


def _add(suites: list[str], totals: list[int], name: str, cases: Iterable[tuple[str, str]]) -> None:
    found = list(cases)
    kinds = [kind for kind, _ in found]
    counts = [len(found), kinds.count("fail"), kinds.count("error"), kinds.count("skip")]
    for number, count in enumerate(counts):
        totals[number] += count
    head = (
        f'  <testsuite name="{text(name)}" tests="{counts[0]}" failures="{counts[1]}"'
        f' errors="{counts[2]}" skipped="{counts[3]}">'
    )
    suites += [head, *(case for _, case in found), "  </testsuite>"]


def _case(finding: Finding) -> tuple[str, str]:
    """Return (what it counts as, the element)."""
    at = finding.place.location
    line = f' line="{at.line}"' if at.line else ""
    head = (
        f'    <testcase name="{text(f"{finding.policy}: {finding.resource}")}"'
        f' classname="{text(at.path)}" file="{text(at.path)}"{line}'
    )
    if finding.suppression is not None:
        reason = text(finding.suppression.reason or finding.suppression.kind)
        return "skip", f'{head}>\n      <skipped message="{reason}"/>\n    </testcase>'
    if finding.outcome == "skip":
        message = text(finding.message)
        return "skip", f'{head}>\n      <skipped message="{message}"/>\n    </testcase>'
    if finding.outcome == "pass":
        return "pass", f"{head}/>"
    message = message_with_places(finding)
    body = "\n".join(p for p in (f"{at}: {message}", finding.remediation) if p)
    tag = "error" if finding.outcome == "error" else "failure"
    return (
        "error" if tag == "error" else "fail",
        f'{head}>\n      <{tag} message="{text(message)}" type="{finding.severity}">'
        f"{text(body)}</{tag}>\n    </testcase>",
    )
