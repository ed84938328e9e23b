"""What a ValidatingAdmissionPolicy decides, and what it says, as the API server does."""

from __future__ import annotations

import pytest
import yaml
from vap_kit import binding, decisions, deployment, messages, resource, run, vap


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_every_version_is_read(tmp_path, version):
    policies = [
        vap("object.spec.replicas <= 4", version=version), binding(version=version),
    ]  # fmt: skip
    report = run(tmp_path, policies, [deployment(), deployment("small", replicas=1)])
    assert decisions(report) == {"web": "fail", "small": "pass"}
    assert not report.problems
    assert not report.notes


def test_each_validation_that_fails_is_a_finding(tmp_path):
    report = run(tmp_path, [vap("false", "true", "object.spec.replicas > 9")], [deployment()])
    assert messages(report) == [
        "failed expression: false",
        "failed expression: object.spec.replicas > 9",
    ]
    assert {f.details["reason"] for f in report.findings} == {"Invalid"}


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ({"message": "too many"}, "too many"),
        ({"message": "  too many "}, "too many"),
        ({"messageExpression": "'has ' + string(object.spec.replicas)"}, "has 5"),
        ({"message": "m", "messageExpression": "'has ' + string(object.spec.replicas)"}, "has 5"),
        ({"message": "m", "messageExpression": "object.spec.absent"}, "m"),
        ({"message": "m", "messageExpression": "''"}, "m"),
        ({"message": "m", "messageExpression": "'  '"}, "m"),
        ({"message": "m", "messageExpression": "'  x '"}, "x"),
        ({"message": "m", "messageExpression": "'a\\nb'"}, "m"),
        ({"message": "m", "messageExpression": "'a\\n'"}, "a"),
        ({"message": "m", "messageExpression": f"'{'x' * 5121}'"}, "m"),
        ({"message": "m", "messageExpression": f"'{'x' * 5120}'"}, "x" * 5120),
        ({"message": "m", "messageExpression": f"'{'é' * 2561}'"}, "m"),
        ({"message": "m", "messageExpression": "dyn(1)"}, "m"),
        ({"message": "m", "messageExpression": ""}, "m"),
        ({"messageExpression": "object.spec.absent"}, "failed expression: 1 > 2"),
        ({"messageExpression": "variables.text"}, "from a variable"),
        ({}, "failed expression: 1 > 2"),
    ],
)
def test_messages(tmp_path, validation, message):
    """An expression that fails, is blank, too long, or of several lines gives way."""
    variables = [{"name": "text", "expression": "'from a variable'"}]
    policy = vap({"expression": " 1 > 2 ", **validation}, variables=variables)
    assert messages(run(tmp_path, [policy], [deployment()])) == [message]


def test_the_reason_is_told(tmp_path):
    policy = vap({"expression": "false", "reason": "Forbidden"})
    (finding,) = run(tmp_path, [policy], [deployment()]).findings
    assert finding.details["reason"] == "Forbidden"


@pytest.mark.parametrize(
    ("failure_policy", "outcome"), [("Fail", "error"), ("Ignore", "skip"), (None, "error")]
)
@pytest.mark.parametrize("where", ["validation", "condition", "variable"])
def test_failure_policy(tmp_path, failure_policy, outcome, where):
    spec = {} if failure_policy is None else {"failurePolicy": failure_policy}
    broken = "object.spec.absent == 1"
    if where == "condition":
        policy = vap("true", matchConditions=[{"name": "c", "expression": broken}], **spec)
    elif where == "variable":
        variables = [{"name": "v", "expression": broken}]
        policy = vap("variables.v", variables=variables, **spec)
    else:
        policy = vap(broken, **spec)
    report = run(tmp_path, [policy, binding()], [deployment()])
    assert decisions(report) == {"web": outcome}
    assert "no such key: absent" in report.findings[0].message


