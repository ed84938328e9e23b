"""Random manifests for property tests: few names, so that much is related."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from manifest_values import RBAC, obj

NAMES = st.sampled_from(["a", "b", "web"])
SPACES = st.sampled_from(["", "default", "n1"])
SPACE_NAMES = st.sampled_from(["default", "n1"])
CLAIMS = st.sampled_from(
    ["c1", "c2", "data-web-0", "data-web-1", "data-web-01", "web-0-data", "a-data", "d-a-1-data"]
)
VALUES = st.sampled_from(["x", "y"])
KEYS = st.sampled_from(["app", "tier"])
LABELS = st.dictionaries(KEYS, VALUES, max_size=2)
PATHS = st.sampled_from(["a.yaml", "dev/a.yaml", "dev/b.yaml", "prod/a.yaml", "prod/x/b.yaml"])
SCOPES = st.sampled_from(["", "", "", "s"])


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return the strategy or None."""
    return st.none() | strategy


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return maps of these fields, each present or not."""
    return st.fixed_dictionaries({}, optional=fields)


EXPRESSIONS = st.one_of(
    st.fixed_dictionaries(
        {
            "key": KEYS,
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(VALUES, max_size=2),
        }
    ),
    st.fixed_dictionaries({"key": KEYS, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
    st.fixed_dictionaries({"key": KEYS, "operator": st.just("Gt"), "values": st.just(["1"])}),
)
SELECTORS = some(matchLabels=LABELS, matchExpressions=st.lists(EXPRESSIONS, max_size=2))
SPACE_SELECTORS = st.one_of(
    SELECTORS,
    SPACE_NAMES.map(lambda n: {"matchLabels": {"kubernetes.io/metadata.name": n}}),
)

STORAGE = st.one_of(
    CLAIMS.map(lambda c: {"persistentVolumeClaim": {"claimName": c}}),
    CLAIMS.map(lambda c: {"persistentVolumeClaim": {"claimName": c}}),
    st.just({"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}),
    st.just({"emptyDir": {}}),
    st.sampled_from(["/e", "/e/"]).map(lambda p: {"nfs": {"server": "s", "path": p}}),
    st.just({"hostPath": {"path": "/h"}}),
    NAMES.map(lambda n: {"configMap": {"name": n}}),
    NAMES.map(lambda n: {"secret": {"secretName": n}}),
    NAMES.map(
        lambda n: {"projected": {"sources": [{"configMap": {"name": n}}, {"secret": {"name": n}}]}}
    ),
)
VOLUMES = st.lists(
    st.builds(lambda n, v: {"name": n, **v}, st.sampled_from(["data", "v"]), STORAGE), max_size=2
)
ENV = st.builds(
    lambda field, n: {"name": "E", "valueFrom": {field: {"name": n, "key": "k"}}},
    st.sampled_from(["configMapKeyRef", "secretKeyRef"]),
    NAMES,
)
ENV_FROM = st.builds(
    lambda field, n: {field: {"name": n}}, st.sampled_from(["configMapRef", "secretRef"]), NAMES
)
CONTAINERS = st.lists(
    some(env=st.lists(ENV, max_size=1), envFrom=st.lists(ENV_FROM, max_size=1)), max_size=1
)
TERMS = some(
    labelSelector=SELECTORS,
    namespaces=st.lists(SPACE_NAMES, max_size=1),
    namespaceSelector=SPACE_SELECTORS,
    matchLabelKeys=st.lists(KEYS, max_size=1),
    mismatchLabelKeys=st.lists(KEYS, max_size=1),
)
AFFINITY = some(
    requiredDuringSchedulingIgnoredDuringExecution=st.lists(TERMS, max_size=1),
    preferredDuringSchedulingIgnoredDuringExecution=st.lists(
        TERMS.map(lambda t: {"weight": 1, "podAffinityTerm": t}), max_size=1
    ),
)
POD_SPECS = some(
    volumes=VOLUMES,
    containers=CONTAINERS,
    initContainers=CONTAINERS,
    affinity=some(podAffinity=AFFINITY, podAntiAffinity=AFFINITY),
    topologySpreadConstraints=st.lists(
        some(labelSelector=SELECTORS, matchLabelKeys=st.lists(KEYS, max_size=1)), max_size=1
    ),
    serviceAccountName=NAMES,
    serviceAccount=NAMES,
    priorityClassName=NAMES,
    imagePullSecrets=st.lists(NAMES.map(lambda n: {"name": n}), max_size=1),
)
TEMPLATES = st.builds(
    lambda labels, spec: {"metadata": {"labels": labels}, "spec": spec}, LABELS, POD_SPECS
)
OWNERS = st.lists(
    st.builds(
        lambda api_kind, n, c: {"apiVersion": api_kind[0], "kind": api_kind[1], "name": n, **c},
        st.sampled_from([("apps/v1", "Deployment"), ("v1", "Pod"), ("v1", "Namespace")]),
        NAMES,
        st.sampled_from([{}, {"controller": True}, {"controller": False}]),
    ),
    max_size=1,
)
CLAIM_TEMPLATES = st.lists(
    st.builds(
        lambda n, c: {"metadata": {"name": n}, "spec": c},
        st.sampled_from(["data", "d"]),
        some(storageClassName=NAMES),
    ),
    max_size=1,
)
LABEL_SELECTED = [("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")]


@st.composite
def workloads(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a workload."""
    api, kind = draw(
        st.sampled_from(
            [
                *LABEL_SELECTED, *LABEL_SELECTED, ("v1", "Pod"), ("v1", "Pod"),
                ("batch/v1", "CronJob"), ("v1", "ReplicationController"),
            ]
        )
    )  # fmt: skip
    owners = draw(OWNERS)
    fields = {"owners": owners} if owners else {}
    name, space = draw(st.sampled_from(["", "a", "b", "web", "web"])), draw(SPACES)
    if kind == "Pod":
        return obj(kind, name, space, api, spec=draw(POD_SPECS), labels=draw(LABELS), **fields)
    template = draw(TEMPLATES)
    spec: dict[str, Any] = {} if draw(st.integers(0, 9)) == 0 else {"template": template}
    if kind == "CronJob":
        return obj(kind, name, space, api, spec={"jobTemplate": {"spec": spec}}, **fields)
    selector = draw(maybe(LABELS if kind == "ReplicationController" else SELECTORS))
    if selector is not None:
        spec["selector"] = selector
    if kind == "StatefulSet":
        spec["volumeClaimTemplates"] = draw(CLAIM_TEMPLATES)
    return obj(kind, name, space, api, spec=spec, **fields)


