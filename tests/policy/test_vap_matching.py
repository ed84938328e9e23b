"""Which requests a ValidatingAdmissionPolicy is about, as the API server's matcher has it."""

from __future__ import annotations

import pytest
import yaml
from vap_kit import DEPLOYMENTS, binding, decisions, deployment, resource, rule, run, vap

EVERYTHING = {
    "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"],
}  # fmt: skip
TEAM = {"matchLabels": {"team": "a"}}


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        ({}, True),
        ({"apiGroups": ["*"]}, True),
        ({"apiGroups": [""]}, False),
        ({"apiVersions": ["*"]}, True),
        ({"resources": ["*"]}, True),
        ({"resources": ["*/*"]}, True),
        ({"resources": ["deployments/*"]}, True),
        ({"resources": ["deployments/status"]}, False),
        ({"resources": ["*/scale"]}, False),
        ({"resources": ["pods", "deployments"]}, True),
        ({"resources": ["Deployment"]}, False),
        ({"operations": ["*"]}, True),
        ({"operations": ["UPDATE"]}, False),
        ({"operations": ["DELETE", "CREATE"]}, True),
        ({"scope": "*"}, True),
        ({"scope": "Namespaced"}, True),
        ({"scope": "Cluster"}, False),
        ({"resourceNames": ["web"]}, True),
        ({"resourceNames": ["other", "web"]}, True),
    ],
)
def test_a_resource_rule(tmp_path, changes, met):
    policy = vap("false", constraints={"resourceRules": [{**DEPLOYMENTS, **changes}]})
    report = run(tmp_path, [policy, binding()], [deployment()])
    assert decisions(report) == ({"web": "fail"} if met else {})


def test_a_name_that_is_not_listed_is_skipped_with_the_reason(tmp_path):
    named = {**DEPLOYMENTS, "resourceNames": ["other"]}
    report = run(tmp_path, [vap("false", constraints={"resourceRules": [named]})], [deployment()])
    assert [f.message for f in report.findings] == ["skipped: its name is not among resourceNames"]


@pytest.mark.parametrize(
    ("policy", "version", "met"),
    [
        ("Equivalent", "apps/v1beta1", True),
        ("Exact", "apps/v1beta1", False),
        ("Equivalent", "extensions/v1beta1", True),
        ("Exact", "extensions/v1beta1", False),
        ("Exact", "apps/v1", True),
    ],
)
def test_match_policy(tmp_path, policy, version, met):
    """Another version of the same resource is met, and converted, unless Exact is asked for."""
    constraints = {"matchPolicy": policy}
    checked = vap("object.apiVersion != 'apps/v1'", constraints=constraints)
    report = run(tmp_path, [checked], [{**deployment(), "apiVersion": version}])
    assert decisions(report) == ({"web": "fail"} if met else {})


def test_equivalent_is_the_default_and_the_request_names_both_kinds(tmp_path):
    expression = (
        "request.kind.version == 'v1' && request.requestKind.version == 'v1beta1'"
        " && request.resource.version == 'v1' && request.requestResource.version == 'v1beta1'"
    )
    body = {**deployment(), "apiVersion": "apps/v1beta1"}
    assert decisions(run(tmp_path, [vap(expression)], [body])) == {"web": "pass"}


def test_excluded_rules_win(tmp_path):
    constraints = {
        "resourceRules": [EVERYTHING],
        "excludeResourceRules": [rule("services"), {**DEPLOYMENTS, "resourceNames": ["web"]}],
    }
    bodies = [deployment(), deployment("other"), resource("v1", "Service", "svc")]
    report = run(tmp_path, [vap("false", constraints=constraints)], bodies)
    assert decisions(report) == {"web": "skip", "other": "fail", "svc": "skip"}
    assert report.findings[0].message == "skipped: excludeResourceRules leave it out"


