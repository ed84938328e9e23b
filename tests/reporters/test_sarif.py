"""SARIF: what the standard demands of each object, in this file's own words, and the golden file.

`SCHEMA` states the part of the SARIF 2.1.0 schema that kpolicy writes; nothing else may appear.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from report_samples import CLEAN, EMPTY, FULL, HOSTILE, SPLIT, context, finding

from kpolicy.errors import Problem
from kpolicy.findings import Place, PolicyInfo, Report, Suppression
from kpolicy.location import SourceLocation
from kpolicy.reporters.sarif import render


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


TEXT = {"type": "string", "minLength": 1}
NATURAL = {"type": "integer", "minimum": 0}
POSITIVE = {"type": "integer", "minimum": 1}
BAG = {
    "type": "object",
    "properties": {"tags": {"type": "array", "items": TEXT, "uniqueItems": True}},
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = _object("text", text=TEXT)
ARTIFACT = _object(
    "uri", uri={"type": "string", "format": "uri-reference", "minLength": 1}, uriBaseId=TEXT
)
PHYSICAL = _object(
    "artifactLocation",
    artifactLocation=ARTIFACT,
    region=_object("startLine", startLine=POSITIVE, startColumn=POSITIVE),
)
LOGICAL = _object("name", name=TEXT, fullyQualifiedName=TEXT, kind=TEXT)
LOCATION = _object(
    "physicalLocation",
    id=NATURAL,
    physicalLocation=PHYSICAL,
    logicalLocations=_list(LOGICAL),
    message=MESSAGE,
)
RULE = _object(
    "id",
    id=TEXT,
    name=TEXT,
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=_object("text", text=TEXT, markdown=TEXT),
    helpUri={"type": "string", "format": "uri"},
    defaultConfiguration=_object("level", level=LEVEL),
    properties=BAG,
)
RESULT = _object(
    "message",
    ruleId=TEXT,
    ruleIndex=NATURAL,
    kind={"enum": ["pass", "notApplicable", "fail"]},
    level=LEVEL,
    message=MESSAGE,
    locations=_list(LOCATION),
    relatedLocations=_list(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
    suppressions=_list(
        _object(
            "kind", kind={"enum": ["inSource", "external"]}, justification=TEXT, location=LOCATION
        )
    ),
    properties=BAG,
)
NOTIFICATION = _object("message", level=LEVEL, message=MESSAGE, locations=_list(LOCATION))
SCHEMA = _object(
    "version runs",
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs=_list(
        _object(
            "tool",
            tool=_object(
                "driver",
                driver=_object(
                    "name", name=TEXT, version=TEXT, semanticVersion=TEXT, rules=_list(RULE)
                ),
            ),
            invocations=_list(
                _object(
                    "executionSuccessful",
                    executionSuccessful={"type": "boolean"},
                    toolExecutionNotifications=_list(NOTIFICATION),
                    toolConfigurationNotifications=_list(NOTIFICATION),
                )
            ),
            originalUriBaseIds={"type": "object", "additionalProperties": BAG},
            columnKind={"enum": ["unicodeCodePoints"]},
            results=_list(RESULT),
            properties=BAG,
        )
    ),
)


def run_of(report: Report, **changes: Any) -> Any:
    """Return the one run of a report's log, checked against `SCHEMA`."""
    log = json.loads(render(report, context(**changes)))
    jsonschema.Draft202012Validator(SCHEMA).validate(log)
    (run,) = log["runs"]
    for result in run["results"]:
        rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        # 3.27.10: only a result of kind "fail" has a level.
        assert (result["kind"] == "fail") == (result["level"] != "none")
    return run


@pytest.mark.parametrize("report", [FULL, EMPTY, CLEAN, HOSTILE])
def test_every_log_is_well_formed(report: Report) -> None:
    run_of(report)


def test_sarif_is_the_golden_file(golden: Callable[[str, str], None]) -> None:
    golden("full.sarif", render(FULL, context()))


def test_rules_carry_help_as_text_and_markdown() -> None:
    rules = {rule["id"]: rule for rule in run_of(FULL)["tool"]["driver"]["rules"]}
    rule = rules["latest-tag"]
    assert rule["name"] == "LatestTag"
    assert rule["shortDescription"]["text"] == "Image with the tag latest"
    assert "Use a fixed version or a digest." in rule["help"]["text"]
    assert "**How to mend it:** Use a fixed version" in rule["help"]["markdown"]
    assert rule["helpUri"] == "https://kubernetes.io/docs/concepts/containers/images/"
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert "supply-chain" in rule["properties"]["tags"]
    assert sorted(rules) == list(rules)


