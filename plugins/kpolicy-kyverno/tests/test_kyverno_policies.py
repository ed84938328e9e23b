"""Kyverno's CEL policies over manifests: what each construct decides."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent
from typing import Any

import kpolicy
import pytest

PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: bad, labels: {app: web}}
spec: {hostNetwork: true, containers: [{name: app, image: "app:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: shop}
spec: {containers: [{name: app, image: "ghcr.io/acme/app@sha256:%s"}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad-deployment}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {hostNetwork: true, containers: [{name: app, image: "app:1"}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: bad-cronjob}
spec:
  schedule: "@daily"
  jobTemplate:
    spec:
      template:
        spec: {hostNetwork: true, restartPolicy: Never, containers: [{name: app, image: "app:1"}]}
""" % ("0" * 64)

VALIDATING = """\
apiVersion: policies.kyverno.io/v1alpha1
kind: ValidatingPolicy
metadata: {name: no-host-network}
spec:
  validationActions: [%(action)s]
  %(more)s
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}
  validations:
    - expression: %(expression)s
      message: no host network
"""
CLUSTER = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: no-host-network%(annotations)s}
spec:
  validationFailureAction: Enforce
  rules:
    - name: host-network
      match: %(match)s
      %(more)s
      validate:
        cel:
          expressions:
            - expression: "!object.spec.?hostNetwork.orValue(false)"
              message: no host network
