"""Relations that follow a name, and what is missing when it leads nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_values import RBAC, claim_volume, names, obj, snapshot, workload

from kpolicy.cel import CelError
from kpolicy.relations import Direction, directory, relations
from kpolicy.relations.missing import item_at, missing
from kpolicy.snapshot import Outside, Snapshot, Unread, World

DIRECTORY = directory(relations())
GATEWAY = "gateway.networking.k8s.io/v1"


def ask(found: Snapshot, name: str, position: int = 0) -> list[str]:
    relation, reverse = DIRECTORY[name]
    return names(found.index(relation).related(found.resources[position], None, reverse))


def lost(found: Snapshot, name: str, position: int = 0) -> list[tuple[str, str]]:
    """Return (name, pointer) of what a resource misses."""
    gaps = missing(found, DIRECTORY[name], found.resources[position])
    return [(gap["name"], gap["pointer"]) for gap in gaps]


def ingress(*backends: Any, api: str = "networking.k8s.io/v1", **spec: Any) -> dict[str, Any]:
    paths = [{"path": "/", "backend": b} for b in backends]
    rules = [{"http": {"paths": paths}}] if paths else []
    return obj("Ingress", "i", "", api, spec={"rules": rules, **spec})


def to(service: str, /, **port: Any) -> dict[str, Any]:
    return {"service": {"name": service, "port": port}}


SERVICE = obj("Service", "web", spec={"ports": [{"name": "http", "port": 80}, {"port": 9000}]})


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (ingress(to("web", number=80)), True),
        (ingress(to("web", name="http")), True),
        (ingress(to("web", number=9000)), True),
        (ingress(to("web", number=81)), False),
        (ingress(to("web", name="80")), False),
        (ingress(to("web", name="https")), False),
        (ingress(to("other", number=80)), False),
        (ingress(defaultBackend=to("web", number=80)), True),
        (ingress(defaultBackend=to("web", number=81)), False),
        (ingress({"serviceName": "web", "servicePort": 80}, api="extensions/v1beta1"), True),
        (
            ingress({"serviceName": "web", "servicePort": "http"}, api="networking.k8s.io/v1beta1"),
            True,
        ),
        (
            ingress({"serviceName": "web", "servicePort": "x"}, api="networking.k8s.io/v1beta1"),
            False,
        ),
        (
            ingress(backend={"serviceName": "web", "servicePort": 80}, api="extensions/v1beta1"),
            True,
        ),
        (ingress({"resource": {"kind": "Bucket", "name": "web"}}), False),
        (ingress(None), False),
        (ingress("web"), False),
        (
            obj(
                "Ingress",
                "i",
                "elsewhere",
                "networking.k8s.io/v1",
                spec={"defaultBackend": to("web", number=80)},
            ),
            False,
        ),
    ],
)
def test_ingress(body: dict[str, Any], found: bool) -> None:
    """Service and port, by name or number, in both API shapes."""
    assert ask(snapshot(body, SERVICE), "routes-to") == (["web"] if found else [])
    assert ask(snapshot(SERVICE, body), "routed-from") == (["i"] if found else [])


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"])
@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ({"name": "web", "port": 80}, True),
        ({"name": "web"}, True),
        ({"name": "web", "port": 81}, False),
        ({"name": "web", "port": 80, "namespace": "default"}, True),
        ({"name": "web", "port": 80, "namespace": "x"}, False),
        ({"name": "web", "port": 80, "kind": "Service", "group": ""}, True),
        ({"name": "web", "port": 80, "kind": "Bucket"}, False),
        ({"name": "web", "port": 80, "group": "x.io"}, False),
    ],
)
def test_gateway_routes(kind: str, ref: dict[str, Any], found: bool) -> None:
    """Backend references of every route kind."""
    body = obj(kind, "r", "", GATEWAY, spec={"rules": [{"backendRefs": [ref]}]})
    assert ask(snapshot(body, SERVICE), "routes-to") == (["web"] if found else [])


def test_mirrors_and_openshift_routes() -> None:
    """A mirrored request goes to a Service as well; a Route names one and alternates."""
    mirror = {"filters": [{"requestMirror": {"backendRef": {"name": "web", "port": 80}}}]}
    for rule in (mirror, {"backendRefs": [{"name": "x", **mirror}]}):
        body = obj("HTTPRoute", "r", "", GATEWAY, spec={"rules": [rule]})
        assert ask(snapshot(body, SERVICE), "routes-to") == ["web"]
    route = obj(
        "Route",
        "r",
        "",
        "route.openshift.io/v1",
        spec={"to": {"kind": "Service", "name": "x"}, "alternateBackends": [{"name": "web"}]},
    )
    assert ask(snapshot(route, SERVICE), "routes-to") == ["web"]
    assert lost(snapshot(route, SERVICE), "routes-to") == [("x", "/spec/to")]


def test_a_missing_backend_and_a_missing_port_differ() -> None:
    """The Service that lacks the port is told; a Service that is not there is absent."""
    found = snapshot(ingress(to("web", number=81), to("gone", number=80)), SERVICE)
    port, gone = missing(found, DIRECTORY["routes-to"], found.resources[0])
    assert (port["name"], port["certainty"]) == ("web", "absent")
    assert [body["metadata"]["name"] for body in port["found"]] == ["web"]
    assert "offer" in port["reason"]
    assert port["data"] == {"port": 81}
    assert port["pointer"] == "/spec/rules/0/http/paths/0/backend/service"
    (rule,) = found.resources[0].body["spec"]["rules"]
    assert port["item"] is rule["http"]["paths"][0]["backend"]["service"]
    assert (gone["name"], gone["found"]) == ("gone", [])


def scaler(
    scaler_kind: str = "HorizontalPodAutoscaler",
    api: str = "autoscaling/v2",
    /,
    space: str = "",
    **ref: Any,
) -> dict[str, Any]:
    field = "targetRef" if scaler_kind == "VerticalPodAutoscaler" else "scaleTargetRef"
    return obj(scaler_kind, "s", space, api, spec={field: ref})


WEB = workload("Deployment", "web")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (scaler(apiVersion="apps/v1", kind="Deployment", name="web"), True),
        (scaler(apiVersion="apps/v1beta1", kind="Deployment", name="web"), True),
        (scaler(apiVersion="apps/v1", name="web"), False),
        (scaler(kind="Deployment", name="web"), True),
        (scaler(apiVersion="v1", kind="Deployment", name="web"), False),
        (scaler(apiVersion="apps/v1", kind="StatefulSet", name="web"), False),
        (scaler(space="x", apiVersion="apps/v1", kind="Deployment", name="web"), False),
        (scaler("ScaledObject", "keda.sh/v1alpha1", name="web"), True),
        (scaler("ScaledObject", "keda.sh/v1alpha1", name="web", kind="StatefulSet"), False),
        (
            scaler(
                "VerticalPodAutoscaler",
                "autoscaling.k8s.io/v1",
                apiVersion="apps/v1",
                kind="Deployment",
                name="web",
            ),
            True,
        ),
        (obj("HorizontalPodAutoscaler", "s", "", "autoscaling/v2"), False),
    ],
)
def test_scales(body: dict[str, Any], found: bool) -> None:
    """Autoscalers find their target by group, kind and name in their namespace."""
    assert ask(snapshot(body, WEB), "scales") == (["web"] if found else [])
    assert ask(snapshot(WEB, body), "scaled-by") == (["s"] if found else [])


def one(**fields: Any) -> dict[str, Any]:
    return {"name": "c", **fields}


@pytest.mark.parametrize(
    ("pod", "kind", "pointer"),
    [
        (
            {"volumes": [{"name": "v", "configMap": {"name": "x"}}]},
            "ConfigMap",
            "/volumes/0/configMap",
        ),
        (
            {"volumes": [{"name": "v", "secret": {"secretName": "x"}}]},
            "Secret",
            "/volumes/0/secret",
        ),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "x"}}]}}]},
            "Secret",
            "/volumes/0/projected/sources/0/secret",
        ),
        (
            {
                "volumes": [
                    {"name": "v", "projected": {"sources": [{}, {"configMap": {"name": "x"}}]}}
                ]
            },
            "ConfigMap",
            "/volumes/0/projected/sources/1/configMap",
        ),
        (
            {
                "volumes": [
                    {"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "x"}}}
                ]
            },
            "Secret",
            "/volumes/0",
        ),
        ({"volumes": [{"name": "v", "azureFile": {"secretName": "x"}}]}, "Secret", "/volumes/0"),
        (
            {"containers": [one(envFrom=[{"configMapRef": {"name": "x"}}])]},
            "ConfigMap",
            "/containers/0/envFrom/0/configMapRef",
        ),
        (
            {"containers": [one(envFrom=[{"secretRef": {"name": "x"}}])]},
            "Secret",
            "/containers/0/envFrom/0/secretRef",
        ),
        (
            {
                "containers": [
                    one(
                        env=[
                            {"name": "E", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}
                        ]
                    )
                ]
            },
            "Secret",
            "/containers/0/env/0/valueFrom/secretKeyRef",
        ),
        (
            {
                "initContainers": [
                    one(
                        env=[
                            {
                                "name": "E",
                                "valueFrom": {"configMapKeyRef": {"name": "x", "key": "k"}},
                            }
                        ]
                    )
                ]
            },
            "ConfigMap",
            "/initContainers/0/env/0/valueFrom/configMapKeyRef",
        ),
        (
            {"ephemeralContainers": [one(envFrom=[{"secretRef": {"name": "x"}}])]},
            "Secret",
            "/ephemeralContainers/0/envFrom/0/secretRef",
        ),
        ({"imagePullSecrets": [{"name": "x"}]}, "Secret", "/imagePullSecrets/0"),
    ],
)
def test_uses_config(pod: dict[str, Any], kind: str, pointer: str) -> None:
    """Each place where a pod names a ConfigMap or Secret; the wrong kind does not count."""
    right, far = obj(kind, "x"), obj(kind, "x", "far")
    body = workload("Deployment", "web", **pod)
    other = "Secret" if kind == "ConfigMap" else "ConfigMap"
    assert ask(snapshot(body, right, obj(other, "x"), far), "uses-config") == ["x"]
    found = snapshot(body, obj(other, "x"))
    assert lost(found, "uses-config") == [("x", f"/spec/template/spec{pointer}")]
    (gap,) = missing(found, DIRECTORY["uses-config"], found.resources[0])
    assert gap["kind"] == kind
    assert ask(snapshot(obj(kind, "x"), body), "config-used-by") == ["web"]


def test_optional_references_may_miss() -> None:
    """`optional: true` is no miss, and related all the same when it is there."""
    body = workload(
        "Pod", "p", volumes=[{"name": "v", "secret": {"secretName": "x", "optional": True}}]
    )
    assert lost(snapshot(body), "uses-config") == []
    assert ask(snapshot(body, obj("Secret", "x")), "uses-config") == ["x"]


@pytest.mark.parametrize(
    "maker",
    [
        obj("SealedSecret", "x", "", "bitnami.com/v1alpha1"),
        obj(
            "SealedSecret",
            "y",
            "",
            "bitnami.com/v1alpha1",
            spec={"template": {"metadata": {"name": "x"}}},
        ),
        obj("ExternalSecret", "x", "", "external-secrets.io/v1"),
        obj("ExternalSecret", "y", "", "external-secrets.io/v1", spec={"target": {"name": "x"}}),
        obj("Certificate", "y", "", "cert-manager.io/v1", spec={"secretName": "x"}),
    ],
)
def test_what_makes_a_secret_stands_for_it(maker: dict[str, Any]) -> None:
    """A Secret that a controller will make is not missing."""
    body = workload("Pod", "p", imagePullSecrets=[{"name": "x"}])
    found = snapshot(body, maker)
    assert ask(found, "uses-config") == [maker["metadata"]["name"]]
    assert lost(found, "uses-config") == []


def test_tls_of_ingress_and_gateway_and_pull_secrets_of_accounts() -> None:
    """Other kinds that name Secrets; cert-manager makes those of an Ingress it is asked for."""
    tls = obj("Ingress", "i", "", "networking.k8s.io/v1", spec={"tls": [{"secretName": "x"}, {}]})
    assert lost(snapshot(tls), "uses-config") == [("x", "/spec/tls/0")]
    annotated = obj(
        "Ingress",
        "i",
        "",
        "networking.k8s.io/v1",
        annotations={"cert-manager.io/cluster-issuer": "le"},
        spec={"tls": [{"secretName": "x"}]},
    )
    assert lost(snapshot(annotated), "uses-config") == []
    gateway = obj(
        "Gateway",
        "g",
        "",
        GATEWAY,
        spec={"listeners": [{"tls": {"certificateRefs": [{"name": "x", "namespace": "n"}]}}]},
    )
    assert lost(snapshot(gateway), "uses-config") == [
        ("x", "/spec/listeners/0/tls/certificateRefs/0")
    ]
    assert ask(snapshot(gateway, obj("Secret", "x", "n")), "uses-config") == ["x"]
    account = obj("ServiceAccount", "a", imagePullSecrets=[{"name": "x"}])
    assert lost(snapshot(account), "uses-config") == [("x", "/imagePullSecrets/0")]


@pytest.mark.parametrize(
    ("source", "there"),
    [
        (obj("Secret", "x", data={"k": ""}), True),
        (obj("Secret", "x", stringData={"k": ""}), True),
        (obj("Secret", "x", binaryData={"k": ""}), False),
        (obj("Secret", "x"), False),
        (obj("ExternalSecret", "x", "", "external-secrets.io/v1"), True),
        (obj("ConfigMap", "x", data={"k": ""}), False),
    ],
)
def test_keys_asked_for_by_name(source: dict[str, Any], there: bool) -> None:
    """data and stringData of a Secret, data and binaryData of a ConfigMap."""
    env = [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}]
    volume = {"name": "v", "secret": {"secretName": "x", "items": [{"key": "k", "path": "p"}]}}
    for pod in ({"containers": [one(env=env)]}, {"volumes": [volume]}):
        found = snapshot(workload("Pod", "p", **pod), source)
        assert ask(found, "uses-config-key") == (["x"] if there else [])
        assert len(lost(found, "uses-config-key")) == (0 if there else 1)
    maps = workload(
        "Pod", "p", volumes=[{"name": "v", "configMap": {"name": "x", "items": [{"key": "k"}]}}]
    )
    binary = obj("ConfigMap", "x", binaryData={"k": ""})
    assert ask(snapshot(maps, binary), "uses-config-key") == ["x"]


@pytest.mark.parametrize(
    ("pod", "account"),
    [
        ({"serviceAccountName": "x"}, "x"),
        ({"serviceAccount": "x"}, "x"),
        ({"serviceAccountName": "x", "serviceAccount": "y"}, "x"),
        ({"serviceAccountName": ""}, "default"),
        ({}, "default"),
    ],
)
def test_uses_service_account(pod: dict[str, Any], account: str) -> None:
    """The newer field first; without one the namespace's default, which is never missing."""
    body = workload("Deployment", "web", **pod)
    accounts = [obj("ServiceAccount", n) for n in ("x", "y", "default")]
    assert ask(snapshot(body, *accounts), "uses-service-account") == [account]
    expected = [] if account == "default" else ["x"]
    assert [n for n, _ in lost(snapshot(body), "uses-service-account")] == expected


