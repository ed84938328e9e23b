"""The formats of other tools: read back by parsers, compared with golden files, safe to render."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import yaml
from report_samples import CLEAN, EMPTY, FULL, HOSTILE, SPLIT, SUPPRESSED, context, finding

from kpolicy.errors import UsageError
from kpolicy.findings import Place, Report, ResourceRef
from kpolicy.location import SourceLocation
from kpolicy.plugins.builtin import REPORTERS
from kpolicy.reporters.markdown import LIMIT, code, escaped, prose

#: Formats that need nothing but a report.
FORMATS = [name for name in REPORTERS if name != "template"]
SUFFIX = {
    "junit": "junit.xml", "checkstyle": "checkstyle.xml", "github": "github.txt",
    "gitlab": "gitlab.json", "markdown": "md", "csv": "csv", "policyreport": "policyreport.yaml",
}  # fmt: skip


def rendered(name: str, report: Report, **changes: Any) -> str:
    """Return a report in a format."""
    text = import_module(f"kpolicy.reporters.{name}").render(report, context(**changes))
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("name", SUFFIX)
@pytest.mark.parametrize(("kind", "report"), [("full", FULL), ("hostile", HOSTILE)])
def test_each_format_is_the_golden_file(
    name: str, kind: str, report: Report, golden: Callable[[str, str], None]
) -> None:
    golden(f"{kind}.{SUFFIX[name]}", rendered(name, report))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("report", [FULL, HOSTILE, EMPTY, CLEAN])
def test_each_format_ends_with_a_newline_and_can_be_written(name: str, report: Report) -> None:
    text = rendered(name, report)
    assert text == "" or text.endswith("\n")
    assert text.encode("utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_prints_a_control_character(name: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", rendered(name, HOSTILE))


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_shows_every_failing_finding(name: str) -> None:
    text = rendered(name, FULL)
    for found in FULL.findings:
        assert found.policy in text


@pytest.mark.parametrize("report", [FULL, HOSTILE, EMPTY, CLEAN])
def test_junit_counts_are_those_of_its_cases(report: Report) -> None:
    root = ElementTree.fromstring(rendered("junit", report))
    assert root.tag == "testsuites"
    cases = list(root.iter("testcase"))
    assert cases, "a CI system takes a report without cases for a failure"
    for scope in (root, *root.iter("testsuite")):
        inside = list(scope.iter("testcase"))
        assert int(scope.get("tests", "")) == len(inside)
        for attribute, tag in (("failures", "failure"), ("errors", "error")):
            count = sum(case.find(tag) is not None for case in inside)
            assert int(scope.get(attribute, "")) == count
    for case in cases:
        assert case.get("name")
        assert case.get("classname")
        assert len(case) <= 1


def test_junit_shows_suppressed_as_skipped_and_passes_as_passed() -> None:
    report = Report(findings=(finding(outcome="pass"),), suppressed=(SUPPRESSED,))
    root = ElementTree.fromstring(rendered("junit", report))
    assert [len(case) for case in root.iter("testcase")] == [0, 1]
    skipped = next(root.iter("skipped"))
    assert skipped.get("message") == "agreed with security"


@pytest.mark.parametrize("report", [FULL, HOSTILE, EMPTY])
def test_checkstyle_errors_have_what_readers_need(report: Report) -> None:
    root = ElementTree.fromstring(rendered("checkstyle", report))
    assert (root.tag, root.get("version")) == ("checkstyle", "4.3")
    for error in root.iter("error"):
        assert int(error.get("line", "0")) >= 1
        assert error.get("severity") in ("error", "warning", "info")
        assert error.get("message")
        assert (error.get("source") or "").startswith("kpolicy.")


_COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)\Z")


@pytest.mark.parametrize("report", [FULL, HOSTILE])
def test_github_commands_cannot_be_broken_out_of(report: Report) -> None:
    *commands, last = rendered("github", report).splitlines()
    assert len(commands) == len(report.findings) + len(report.invalid)
    for line in commands:
        match = _COMMAND.match(line)
        assert match, line
        names = [part.partition("=")[0] for part in match[2].split(",")]
        assert [n for n in names if n != "col"] == ["file", "line", "title"]
    assert not last.startswith("::")


def test_github_names_the_related_place_and_the_path_from_the_root() -> None:
    line = rendered("github", Report(findings=(SPLIT,))).splitlines()[0]
    assert line.startswith("::warning file=clusters/apps/logger.yaml,line=8,col=11,")
    assert "See Deployment/shop/web (shared-volume-claim) at apps/web.yaml:14:11." in line


def test_gitlab_issues_have_the_documented_keys_and_unique_fingerprints() -> None:
    twice = Report(findings=(finding(), finding(message="second")), invalid=FULL.invalid * 2)
    for report in (FULL, HOSTILE, twice):
        issues = json.loads(rendered("gitlab", report))
        for issue in issues:
            assert set(issue) == {
                "description", "check_name", "fingerprint", "severity", "location",
            }  # fmt: skip
            assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
            assert issue["location"]["lines"]["begin"] >= 1
    marks = [i["fingerprint"] for i in json.loads(rendered("gitlab", Report(twice.findings)))]
    assert marks == ["a1", "a1-2"]
    assert rendered("gitlab", EMPTY) == "[]\n"


def test_csv_reads_back_and_holds_no_formula() -> None:
    for report in (FULL, HOSTILE, EMPTY):
        rows = list(csv.reader(io.StringIO(rendered("csv", report), newline="")))
        assert len(rows) == 1 + len(report.findings) + len(report.invalid)
        assert {len(row) for row in rows} == {14}
        for row in rows:
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


def test_markdown_shows_text_as_it_is() -> None:
    assert escaped("*a* [b](c) <i> #1 @team") == (r"\*a\* \[b\]\(c\) \<i\> \#1 \@team")
    assert code("a`b") == "``a`b``"
    assert code("`") == "`` ` ``"
    assert code("a|b") == "`a\\|b`"
    assert prose("Set `spec.a` to *1*") == "Set `spec.a` to \\*1\\*"
    assert prose("odd ` one") == "odd \\` one"


def test_markdown_folds_notes_and_opens_what_matters() -> None:
    text = rendered("markdown", FULL)
    assert "<details open><summary>error: <code>latest-tag</code>" in text
    assert "<details><summary>info: <code>no-owner</code>" in text
    assert text.count("<details") == text.count("</details>")


def test_markdown_fits_into_a_comment() -> None:
    many = tuple(
        finding(policy=f"p{n}", message="word " * 50, place=Place(SourceLocation("a.yaml", n, 1)))
        for n in range(1000)
    )
    text = rendered("markdown", Report(findings=many))
    assert len(text) < LIMIT + 1000
    assert "policies more; the full report has them" in text


def test_policy_reports_are_resources_of_the_working_group() -> None:
    """Checked by hand against the CRD of wgpolicyk8s.io/v1alpha2; this is what it demands."""
    text = rendered("policyreport", FULL)
    documents = list(yaml.safe_load_all(text))
    assert [d["kind"] for d in documents] == ["PolicyReport"]
    for document in (*documents, *yaml.safe_load_all(rendered("policyreport", EMPTY))):
        assert document["apiVersion"] == "wgpolicyk8s.io/v1alpha2"
        assert document["metadata"]["name"] == "kpolicy"
        results = document["results"]
        for kind, count in document["summary"].items():
            assert count == sum(result["result"] == kind for result in results)
        for result in results:
            assert result["policy"]
            assert result["result"] in ("pass", "fail", "warn", "error", "skip")
            assert result["severity"] in ("high", "medium", "low")
            assert all(isinstance(v, str) for v in result["properties"].values())
            assert set(result["resources"][0]) <= {"apiVersion", "kind", "name", "namespace"}
    outcomes = {r["policy"]: r["result"] for r in documents[0]["results"]}
    assert outcomes["no-owner"] == "warn"
    assert outcomes["dangling-service"] == "error"


def test_policy_reports_are_one_for_each_namespace() -> None:
    other = finding(resource=ResourceRef("v1", "Node", "", "n"), severity="info")
    documents = list(
        yaml.safe_load_all(rendered("policyreport", Report(findings=(finding(), other))))
    )
    assert [(d["kind"], d["metadata"].get("namespace")) for d in documents] == [
        ("ClusterPolicyReport", None),
        ("PolicyReport", "shop"),
    ]


def template(text: str, report: Report = FULL) -> str:
    """Return what a template makes of a report."""
    settings = {"template": text, "template_path": "my.j2"}
    return rendered("template", report, settings=settings)


def test_a_template_sees_the_json_shape_and_the_policies() -> None:
    text = (
        "{% for f in findings %}\n"
        "{{ f.location.path }}:{{ f.location.line }} {{ f.policy }}"
        " {{ policies[f.policy].title if f.policy in policies else '-' }}\n"
        "{% endfor %}\n{{ summary.resources }} {{ suppressed[0].suppression.reason }}\n"
    )
    lines = template(text).splitlines()
    assert lines[0] == "apps/logger.yaml:8 split-sidecar Sidecar split into its own pod"
    assert lines[-1] == "4 agreed with security"


def test_a_template_can_escape() -> None:
    shown = template("{{ findings[0].message | xml }}", HOSTILE)
    assert "<b>" not in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ findngs }}", r"my\.j2:1: UndefinedError: 'findngs' is undefined"),
        ("a\n{% for %}", r"my\.j2:2: TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", r"my\.j2:1: SecurityError"),
        ("{{ findings.append(1) }}", r"my\.j2:1: SecurityError"),
        ("{{ 1 / 0 }}", r"my\.j2:1: ZeroDivisionError"),
        ("\n\n{{ findings[99].policy }}", r"my\.j2:3: UndefinedError"),
        ("{% include '/etc/passwd' %}", r"my\.j2"),
    ],
)
def test_a_template_s_mistakes_have_their_place(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        template(text)


def test_without_a_template_the_format_says_what_it_needs() -> None:
    with pytest.raises(UsageError, match="needs a template"):
        rendered("template", FULL)