def test_an_error_does_not_hide_what_else_fails(tmp_path):
    policy = vap("object.spec.absent == 1", "false", "true")
    assert decisions(run(tmp_path, [policy], [deployment()])) == {"web": "error+fail"}


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        (["true"], "fail"),
        (["true", "object.spec.replicas == 5"], "fail"),
        (["true", "false"], "skip"),
        (["object.spec.absent == 1", "false"], "skip"),
        (["object.spec.absent == 1", "true"], "error"),
        (["request.operation == 'CREATE'"], "fail"),
        (["has(object.metadata.generateName)"], "skip"),
        # It puts the request's namespace into the object.
        (["object.metadata.namespace == 'default'"], "fail"),
        # The API server gives match conditions no namespace.
        (["namespaceObject == null"], "fail"),
    ],
)
def test_match_conditions(tmp_path, conditions, outcome):
    """One false condition leaves the request out, even where another one fails."""
    given = [{"name": f"c{i}", "expression": e} for i, e in enumerate(conditions)]
    report = run(tmp_path, [vap("false", matchConditions=given)], [deployment()])
    assert decisions(report) == {"web": outcome}
    if outcome == "skip":
        assert messages(report) == [f'skipped: match condition "c{len(conditions) - 1}" is false']


def test_variables_are_lazy_and_build_on_each_other(tmp_path):
    variables = [
        {"name": "broken", "expression": "object.spec.absent"},
        {"name": "replicas", "expression": "object.spec.replicas"},
        {"name": "twice", "expression": "variables.replicas * 2"},
    ]
    policy = vap("variables.twice == 10", "true || variables.broken", variables=variables)
    assert decisions(run(tmp_path, [policy], [deployment()])) == {"web": "pass"}


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("variables.none", 'no variable "none"'),
        ("object.spec.", "expected a field name"),
        ("params.x == 1", "params"),
        ("nothing(object)", "nothing"),
        ("authorizer.group('apps').resource('deployments').check('get').allowed()", "API server"),
        ("'text'", "bool"),
    ],
)
def test_what_does_not_compile_is_told_with_its_place_and_the_rest_runs(tmp_path, expression, text):
    policies = [vap(expression), vap("false", name="other"), binding()]
    report = run(tmp_path, policies, [deployment()])
    assert [f.policy for f in report.findings] == ["other"]
    problem = str(report.problems[0])
    assert text.lower() in problem.lower()
    assert report.problems[0].location.line > 1


def test_variables_cannot_be_read_by_match_conditions(tmp_path):
    policy = vap(
        "true", variables=[{"name": "v", "expression": "true"}],
        matchConditions=[{"name": "c", "expression": "variables.v"}],
    )  # fmt: skip
    assert run(tmp_path, [policy], [deployment()]).problems


@pytest.mark.parametrize(
    ("expression", "published"),
    [
        ("'replicas: ' + string(object.spec.replicas)", "replicas: 5"),
        ("null", None),
        ("'  '", None),
        ("' x '", "x"),
        (f"'{'y' * 10241}'", "y" * 10240),
    ],
)
@pytest.mark.parametrize("holds", ["true", "false"])
def test_audit_annotations_are_told_whatever_was_decided(tmp_path, expression, published, holds):
    annotations = [{"key": "note", "valueExpression": expression}]
    report = run(tmp_path, [vap(holds, auditAnnotations=annotations)], [deployment()])
    (finding,) = report.findings
    assert finding.outcome == ("pass" if holds == "true" else "fail")
    assert finding.details.get("auditAnnotations.note") == published


@pytest.mark.parametrize(("failure_policy", "outcome"), [("Fail", "error"), ("Ignore", "skip")])
def test_an_audit_annotation_that_fails_denies_whatever_the_actions_are(
    tmp_path, failure_policy, outcome
):
    annotations = [{"key": "note", "valueExpression": "object.spec.absent"}]
    policy = vap(auditAnnotations=annotations, failurePolicy=failure_policy)
    (finding,) = run(tmp_path, [policy, binding("Audit")], [deployment()]).findings
    assert finding.outcome == outcome
    if outcome == "error":
        assert finding.severity == "error"