def test_tags_are_unique_where_pack_and_category_have_one_name() -> None:
    info = PolicyInfo("p", "security", "info", "Quiet", "", "", category="security")
    (rule,) = run_of(Report(policies=(info,)))["tool"]["driver"]["rules"]
    assert rule["properties"]["tags"] == ["kubernetes", "security"]


def test_a_policy_that_was_run_without_findings_is_a_rule_too() -> None:
    info = PolicyInfo("quiet", "p", "info", "Quiet", "", "")
    run = run_of(Report(policies=(info,)))
    assert [r["id"] for r in run["tool"]["driver"]["rules"]] == ["quiet"]
    assert run["results"] == []


def test_related_places_are_related_locations() -> None:
    (result,) = run_of(Report(findings=(SPLIT,)))["results"]
    (related,) = result["relatedLocations"]
    assert related["id"] == 1
    assert related["message"]["text"] == "Deployment/shop/web (shared-volume-claim)"
    assert related["physicalLocation"] == {
        "artifactLocation": {"uri": "clusters/apps/web.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 14, "startColumn": 11},
    }


def test_paths_are_relative_to_the_repository_root() -> None:
    (result,) = run_of(Report(findings=(finding(),)))["results"]
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": "clusters/apps/web.yaml", "uriBaseId": "%SRCROOT%"}


@pytest.mark.parametrize(
    ("path", "uri", "based"),
    [
        ("a b/ü.yaml", "clusters/a%20b/%C3%BC.yaml", True),
        ("a:b.yaml", "clusters/a%3Ab.yaml", True),
        ("100%.yaml", "clusters/100%25.yaml", True),
        ("/elsewhere/x.yaml", "file:///elsewhere/x.yaml", False),
        ("../../x.yaml", "../../x.yaml", False),
        ("<stdin>", "%3Cstdin%3E", False),
    ],
)
def test_paths_become_uris(path: str, uri: str, based: bool) -> None:
    place = Place(SourceLocation(path, 1, 1))
    (result,) = run_of(Report(findings=(finding(place=place),)))["results"]
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact["uri"] == uri
    assert ("uriBaseId" in artifact) is based
    assert urlsplit(uri).scheme in ("", "file")
    assert unquote(uri).endswith(path.removeprefix("../../"))


def test_a_place_without_a_line_is_the_first_line() -> None:
    place = Place(SourceLocation("a.yaml"))
    (result,) = run_of(Report(findings=(finding(place=place),)))["results"]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("annotation", "inSource"), ("comment", "inSource"), ("config", "external"),
        ("baseline", "external"),
    ],
)  # fmt: skip
def test_suppressed_findings_are_listed_as_suppressed(kind: Any, expected: str) -> None:
    suppressed = finding(suppression=Suppression(kind, "agreed"))
    (result,) = run_of(Report(suppressed=(suppressed,)))["results"]
    assert result["suppressions"] == [{"kind": expected, "justification": "agreed"}]


def test_invalid_input_is_a_notification_and_no_result() -> None:
    run = run_of(FULL)
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    levels = [n["level"] for n in invocation["toolExecutionNotifications"]]
    assert levels == ["error", "note"]
    first = invocation["toolExecutionNotifications"][0]
    assert first["message"]["text"] == "expected ',' or ']'"
    assert run_of(CLEAN)["invocations"] == [{"executionSuccessful": True}]


@pytest.mark.parametrize(
    ("outcome", "kind", "level"),
    [
        ("fail", "fail", "warning"),
        ("error", "fail", "warning"),
        ("pass", "pass", "none"),
        ("skip", "notApplicable", "none"),
    ],
)
def test_outcomes_are_kinds(outcome: str, kind: str, level: str) -> None:
    found = finding(outcome=outcome, severity="warning")
    (result,) = run_of(Report(findings=(found,)))["results"]
    assert (result["kind"], result["level"]) == (kind, level)
    assert result["properties"]["outcome"] == outcome


def test_fingerprints_travel() -> None:
    (result,) = run_of(Report(findings=(finding(),)))["results"]
    assert result["partialFingerprints"] == {"kpolicy/v1": "a1"}


def test_a_message_cannot_plant_a_link() -> None:
    (result,) = run_of(Report(findings=(finding(message="see [here](http://x) [ok]"),)))["results"]
    assert result["message"]["text"] == "see \\[here\\](http://x) [ok]"


def test_a_policy_that_could_not_run_is_a_notification_about_the_configuration() -> None:
    problem = Problem("unknown key", SourceLocation("policies/p.yaml", 3, 1))
    (invocation,) = run_of(Report(problems=(problem,)))["invocations"]
    assert invocation["executionSuccessful"] is False
    (said,) = invocation["toolConfigurationNotifications"]
    assert said["message"]["text"] == "unknown key"
    artifact = said["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact["uri"] == "clusters/policies/p.yaml"
