"""Random manifests for property tests: few names, so that much is related.

Generators are plain functions of a `Chance`, which draws from `random` (wide and fast, by seed) or
from Hypothesis (which shrinks what it finds).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from manifest_values import RBAC, obj

Body = dict[str, Any]


class Chance:
    """A source of choices."""

    def pick(self, items: Sequence[Any]) -> Any:
        """Return one of `items`."""
        raise NotImplementedError

    def often(self) -> bool:
        """Return True three times out of four."""
        return bool(self.pick((True, True, True, False)))

    def many(self, make: Callable[[Chance], Any], most: int = 2) -> list[Any]:
        """Return none to `most` things."""
        return [make(self) for _ in range(self.pick(range(most + 1)))]

    def some(self, **fields: Callable[[Chance], Any]) -> Body:
        """Return a map in which each field is there or not."""
        return {name: make(self) for name, make in fields.items() if self.often()}


class Seeded(Chance):
    """Choices from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, items: Sequence[Any]) -> Any:
        """Return one of `items`."""
        return self._random.choice(items)


class Drawn(Chance):
    """Choices that Hypothesis makes."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def pick(self, items: Sequence[Any]) -> Any:
        """Return one of `items`."""
        return self._draw(st.sampled_from(items))


def name(c: Chance) -> str:
    """Return a name."""
    return str(c.pick(("a", "web")))


def space(c: Chance) -> str:
    """Return a namespace as written."""
    return str(c.pick(("", "default", "default", "n1")))


def space_name(c: Chance) -> str:
    """Return the name of a namespace."""
    return str(c.pick(("default", "n1")))


def claim(c: Chance) -> str:
    """Return the name of a claim."""
    known = (
        "c1", "c1", "c1", "data-web-0", "data-web-0", "data-web-1", "data-web-01", "web-0-data",
        "web-0-data", "a-data", "d-a-1-data",
    )  # fmt: skip
    return str(c.pick(known))


def label_key(c: Chance) -> str:
    """Return a label's key."""
    return str(c.pick(("app", "tier")))


def labels(c: Chance) -> Body:
    """Return labels."""
    return {label_key(c): c.pick(("x", "x", "y")) for _ in range(c.pick((0, 1, 2, 2)))}


def expression(c: Chance) -> Body:
    """Return a term of a selector, sometimes an invalid one."""
    operator = c.pick(("In", "In", "NotIn", "Exists", "DoesNotExist", "Gt"))
    body = {"key": label_key(c), "operator": operator}
    if operator in ("In", "NotIn"):
        body["values"] = c.pick((["x"], ["x"], ["x", "y"], ["x", "y"], []))
    return body


def selector(c: Chance) -> Body:
    """Return a LabelSelector."""
    return c.pick(
        (
            dict,
            lambda: {"matchLabels": labels(c)},
            lambda: {"matchLabels": labels(c)},
            lambda: {"matchExpressions": c.many(expression)},
            lambda: {"matchLabels": labels(c), "matchExpressions": c.many(expression)},
        )
    )()  # type: ignore[no-any-return]


def space_selector(c: Chance) -> Body:
    """Return a LabelSelector over namespaces."""
    if c.often():
        return selector(c)
    return {"matchLabels": {"kubernetes.io/metadata.name": space_name(c)}}


def volume(c: Chance) -> Body:
    """Return a volume of a pod."""
    source: Body = c.pick(
        (
            lambda: {"persistentVolumeClaim": {"claimName": claim(c)}},
            lambda: {"persistentVolumeClaim": {"claimName": claim(c)}},
            lambda: {"persistentVolumeClaim": {"claimName": claim(c)}},
            lambda: {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
            lambda: {"emptyDir": {}},
            lambda: {"nfs": {"server": "s", "path": c.pick(("/e", "/e/"))}},
            lambda: {"hostPath": {"path": "/h"}},
        )
    )()
    return {"name": c.pick(("data", "v")), **source}


def config_volume(c: Chance) -> Body:
    """Return a volume that holds configuration."""
    source: Body = c.pick(
        (
            lambda: {"configMap": {"name": name(c)}},
            lambda: {"secret": {"secretName": name(c)}},
            lambda: {
                "projected": {
                    "sources": [{"configMap": {"name": name(c)}}, {"secret": {"name": name(c)}}]
                }
            },
        )
    )()
    return {"name": "v", **source}


def env(c: Chance) -> Body:
    """Return a variable that comes from configuration."""
    field = c.pick(("configMapKeyRef", "secretKeyRef"))
    return {"name": "E", "valueFrom": {field: {"name": name(c), "key": "k"}}}


def env_from(c: Chance) -> Body:
    """Return variables that come from configuration."""
    return {c.pick(("configMapRef", "secretRef")): {"name": name(c)}}


def container(c: Chance) -> Body:
    """Return a container."""
    return c.some(env=lambda c: c.many(env, 1), envFrom=lambda c: c.many(env_from, 1))


def term(c: Chance) -> Body:
    """Return a pod affinity term."""
    body: Body = {"labelSelector": selector(c)} if c.often() else {}
    extra = c.pick(("", "namespaces", "namespaceSelector", "namespaceSelector", "both"))
    if extra in ("namespaces", "both"):
        body["namespaces"] = c.many(space_name, 1)
    if extra in ("namespaceSelector", "both"):
        body["namespaceSelector"] = space_selector(c)
    if not c.often():
        body[c.pick(("matchLabelKeys", "mismatchLabelKeys"))] = [label_key(c)]
    return body


def affinity(c: Chance) -> Body:
    """Return a block of affinity terms."""
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": c.many(term, 1),
        "preferredDuringSchedulingIgnoredDuringExecution": c.many(
            lambda c: {"weight": 1, "podAffinityTerm": term(c)}, 1
        ),
    }