"""
MATCH_PODS = "{any: [{resources: {kinds: [Pod]}}]}"


def validating(expression: str = '"!object.spec.?hostNetwork.orValue(false)"', action: str = "Deny",
               more: str = "failurePolicy: Fail") -> str:  # fmt: skip
    return VALIDATING % {"expression": expression, "action": action, "more": more}


def cluster(match: str = MATCH_PODS, more: str = "", annotations: str = "") -> str:
    return CLUSTER % {"match": match, "more": more, "annotations": annotations}


def others() -> list[str]:
    """Return the other plugins that are installed beside this one: their packs find things too."""
    return [entry.name for entry in entry_points(group="kpolicy") if entry.name != "kyverno"]


def run(tmp_path: Path, *policies: str, manifests: str = PODS, **options: Any) -> kpolicy.Report:
    (tmp_path / "manifests.yaml").write_text(manifests)
    (tmp_path / "policy.yml").write_text("\n---\n".join(dedent(p) for p in policies))
    return kpolicy.scan(
        tmp_path / "manifests.yaml", policies=tmp_path / "policy.yml", builtin=False,
        isolated=True, cache=False, disable_plugins=others(), **options,
    )  # fmt: skip


def failing(report: kpolicy.Report) -> list[str]:
    assert not report.problems, report.problems
    return [finding.resource.name for finding in report.findings]


def test_a_validating_policy_for_pods_meets_their_controllers_too(tmp_path: Path) -> None:
    report = run(tmp_path, validating())
    assert failing(report) == ["bad", "bad-deployment", "bad-cronjob"]
    rules = [dict(finding.details).get("rule", "") for finding in report.findings]
    assert rules == ["", "autogen-defaults", "autogen-cronjobs"]
    assert {finding.policy for finding in report.findings} == {"no-host-network"}
    assert len({finding.fingerprint for finding in report.findings}) == 3
    assert report.summary.policies == 1


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("autogen: {podControllers: {controllers: []}}", ["bad"]),
        ("autogen: {podControllers: {controllers: [cronjobs]}}", ["bad", "bad-cronjob"]),
        ("matchConditions: [{name: a, expression: \"object.metadata.namespace == 'shop'\"}]", []),
        ("variables: [{name: unused, expression: \"resource.List('v1', 'pods').items\"}]",
         ["bad", "bad-deployment", "bad-cronjob"]),
    ],
)  # fmt: skip
def test_autogen_and_conditions(tmp_path: Path, more: str, found: list[str]) -> None:
    assert failing(run(tmp_path, validating(more=more))) == found


@pytest.mark.parametrize(
    ("action", "severity"), [("Deny", "error"), ("Warn", "warning"), ("Audit", "info")]
)
def test_actions_are_severities(tmp_path: Path, action: str, severity: str) -> None:
    report = run(tmp_path, validating(action=action))
    assert {finding.severity for finding in report.findings} == {severity}


def test_a_namespaced_policy_meets_its_own_namespace(tmp_path: Path) -> None:
    policy = validating("'false'").replace("kind: Validating", "kind: NamespacedValidating")
    policy = policy.replace("{name: no-host", "{namespace: shop, name: no-host")
    assert failing(run(tmp_path, policy)) == ["good"]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("images.containers.all(i, image(i).containsDigest())", ["bad"]),
        ("images.containers.all(i, image(i).registry() == 'ghcr.io')", ["bad"]),
        ("images.containers.all(i, image(i).tag() == '')", ["bad"]),
        ("images.containers.all(i, image(i).repository() == 'library/app')", ["good"]),
        ("resource.List('v1', 'pods', 'shop').items.size() == 1", []),
        ("resource.Get('apps/v1', 'deployments', 'default', 'bad-deployment').kind == ''",
         ["bad", "good"]),
        ("resource.Get('v1', 'configmaps', 'default', 'absent').kind == ''", ["bad", "good"]),
        ("parseServiceAccount('system:serviceaccount:a:b').Name == 'b'", []),
        ("hash.md5('a') == '0cc175b9c0f1b6a831c399e269772661'", []),
        ("json.unmarshal('{\"a\": [1]}').a[0] == 1", []),
    ],
)  # fmt: skip
def test_functions(tmp_path: Path, expression: str, found: list[str]) -> None:
    more = "autogen: {podControllers: {controllers: []}}"
    quoted = '"' + expression.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert failing(run(tmp_path, validating(quoted, more=more))) == found


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("http.Get('https://example.com') == null", "an offline gate calls no services"),
        ("globalContext.Get('x', '') == null", "the global context lives in"),
        ("image.GetMetadata('x') == null", "a gate asks no registry"),
        ("resource.Post('v1', 'x', {}) == null", "an offline gate changes nothing"),
    ],
)
def test_what_needs_more_than_manifests_is_refused(
    tmp_path: Path, expression: str, reason: str
) -> None:
    report = run(tmp_path, validating(f'"{expression}"'))
    assert reason in report.problems[0].message
    assert report.problems[0].location is not None
    assert report.problems[0].location.line == 11


def test_an_exception_lets_pass_what_its_conditions_name(tmp_path: Path) -> None:
    exception = """\
    apiVersion: policies.kyverno.io/v1alpha1
    kind: PolicyException
    metadata: {name: web}
    spec:
      policyRefs: [{name: no-host-network, kind: ValidatingPolicy}]
      matchConditions: [{name: deployment, expression: "object.kind == 'Deployment'"}]
    """
    assert failing(run(tmp_path, validating(), exception)) == ["bad", "bad-cronjob"]


@pytest.mark.parametrize("kind", ["ImageValidatingPolicy", "MutatingPolicy", "GeneratingPolicy"])
def test_other_kinds_are_told_and_left(tmp_path: Path, kind: str) -> None:
    other = f"apiVersion: policies.kyverno.io/v1alpha1\nkind: {kind}\nmetadata: {{name: other}}\n"
    report = run(tmp_path, validating(), other)
    assert any(f"{kind} other is not evaluated" in note.message for note in report.notes)
    assert failing(report)


def test_a_cluster_policy_is_generated_for_controllers(tmp_path: Path) -> None:
    report = run(tmp_path, cluster())
    assert failing(report) == ["bad", "bad-deployment", "bad-cronjob"]
    rules = [dict(finding.details)["rule"] for finding in report.findings]
    assert rules == ["host-network", "autogen-host-network", "autogen-cronjob-host-network"]


@pytest.mark.parametrize(
    ("match", "more", "found"),
    [
        (MATCH_PODS, "exclude: {any: [{resources: {names: [\"b*d\"]}}]}", []),
        ("{any: [{resources: {kinds: [Pod], names: [\"b*\"]}}]}", "", ["bad"]),
        ("{any: [{resources: {kinds: [v1/Pod], namespaces: [\"sh?p\"]}}]}", "", []),
        ("{any: [{resources: {kinds: [Pod], selector: {matchLabels: {app: \"w*\"}}}}]}", "",
         ["bad"]),
        ("{any: [{resources: {kinds: [Pod], selector: {matchExpressions: "
         "[{key: app, operator: DoesNotExist}]}}}]}", "", []),
        ("{all: [{resources: {kinds: [Pod]}}, {resources: {names: [good]}}]}", "", []),
        ("{any: [{resources: {kinds: [Pod], operations: [DELETE]}}]}", "", []),
        ("{any: [{resources: {kinds: [Pod]}, subjects: [{kind: User, name: \"kubernetes-*\"}]}]}",
         "", ["bad", "bad-deployment", "bad-cronjob"]),
        ("{any: [{resources: {kinds: [Pod]}, subjects: [{kind: Group, name: nobody}]}]}", "", []),
        ("{resources: {kinds: [Pod]}}", "celPreconditions: "
         "[{name: none, expression: \"object.metadata.name != 'bad'\"}]",
         ["bad-deployment", "bad-cronjob"]),
        ("{any: [{resources: {kinds: [Pod]}}]}", "exclude: {any: [{clusterRoles: [x]}]}",
         ["bad", "bad-deployment", "bad-cronjob"]),
        ("{any: [{resources: {kinds: [Pod, Deployment]}}]}", "", ["bad"]),
        ("{any: [{resources: {kinds: [Pod], namespaceSelector: {matchLabels: "
         "{kubernetes.io/metadata.name: shop}}}}]}", "", []),
    ],
)  # fmt: skip
def test_match_and_exclude(tmp_path: Path, match: str, more: str, found: list[str]) -> None:
    assert failing(run(tmp_path, cluster(match, more))) == found


def test_controllers_can_be_chosen_by_annotation(tmp_path: Path) -> None:
    key = "pod-policies.kyverno.io/autogen-controllers"
    assert failing(run(tmp_path, cluster(annotations=f", annotations: {{{key}: none}}"))) == ["bad"]
    chosen = cluster(annotations=f', annotations: {{{key}: "Deployment,Job"}}')
    assert failing(run(tmp_path, chosen)) == ["bad", "bad-deployment"]


def test_an_exception_names_rules(tmp_path: Path) -> None:
    exception = """\
    apiVersion: kyverno.io/v2
    kind: PolicyException
    metadata: {name: web}
    spec:
      exceptions: [{policyName: no-host-network, ruleNames: [host-network]}]
      match: {any: [{resources: {kinds: [Pod], names: [bad]}}]}
    """
    assert failing(run(tmp_path, cluster(), exception)) == ["bad-deployment", "bad-cronjob"]


def test_a_policy_of_patterns_is_an_error_that_says_so(tmp_path: Path) -> None:
    pattern = cluster().partition("validate:")[0] + "validate: {message: m, pattern: {spec: {}}}\n"
    (problem,) = run(tmp_path, pattern).problems
    assert problem.message == 'policy "no-host-network" has no rule with validate.cel'


def test_preconditions_are_refused_with_their_place(tmp_path: Path) -> None:
    report = run(tmp_path, cluster(more="preconditions: {all: []}"))
    (problem,) = report.problems
    assert "celPreconditions" in problem.hint
    assert problem.location is not None
    assert problem.location.line == 9
