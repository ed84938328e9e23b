"""Every relation by brute force, written from the APIs' documentation and not from kpolicy's code.

`related(name, one, other, everything)` says whether `one` stands in the relation to `other`. Plain
loops over plain bodies; slow and simple on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

TEMPLATES = {
    ("", "Pod"): [],
    ("", "ReplicationController"): ["spec", "template"],
    ("apps", "Deployment"): ["spec", "template"],
    ("apps", "StatefulSet"): ["spec", "template"],
    ("batch", "CronJob"): ["spec", "jobTemplate", "spec", "template"],
}
CLUSTER = {
    "Namespace", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "StorageClass",
    "PriorityClass", "CustomResourceDefinition",
}  # fmt: skip


class Thing:
    """A resource as the oracle sees it."""

    def __init__(self, body: Any, path: str, scope: str) -> None:
        self.body = body
        self.path = path
        self.scope = scope
        self.group = body["apiVersion"].rpartition("/")[0]
        self.kind = body["kind"]
        self.name = body["metadata"].get("name", "")
        written = body["metadata"].get("namespace")
        self.ns = "" if self.kind in CLUSTER else written or "default"
        self.key = (self.group, self.kind, self.ns, self.name)

    def dig(self, *path: Any) -> Any:
        """Return what stands at a path, None if nothing does."""
        return dig(self.body, *path)

    @property
    def template(self) -> Any:
        """The pod template, None for what makes no pods."""
        path = TEMPLATES.get((self.group, self.kind))
        if path is None:
            return None
        found = self.dig(*path)
        if found is None:
            return None if self.kind == "ReplicationController" else {}
        return found

    @property
    def pod(self) -> Any:
        """The pod spec, {} where it is absent."""
        return (self.template or {}).get("spec") or {}

    @property
    def pod_labels(self) -> Any:
        """The labels of the pods."""
        return dig(self.template or {}, "metadata", "labels") or {}

    @property
    def labels(self) -> Any:
        """The labels of the object."""
        return self.dig("metadata", "labels") or {}


def dig(value: Any, *path: Any) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def chosen(selector: Any, labels: Any) -> bool:
    """Return whether a LabelSelector selects labels."""
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions") or []:
        key, operator, values = term["key"], term["operator"], term.get("values") or []
        if operator == "In":
            if not values or key not in labels or labels[key] not in values:
                return False
        elif operator == "NotIn":
            if not values or (key in labels and labels[key] in values):
                return False
        elif operator == "Exists":
            if values or key not in labels:
                return False
        elif operator == "DoesNotExist":
            if values or key in labels:
                return False
        else:
            return False
    return True


def chosen_by_map(wanted: Any, labels: Any) -> bool:
    return bool(wanted) and all(labels.get(k) == v for k, v in wanted.items())


def namespace_labels(name: str, scope: str, everything: list[Thing]) -> dict[str, str]:
    for thing in everything:
        if thing.kind == "Namespace" and thing.name == name and thing.scope == scope:
            return {**thing.labels, "kubernetes.io/metadata.name": name}
    return {"kubernetes.io/metadata.name": name}


# Storage


def claims_of(w: Thing) -> tuple[set[tuple[str, str]], set[tuple[str, str, str]]]:
    """Return the claims a workload mounts by name, and the families of names: (ns, before,
    after)."""
    exact: set[tuple[str, str]] = set()
    families: set[tuple[str, str, str]] = set()
    templates = set()
    if w.kind == "StatefulSet" and w.name:
        for template in w.dig("spec", "volumeClaimTemplates") or []:
            templates.add(template["metadata"]["name"])
            families.add((w.ns, f"{template['metadata']['name']}-{w.name}-", ""))
    for volume in w.pod.get("volumes") or []:
        if volume["name"] in templates:
            continue
        if "persistentVolumeClaim" in volume:
            exact.add((w.ns, volume["persistentVolumeClaim"]["claimName"]))
        elif "ephemeral" in volume and w.name:
            if w.kind == "Pod":
                exact.add((w.ns, f"{w.name}-{volume['name']}"))
            elif w.kind == "StatefulSet":
                families.add((w.ns, f"{w.name}-", f"-{volume['name']}"))
    return exact, families


def in_family(claim: tuple[str, str], family: tuple[str, str, str]) -> bool:
    ns, before, after = family
    pattern = re.escape(before) + "(0|[1-9][0-9]*)" + re.escape(after)
    return claim[0] == ns and re.fullmatch(pattern, claim[1]) is not None


def volume_links(scope: str, everything: list[Thing]) -> list[tuple[Any, Any]]:
    links: list[tuple[Any, Any]] = []
    for t in everything:
        if t.scope != scope or not t.name:
            continue
        if t.kind == "PersistentVolumeClaim" and t.dig("spec", "volumeName"):
            links.append((("claim", t.ns, t.name), ("pv", t.dig("spec", "volumeName"))))
        if t.kind == "PersistentVolume" and t.dig("spec", "claimRef", "name"):
            ns = t.dig("spec", "claimRef", "namespace") or "default"
            links.append((("pv", t.name), ("claim", ns, t.dig("spec", "claimRef", "name"))))
    return links


def storage_links(scope: str, everything: list[Thing]) -> list[tuple[Any, Any]]:
    links = volume_links(scope, everything)
    for t in everything:
        if t.scope == scope and t.kind == "PersistentVolume" and t.name:
            for spot in storage_in(t.dig("spec") or {}):
                links.append((("pv", t.name), spot))
    return links


def storage_in(source: Any) -> list[Any]:
    if "nfs" in source:
        return [("nfs", source["nfs"]["server"], source["nfs"]["path"].rstrip("/"))]
    if "hostPath" in source:
        return [("path", source["hostPath"]["path"].rstrip("/"))]
    if "csi" in source and source["csi"].get("volumeHandle"):
        return [("csi", source["csi"]["driver"], source["csi"]["volumeHandle"])]
    return []


def closure(start: set[Any], links: list[tuple[Any, Any]]) -> set[Any]:
    found = set(start)
    grown = True
    while grown:
        grown = False
        for a, b in links:
            if (a in found) != (b in found):
                found |= {a, b}
                grown = True
    return found


def shares(a: Thing, b: Thing, everything: list[Thing], links: Any, with_storage: bool) -> bool:
    known = {
        c for t in everything if t.scope == a.scope and t.template is not None
        for c in claims_of(t)[0]
    }  # fmt: skip
    for pair in links:
        known |= {(e[1], e[2]) for e in pair if e[0] == "claim"}

    def reach(w: Thing) -> tuple[set[Any], set[Any]]:
        exact, families = claims_of(w)
        exact = exact | {c for c in known for f in families if in_family(c, f)}
        start: set[Any] = {("claim", *c) for c in exact}
        if with_storage:
            for volume in w.pod.get("volumes") or []:
                start |= set(storage_in(volume))
        return closure(start, links), families

    (spots_a, families_a), (spots_b, families_b) = reach(a), reach(b)
    return bool(spots_a & spots_b) or bool(families_a & families_b)


# Ways through selectors


def term_selects(
    selector: Any, namespaces: list[str], ns_selector: Any, own: Thing, other: Thing, all_: Any
) -> bool:
    if not chosen(selector, other.pod_labels):
        return False
    if not namespaces and ns_selector is None:
        return other.ns == own.ns
    if other.ns in namespaces:
        return True
    return chosen(ns_selector, namespace_labels(other.ns, own.scope, all_))


def affinity(field: str) -> Callable[[Thing, Thing, list[Thing]], bool]:
    def holds(a: Thing, b: Thing, all_: list[Thing]) -> bool:
        if a.template is None or b.template is None:
            return False
        block = dig(a.pod, "affinity", field) or {}
        terms = list(block.get("requiredDuringSchedulingIgnoredDuringExecution") or [])
        preferred = block.get("preferredDuringSchedulingIgnoredDuringExecution") or []
        terms += [weighted["podAffinityTerm"] for weighted in preferred]
        return any(
            term_selects(
                with_own(t.get("labelSelector"), t, a),
                t.get("namespaces") or [],
                t.get("namespaceSelector"),
                a,
                b,
                all_,
            )
            for t in terms
        )

    return holds


def with_own(selector: Any, term: Any, own: Thing) -> Any:
    if selector is None:
        return None
    more = [
        {"key": key, "operator": operator, "values": [own.pod_labels[key]]}
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in term.get(field) or []
        if key in own.pod_labels
    ]
    return {**selector, "matchExpressions": [*(selector.get("matchExpressions") or []), *more]}


def selects(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if b.template is None or a.ns != b.ns:
        return False
    spec = a.dig("spec") or {}
    if a.kind == "Service":
        return spec.get("type") != "ExternalName" and chosen_by_map(
            spec.get("selector"), b.pod_labels
        )
    if a.kind == "NetworkPolicy":
        return chosen(spec.get("podSelector") or {}, b.pod_labels)
    if a.kind == "PodDisruptionBudget":
        selector = spec.get("selector")
        if a.body["apiVersion"] == "policy/v1beta1" and not selector_terms(selector):
            return False
        return chosen(selector, b.pod_labels)
    if a.kind == "ReplicationController":
        wanted = spec.get("selector") or (a.pod_labels if a.template is not None else {})
        return chosen_by_map(wanted, b.pod_labels)
    if a.kind in ("Deployment", "StatefulSet"):
        selector = spec.get("selector")
        return bool(selector_terms(selector)) and chosen(selector, b.pod_labels)
    return False


def selector_terms(selector: Any) -> Any:
    selector = selector or {}
    return selector.get("matchLabels") or selector.get("matchExpressions")


def allows_peer(a: Thing, b: Thing, all_: list[Thing]) -> bool:
    if a.kind != "NetworkPolicy" or b.template is None:
        return False
    for direction, field in (("ingress", "from"), ("egress", "to")):
        for rule in a.dig("spec", direction) or []:
            for peer in rule.get(field) or []:
                pods, spaces = peer.get("podSelector"), peer.get("namespaceSelector")
                if pods is None and spaces is None:
                    continue
                if spaces is None:
                    inside = b.ns == a.ns
                else:
                    inside = chosen(spaces, namespace_labels(b.ns, a.scope, all_))
                if inside and (pods is None or chosen(pods, b.pod_labels)):
                    return True
    return False


def spreads_with(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.template is None or b.template is None or a.ns != b.ns:
        return False
    return any(
        chosen(with_own(c.get("labelSelector"), c, a), b.pod_labels)
        for c in a.pod.get("topologySpreadConstraints") or []
    )


def monitors(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.kind == "ServiceMonitor":
        if b.kind != "Service":
            return False
        labels = b.labels
    elif a.kind == "PodMonitor":
        if b.template is None:
            return False
        labels = b.pod_labels
    else:
        return False
    where = a.dig("spec", "namespaceSelector") or {}
    if where.get("any") is not True and b.ns not in (where.get("matchNames") or [a.ns]):
        return False
    return chosen(a.dig("spec", "selector") or {}, labels)


# Ways through names


def routes_to(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if b.kind != "Service" or not b.name:
        return False
    wanted: list[tuple[str, str, Any]] = []
    if a.kind == "Ingress":
        backends = [a.dig("spec", "defaultBackend")]
        for rule in a.dig("spec", "rules") or []:
            backends += [path.get("backend") for path in dig(rule, "http", "paths") or []]
        for backend in backends:
            if backend:
                port = backend["service"].get("port") or {}
                wanted.append(
                    (a.ns, backend["service"]["name"], port.get("name") or port.get("number"))
                )
    elif a.kind == "HTTPRoute":
        for rule in a.dig("spec", "rules") or []:
            wanted += [
                (ref.get("namespace") or a.ns, ref["name"], ref.get("port"))
                for ref in rule.get("backendRefs") or []
            ]
    for ns, name, port in wanted:
        if (ns, name) != (b.ns, b.name):
            continue
        offered = b.dig("spec", "ports") or []
        if port is None:
            return True
        if isinstance(port, str) and any(p.get("name") == port for p in offered):
            return True
        if isinstance(port, int) and any(p["port"] == port for p in offered):
            return True
    return False


def scales(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.kind not in ("HorizontalPodAutoscaler", "ScaledObject"):
        return False
    ref = a.dig("spec", "scaleTargetRef") or {}
    api, kind = ref.get("apiVersion"), ref.get("kind")
    if a.kind == "ScaledObject":
        api, kind = api or "apps/v1", kind or "Deployment"
    if not ref.get("name") or (ref["name"], kind, a.ns) != (b.name, b.kind, b.ns):
        return False
    return api is None or api.rpartition("/")[0] == b.group


def config_refs(a: Thing) -> set[tuple[str, str, str]]:
    refs: set[tuple[str, str, str]] = set()
    if a.kind == "Ingress":
        return {("Secret", a.ns, t["secretName"]) for t in a.dig("spec", "tls") or []}
    if a.template is None:
        return refs
    for volume in a.pod.get("volumes") or []:
        if "configMap" in volume:
            refs.add(("ConfigMap", a.ns, volume["configMap"]["name"]))
        if "secret" in volume:
            refs.add(("Secret", a.ns, volume["secret"]["secretName"]))
        for source in dig(volume, "projected", "sources") or []:
            if "configMap" in source:
                refs.add(("ConfigMap", a.ns, source["configMap"]["name"]))
            if "secret" in source:
                refs.add(("Secret", a.ns, source["secret"]["name"]))
    for container in [*(a.pod.get("initContainers") or []), *(a.pod.get("containers") or [])]:
        for source in container.get("envFrom") or []:
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source:
                    refs.add((kind, a.ns, source[field]["name"]))
        for variable in container.get("env") or []:
            source = variable.get("valueFrom") or {}
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if field in source:
                    refs.add((kind, a.ns, source[field]["name"]))
    for pull in a.pod.get("imagePullSecrets") or []:
        refs.add(("Secret", a.ns, pull["name"]))
    return refs


def uses_config(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if not b.name:
        return False
    if b.kind in ("ConfigMap", "Secret"):
        return (b.kind, b.ns, b.name) in config_refs(a)
    if b.kind == "ExternalSecret":
        made = b.dig("spec", "target", "name") or b.name
        return ("Secret", b.ns, made) in config_refs(a)
    return False


def uses_service_account(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.template is None or b.kind != "ServiceAccount" or a.ns != b.ns or not b.name:
        return False
    name = a.pod.get("serviceAccountName") or a.pod.get("serviceAccount") or "default"
    return bool(name == b.name)


def binds_role(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.kind not in ("RoleBinding", "ClusterRoleBinding") or not b.name:
        return False
    ref = a.dig("roleRef") or {}
    if (ref.get("kind"), ref.get("name")) != (b.kind, b.name):
        return False
    if b.kind == "ClusterRole":
        return True
    return b.kind == "Role" and a.kind == "RoleBinding" and a.ns == b.ns


def binds_subject(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.kind not in ("RoleBinding", "ClusterRoleBinding") or b.kind != "ServiceAccount":
        return False
    for s in a.dig("subjects") or []:
        if s["kind"] == "ServiceAccount" and b.name:
            ns = s.get("namespace") or a.ns
            if ns and (s["name"], ns) == (b.name, b.ns):
                return True
        user = f"system:serviceaccount:{b.ns}:{b.name}"
        if s["kind"] == "User" and b.name and s["name"] == user:
            return True
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{b.ns}")
        if s["kind"] == "Group" and b.name and s["name"] in groups:
            return True
    return False


def owned_by(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    for owner in a.dig("metadata", "ownerReferences") or []:
        if (owner["kind"], owner["name"]) != (b.kind, b.name) or not b.name:
            continue
        if owner["apiVersion"].rpartition("/")[0] != b.group:
            continue
        if b.ns == (a.ns if b.kind not in CLUSTER else ""):
            return True
    return False


def controlled_by(a: Thing, b: Thing, all_: list[Thing]) -> bool:
    owners = a.dig("metadata", "ownerReferences") or []
    real = [o for o in owners if o.get("controller") is True]
    body = {**a.body, "metadata": {**a.body["metadata"], "ownerReferences": real}}
    return owned_by(Thing(body, a.path, a.scope), b, all_)


def mounts_claim(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.template is None or b.kind != "PersistentVolumeClaim" or not b.name:
        return False
    exact, families = claims_of(a)
    claim = (b.ns, b.name)
    return claim in exact or any(in_family(claim, f) for f in families)


def shared_volume_claim(a: Thing, b: Thing, all_: list[Thing]) -> bool:
    if a.template is None or b.template is None:
        return False
    return shares(a, b, all_, volume_links(a.scope, all_), False)


def shared_volume(a: Thing, b: Thing, all_: list[Thing]) -> bool:
    if a.template is None or b.template is None:
        return False
    return shares(a, b, all_, storage_links(a.scope, all_), True)


def bound_to(a: Thing, b: Thing, all_: list[Thing]) -> bool:
    if a.kind != "PersistentVolumeClaim" or b.kind != "PersistentVolume":
        return False
    if not a.name or not b.name:
        return False
    links = volume_links(a.scope, all_)
    return ("pv", b.name) in closure({("claim", a.ns, a.name)}, links)


def aggregates(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.kind != "ClusterRole" or b.kind != "ClusterRole":
        return False
    selectors = a.dig("aggregationRule", "clusterRoleSelectors") or []
    return any(chosen(s, b.labels) for s in selectors)


def in_namespace(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    return b.kind == "Namespace" and bool(b.name) and a.ns == b.name


def defines(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.kind != "CustomResourceDefinition":
        return False
    return (a.dig("spec", "group"), a.dig("spec", "names", "kind")) == (b.group, b.kind)


def storage_class_of(claim: Any) -> Any:
    return dig(claim, "spec", "storageClassName")


def uses_storage_class(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if b.kind != "StorageClass" or not b.name:
        return False
    if a.kind in ("PersistentVolumeClaim", "PersistentVolume"):
        return bool(storage_class_of(a.body) == b.name)
    if a.template is None:
        return False
    templates = list(a.dig("spec", "volumeClaimTemplates") or [])
    return any(storage_class_of(t) == b.name for t in templates)


def uses_priority_class(a: Thing, b: Thing, _all: list[Thing]) -> bool:
    if a.template is None or b.kind != "PriorityClass" or not b.name:
        return False
    return bool(a.pod.get("priorityClassName") == b.name)


RELATIONS: dict[str, Callable[[Thing, Thing, list[Thing]], bool]] = {
    "mounts-claim": mounts_claim,
    "shared-volume-claim": shared_volume_claim,
    "shared-volume": shared_volume,
    "bound-to": bound_to,
    "selects": selects,
    "allows-peer": allows_peer,
    "affine-to": affinity("podAffinity"),
    "anti-affine-to": affinity("podAntiAffinity"),
    "spreads-with": spreads_with,
    "monitors": monitors,
    "routes-to": routes_to,
    "scales": scales,
    "uses-config": uses_config,
    "uses-service-account": uses_service_account,
    "binds-role": binds_role,
    "binds-subject": binds_subject,
    "binds": lambda a, b, c: binds_role(a, b, c) or binds_subject(a, b, c),
    "aggregates": aggregates,
    "owned-by": owned_by,
    "controlled-by": controlled_by,
    "in-namespace": in_namespace,
    "defines": defines,
    "uses-storage-class": uses_storage_class,
    "uses-priority-class": uses_priority_class,
}
PEERS = {"shared-volume-claim", "shared-volume"}


def steps(one: str, other: str) -> int:
    """Return how far two files lie apart; 0 = the same file."""
    if one == other:
        return 0
    a, b = one.split("/")[:-1], other.split("/")[:-1]
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    return 1 + len(a) + len(b)


def answer(name: str, one: Thing, everything: list[Thing], back: bool = False) -> list[int]:
    """Return the positions of all that `one` is related to, by looking at everything."""
    holds = RELATIONS[name]
    found = []
    for position, other in enumerate(everything):
        if other is one or other.scope != one.scope or (one.name and other.key == one.key):
            continue
        left, right = (other, one) if back else (one, other)
        if holds(left, right, everything):
            found.append(position)
    if name not in PEERS:
        return found
    kept = []
    for position in found:
        thing = everything[position]
        copies = [p for p in found if everything[p].key == thing.key]
        best = min(copies, key=lambda p: (steps(one.path, everything[p].path), p))
        if not thing.name or best == position:
            kept.append(position)
    return kept
