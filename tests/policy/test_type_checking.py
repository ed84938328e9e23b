"""Warnings of types are those that an API server writes into `status.typeChecking`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from vap_kit import CUSTOM_KIND, DEPLOYMENTS, binding, decisions, deployment, rule, run, vap

from kpolicy.cli.main import main


def warnings(root: Path, *documents: dict[str, Any]) -> dict[str, str]:
    """Return the warnings by fieldRef of the only policy in a file."""
    path = root / "policy.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    result = CliRunner().invoke(main, ["policies", "check", "--status", "--no-builtin", str(path)])
    assert result.exit_code == 0, result.stderr
    (document,) = yaml.safe_load_all(result.stdout)
    checked = document["status"]["typeChecking"].get("expressionWarnings", ())
    return {each["fieldRef"]: each["warning"] for each in checked}


def on(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"constraints": {"resourceRules": list(rules)}}


def kinds(warning: str) -> list[str]:
    return [line.split(": ERROR")[0] for line in warning.splitlines() if ", Kind=" in line]


def test_a_field_that_is_not_there_is_told_as_kubernetes_documents_it(tmp_path: Path) -> None:
    """The example of "Type checking" in the documentation of ValidatingAdmissionPolicy."""
    assert warnings(tmp_path, vap("object.replicas > 1")) == {
        "spec.validations[0].expression": (
            "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'\n"
            " | object.replicas > 1\n"
            " | ......^\n"
        )
    }


def test_every_kind_is_checked_and_named(tmp_path: Path) -> None:
    both = {**DEPLOYMENTS, "resources": ["deployments", "replicasets"]}
    found = warnings(tmp_path, vap("object.spec.strategy.type != 'x'", **on(both)))
    assert kinds(found["spec.validations[0].expression"]) == ["apps/v1, Kind=ReplicaSet"]
    found = warnings(tmp_path, vap("object.x == 1", **on(rule("pods"), both)))
    assert kinds(found["spec.validations[0].expression"]) == [
        "/v1, Kind=Pod", "apps/v1, Kind=Deployment", "apps/v1, Kind=ReplicaSet",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("object.spec.replicas > 'x'",
         "found no matching overload for '_>_' applied to '(int, string)'"),
        ("'x' in object.spec.replicas", "found no matching overload for '@in'"),
        ("!object.metadata.name", "found no matching overload for '!_' applied to '(string)'"),
        ("has(object.spec.replica)", "undefined field 'replica'"),
        ("oldObject.spec.replica > 1", "undefined field 'replica'"),
        ("request.operatio == 'CREATE'", "undefined field 'operatio'"),
        ("request.userInfo.groups.exists(g, g == 1)", "'_==_' applied to '(string, int)'"),
        ("namespaceObject.metadata.label == {}", "undefined field 'label'"),
        ("object.metadata.labels.any == 1", "'_==_' applied to '(string, int)'"),
    ],
)  # fmt: skip
def test_what_is_wrong(tmp_path: Path, expression: str, message: str) -> None:
    (found,) = warnings(tmp_path, vap(expression)).values()
    assert message in found


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.replicas > 1 && object.metadata.labels['a/b'] == 'x'",
        "object.spec.template.spec.containers.all(c, c.resources.limits['cpu'] != '1')",
        "request.userInfo.extra['a'].exists(e, e == 'b') && request.namespace != ''",
        "namespaceObject.metadata.labels['env'] == 'x' && oldObject == null",
    ],
)
def test_what_is_right_has_no_warning(tmp_path: Path, expression: str) -> None:
    assert warnings(tmp_path, vap(expression)) == {}


def test_message_expressions_are_checked_and_audit_annotations_are_not(tmp_path: Path) -> None:
    validation = {"expression": "true", "messageExpression": "object.metadata.nam"}
    audit = [{"key": "k", "valueExpression": "object.metadata.nam"}]
    assert list(warnings(tmp_path, vap(validation, auditAnnotations=audit))) == [
        "spec.validations[0].messageExpression"
    ]


def test_variables_have_the_types_of_their_expressions(tmp_path: Path) -> None:
    variables = [
        {"name": "n", "expression": "object.spec.replicas"},
        {"name": "m", "expression": "variables.n + 1"},
        {"name": "wrong", "expression": "object.spec.replica"},
    ]
    found = warnings(
        tmp_path, vap("variables.m == 'x'", "variables.wrong == 1", variables=variables)
    )
    assert "'_==_' applied to '(int, string)'" in found["spec.validations[0].expression"]
    assert "undefined field 'wrong'" in found["spec.validations[1].expression"]


@pytest.mark.parametrize(
    "given",
    [
        rule("*"), rule("pods/exec"), rule("pods", group="*"), rule("pods", apiVersions=["*"]),
        rule("widgets", group="example.com"),
    ],
)  # fmt: skip
def test_wildcards_subresources_and_kinds_without_a_schema_are_passed_over(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    assert warnings(tmp_path, vap("object.x.y.z == 1", **on(given))) == {}


def test_ten_kinds_at_most_are_checked(tmp_path: Path) -> None:
    resources = ["bindings", "configmaps", "endpoints", "events", "limitranges", "namespaces",
                 "nodes", "persistentvolumes", "persistentvolumeclaims", "pods", "secrets",
                 "services"]  # fmt: skip
    given = {**rule("pods"), "resources": resources}
    (found,) = warnings(tmp_path, vap("object.x == 1", **on(given))).values()
    assert len(kinds(found)) == 10


def test_definitions_beside_the_policy_give_schemas(tmp_path: Path) -> None:
    given = rule("widgets", group="example.com")
    found = warnings(tmp_path, vap("object.spec.sise > 1", **on(given)), CUSTOM_KIND)
    (text,) = found.values()
    assert text.startswith("example.com/v1, Kind=Widget: ERROR: <input>:1:12: undefined field")
    assert warnings(tmp_path, vap("object.spec.size > 1", **on(given)), CUSTOM_KIND) == {}


def test_parameters_have_the_type_of_their_kind(tmp_path: Path) -> None:
    config = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
    (text,) = warnings(tmp_path, vap("params.dat.x == 'y'", **config)).values()
    assert "undefined field 'dat'" in text
    custom = {"paramKind": {"apiVersion": "example.com/v1", "kind": "Widget"}}
    (text,) = warnings(tmp_path, vap("params.spec.size == 'y'", **custom), CUSTOM_KIND).values()
    assert "'_==_' applied to '(int, string)'" in text
    unknown = {"paramKind": {"apiVersion": "x.io/v1", "kind": "Nobody"}}
    assert warnings(tmp_path, vap("params.anything.goes == 'y'", **unknown)) == {}


def test_several_lines_are_told_by_line_and_column(tmp_path: Path) -> None:
    (text,) = warnings(tmp_path, vap("true &&\n  object.x == 1")).values()
    assert "ERROR: <input>:2:9: undefined field 'x'\n |   object.x == 1\n | ........^" in text


def test_warnings_never_keep_a_policy_from_running(tmp_path: Path) -> None:
    policies = [vap("object.replicas > 1", failurePolicy="Ignore"), binding()]
    report = run(tmp_path, policies, [deployment()])
    assert not report.problems
    assert decisions(report) == {"web": "skip"}