def spread(c: Chance) -> Body:
    """Return a topology spread constraint."""
    return c.some(labelSelector=selector, matchLabelKeys=lambda c: c.many(label_key, 1))


def owner(c: Chance) -> Body:
    """Return an owner reference."""
    api, kind = c.pick(
        (("apps/v1", "Deployment"), ("apps/v1", "Deployment"), ("v1", "Pod"), ("v1", "Namespace"))
    )
    more = c.pick(({}, {"controller": True}, {"controller": False}))
    return {"apiVersion": api, "kind": kind, "name": name(c), **more}


def claim_template(c: Chance) -> Body:
    """Return a StatefulSet's claim template."""
    spec = c.some(storageClassName=name)
    return {"metadata": {"name": c.pick(("data", "d"))}, "spec": spec}


WORKLOADS = (
    ("apps/v1", "Deployment"), ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"),
    ("apps/v1", "StatefulSet"), ("v1", "Pod"), ("batch/v1", "CronJob"),
    ("v1", "ReplicationController"),
)  # fmt: skip


def workload(pod: Callable[[Chance], Body]) -> Callable[[Chance], Body]:
    """Return a generator of workloads whose pod specs come from `pod`."""

    def make(c: Chance) -> Body:
        api, kind = c.pick(WORKLOADS)
        owners = c.many(owner, 1)
        more: Body = {"owners": owners} if owners else {}
        own = c.pick(("a", "b", "web", "web", "web", ""))
        if kind == "Pod":
            return obj(kind, own, space(c), api, spec=pod(c), labels=labels(c), **more)
        bare = not c.often() and not c.often()
        spec: Body = (
            {} if bare else {"template": {"metadata": {"labels": labels(c)}, "spec": pod(c)}}
        )
        if kind == "CronJob":
            return obj(kind, own, space(c), api, spec={"jobTemplate": {"spec": spec}}, **more)
        if c.often():
            spec["selector"] = labels(c) if kind == "ReplicationController" else selector(c)
        if kind == "StatefulSet":
            spec["volumeClaimTemplates"] = [claim_template(c)] if c.often() else []
        return obj(kind, own, space(c), api, spec=spec, **more)

    return make


def service(c: Chance) -> Body:
    """Return a Service."""
    spec: Body = {"selector": labels(c), "ports": [{"name": "http", "port": 80}]}
    if not c.often():
        spec["type"] = "ExternalName"
    return obj("Service", name(c), space(c), labels=labels(c), spec=spec)


def policy(c: Chance) -> Body:
    """Return a NetworkPolicy."""

    def peer(c: Chance) -> Body:
        return c.some(podSelector=selector, namespaceSelector=space_selector)

    spec = c.some(
        podSelector=selector,
        ingress=lambda c: [{"from": c.many(peer)}],
        egress=lambda c: [{"to": c.many(peer, 1)}],
    )
    return obj("NetworkPolicy", name(c), space(c), "networking.k8s.io/v1", spec=spec)


def budget(c: Chance) -> Body:
    """Return a PodDisruptionBudget."""
    api = c.pick(("policy/v1", "policy/v1beta1"))
    return obj("PodDisruptionBudget", name(c), space(c), api, spec=c.some(selector=selector))


