"""kube-linter's joins, with its keys: for the policies of its pack, so that both decide alike.

Differences from the native relations, on purpose: namespaces are compared as written ("" is not
"default", but for roles), custom resources are never workloads, an autoscaler's target is looked up
in all namespaces. Source: kube-linter's public templates, as summarised in the project's table of
checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kpolicy.relations.label_selectors import LabelSelector, parse_selector
from kpolicy.relations.model import EntriesOf, Entry, Key, Relation, Side
from kpolicy.relations.reading import (
    as_map,
    as_text,
    at,
    containers_with_pointers,
    labels_of,
    maps_in,
    pod_labels,
    text_map,
    texts_in,
)
from kpolicy.snapshot.kinds import WORKLOADS as ANY_WORKLOAD

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

#: Typed objects with a pod template: what kube-linter's joins take for workloads.
WORKLOADS = (
    "DeploymentLike",
    "extensions/v1beta1/Deployment",
    "extensions/v1beta1/DaemonSet",
    "extensions/v1beta1/ReplicaSet",
)
POLICY = ("networking.k8s.io/v1/NetworkPolicy",)
BUDGET = ("policy/v1/PodDisruptionBudget",)
RBAC = "rbac.authorization.k8s.io/v1/"
SCALERS = ("HorizontalPodAutoscalerLike", "keda.sh/v1alpha1/ScaledObject")

#: DeploymentLike kinds with a LabelSelector (a map in a DeploymentConfig), read by pdb-min-
#: available.
SELECTING = (
    "apps/Deployment", "apps/DaemonSet", "apps/StatefulSet", "apps/ReplicaSet",
    "apps.openshift.io/DeploymentConfig", "batch/Job", "batch/CronJob",
)  # fmt: skip


def _typed(kinds: tuple[str, ...], entries: EntriesOf) -> Side:
    """Return a side of objects that decode: kube-linter drops the others, or sees no field of
    them."""

    def of_typed(resource: Resource, known: Kinds) -> Iterable[Entry]:
        return entries(resource, known) if resource.decoding == "typed" else ()

    return Side(kinds, of_typed)


def _in_namespace(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    yield Entry((resource.namespace,))


def _by_name(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    yield Entry((resource.namespace, resource.name))


def _has_pod(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    if kinds.pod_template(resource.body) is not None:
        yield Entry((resource.namespace,))


def _label_keys(namespace: str | None, labels: dict[str, str]) -> Iterator[Key]:
    """Yield the keys of something with these labels: by each label, and for any selector."""
    yield (namespace,)
    for name, value in labels.items():
        yield (namespace, name, value)


def _selector_entry(
    namespace: str | None, selector: LabelSelector, data: Any, pointer: str
) -> Entry:
    """Return the entry of a selector: filed by its rarest equality, else by namespace."""
    alternatives = tuple(
        tuple((namespace, name, value) for value in values) for name, values in selector.equalities
    )
    return Entry((namespace,), data, pointer, alternatives)


def _selects(left: Any, right: Any) -> bool:
    selector = parse_selector(left)
    return selector is not None and selector.matches(right)


def _pods(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    labels = pod_labels(kinds, resource.body)
    if labels is not None:
        for key in _label_keys(resource.namespace, labels):
            yield Entry(key, labels)


def _service_selector(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    labels = text_map(at(resource.body, "spec", "selector"))
    if labels:
        body = {"matchLabels": labels}
        selector = parse_selector(body)
        if selector is not None:
            yield _selector_entry(resource.namespace, selector, body, "/spec/selector")


def _policy_selector(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    written = at(resource.body, "spec", "podSelector")
    body = written if isinstance(written, dict) else {}
    selector = parse_selector(body)
    if selector is not None:
        yield _selector_entry(resource.namespace, selector, body, "/spec/podSelector")


def _peer_selectors(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    """Yield an entry for each peer that selects pods of the policy's own namespace.

    One whose selector is not valid is filed where nothing is: it selects no pod.
    """
    space = resource.namespace
    target = (None, ANY_WORKLOAD, space, None)
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule, body in maps_in(at(resource.body, "spec", direction)):
            for number, peer in maps_in(body.get(peers)):
                written = peer.get("podSelector")
                if written is None or peer.get("namespaceSelector") is not None:
                    continue
                place = f"/spec/{direction}/{rule}/{peers}/{number}"
                selector = parse_selector(written)
                if selector is None:
                    yield Entry((space, "", "", ""), written, place, target=target)
                    continue
                entry = _selector_entry(space, selector, written, place)
                yield entry._replace(target=target)


def _account_name(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    spec = as_map(kinds.pod_spec(resource.body))
    name = as_text(spec.get("serviceAccountName")) or as_text(spec.get("serviceAccount"))
    if name:
        yield Entry((resource.namespace, name))


def _scale_target(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    target = as_map(at(resource.body, "spec", "scaleTargetRef"))
    key = tuple(as_text(target.get(name)) for name in ("apiVersion", "kind", "name"))
    yield Entry(key, None, "/spec/scaleTargetRef")


def _scalable(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    if kinds.pod_template(resource.body) is not None:
        # A core kind's group and version read "/v1", which no reference ever says.
        yield Entry((f"{resource.group}/{resource.version}", resource.kind, resource.name))


def _backend_services(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    spec = as_map(resource.body.get("spec"))
    backends = [("/spec/defaultBackend", as_map(spec.get("defaultBackend")))]
    for rule, body in maps_in(spec.get("rules")):
        for path, entry in maps_in(at(body, "http", "paths")):
            place = f"/spec/rules/{rule}/http/paths/{path}/backend"
            backends.append((place, as_map(entry.get("backend"))))
    for place, backend in backends:
        if isinstance(backend.get("service"), dict):
            name = as_text(backend["service"].get("name"))
            yield Entry((resource.namespace, name), None, f"{place}/service")


def _referred_keys(source: str) -> Any:
    def entries(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
        spec = kinds.pod_spec(resource.body)
        for _, container in containers_with_pointers(spec, ""):
            for _, variable in maps_in(container.get("env")):
                reference = at(variable, "valueFrom", source)
                if isinstance(reference, dict):
                    yield Entry((as_text(reference.get("name")),))

    return entries


def _any_namespace(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    yield Entry((resource.name,))


def _role_reference(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    name = as_text(at(resource.body, "roleRef", "name"))
    if resource.kind == "RoleBinding":
        yield Entry(("Role", resource.namespace or "default", name), None, "/roleRef")
    elif name.lower() != "cluster_admin":
        yield Entry(("ClusterRole", "", name), None, "/roleRef")


def _role(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    namespace = (resource.namespace or "default") if resource.kind == "Role" else ""
    yield Entry((resource.kind, namespace, resource.name))


def _everything(_resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    yield Entry(())


def _monitor_selector(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    spec = as_map(resource.body.get("spec"))
    labels = text_map(at(spec, "selector", "matchLabels"))
    anywhere = at(spec, "namespaceSelector", "any") is True
    names = tuple(n for _, n in texts_in(at(spec, "namespaceSelector", "matchNames")))
    if not labels and not anywhere and not names:
        return
    spaces: Iterable[str | None] = (None,) if anywhere or not names else names
    alternatives = tuple(
        tuple((space, name, value) for space in spaces) for name, value in labels.items()
    )
    for space in spaces:
        yield Entry((space,), labels, "/spec/selector", alternatives)


def _monitored(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    labels = labels_of(resource.body)
    for space in (None, resource.namespace):
        for key in _label_keys(space, labels):
            yield Entry(key, labels)


def _budget_selector(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    written = at(resource.body, "spec", "selector")
    selector = parse_selector(written)
    if selector is not None:
        yield _selector_entry(resource.namespace, selector, written, "/spec/selector")


def _own_selector(resource: Resource) -> Any:
    """Return a workload's LabelSelector, as kube-linter finds it."""
    spec = as_map(resource.body.get("spec"))
    if resource.kind == "CronJob":
        spec = as_map(at(spec, "jobTemplate", "spec"))
    written = as_map(spec.get("selector"))
    return {"matchLabels": written} if resource.kind == "DeploymentConfig" else written


