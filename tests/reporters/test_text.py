"""The text report: what is wrong, where, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from report_samples import (
    CLEAN,
    EMPTY,
    FULL,
    HOSTILE,
    MOSTLY_SKIPPED,
    SECOND_TAG,
    TAG_HELP,
    context,
    finding,
)

from kpolicy.findings import Place, Report
from kpolicy.location import SourceLocation
from kpolicy.reporters.excerpt import cells, excerpt
from kpolicy.reporters.text import MANY, render

_SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    ("name", "report"),
    [
        ("full.txt", FULL),
        ("empty.txt", EMPTY),
        ("clean.txt", CLEAN),
        ("mostly_skipped.txt", MOSTLY_SKIPPED),
        ("hostile.txt", HOSTILE),
    ],
)
def test_text_is_the_golden_file(
    name: str, report: Report, golden: Callable[[str, str], None]
) -> None:
    golden(name, render(report, context()))


def test_colour_adds_nothing_but_colour() -> None:
    colored = render(FULL, context(color=True))
    assert colored != render(FULL, context())
    assert _SGR.sub("", colored) == render(FULL, context())


def test_only_own_colour_sequences_reach_the_terminal() -> None:
    """A hostile manifest cannot move the cursor, set the title or change colours."""
    text = _SGR.sub("", render(HOSTILE, context(color=True)))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_remediation_stands_once_for_each_policy() -> None:
    report = Report(findings=(finding(), SECOND_TAG))
    assert render(report, context()).count(TAG_HELP) == 1


def test_findings_at_one_place_share_its_excerpt() -> None:
    report = Report(findings=(finding(), finding(policy="other", message="second")))
    assert render(report, context()).count("- name: web") == 1


def test_wraps_prose_to_the_terminal_and_never_without_one() -> None:
    long = finding(message="word " * 60, remediation="mend " * 60)
    narrow = render(Report(findings=(long,)), context(width=60))
    assert max(map(len, narrow.splitlines())) <= 60
    wide = render(Report(findings=(long,)), context())
    assert f"error[latest-tag] {'word ' * 59}word\n" in wide


def test_without_readable_files_there_is_no_excerpt() -> None:
    text = render(Report(findings=(finding(),)), context(read_lines=None))
    assert "│" not in text
    assert "apps/web.yaml:10:11" in text


def test_passes_and_skips_are_named_as_such() -> None:
    passed = finding(outcome="pass", message="")
    report = Report(findings=(passed, finding(outcome="skip", policy="x", message="why")))
    text = render(report, context())
    assert "    pass[latest-tag]\n" in text
    assert "    skip[x] why\n" in text
    assert "skip[x]" in text
    assert TAG_HELP not in text


def test_an_unknowable_target_is_said_to_be_unknowable() -> None:
    text = render(Report(findings=(finding(certainty="unknowable"),)), context())
    assert "may exist where this scan cannot see" in text


def test_a_finding_without_a_line_names_the_file() -> None:
    place = Place(SourceLocation("apps/web.yaml"))
    text = render(Report(findings=(finding(place=place),)), context())
    assert "  apps/web.yaml  Deployment shop/web\n    error[latest-tag]" in text


@pytest.mark.parametrize(
    ("line", "column", "expected"),
    [
        ("  - name: web", 5, ("1 │   - name: web", "  │     ^^^^^^^^^")),
        ("  - name: web", 0, ("1 │   - name: web", "  │   ^^^^^^^^^^^")),
        ("\tkey: 1", 2, ("1 │  key: 1", "  │  ^^^^^^")),
        ("a: 容器  # why", 4, ("1 │ a: 容器  # why", "  │    ^^^^")),
        ("容: b", 4, ("1 │ 容: b", "  │     ^")),
        ("short", 40, ("1 │ short", "  │      ^")),
        ("", 1, ("1 │", "  │ ^")),
    ],
)
def test_caret_stands_under_its_column(line: str, column: int, expected: tuple[str, str]) -> None:
    assert excerpt([line], 1, column) == expected


def test_no_excerpt_beyond_the_file() -> None:
    assert excerpt(["one"], 2, 1) is None
    assert excerpt([], 0, 0) is None


def test_a_long_line_is_cut_around_the_caret() -> None:
    line = "x" * 500 + "TARGET: 1" + "y" * 500
    shown = excerpt([line], 1, 501, width=80)
    assert shown is not None
    text, caret = shown
    assert cells(text) <= 80
    assert text[caret.index("^") :].startswith("TARGET")


def test_many_findings_end_with_counts_by_policy() -> None:
    many = tuple(
        finding(policy=f"p{number % 3}", severity="warning" if number % 3 else "error")
        for number in range(MANY + 1)
    )
    lines = render(Report(findings=many), context()).splitlines()
    start = lines.index("By policy")
    assert lines[start + 1 : start + 4] == [
        "  7  error    p0",
        "  7  warning  p1",
        "  7  warning  p2",
    ]
    assert "By policy" not in render(Report(findings=many[:-1]), context())