def monitor(c: Chance) -> Body:
    """Return a ServiceMonitor or PodMonitor."""
    where = c.pick(
        (
            dict,
            lambda: {"any": True},
            lambda: {"any": False},
            lambda: {"matchNames": c.many(space_name)},
        )
    )
    spec = c.some(selector=selector, namespaceSelector=lambda c: where())
    kind = c.pick(("ServiceMonitor", "PodMonitor"))
    return obj(kind, name(c), space(c), "monitoring.coreos.com/v1", spec=spec)


def namespace(c: Chance) -> Body:
    """Return a Namespace."""
    return obj("Namespace", space_name(c), labels=labels(c))


def backend(c: Chance) -> Body:
    """Return an Ingress backend."""
    port = c.pick(({"name": "http"}, {"name": "web"}, {"number": 80}, {"number": 81}, {}))
    return {"service": {"name": name(c), "port": port}}


def ingress(c: Chance) -> Body:
    """Return an Ingress."""
    paths = [{"backend": b} for b in c.many(backend)]
    spec: Body = {"rules": [{"http": {"paths": paths}}]}
    if c.often():
        spec["defaultBackend"] = backend(c)
    spec["tls"] = [{"secretName": n} for n in c.many(name, 1)]
    return obj("Ingress", name(c), space(c), "networking.k8s.io/v1", spec=spec)


def route(c: Chance) -> Body:
    """Return an HTTPRoute."""
    refs = c.many(
        lambda c: {
            "name": name(c),
            **c.some(namespace=space_name, port=lambda c: c.pick((80, 81))),
        }
    )
    spec = {"rules": [{"backendRefs": refs}]}
    return obj("HTTPRoute", name(c), space(c), "gateway.networking.k8s.io/v1", spec=spec)


def scaler(c: Chance) -> Body:
    """Return an autoscaler."""
    api, kind = c.pick(
        (("autoscaling/v2", "HorizontalPodAutoscaler"), ("keda.sh/v1alpha1", "ScaledObject"))
    )
    ref = {"kind": c.pick(("Deployment", "StatefulSet", "Pod", "")), "name": name(c)}
    if c.often():
        ref["apiVersion"] = c.pick(("apps/v1", "apps/v1", "v1"))
    return obj(kind, name(c), space(c), api, spec={"scaleTargetRef": ref})


def subject(c: Chance) -> Body:
    """Return a subject of a binding."""
    return c.pick(
        (
            lambda: {"kind": "ServiceAccount", "name": name(c), **c.some(namespace=space_name)},
            lambda: {"kind": "ServiceAccount", "name": name(c), **c.some(namespace=space_name)},
            lambda: {"kind": "User", "name": f"system:serviceaccount:n1:{name(c)}"},
            lambda: {"kind": "User", "name": "system:serviceaccount:n1"},
            lambda: {"kind": "Group", "name": "system:serviceaccounts"},
            lambda: {"kind": "Group", "name": "system:serviceaccounts:n1"},
            lambda: {"kind": "Group", "name": "admins"},
        )
    )()  # type: ignore[no-any-return]


def binding(c: Chance) -> Body:
    """Return a RoleBinding or ClusterRoleBinding."""
    kind = c.pick(("RoleBinding", "ClusterRoleBinding"))
    role = {"kind": c.pick(("Role", "ClusterRole")), "name": name(c)}
    where = space(c) if kind == "RoleBinding" else ""
    return obj(kind, name(c), where, RBAC, roleRef=role, subjects=c.many(subject))


def plain(*kinds: str) -> Callable[[Chance], Body]:
    """Return a generator of objects that are referred to by name."""

    def make(c: Chance) -> Body:
        kind = c.pick(kinds)
        api = RBAC if kind == "Role" else "v1"
        return obj(kind, c.pick(("a", "web", "default")), space(c), api)

    return make


def cluster_role(c: Chance) -> Body:
    """Return a ClusterRole, aggregated or not."""
    rule = c.many(selector, 1)
    more: Body = {"aggregationRule": {"clusterRoleSelectors": rule}} if rule else {}
    return obj("ClusterRole", name(c), "", RBAC, labels=labels(c), **more)


def claim_object(c: Chance) -> Body:
    """Return a PersistentVolumeClaim."""
    spec = c.some(volumeName=lambda c: c.pick(("pv1", "pv2")), storageClassName=name)
    return obj("PersistentVolumeClaim", claim(c), space(c), spec=spec)


def volume_object(c: Chance) -> Body:
    """Return a PersistentVolume."""
    ref = c.some(claimRef=lambda c: {"name": claim(c), **c.some(namespace=space_name)})
    source = c.pick(
        (
            {},
            {"nfs": {"server": "S", "path": "/e"}},
            {"nfs": {"server": "s", "path": "/e"}},
            {"csi": {"driver": "d", "volumeHandle": "h"}},
            {"hostPath": {"path": "/h"}},
        )
    )
    if source.get("nfs", {}).get("server") == "S":
        source = {"nfs": {"server": "s", "path": "/e"}}
    spec = {**ref, **source, **c.some(storageClassName=name)}
    return obj("PersistentVolume", c.pick(("pv1", "pv2")), spec=spec)