def _own_match_labels(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    labels = text_map(_own_selector(resource).get("matchLabels"))
    for key in _label_keys(resource.namespace, labels):
        yield Entry(key, labels)


def _with_expressions(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    if _own_selector(resource).get("matchExpressions"):
        yield Entry((resource.namespace,))


def _scaled_name(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    name = as_text(at(resource.body, "spec", "scaleTargetRef", "name"))
    if name:
        yield Entry((resource.namespace, name))


def _has_labels(left: Any, right: Any) -> bool:
    return all(right.get(name) == value for name, value in left.items())


@lru_cache(maxsize=1)
def relations() -> tuple[Relation, ...]:
    """Return the relations of kube-linter's pack; the same objects each time."""
    pods = _typed(WORKLOADS, _pods)
    in_namespace = _typed(WORKLOADS, _has_pod)
    services = _typed(("v1/Service",), _by_name)
    return (
        Relation(
            "kube-linter-service-workloads",
            _typed(("v1/Service",), _service_selector),
            pods,
            matches=_selects,
            description="From a Service to the workloads whose pods its selector selects.",
        ),
        Relation(
            "kube-linter-service-neighbours",
            _typed(("v1/Service",), _in_namespace),
            in_namespace,
            description="From a Service to all workloads of its namespace, as written.",
        ),
        Relation(
            "kube-linter-policy-workloads",
            _typed(POLICY, _policy_selector),
            pods,
            matches=_selects,
            description="From a NetworkPolicy to the workloads whose pods it selects.",
        ),
        Relation(
            "kube-linter-namespace-workloads",
            _typed(POLICY, _in_namespace),
            in_namespace,
            inverse="kube-linter-namespace-policies",
            description="From a NetworkPolicy to all workloads of its namespace, as written.",
        ),
        Relation(
            "kube-linter-peer-workloads",
            _typed(POLICY, _peer_selectors),
            pods,
            matches=_selects,
            description="From the peers of a NetworkPolicy to the workloads that they select.",
        ),
        Relation(
            "kube-linter-ingress-services",
            _typed(("networking.k8s.io/v1/Ingress",), _backend_services),
            services,
            description="From an Ingress to the Services that its backends name.",
        ),
        Relation(
            "kube-linter-scale-targets",
            _typed(("HorizontalPodAutoscalerLike",), _scale_target),
            _typed(WORKLOADS, _scalable),
            description="From an autoscaler to its target, whatever the namespace.",
        ),
        Relation(
            "kube-linter-env-secrets",
            _typed(("DeploymentLike",), _referred_keys("secretKeyRef")),
            _typed(("v1/Secret",), _any_namespace),
            description="From a workload to the Secrets of its variables, in any namespace.",
        ),
        Relation(
            "kube-linter-env-config-maps",
            _typed(("DeploymentLike",), _referred_keys("configMapKeyRef")),
            _typed(("v1/ConfigMap",), _any_namespace),
            description="From a workload to the ConfigMaps of its variables, in any namespace.",
        ),
        Relation(
            "kube-linter-service-accounts",
            _typed(("DeploymentLike",), _account_name),
            _typed(("v1/ServiceAccount",), _by_name),
            description="From a workload to the ServiceAccount it names.",
        ),
        Relation(
            "kube-linter-bound-roles",
            _typed((f"{RBAC}ClusterRoleBinding", f"{RBAC}RoleBinding"), _role_reference),
            _typed((f"{RBAC}ClusterRole", f"{RBAC}Role"), _role),
            description="From a binding to its role; the kind that a RoleBinding names is ignored.",
        ),
        Relation(
            "kube-linter-cluster-roles",
            _typed((f"{RBAC}ClusterRoleBinding",), _everything),
            _typed((f"{RBAC}ClusterRole",), _everything),
            description="From a ClusterRoleBinding to every ClusterRole, for aggregation.",
        ),
        Relation(
            "kube-linter-monitored-services",
            _typed(("monitoring.coreos.com/v1/ServiceMonitor",), _monitor_selector),
            _typed(("v1/Service",), _monitored),
            matches=_has_labels,
            description="From a ServiceMonitor to the Services that its matchLabels select.",
        ),
        Relation(
            "kube-linter-pdb-workloads",
            _typed(BUDGET, _budget_selector),
            _typed(SELECTING, _own_match_labels),
            matches=_selects,
            description="From a disruption budget to the workloads whose matchLabels it selects.",
        ),
        Relation(
            "kube-linter-pdb-expressions",
            _typed(BUDGET, _in_namespace),
            _typed(SELECTING, _with_expressions),
            description="From a disruption budget to the namespace's workloads with expressions.",
        ),
        Relation(
            "kube-linter-scalers",
            _typed(SELECTING, _by_name),
            _typed(SCALERS, _scaled_name),
            description="From a workload to the autoscalers of its namespace that name it.",
        ),
    )
