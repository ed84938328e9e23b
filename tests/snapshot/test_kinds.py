"""Kinds: scope, plurals, scope groups, where a pod template is, and texts that match kinds."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from kpolicy.frozen import freeze
from kpolicy.snapshot.kinds import (
    CustomKind,
    Kinds,
    WorkloadKind,
    custom_kind_of,
    guess_plural,
    is_kind_text,
    matcher,
    scope_groups,
)

KINDS = Kinds.of()


@pytest.mark.parametrize(
    ("group", "kind", "namespaced", "plural"),
    [
        ("", "Pod", True, "pods"),
        ("", "Namespace", False, "namespaces"),
        ("", "Node", False, "nodes"),
        ("", "PersistentVolume", False, "persistentvolumes"),
        ("", "PersistentVolumeClaim", True, "persistentvolumeclaims"),
        ("", "Endpoints", True, "endpoints"),
        ("apps", "Deployment", True, "deployments"),
        ("networking.k8s.io", "Ingress", True, "ingresses"),
        ("networking.k8s.io", "NetworkPolicy", True, "networkpolicies"),
        ("networking.k8s.io", "IngressClass", False, "ingressclasses"),
        ("rbac.authorization.k8s.io", "ClusterRole", False, "clusterroles"),
        ("storage.k8s.io", "StorageClass", False, "storageclasses"),
        ("apiextensions.k8s.io", "CustomResourceDefinition", False, "customresourcedefinitions"),
        ("cert-manager.io", "ClusterIssuer", False, "clusterissuers"),
        ("argoproj.io", "Rollout", True, "rollouts"),
        ("unknown.example", "Gizmo", True, "gizmos"),
        ("unknown.example", "Policy", True, "policies"),
        ("unknown.example", "Proxy", True, "proxies"),
        ("unknown.example", "Gateway", True, "gateways"),
    ],
)
def test_scope_and_plural(group: str, kind: str, namespaced: bool, plural: str) -> None:
    """What the API server's discovery says; guessed for what nobody defines."""
    assert KINDS.namespaced(group, kind) is namespaced
    assert KINDS.plural(group, kind) == plural


def test_guessed_plurals() -> None:
    """API machinery's rules for English."""
    assert [guess_plural(k) for k in ("Box", "Class", "Key", "Story", "Batch")] == [
        "boxes", "classes", "keys", "stories", "batches",
    ]  # fmt: skip


def spec(**pod: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c"}], **pod}


@pytest.mark.parametrize(
    ("api", "kind", "path"),
    [
        ("v1", "Pod", ()),
        ("v1", "ReplicationController", ("spec", "template")),
        ("v1", "PodTemplate", ("template",)),
        ("apps/v1", "Deployment", ("spec", "template")),
        ("apps/v1beta2", "StatefulSet", ("spec", "template")),
        ("apps/v1", "DaemonSet", ("spec", "template")),
        ("apps/v1", "ReplicaSet", ("spec", "template")),
        ("extensions/v1beta1", "Deployment", ("spec", "template")),
        ("batch/v1", "Job", ("spec", "template")),
        ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template")),
        ("argoproj.io/v1alpha1", "Rollout", ("spec", "template")),
        ("apps.openshift.io/v1", "DeploymentConfig", ("spec", "template")),
        ("serving.knative.dev/v1", "Service", ("spec", "template")),
    ],
)
def test_the_pod_template_of_every_workload_kind(
    api: str, kind: str, path: tuple[str, ...]
) -> None:
    """The very elements of the body come back, so that findings can be placed."""
    template: Any = {"metadata": {"labels": {"app": "a"}}, "spec": spec()}
    body: Any = template
    for name in reversed(path):
        body = {name: body}
    body = freeze({"apiVersion": api, "kind": kind, **body})
    found: Any = body
    for name in path:
        found = found[name]
    assert KINDS.is_workload(body)
    assert KINDS.template_path(body) == path
    assert KINDS.pod_template(body) is found
    assert KINDS.pod_spec(body) is found["spec"]
    assert KINDS.pod_metadata(body) is found["metadata"]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
@pytest.mark.parametrize("fields", [{}, {"spec": None}, {"spec": {}}, {"spec": {"template": None}}])
def test_an_absent_struct_template_is_present_and_empty(kind: str, fields: dict[str, Any]) -> None:
    """A Deployment without a spec still has a pod template, as the API server decodes it."""
    body = freeze({"apiVersion": "apps/v1", "kind": kind, **fields})
    assert KINDS.pod_template(body) == {}
    assert KINDS.pod_spec(body) == {}


@pytest.mark.parametrize(
    ("api", "kind"), [("v1", "ReplicationController"), ("apps.openshift.io/v1", "DeploymentConfig")]
)
def test_an_absent_pointer_template_is_none(api: str, kind: str) -> None:
    """Where the API has a pointer, absence means that there is no template."""
    assert KINDS.pod_template(freeze({"apiVersion": api, "kind": kind, "spec": {}})) is None
    assert KINDS.pod_spec(freeze({"apiVersion": api, "kind": kind})) is None


@pytest.mark.parametrize(
    "body",
    [None, 3, "x", [], {}, {"kind": "Pod"}, {"apiVersion": "v1", "kind": "Service"},
     {"apiVersion": 1, "kind": "Pod"}, {"apiVersion": ["v1"], "kind": {"x": 1}}],
)  # fmt: skip
def test_what_is_no_workload_has_no_template(body: Any) -> None:
    """Odd values are answered, not raised upon."""
    assert not KINDS.is_workload(body)
    assert KINDS.pod_template(body) is None
    assert KINDS.pod_spec(body) is None
    assert KINDS.template_path(body) is None


@pytest.mark.parametrize("template", ["x", 3, [], True])
def test_a_template_of_a_wrong_type_is_empty(template: Any) -> None:
    """A template that is no mapping gives an empty pod, not an error."""
    body = freeze({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template}})
    assert KINDS.pod_spec(body) == {}