def binding(kind: str, role: tuple[str, str], *subjects: Any, space: str = "") -> dict[str, Any]:
    ref = {"kind": role[0], "name": role[1]}
    return obj(kind, "b", space, RBAC, roleRef=ref, subjects=list(subjects))


def test_binds() -> None:
    """Roles by kind and namespace, accounts as such, as users and through groups."""
    account = {"kind": "ServiceAccount", "name": "x", "namespace": "n"}
    others = [
        obj("Role", "r", "n", RBAC),
        obj("ClusterRole", "r", "", RBAC),
        obj("ServiceAccount", "x", "n"),
        obj("ServiceAccount", "y", "m"),
    ]

    def bound(body: dict[str, Any], name: str) -> list[str]:
        found = snapshot(body, *others)
        relation = DIRECTORY[name].relation
        return [
            f"{h.resource.kind[0]}:{h.resource.name}"
            for h in found.index(relation).related(found.resources[0])
        ]

    inside = binding("RoleBinding", ("Role", "r"), account, space="n")
    assert bound(inside, "binds") == ["R:r", "S:x"]
    assert bound(inside, "binds-role") == ["R:r"]
    assert bound(inside, "binds-subject") == ["S:x"]
    assert bound(binding("RoleBinding", ("Role", "r"), space="m"), "binds") == []
    assert bound(binding("RoleBinding", ("ClusterRole", "r"), space="m"), "binds") == ["C:r"]
    everywhere = binding("ClusterRoleBinding", ("ClusterRole", "r"), account)
    assert bound(everywhere, "binds") == ["C:r", "S:x"]
    assert bound(binding("ClusterRoleBinding", ("Role", "r")), "binds") == []
    for subject, expected in (
        ({"kind": "User", "name": "system:serviceaccount:n:x"}, ["S:x"]),
        ({"kind": "User", "name": "x"}, []),
        ({"kind": "Group", "name": "system:serviceaccounts"}, ["S:x", "S:y"]),
        ({"kind": "Group", "name": "system:serviceaccounts:m"}, ["S:y"]),
        ({"kind": "Group", "name": "system:masters"}, []),
        ({"kind": "ServiceAccount", "name": "x"}, []),
    ):
        body = binding("ClusterRoleBinding", ("ClusterRole", "no"), subject)
        assert bound(body, "binds") == expected
    own = binding("RoleBinding", ("Role", "no"), {"kind": "ServiceAccount", "name": "x"}, space="n")
    assert bound(own, "binds-subject") == ["S:x"]
    assert lost(snapshot(binding("ClusterRoleBinding", ("ClusterRole", "view"))), "binds") == []
    assert [n for n, _ in lost(snapshot(inside), "binds")] == ["r", "x"]


