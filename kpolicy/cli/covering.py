"""What `kpolicy test` says of coverage, and its JUnit report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kpolicy.cli.testing import Outcome
    from kpolicy.testing import Coverage


def gap_lines(coverage: Coverage) -> Iterator[str]:
    """Yield what no case has shown of a policy: validations, then branches with their places."""
    if coverage.validation_gaps:
        yield f"{coverage.policy}: {', '.join(coverage.validation_gaps)}"
    for branch in coverage.missed:
        yield f"{branch.location}: {coverage.policy}: {branch}"


def total_line(covered: Sequence[Coverage]) -> str:
    """Return how much all cases together have shown."""
    validations = 2 * sum(each.validations for each in covered)
    shown = sum(len(each.failed) + len(each.held) for each in covered)
    branches = sum(each.branches for each in covered)
    taken = branches - sum(len(each.missed) for each in covered)
    unreachable = sum(each.unreachable for each in covered)
    marked = f", {unreachable:,} marked unreachable" if unreachable else ""
    return (
        f"Coverage: {shown:,} of {validations:,} outcomes of validations,"
        f" {taken:,} of {branches:,} branches{marked}."
    )


def junit(outcomes: Sequence[Outcome], gaps: Sequence[Coverage] = ()) -> str:
    """Return the outcomes as JUnit XML: a suite for each policy, a case for each case.

    A policy with gaps in its coverage has one more, which failed.
    """
    from kpolicy.reporters.rendering import xml_text as text

    suites: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        suites.setdefault(outcome.policy, []).append(outcome)
    lacking = {coverage.policy: coverage.gaps for coverage in gaps}
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites name="kpolicy test">']
    for policy, inside in suites.items():
        failures = sum(bool(o.problems) and not o.broken for o in inside)
        errors = sum(o.broken for o in inside)
        gap = int(policy in lacking)
        lines.append(
            f'  <testsuite name="{text(policy)}" tests="{len(inside) + gap}"'
            f' failures="{failures + gap}"'
            f' errors="{errors}" time="{sum(o.seconds for o in inside):.3f}">'
        )
        for outcome in inside:
            head = (
                f'    <testcase name="{text(outcome.case)}" classname="{text(policy)}"'
                f' file="{text(outcome.location.path)}" line="{outcome.location.line}"'
                f' time="{outcome.seconds:.3f}"'
            )
            if not outcome.problems:
                lines.append(f"{head}/>")
                continue
            tag = "error" if outcome.broken else "failure"
            said = "\n".join(outcome.problems)
            first = text(said.splitlines()[0])
            lines.append(f'{head}>\n      <{tag} message="{first}">{text(said)}</{tag}>')
            lines.append("    </testcase>")
        if gap:
            said = "\n".join(lacking[policy])
            lines += [
                f'    <testcase name="coverage" classname="{text(policy)}" time="0.000">',
                f'      <failure message="{text(lacking[policy][0])}">{text(said)}</failure>',
                "    </testcase>",
            ]
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])
