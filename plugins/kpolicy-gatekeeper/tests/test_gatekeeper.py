"""ConstraintTemplates with their Constraints over manifests."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import kpolicy
import pytest

TEMPLATE = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8smaxreplicas, annotations: {metadata.gatekeeper.sh/title: Most replicas}}
spec:
  crd:
    spec:
      names: {kind: K8sMaxReplicas}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            max: {type: integer, default: 3}
            exempt: {type: array, items: {type: string}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
        - engine: K8sNativeValidation
          source:
            variables:
              - name: replicas
                expression: "variables.anyObject.spec.?replicas.orValue(1)"
            validations:
              - expression: >-
                  variables.replicas <= variables.params.max
                  || (has(variables.params.exempt)
                    && object.metadata.name in variables.params.exempt)
                messageExpression: "'asks for ' + string(variables.replicas)"
"""
CONSTRAINT = """\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sMaxReplicas
metadata: {name: few}
spec:
  enforcementAction: %(action)s
  match: %(match)s
  parameters: %(parameters)s
"""
MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: small, namespace: shop}
spec: {replicas: 2}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: large, namespace: shop, labels: {tier: web}}
spec: {replicas: 9}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: stateful, namespace: kube-system}
spec: {replicas: 4}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
"""
WORKLOADS = "{kinds: [{apiGroups: [apps], kinds: [Deployment, StatefulSet]}]}"


def constraint(match: str = WORKLOADS, parameters: str = "{}", action: str = "deny") -> str:
    return CONSTRAINT % {"match": match, "parameters": parameters, "action": action}


def others() -> list[str]:
    """Return the other plugins that are installed beside this one: their packs find things too."""
    return [entry.name for entry in entry_points(group="kpolicy") if entry.name != "gatekeeper"]


def run(tmp_path: Path, *policies: str, **options: Any) -> kpolicy.Report:
    (tmp_path / "manifests.yaml").write_text(MANIFESTS)
    for number, text in enumerate(policies):
        (tmp_path / f"policy{number}.yml").write_text(text)
    return kpolicy.scan(
        tmp_path / "manifests.yaml", builtin=False, isolated=True, cache=False,
        policies=[tmp_path / f"policy{n}.yml" for n in range(len(policies))],
        disable_plugins=others(), **options,
    )  # fmt: skip


def failing(report: kpolicy.Report) -> list[str]:
    assert not report.problems, report.problems
    return [finding.resource.name for finding in report.findings]


def test_a_constraint_with_its_template_is_a_policy(tmp_path: Path) -> None:
    report = run(tmp_path, constraint(), TEMPLATE)
    assert failing(report) == ["large", "stateful"]
    assert {finding.policy for finding in report.findings} == {"k8smaxreplicas.few"}
    assert report.findings[0].message == "asks for 9"
    assert report.findings[0].severity == "error"


@pytest.mark.parametrize(
    ("match", "found"),
    [
        (WORKLOADS, ["large", "stateful"]),
        ('{kinds: [{apiGroups: ["*"], kinds: [Deployment]}]}', ["large"]),
        ('{kinds: [{apiGroups: [""], kinds: [Deployment]}]}', []),
        ('{kinds: [{apiGroups: [apps], kinds: ["*"]}], namespaces: [shop]}', ["large"]),
        ('{kinds: [{apiGroups: [apps], kinds: ["*"]}], namespaces: ["kube-*"]}', ["stateful"]),
        ('{kinds: [{apiGroups: [apps], kinds: ["*"]}], excludedNamespaces: ["*-system"]}',
         ["large"]),
        ('{kinds: [{apiGroups: [apps], kinds: ["*"]}], labelSelector: {matchLabels: {tier: web}}}',
         ["large"]),
        ('{kinds: [{apiGroups: [apps], kinds: ["*"]}], '
         "namespaceSelector: {matchLabels: {team: a}}}", ["large"]),
        ('{kinds: [{apiGroups: [apps], kinds: ["*"]}], name: "st*"}', ["stateful"]),
        ('{kinds: [{apiGroups: [apps], kinds: ["*"]}], scope: Cluster}', []),
        ('{kinds: [{apiGroups: [apps], kinds: ["*"]}], source: Generated}', []),
    ],
)  # fmt: skip
def test_match(tmp_path: Path, match: str, found: list[str]) -> None:
    assert failing(run(tmp_path, TEMPLATE, constraint(match))) == found


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ("{}", ["large", "stateful"]),
        ("{max: 4}", ["large"]),
        ("{max: 1, exempt: [large, stateful]}", ["small"]),
    ],
)
def test_parameters_and_their_defaults(tmp_path: Path, parameters: str, found: list[str]) -> None:
    report = run(tmp_path, TEMPLATE, constraint(parameters=parameters))
    assert failing(report) == found


@pytest.mark.parametrize(
    ("action", "severity"), [("deny", "error"), ("warn", "warning"), ("dryrun", "info")]
)
def test_enforcement_actions_are_severities(tmp_path: Path, action: str, severity: str) -> None:
    report = run(tmp_path, TEMPLATE, constraint(action=action))
    assert {finding.severity for finding in report.findings} == {severity}


def test_of_scoped_actions_the_strongest_counts(tmp_path: Path) -> None:
    scoped = (
        constraint(action="scoped")
        + "  scopedEnforcementActions: [{action: warn}, {action: dryrun}]\n"
    )
    report = run(tmp_path, TEMPLATE, scoped)
    assert {finding.severity for finding in report.findings} == {"warning"}


def test_two_constraints_of_one_template_are_two_policies(tmp_path: Path) -> None:
    other = constraint(parameters="{max: 1}").replace("name: few", "name: one")
    report = run(tmp_path, TEMPLATE, constraint(), other)
    found = sorted((finding.policy, finding.resource.name) for finding in report.findings)
    assert ("k8smaxreplicas.one", "small") in found
    assert len(found) == 5


REGO = TEMPLATE.partition("      code:")[0] + "      rego: |\n        package x\n"


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ((REGO, constraint()), "has no code for K8sNativeValidation (it has: Rego)"),
        ((constraint(),), "no ConstraintTemplate for K8sMaxReplicas can be run"),
        ((TEMPLATE, constraint(parameters="{max: many}")), "spec.parameters.max: "),
        ((TEMPLATE, TEMPLATE, constraint()), "a template for K8sMaxReplicas stands at"),
        ((TEMPLATE, constraint(action="explode")), "spec.enforcementAction"),
        ((TEMPLATE.replace("variables.replicas <=", "variables.replica <="), constraint()),
         'no variable "replica"'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, policies: tuple[str, ...], message: str
) -> None:
    problems = run(tmp_path, *policies).problems
    assert any(message in problem.message for problem in problems), problems
    assert all(problem.location is not None for problem in problems)


def test_a_template_without_a_constraint_is_named(tmp_path: Path) -> None:
    notes = run(tmp_path, TEMPLATE).notes
    assert any("template k8smaxreplicas has no constraint" in note.message for note in notes)