def test_a_plugin_adds_a_workload_kind() -> None:
    """Its path, scope group, plural and scope are known at once."""
    kinds = Kinds.of(
        [WorkloadKind("x.io", "Fleet", ("spec", "pods"), groups=("FleetLike",), plural="fleeten")]
    )
    body = freeze({"apiVersion": "x.io/v1", "kind": "Fleet", "spec": {"pods": {"spec": spec()}}})
    assert kinds.pod_spec(body) is body["spec"]["pods"]["spec"]
    assert kinds.plural("x.io", "Fleet") == "fleeten"
    assert matcher(["workloads"], kinds)("x.io/v2", "Fleet")
    assert matcher(["FleetLike"], kinds)("x.io/v1", "Fleet")
    assert not matcher(["workloads"])("x.io/v2", "Fleet")
    assert "FleetLike" in scope_groups(kinds)


def test_kinds_survive_a_process_boundary() -> None:
    """Workers get them by pickle."""
    kinds = Kinds.of([WorkloadKind("x.io", "Fleet")], [CustomKind("y.io", "Moon", "moons", False)])
    back = pickle.loads(pickle.dumps(kinds.with_custom([CustomKind("z.io", "Sun", "", True)])))
    assert back.workload("x.io/v1", "Fleet") == WorkloadKind("x.io", "Fleet")
    assert not back.namespaced("y.io", "Moon")
    assert ("z.io", "Sun") in back.custom
    assert ("z.io", "Sun") not in back.with_custom([]).custom
    assert ("y.io", "Moon") in back.with_custom([]).custom


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        (
            "Deployment",
            ["apps/v1 Deployment", "extensions/v1beta1 Deployment"],
            ["x.io/v1 Deployment", "apps/v1 StatefulSet"],
        ),
        ("Service", ["v1 Service"], ["serving.knative.dev/v1 Service"]),
        ("Ingress", ["networking.k8s.io/v1 Ingress", "extensions/v1beta1 Ingress"], ["v1 Ingress"]),
        ("Rollout", ["argoproj.io/v1alpha1 Rollout", "other.io/v1 Rollout"], []),
        (
            "apps/Deployment",
            ["apps/v1 Deployment", "apps/v1beta1 Deployment"],
            ["extensions/v1beta1 Deployment"],
        ),
        ("apps/v1/Deployment", ["apps/v1 Deployment"], ["apps/v1beta1 Deployment"]),
        ("v1/Pod", ["v1 Pod"], ["v2 Pod", "x/v1 Pod"]),
        ("core/Pod", ["v1 Pod"], ["x/v1 Pod"]),
        ("core/v1/Pod", ["v1 Pod"], ["v2 Pod"]),
        ("/v1/Pod", ["v1 Pod"], ["apps/v1 Pod"]),
        ("*", ["v1 Pod", "x/v1 Y"], []),
        ("Any", ["v1 Pod", "x/v1 Y"], []),
        ("apps/*", ["apps/v1 Deployment", "apps/v2 Other"], ["v1 Pod"]),
        ("*/Service", ["v1 Service", "serving.knative.dev/v1 Service"], ["v1 Pod"]),
        ("*/v1/Pod", ["v1 Pod", "x/v1 Pod"], ["v2 Pod"]),
        (
            "*.istio.io/*",
            ["networking.istio.io/v1 Gateway"],
            ["gateway.networking.k8s.io/v1 Gateway"],
        ),
        ("Cluster*", ["x.io/v1 ClusterThing"], ["x.io/v1 Thing"]),
        (
            "workloads",
            [
                "v1 Pod", "batch/v1 CronJob", "argoproj.io/v1alpha1 Rollout", "v1 PodTemplate",
                "serving.knative.dev/v1 Service",
            ],
            ["v1 Service", "v1 ConfigMap"],
        ),
        (
            "DeploymentLike",
            [
                "v1 Pod", "apps/v1beta2 Deployment", "batch/v1beta1 CronJob",
                "apps.openshift.io/v1 DeploymentConfig", "v1 ReplicationController",
            ],
            ["argoproj.io/v1alpha1 Rollout", "extensions/v1beta1 Deployment", "v1 PodTemplate"],
        ),
        ("JobLike", ["batch/v1 Job", "batch/v1 CronJob"], ["batch/v1beta1 CronJob", "v1 Pod"]),
        ("deployment", [], ["apps/v1 Deployment"]),
    ],
)  # fmt: skip
def test_matching_texts(text: str, yes: list[str], no: list[str]) -> None:
    """Each form of a kind selector, and what it leaves out."""
    chosen = matcher([text])
    for example in yes:
        assert chosen(*example.split(" ")), (text, example)
    for example in no:
        assert not chosen(*example.split(" ")), (text, example)