def test_aggregated_cluster_roles() -> None:
    """By labels; an empty selector aggregates every other ClusterRole."""
    parts = [
        obj("ClusterRole", "a", "", RBAC, labels={"agg": "1"}),
        obj("ClusterRole", "b", "", RBAC),
    ]

    def whole(*selectors: Any) -> dict[str, Any]:
        rule = {"clusterRoleSelectors": list(selectors)}
        return obj("ClusterRole", "w", "", RBAC, aggregationRule=rule)

    assert ask(snapshot(whole({"matchLabels": {"agg": "1"}}), *parts), "aggregates") == ["a"]
    assert ask(snapshot(whole({}), *parts), "aggregates") == ["a", "b"]
    assert ask(snapshot(whole(), *parts), "aggregates") == []
    assert ask(snapshot(parts[0], whole({})), "aggregated-by") == ["w"]


def test_owners_namespaces_definitions_and_classes() -> None:
    """One case for each of the remaining relations, both ways."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "controller": True}
    pod = obj("Pod", "p", "n", owners=[owner, {**owner, "name": "x", "controller": False}])
    sets = [obj("ReplicaSet", "rs", "n", "apps/v1"), obj("ReplicaSet", "x", "n", "apps/v1")]
    found = snapshot(pod, *sets, obj("Namespace", "n"))
    assert ask(found, "owned-by") == ["rs", "x"]
    assert ask(found, "controlled-by") == ["rs"]
    assert ask(found, "owns", 1) == ask(found, "controls", 1) == ["p"]
    assert ask(found, "in-namespace") == ["n"]
    assert ask(found, "contains", 3) == ["p", "rs", "x"]
    assert lost(snapshot(pod), "owned-by")[0] == ("rs", "/metadata/ownerReferences/0")

    crd = obj(
        "CustomResourceDefinition",
        "moons.x.io",
        "",
        "apiextensions.k8s.io/v1",
        spec={"group": "x.io", "names": {"kind": "Moon"}},
    )
    found = snapshot(crd, obj("Moon", "luna", "", "x.io/v2"), obj("Moon", "z", "", "y.io/v1"))
    assert ask(found, "defines") == ["luna"]
    assert ask(found, "defined-by", 1) == ["moons.x.io"]

    fast = obj("StorageClass", "fast", "", "storage.k8s.io/v1")
    claim = obj("PersistentVolumeClaim", "c", spec={"storageClassName": "fast"})
    old = obj(
        "PersistentVolumeClaim",
        "o",
        annotations={"volume.beta.kubernetes.io/storage-class": "fast"},
    )
    none = obj("PersistentVolumeClaim", "n", spec={"storageClassName": ""})
    templates = {"volumeClaimTemplates": [{"spec": {"storageClassName": "fast"}}]}
    stateful = workload("StatefulSet", "s", extra=templates)
    found = snapshot(fast, claim, old, none, stateful)
    assert ask(found, "storage-class-used-by") == ["c", "o", "s"]
    assert lost(snapshot(none), "uses-storage-class") == []
    assert [p for _, p in lost(snapshot(old), "uses-storage-class")] == [
        "/metadata/annotations/volume.beta.kubernetes.io~1storage-class"
    ]

    high = obj("PriorityClass", "high", "", "scheduling.k8s.io/v1")
    urgent = workload("CronJob", "u", priorityClassName="high")
    assert ask(snapshot(urgent, high), "uses-priority-class") == ["high"]
    assert lost(snapshot(urgent), "uses-priority-class") == [
        ("high", "/spec/jobTemplate/spec/template/spec/priorityClassName")
    ]
    system = workload("Pod", "u", priorityClassName="system-node-critical")
    assert lost(snapshot(system), "uses-priority-class") == []


# Missing targets


def test_three_values_of_a_missing_target() -> None:
    """Absent, unknowable and said to exist outside; only the last is silent."""
    body = workload("Pod", "p", "shop", volumes=[claim_volume("data")])

    def certainty(world: World) -> list[tuple[str, str]]:
        found = snapshot(body, world=world)
        gaps = missing(found, DIRECTORY["mounts-claim"], found.resources[0])
        return [(g["certainty"], g["namespace"]) for g in gaps]

    assert certainty(World()) == [("absent", "shop")]
    assert certainty(World(unread=[Unread("b.yaml", 2)])) == [("unknowable", "shop")]
    assert certainty(World([Outside("PersistentVolumeClaim", "shop")])) == []
    assert certainty(World([Outside("PersistentVolumeClaim", "x")])) == [("absent", "shop")]


def test_a_templated_name_is_unknowable() -> None:
    """A placeholder in the name is told as such."""
    found = snapshot(workload("Pod", "p", serviceAccountName="${SA}"))
    (gap,) = missing(found, DIRECTORY["uses-service-account"], found.resources[0])
    assert gap["certainty"] == "unknowable"


def test_claims_that_controllers_make_are_not_missing() -> None:
    """Templates of a StatefulSet and ephemeral volumes need no claim in the input."""
    templates = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    volume = {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {}}}
    found = snapshot(
        workload("StatefulSet", "s", extra=templates), workload("Pod", "p", volumes=[volume])
    )
    assert lost(found, "mounts-claim") == lost(found, "mounts-claim", 1) == []


def test_a_service_that_selects_nothing() -> None:
    """A selector misses as a whole; controllers make their own pods and miss nothing."""
    service = obj("Service", "s", "shop", spec={"selector": {"app": "web"}})
    found = snapshot(service, workload("Deployment", "d", selector={"matchLabels": {"a": "b"}}))
    (gap,) = missing(found, DIRECTORY["selects"], found.resources[0])
    assert (gap["kind"], gap["namespace"], gap["name"]) == ("workloads", "shop", "")
    assert gap["item"] is found.resources[0].body["spec"]["selector"]
    assert lost(found, "selects", 1) == []
    opened = snapshot(service, world=World([Outside("Deployment", "shop")]))
    assert lost(opened, "selects") == []


def test_only_references_can_miss() -> None:
    """Asking backwards is an error that names the relation."""
    found = snapshot(SERVICE)
    with pytest.raises(CelError, match="routes-to"):
        list(missing(found, DIRECTORY["routed-from"], found.resources[0]))
    shared = DIRECTORY["shared-volume-claim"].relation
    body = snapshot(workload("Pod", "p", volumes=[claim_volume("c")]))
    assert list(missing(body, Direction(shared), body.resources[0])) == []


def test_the_element_at_a_pointer() -> None:
    """A scalar is represented by the mapping or list that holds it."""
    body = snapshot(obj("Pod", "p", spec={"a/b": {"~": [1, {"x": 1}]}})).resources[0].body
    assert item_at(body, "/spec/a~1b/~0/1") is body["spec"]["a/b"]["~"][1]
    assert item_at(body, "/spec/a~1b/~0/0") is body["spec"]["a/b"]["~"]
    assert item_at(body, "/metadata/name") is body["metadata"]
    assert item_at(body, "/nothing/here") is body
    assert item_at(body, "") is body