def class_object(c: Chance) -> Body:
    """Return a StorageClass or PriorityClass."""
    api, kind = c.pick(
        (("storage.k8s.io/v1", "StorageClass"), ("scheduling.k8s.io/v1", "PriorityClass"))
    )
    return obj(kind, name(c), "", api)


def external_secret(c: Chance) -> Body:
    """Return an ExternalSecret."""
    spec = c.some(target=lambda c: c.some(name=name))
    return obj("ExternalSecret", name(c), space(c), "external-secrets.io/v1", spec=spec)


def widget(c: Chance) -> Body:
    """Return a custom resource or its definition, which makes it namespaced or not."""
    if c.often():
        return obj("Widget", name(c), space(c), "x.io/v1")
    spec = {
        "group": "x.io",
        "names": {"kind": "Widget", "plural": "widgets"},
        "scope": "Namespaced",
    }
    return obj("CustomResourceDefinition", "widgets.x.io", "", "apiextensions.k8s.io/v1", spec=spec)


def _pod(**fields: Callable[[Chance], Any]) -> Callable[[Chance], Body]:
    return lambda c: c.some(**fields)


STORAGE = workload(_pod(volumes=lambda c: c.many(volume)))
LABELLED = workload(_pod())
PLACED = workload(
    _pod(
        affinity=_pod(podAffinity=affinity, podAntiAffinity=affinity),
        topologySpreadConstraints=lambda c: c.many(spread, 1),
    )
)
CONFIGURED = workload(
    _pod(
        volumes=lambda c: c.many(config_volume, 1),
        containers=lambda c: c.many(container, 1),
        initContainers=lambda c: c.many(container, 1),
        imagePullSecrets=lambda c: c.many(lambda c: {"name": name(c)}, 1),
    )
)
ACCOUNTED = workload(_pod(serviceAccountName=name, serviceAccount=name, priorityClassName=name))
THEMES: tuple[tuple[Callable[[Chance], Body], ...], ...] = (
    (STORAGE, STORAGE, STORAGE, claim_object, volume_object, class_object),
    (LABELLED, LABELLED, service, policy, budget, monitor, namespace),
    (PLACED, PLACED, PLACED, policy, namespace),
    (
        CONFIGURED,
        CONFIGURED,
        plain("ConfigMap", "Secret"),
        plain("ConfigMap"),
        external_secret,
        ingress,
    ),
    (ACCOUNTED, binding, binding, plain("ServiceAccount"), plain("Role"), cluster_role),
    (ingress, route, service, service, LABELLED),
    (LABELLED, scaler, scaler, namespace),
    (ACCOUNTED, class_object, widget, claim_object, namespace),
)
ALL = tuple(dict.fromkeys(make for theme in THEMES for make in theme))
PATHS = ("a.yaml", "dev/a.yaml", "dev/b.yaml", "prod/a.yaml", "prod/x/b.yaml")
SCOPES = ("", "", "", "", "s")

Placed = tuple[Body, str, str]


def world(c: Chance) -> list[Placed]:
    """Return bodies that have to do with each other, each with its file and scope."""
    theme = c.pick((THEMES[0], THEMES[0], *THEMES, ALL))
    count = c.pick(range(3, 16))
    return [(c.pick(theme)(c), str(c.pick(PATHS)), str(c.pick(SCOPES))) for _ in range(count)]


def file(c: Chance) -> list[tuple[Body, str]]:
    """Return bodies and scopes for one file."""
    theme = c.pick((THEMES[0], THEMES[0], *THEMES, ALL))
    return [(c.pick(theme)(c), str(c.pick(SCOPES))) for _ in range(c.pick(range(4)))]


def edits(c: Chance) -> list[tuple[str, list[tuple[Body, str]]]]:
    """Return a sequence of files with what each holds after an edit."""
    return [(str(c.pick((*PATHS, "new.yaml"))), file(c)) for _ in range(c.pick(range(1, 5)))]


@st.composite
def worlds(draw: st.DrawFn) -> list[Placed]:
    """The strategy of `world`."""
    return world(Drawn(draw))


@st.composite
def edit_sequences(draw: st.DrawFn) -> list[tuple[str, list[tuple[Body, str]]]]:
    """The strategy of `edits`."""
    return edits(Drawn(draw))