NAMESPACES = [
    resource("v1", "Namespace", "shop", labels={"team": "a"}),
    resource("v1", "Namespace", "bare"),
    resource("v1", "Namespace", "default", labels={"team": "a"}),
]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (TEAM, {"in-shop": "fail", "in-bare": "skip", "in-absent": "skip", "in-default": "fail"}),
        (
            {"matchLabels": {"kubernetes.io/metadata.name": "absent"}},
            {"in-shop": "skip", "in-bare": "skip", "in-absent": "fail", "in-default": "skip"},
        ),
        (
            {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]}]},
            {"in-shop": "skip", "in-bare": "fail", "in-absent": "fail", "in-default": "fail"},
        ),
        (
            {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
            {"in-shop": "fail", "in-bare": "skip", "in-absent": "skip", "in-default": "fail"},
        ),
        (
            {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]},
            {"in-shop": "skip", "in-bare": "fail", "in-absent": "fail", "in-default": "skip"},
        ),
        ({}, {"in-shop": "fail", "in-bare": "fail", "in-absent": "fail", "in-default": "fail"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["policy", "binding"])
def test_a_namespace_selector(tmp_path, selector, expected, where):
    """Namespaces come from the input; one that is not there has the label of its name alone."""
    bodies = [
        deployment("in-shop", "shop"), deployment("in-bare", "bare"),
        deployment("in-absent", "absent"), deployment("in-default"), *NAMESPACES,
    ]  # fmt: skip
    if where == "policy":
        policies = [vap("false", constraints={"namespaceSelector": selector}), binding()]
    else:
        policies = [vap("false"), binding(matchResources={"namespaceSelector": selector})]
    assert decisions(run(tmp_path, policies, bodies)) == expected


def test_a_namespace_is_matched_by_its_own_labels_and_cluster_scoped_objects_always(tmp_path):
    constraints = {"resourceRules": [EVERYTHING], "namespaceSelector": TEAM}
    role = resource("rbac.authorization.k8s.io/v1", "ClusterRole", "role")
    bodies = [*NAMESPACES, role]
    report = run(tmp_path, [vap("namespaceObject != null", constraints=constraints)], bodies)
    assert decisions(report) == {
        "shop": "fail", "bare": "skip", "default": "fail", "role": "fail",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["bare", "other"])
def test_the_label_of_its_name_is_on_a_namespace_itself(tmp_path, name):
    selector = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    constraints = {"resourceRules": [rule("namespaces")], "namespaceSelector": selector}
    report = run(tmp_path, [vap("false", constraints=constraints)], [NAMESPACES[1]])
    assert decisions(report) == {"bare": "fail" if name == "bare" else "skip"}


@pytest.mark.parametrize(
    ("labels", "old", "outcome"),
    [({"team": "a"}, None, "pass"), ({"team": "b"}, None, "skip"), ({}, None, "skip"),
     ({"team": "b"}, {"team": "a"}, "fail"), ({"team": "a"}, {}, "fail")],
)  # fmt: skip
def test_an_object_selector_looks_at_the_old_object_too(tmp_path, labels, old, outcome):
    policy = vap("request.operation != 'UPDATE'", constraints={"objectSelector": TEAM})
    body = resource("apps/v1", "Deployment", "web", labels=labels, spec={"replicas": 1})
    request = {}
    if old is not None:
        (tmp_path / "base").mkdir()
        before = resource("apps/v1", "Deployment", "web", labels=old, spec={"replicas": 2})
        (tmp_path / "base" / "all.yaml").write_text(yaml.safe_dump(before))
        request["base"] = str(tmp_path / "base")
    assert decisions(run(tmp_path, [policy], [body], **request)) == {"web": outcome}


@pytest.mark.parametrize(
    ("scope", "met"),
    [("Cluster", {"ns", "role"}), ("Namespaced", {"pod"}), ("*", {"ns", "role", "pod"})],
)
def test_a_namespace_is_cluster_scoped(tmp_path, scope, met):
    bodies = [
        resource("v1", "Namespace", "ns"),
        resource("rbac.authorization.k8s.io/v1", "ClusterRole", "role"),
        resource("v1", "Pod", "pod"),
    ]
    constraints = {"resourceRules": [{**EVERYTHING, "scope": scope}]}
    assert set(decisions(run(tmp_path, [vap("false", constraints=constraints)], bodies))) == met


def test_policies_themselves_and_reviews_are_exempt(tmp_path):
    bodies = [
        vap("true", name="other"),
        resource("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "hook"),
        resource("authorization.k8s.io/v1", "SubjectAccessReview", "review"),
        resource("apiregistration.k8s.io/v1", "APIService", "api"),
    ]
    report = run(tmp_path, [vap("false", constraints={"resourceRules": [EVERYTHING]})], bodies)
    assert decisions(report) == {"api": "fail"}


WIDGET = resource("example.com/v1", "Widget", "w")


def crd(plural: str, scope: str) -> dict:
    return resource(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.example.com",
        spec={"group": "example.com", "scope": scope, "names": {"kind": "Widget", "plural": plural},
              "versions": []},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "definition", "met"),
    [
        ("widgets", None, True),
        ("widgetten", None, False),
        ("widgetten", crd("widgetten", "Namespaced"), True),
        ("widgets", crd("widgetten", "Namespaced"), False),
    ],
)
@pytest.mark.parametrize("place", ["input", "policies"])
def test_a_definition_says_how_a_kind_is_called(tmp_path, resources, definition, met, place):
    policies = [vap("false", constraints={"resourceRules": [rule(resources, "example.com")]})]
    bodies = [WIDGET]
    if definition is not None:
        (bodies if place == "input" else policies).append(definition)
    report = run(tmp_path, policies, bodies)
    assert decisions(report) == ({"w": "fail"} if met else {})
    guesses = [n.message for n in report.notes if "Widget" in n.message]
    assert len(guesses) == (1 if definition is None else 0)


def test_a_definition_says_whether_a_kind_has_namespaces(tmp_path):
    selector = {"matchLabels": {"team": "a"}}
    constraints = {
        "resourceRules": [rule("widgets", "example.com")], "namespaceSelector": selector,
    }  # fmt: skip
    policy = vap("!has(request.namespace)", constraints=constraints)
    assert decisions(run(tmp_path, [policy], [WIDGET])) == {"w": "skip"}
    report = run(tmp_path, [policy], [WIDGET, crd("widgets", "Cluster")])
    assert decisions(report) == {"w": "pass"}


def test_a_body_of_a_subresource_request_meets_rules_of_the_subresource(tmp_path):
    exec_ = {**rule("pods/exec"), "operations": ["CONNECT"]}
    policy = vap("!('sh' in object.command)", constraints={"resourceRules": [exec_]})
    bodies = [
        {**resource("v1", "PodExecOptions", "x"), "command": ["sh"]},
        resource("v1", "Pod", "pod"),
    ]
    assert decisions(run(tmp_path, [policy], bodies)) == {"x": "fail"}


def test_operations_of_a_scan(tmp_path):
    deletes = vap(
        "oldObject.spec.replicas == 0", "object == null",
        constraints={"resourceRules": [{**DEPLOYMENTS, "operations": ["DELETE"]}]},
    )  # fmt: skip
    assert decisions(run(tmp_path, [deletes], [deployment()])) == {}
    assert decisions(run(tmp_path, [deletes], [deployment()], operation="DELETE")) == {
        "web": "fail"
    }


@pytest.mark.parametrize("where", ["beside", "params"])
def test_namespaces_that_are_given_with_the_policies(tmp_path, where):
    """They count where the input has none of that name: few repositories hold Namespaces."""
    production = resource("v1", "Namespace", "shop", labels={"stage": "production"})
    selector = {"matchLabels": {"stage": "production"}}
    policy = vap("false", constraints={"namespaceSelector": selector})
    policies = [policy, *([production] if where == "beside" else [])]
    params = [production] if where == "params" else None
    workload = deployment(namespace="shop")
    report = run(tmp_path, policies, [workload], params=params)
    assert decisions(report) == {"web": "fail"}
    assert not report.problems and not [n for n in report.notes if "left aside" in n.message]
    staging = resource("v1", "Namespace", "shop", labels={"stage": "staging"})
    report = run(tmp_path, policies, [workload, staging], params=params)
    assert decisions(report)["web"] == "skip"
    seen = vap("namespaceObject.metadata.labels.stage == 'production'")
    assert decisions(run(tmp_path, [seen, production], [workload])) == {"web": "pass"}
