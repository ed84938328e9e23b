"""The documents of Kyverno's command line: Values, ClusterResource and Test, besides Context."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import kpolicy
import pytest

POLICY = """\
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: asks}
spec:
  matchConstraints:
    namespaceSelector: %(selector)s
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
    - expression: %(expression)s
      message: told
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: app, image: "acme/app:1"}]}
"""
VALUES = """\
apiVersion: cli.kyverno.io/v1alpha1
kind: %s
metadata: {name: values}
"""
TEST = """\
apiVersion: cli.kyverno.io/v1alpha1
kind: Test
metadata: {name: test}
policies: [policy.yaml]
resources: [pod.yaml]
results: []
"""


def run(
    tmp_path: Path,
    document: str,
    expression: str = "'false'",
    selector: str = "{}",
    manifests: str = POD,
) -> kpolicy.Report:
    others = [entry.name for entry in entry_points(group="kpolicy") if entry.name != "kyverno"]
    (tmp_path / "pod.yaml").write_text(manifests)
    policies = tmp_path / "policies"
    policies.mkdir(exist_ok=True)
    policy = POLICY % {"selector": selector, "expression": expression}
    (policies / "policy.yaml").write_text(policy)
    (policies / "given.yaml").write_text(document)
    return kpolicy.scan(
        tmp_path / "pod.yaml", policies=policies, builtin=False, isolated=True, cache=False,
        disable_plugins=others,
    )  # fmt: skip


def told(report: kpolicy.Report) -> list[str]:
    assert not report.problems, report.problems
    assert {finding.outcome for finding in report.findings} <= {"fail"}
    return [finding.message for finding in report.findings]


PRODUCTION = "{matchLabels: {stage: production}}"
LABELLED = "namespaceSelector: [{name: shop, labels: {stage: %s}}]\n"


@pytest.mark.parametrize("kind", ["Value", "Values"])
def test_values_give_namespaces_their_labels(tmp_path: Path, kind: str) -> None:
    for stage, expected in (("production", ["told"]), ("staging", [])):
        document = VALUES % kind + LABELLED % stage
        assert told(run(tmp_path, document, selector=PRODUCTION)) == expected


def test_whole_namespaces_among_values_are_what_policies_see(tmp_path: Path) -> None:
    namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, annotations: {a: b}}}"
    document = VALUES % "Value" + f"namespaces: [{namespace}]\n"
    for value, expected in (("b", []), ("c", ["told"])):
        expression = f"namespaceObject.metadata.annotations.a == '{value}'"
        assert told(run(tmp_path, document, expression)) == expected


def test_the_namespaces_of_the_input_come_first(tmp_path: Path) -> None:
    own = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {stage: staging}}\n"
    document = VALUES % "Values" + LABELLED % "production"
    assert told(run(tmp_path, document, selector=PRODUCTION, manifests=POD + own)) == []


def test_what_values_say_of_requests_is_noted(tmp_path: Path) -> None:
    usual = VALUES % "Values" + "globalValues: {request.operation: CREATE}\n"
    assert not [n for n in run(tmp_path, usual).notes if "Values" in n.message]
    other = VALUES % "Values" + "globalValues: {request.operation: DELETE}\n"
    (note,) = [n for n in run(tmp_path, other).notes if "Values" in n.message]
    assert "given.yaml:4:15: globalValues of Values are not read" in note.message
    assert "--operation" in note.message


CLUSTER = """\
apiVersion: cli.kyverno.io/v1alpha1
kind: ClusterResource
metadata: {name: cluster}
spec:
  crds: [crd.yaml]
  resources:
    - {apiVersion: v1, kind: ConfigMap, metadata: {name: teams, namespace: shop}, data: {by: ann}}
    - {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {stage: production}}}
"""


def test_cluster_resources_are_found_and_their_namespaces_count(tmp_path: Path) -> None:
    for owner, expected in (("ann", []), ("bob", ["told"])):
        expression = f"resource.Get('v1', 'configmaps', 'shop', 'teams').data.by == '{owner}'"
        report = run(tmp_path, CLUSTER, expression, PRODUCTION)
        assert told(report) == expected
        assert any("spec.crds are not read" in note.message for note in report.notes)


def test_a_test_answers_for_services(tmp_path: Path) -> None:
    answers = """\
apiCallResponses:
  - {url: "https://acme.example/a", response: {statusCode: 200, body: {allowed: true}}}
  - {url: "https://acme.example/b", method: POST, response: {statusCode: 403}}
"""
    get = "http.Get('https://acme.example/a').body.allowed"
    assert told(run(tmp_path, TEST + answers, get)) == []
    post = "http.Post('https://acme.example/b', object.metadata).statusCode == 200"
    assert told(run(tmp_path, TEST + answers, post)) == ["told"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("size(globalContext.Get('kept', 'names')) == 2", []),
        ("size(globalContext.Get('kept', '').names) == 2", []),
        ("globalContext.Get('kept', '').deep.names[0] == 'b'", ["told"]),
        ("globalContext.Get('pods', '')[0].metadata.name == 'p'", []),
    ],
)
def test_a_test_answers_for_the_global_context(
    tmp_path: Path, expression: str, expected: list[str]
) -> None:
    entries = """\
globalContextEntries:
  - {name: kept, data: {deep: {names: [a, b]}}, projections: [{name: names, path: deep.names}]}
  - {name: pods, resources: [{apiVersion: v1, kind: Pod, metadata: {name: p}}]}
"""
    assert told(run(tmp_path, TEST + entries, expression)) == expected


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            VALUES % "Values" + "namespaceSelector: [{name: shop, labels: [a]}]\n",
            "4:42: namespaceSelector[0].labels must be a mapping",
        ),
        (
            TEST + "globalContextEntries: [{name: a, resourceFiles: [b.yaml]}]\n",
            "7:49: globalContextEntries[0].resourceFiles is not read",
        ),
        (
            TEST
            + "globalContextEntries: [{name: a, data: {}, projections: [{name: b, path: c.d}]}]\n",
            '7:74: "c.d" leads nowhere in this entry',
        ),
        (TEST + "apiCallResponses: [{url: a}]\n", '7:20: apiCallResponses[0] lacks "response"'),
        (CLUSTER + "    - text\n", "9:7: spec.resources[2] must be a resource"),
    ],
)
def test_what_is_wrong_names_its_place(tmp_path: Path, document: str, message: str) -> None:
    problems = run(tmp_path, document).problems
    assert any(f"given.yaml:{message}" in f"{p.location}: {p.message}" for p in problems), problems
