"""The JSON report holds to design's shape and to its published schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import jsonschema
import pytest
from report_samples import CLEAN, EMPTY, FULL, HOSTILE, MOSTLY_SKIPPED, SPLIT, context, finding

from kpolicy.errors import Problem
from kpolicy.findings import Report
from kpolicy.location import SourceLocation
from kpolicy.reporters.json import render


@pytest.fixture(scope="module")
def schema() -> Any:
    """The schema as it is installed."""
    text = resources.files("kpolicy.reporters").joinpath("report.schema.json").read_text("utf-8")
    loaded = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(loaded)
    return loaded


@pytest.mark.parametrize("report", [FULL, EMPTY, CLEAN, HOSTILE, MOSTLY_SKIPPED])
def test_every_report_fits_the_published_schema(report: Report, schema: Any) -> None:
    jsonschema.Draft202012Validator(schema).validate(json.loads(render(report, context())))


def test_all_outcomes_and_optional_keys_fit_the_schema(schema: Any) -> None:
    findings = tuple(
        finding(outcome=outcome, certainty=certainty, labels={"team": "a"})
        for outcome in ("pass", "fail", "error", "skip")
        for certainty in ("", "absent", "unknowable")
    )
    data = json.loads(render(Report(findings=findings), context()))
    jsonschema.Draft202012Validator(schema).validate(data)
    assert [f.get("certainty") for f in data["findings"][:3]] == [None, "absent", "unknowable"]
    assert data["summary"]["findings"] == {"error": 6, "warning": 0, "info": 0}


def test_schema_refuses_what_the_report_never_says(schema: Any) -> None:
    data = json.loads(render(FULL, context()))
    data["findings"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.Draft202012Validator(schema).validate(data)


def test_json_is_the_golden_file(golden: Callable[[str, str], None]) -> None:
    golden("full.json", render(FULL, context()))


def test_a_finding_has_the_documented_keys_in_the_documented_order() -> None:
    data = json.loads(render(Report(findings=(SPLIT,)), context()))
    assert list(data) == ["version", "summary", "findings", "invalid"]
    found = data["findings"][0]
    assert list(found) == [
        "policy", "pack", "severity", "outcome", "message", "resource", "location", "related",
        "scope", "fingerprint",
    ]  # fmt: skip
    assert found["related"] == [
        {
            "resource": {
                "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web",
            },
            "location": {
                "path": "apps/web.yaml", "line": 14, "column": 11,
                "pointer": "/spec/template/spec/volumes/0",
            },
            "relation": "shared-volume-claim",
        }
    ]  # fmt: skip


def test_timings_and_colour_never_change_the_output() -> None:
    timed = Report(findings=FULL.findings, summary=FULL.summary, timings={"total": 1.5})
    untimed = Report(findings=FULL.findings, summary=FULL.summary)
    assert render(timed, context(color=True, width=40)) == render(untimed, context())


def test_no_raw_control_character_is_printed_and_nothing_is_lost() -> None:
    text = render(HOSTILE, context())
    assert all(c == "\n" or c.isprintable() for c in text)
    assert text.encode("utf-8")
    assert json.loads(text)["findings"][0]["message"] == HOSTILE.findings[0].message


def test_policies_that_could_not_run_are_told_and_fit_the_schema(schema: Any) -> None:
    problem = Problem("unknown key", SourceLocation("policies/p.yaml", 3, 1), "did you mean x?")
    data = json.loads(render(Report(problems=(problem, Problem("no place"))), context()))
    jsonschema.Draft202012Validator(schema).validate(data)
    assert [p["message"] for p in data["problems"]] == ["unknown key", "no place"]
    assert data["problems"][0]["path"] == "policies/p.yaml"
    assert "problems" not in json.loads(render(Report(), context()))