def test_several_texts_are_any_of_them() -> None:
    """A match lists alternatives; an empty list names nothing."""
    chosen = matcher(["Service", "apps/*"])
    assert chosen("v1", "Service")
    assert chosen("apps/v1", "Deployment")
    assert not chosen("v1", "Pod")
    assert not matcher([])("v1", "Pod")
    assert matcher(["Pod"]) == matcher(["core/Pod"])
    assert hash(matcher(["Pod"])) == hash(matcher(["core/Pod"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Deployment", True), ("workloads", True), ("JobLike", True), ("*", True), ("apps/v1/*", True),
     ("deployments", False), ("", False), ("a/b/c/D", False), ("apps/", False), ("De ploy", False)],
)  # fmt: skip
def test_what_is_written_as_a_kind(text: str, expected: bool) -> None:
    """Loaders refuse texts that can name no kind."""
    assert is_kind_text(text) is expected


def crd(**spec: Any) -> Any:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": spec,
    }


def test_definitions_tell_kind_plural_and_scope() -> None:
    """A definition is read; what is not one gives None."""
    names = {"kind": "Moon", "plural": "moons"}
    found = custom_kind_of(crd(group="x.io", names=names, scope="Cluster"))
    assert found == CustomKind("x.io", "Moon", "moons", False)
    namespaced = custom_kind_of(crd(group="x.io", names={"kind": "Moon"}))
    assert namespaced == CustomKind("x.io", "Moon", "", True)
    for odd in (None, {}, crd(), crd(group="x.io"), crd(group="", names=names), crd(names=names),
                {**crd(group="x.io", names=names), "apiVersion": "v1"}):  # fmt: skip
        assert custom_kind_of(odd) is None


def test_what_is_remembered_of_one_body_is_not_told_of_another() -> None:
    """Bodies asked in turn, equal ones and plain dicts among them, give their own elements."""
    kinds = Kinds.of()

    def pod(name: str) -> Any:
        return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": name}]}}

    one, other, same = freeze(pod("a")), freeze(pod("b")), freeze(pod("a"))
    for body in (one, other, one, same, one, other, {}, one):
        if body:
            assert kinds.pod_spec(body) is body["spec"]
            assert kinds.all_containers(body)[0] is body["spec"]["containers"][0]
        else:
            assert kinds.all_containers(body) == []
    plain = pod("x")
    assert kinds.all_containers(plain)[0]["name"] == "x"
    plain["spec"]["containers"][0] = {"name": "y"}
    assert kinds.all_containers(plain)[0]["name"] == "y"
    crd = kinds.with_custom([CustomKind("x.io", "Moon", "", True)])
    assert crd.pod_spec(one) is one["spec"]