PEERS = st.lists(some(podSelector=SELECTORS, namespaceSelector=SPACE_SELECTORS), max_size=2)
POLICIES = st.builds(
    lambda n, s, spec: obj("NetworkPolicy", n, s, "networking.k8s.io/v1", spec=spec),
    NAMES,
    SPACES,
    some(
        podSelector=SELECTORS,
        ingress=st.lists(PEERS.map(lambda p: {"from": p}), max_size=1),
        egress=st.lists(PEERS.map(lambda p: {"to": p}), max_size=1),
    ),
)
PORTS = st.sampled_from([{"name": "http"}, {"name": "web"}, {"number": 80}, {"number": 81}, {}])
BACKENDS = st.builds(lambda n, p: {"service": {"name": n, "port": p}}, NAMES, PORTS)
INGRESSES = st.builds(
    lambda n, s, default, paths, tls: obj(
        "Ingress", n, s, "networking.k8s.io/v1",
        spec={
            **({"defaultBackend": default} if default else {}),
            "rules": [{"http": {"paths": [{"backend": b} for b in paths]}}],
            "tls": [{"secretName": t} for t in tls],
        },
    ),
    NAMES, SPACES, maybe(BACKENDS), st.lists(BACKENDS, max_size=2), st.lists(NAMES, max_size=1),
)  # fmt: skip
SERVICES = st.builds(
    lambda n, s, labels, spec: obj("Service", n, s, labels=labels, spec=spec),
    NAMES,
    SPACES,
    LABELS,
    some(
        selector=LABELS,
        type=st.sampled_from(["ClusterIP", "ExternalName"]),
        ports=st.just([{"name": "http", "port": 80}]),
    ),
)
ROUTES = st.builds(
    lambda n, s, refs: obj(
        "HTTPRoute", n, s, "gateway.networking.k8s.io/v1", spec={"rules": [{"backendRefs": refs}]}
    ),
    NAMES,
    SPACES,
    st.lists(
        st.builds(
            lambda n, more: {"name": n, **more},
            NAMES,
            some(namespace=SPACE_NAMES, port=st.sampled_from([80, 81])),
        ),
        max_size=2,
    ),
)
MONITORS = st.builds(
    lambda k, n, s, spec: obj(k, n, s, "monitoring.coreos.com/v1", spec=spec),
    st.sampled_from(["ServiceMonitor", "PodMonitor"]),
    NAMES,
    SPACES,
    some(
        selector=SELECTORS,
        namespaceSelector=some(any=st.booleans(), matchNames=st.lists(SPACE_NAMES, max_size=2)),
    ),
)
SCALERS = st.builds(
    lambda api_kind, n, s, ref: obj(api_kind[1], n, s, api_kind[0], spec={"scaleTargetRef": ref}),
    st.sampled_from(
        [("autoscaling/v2", "HorizontalPodAutoscaler"), ("keda.sh/v1alpha1", "ScaledObject")]
    ),
    NAMES,
    SPACES,
    some(
        apiVersion=st.sampled_from(["apps/v1", "v1"]),
        kind=st.sampled_from(["Deployment", "StatefulSet", "ReplicationController"]),
        name=NAMES,
    ),
)
SUBJECTS = st.one_of(
    st.builds(
        lambda n, s: {"kind": "ServiceAccount", "name": n, **s}, NAMES, some(namespace=SPACE_NAMES)
    ),
    NAMES.map(lambda n: {"kind": "User", "name": f"system:serviceaccount:n1:{n}"}),
    st.sampled_from(
        [
            {"kind": "Group", "name": "system:serviceaccounts"},
            {"kind": "Group", "name": "system:serviceaccounts:n1"},
            {"kind": "User", "name": "system:serviceaccount:n1"},
            {"kind": "Group", "name": "admins"},
        ]
    ),
)
BINDINGS = st.builds(
    lambda k, n, s, role, subjects: obj(
        k, n, s if k == "RoleBinding" else "", RBAC, roleRef=role, subjects=subjects
    ),
    st.sampled_from(["RoleBinding", "ClusterRoleBinding"]),
    NAMES,
    SPACES,
    st.builds(lambda k, n: {"kind": k, "name": n}, st.sampled_from(["Role", "ClusterRole"]), NAMES),
    st.lists(SUBJECTS, max_size=2),
)
NAMED = st.builds(
    lambda k, n, s: obj(k, n, s, "v1" if k != "Role" else RBAC),
    st.sampled_from(["ConfigMap", "Secret", "ServiceAccount", "Role"]),
    st.sampled_from(["a", "b", "web", "default"]),
    SPACES,
)
OTHERS = st.one_of(
    st.builds(lambda n, labels: obj("Namespace", n, labels=labels), SPACE_NAMES, LABELS),
    st.builds(
        lambda n, s, v, c: obj("PersistentVolumeClaim", n, s, spec={**v, **c}),
        CLAIMS, SPACES, some(volumeName=st.sampled_from(["pv1", "pv2"])), some(storageClassName=NAMES),
    ),
    st.builds(
        lambda n, ref, source, c: obj("PersistentVolume", n, spec={**ref, **source, **c}),
        st.sampled_from(["pv1", "pv2"]),
        some(claimRef=st.builds(lambda n, s: {"name": n, **s}, CLAIMS, some(namespace=SPACE_NAMES))),
        st.sampled_from([{}, {"nfs": {"server": "s", "path": "/e"}}, {"csi": {"driver": "d", "volumeHandle": "h"}}]),
        some(storageClassName=NAMES),
    ),
    st.builds(
        lambda n, labels, rule: obj(
            "ClusterRole", n, "", RBAC, labels=labels,
            **({"aggregationRule": {"clusterRoleSelectors": rule}} if rule else {}),
        ),
        NAMES, LABELS, st.lists(SELECTORS, max_size=1),
    ),
    st.builds(
        lambda k, n: obj(k[1], n, "", k[0]),
        st.sampled_from([("storage.k8s.io/v1", "StorageClass"), ("scheduling.k8s.io/v1", "PriorityClass")]),
        NAMES,
    ),
    st.builds(
        lambda api, n, s, spec: obj("PodDisruptionBudget", n, s, api, spec=spec),
        st.sampled_from(["policy/v1", "policy/v1beta1"]), NAMES, SPACES, some(selector=SELECTORS),
    ),
    st.builds(
        lambda n, s, t: obj("ExternalSecret", n, s, "external-secrets.io/v1", spec=t),
        NAMES, SPACES, some(target=some(name=NAMES)),
    ),
    st.just(
        obj(
            "CustomResourceDefinition", "widgets.x.io", "", "apiextensions.k8s.io/v1",
            spec={"group": "x.io", "names": {"kind": "Widget", "plural": "widgets"}, "scope": "Namespaced"},
        )
    ),
    st.builds(lambda n, s: obj("Widget", n, s, "x.io/v1"), NAMES, SPACES),
)  # fmt: skip
BODIES = st.one_of(
    workloads(), workloads(), workloads(), workloads(), POLICIES, INGRESSES, SERVICES, ROUTES,
    MONITORS, SCALERS, BINDINGS, NAMED, OTHERS, OTHERS,
)  # fmt: skip
PLACED = st.tuples(BODIES, PATHS, SCOPES)