@pytest.mark.parametrize(
    "expression",
    [
        "request.operation == 'CREATE'",
        "request.kind == {'group': 'apps', 'version': 'v1', 'kind': 'Deployment'}",
        "request.resource.resource == 'deployments'",
        "request.requestKind == request.kind && request.requestResource == request.resource",
        "request.name == 'web' && request.namespace == 'default'",
        "!has(request.subResource) && !has(request.requestSubResource)",
        "request.userInfo.username == 'kubernetes-admin'",
        "request.userInfo.groups == ['system:masters', 'system:authenticated']",
        "!has(request.userInfo.uid) && !has(request.userInfo.extra)",
        "request.dryRun == false",
        "request.options.kind == 'CreateOptions'",
        "oldObject == null",
        "namespaceObject.metadata.name == 'default'",
        "namespaceObject.metadata.labels == {'kubernetes.io/metadata.name': 'default'}",
    ],
)
def test_what_a_creation_looks_like(tmp_path, expression):
    assert decisions(run(tmp_path, [vap(expression)], [deployment()])) == {"web": "pass"}


def test_the_user_can_be_given(tmp_path):
    policy = vap("request.userInfo.username == 'ann' && !has(request.userInfo.groups)")
    user = {"username": "ann"}
    assert decisions(run(tmp_path, [policy], [deployment()], user=user)) == {"web": "pass"}


def test_an_update_without_a_base_changes_nothing_and_that_is_said(tmp_path):
    policy = vap("oldObject == object && request.options.kind == 'UpdateOptions'")
    report = run(tmp_path, [policy], [deployment()], operation="UPDATE")
    assert decisions(report) == {"web": "pass"}
    assert any("oldObject is the object itself" in n.message for n in report.notes)


def test_the_base_gives_operation_and_old_object(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "all.yaml").write_text(yaml.safe_dump(deployment(replicas=7)))
    policy = vap("request.operation == 'UPDATE' ? oldObject.spec.replicas == 7 : oldObject == null")
    bodies = [deployment(), deployment("new")]
    report = run(tmp_path, [policy], bodies, base=str(tmp_path / "base"))
    assert decisions(report) == {"web": "pass", "new": "pass"}


@pytest.mark.parametrize(
    ("body", "expression"),
    [
        (deployment(namespace="shop"), "namespaceObject.metadata.labels.team == 'a'"),
        (deployment(namespace="shop"),
         "namespaceObject.metadata.labels['kubernetes.io/metadata.name'] == 'shop'"),
        (resource("v1", "Namespace", "web"), "namespaceObject == null"),
        (resource("v1", "Namespace", "web"), "request.namespace == 'web'"),
        (resource("v1", "Node", "web"), "namespaceObject == null && !has(request.namespace)"),
    ],
)  # fmt: skip
def test_the_namespace_object(tmp_path, body, expression):
    anything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"],
                "resources": ["deployments", "namespaces", "nodes"]}  # fmt: skip
    policy = vap(expression, constraints={"resourceRules": [anything]})
    shop = resource("v1", "Namespace", "shop", labels={"team": "a"})
    assert decisions(run(tmp_path, [policy], [body, shop]))["web"] == "pass"


def test_one_process_and_several_decide_the_same(tmp_path, monkeypatch):
    from kpolicy.engine import cores

    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    policies = [
        vap("object.spec.replicas < 4"),
        vap("namespaceObject.metadata.labels.team == 'a'", name="q"),
        binding("Warn"), binding("Audit", policy="q"),
    ]  # fmt: skip
    shop = resource("v1", "Namespace", "shop", labels={"team": "a"})
    bodies = [deployment(f"d{i}", "shop" if i % 2 else "", replicas=i) for i in range(9)]
    alone = run(tmp_path, policies, [*bodies, shop])
    for number, body in enumerate([*bodies, shop]):
        (tmp_path / "in" / f"{number}.yaml").write_text(yaml.safe_dump(body))
    (tmp_path / "in" / "all.yaml").unlink()
    from kpolicy.engine import ScanRequest, scan
    from kpolicy.plugins.manager import make_toolbox

    together = scan(
        ScanRequest(
            targets=(str(tmp_path / "in"),), policy_paths=(str(tmp_path / "policies"),),
            builtin=False, isolated=True, jobs=2, results_all=True,
        ),
        make_toolbox(),
    )  # fmt: skip
    assert sorted((f.policy, f.resource.name, f.outcome, f.severity) for f in alone.findings) == (
        sorted((f.policy, f.resource.name, f.outcome, f.severity) for f in together.findings)
    )
    assert {f.outcome for f in alone.findings} == {"pass", "fail", "error"}
