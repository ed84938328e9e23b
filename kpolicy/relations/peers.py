"""Selectors inside a resource that look for other pods: network peers, affinity, topology spread.

Sources: API reference of NetworkPolicyPeer, PodAffinityTerm and TopologySpreadConstraint.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.relations.pods import (
    NAMESPACES,
    POD,
    PODS,
    PODS_ANYWHERE,
    bridges_of,
    matches,
    query,
    some_workload,
)
from kpolicy.relations.reading import (
    as_map,
    at,
    maps_in,
    pod_labels,
    template_pointer,
    texts_in,
)
from kpolicy.snapshot.kinds import WORKLOADS
from kpolicy.snapshot.selector import EVERYTHING, Selector, selector_of

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

_DIRECTIONS = (("ingress", "from"), ("egress", "to"))


def _network_peers(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    """Yield an entry for each peer; one of only an `ipBlock` names no pods."""
    namespace = resource.key.namespace
    spec = as_map(resource.body.get("spec"))
    for direction, field in _DIRECTIONS:
        for i, rule in maps_in(spec.get(direction)):
            for j, peer in maps_in(rule.get(field)):
                pods = selector_of(peer.get("podSelector"))
                namespaces = selector_of(peer.get("namespaceSelector"))
                if pods is None and namespaces is None:
                    continue
                place = f"/spec/{direction}/{i}/{field}/{j}"
                wanted = EVERYTHING if pods is None else pods
                if namespaces is None:
                    target = some_workload(namespace)
                    yield query(POD, place, wanted, [namespace], target=target)
                else:
                    yield query(POD, place, wanted, (), namespaces, some_workload(""))


def _by_own_labels(
    selector: Selector, keys: Any, labels: dict[str, str], operator: str
) -> Selector:
    """Return `selector` with the pod's own values of `keys` (matchLabelKeys, mismatchLabelKeys)."""
    extra = [(key, operator, (labels[key],)) for _, key in texts_in(keys) if key in labels]
    return tuple(sorted({*selector, *extra})) if extra else selector


def _affinity_terms(field: str) -> Any:
    def entries(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
        body = resource.body
        base = f"{template_pointer(kinds, body)}/spec/affinity/{field}"
        affinity = as_map(at(kinds.pod_spec(body), "affinity", field))
        terms: list[tuple[str, dict[str, Any]]] = []
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        preferred = "preferredDuringSchedulingIgnoredDuringExecution"
        for i, term in maps_in(affinity.get(required)):
            terms.append((f"{base}/{required}/{i}", term))
        for i, weighted in maps_in(affinity.get(preferred)):
            inner = weighted.get("podAffinityTerm")
            if isinstance(inner, dict):
                terms.append((f"{base}/{preferred}/{i}/podAffinityTerm", inner))
        labels = pod_labels(kinds, body) or {}
        for place, term in terms:
            selector = selector_of(term.get("labelSelector"))
            if selector is None:
                continue  # an absent selector matches no pods
            selector = _by_own_labels(selector, term.get("matchLabelKeys"), labels, "In")
            selector = _by_own_labels(selector, term.get("mismatchLabelKeys"), labels, "NotIn")
            namespaces = [name for _, name in texts_in(term.get("namespaces"))]
            wanted = selector_of(term.get("namespaceSelector"))
            if not namespaces and wanted is None:
                namespaces = [resource.key.namespace]
            yield query(POD, place, selector, namespaces, wanted)

    return entries


def _spread_constraints(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    body = resource.body
    base = f"{template_pointer(kinds, body)}/spec/topologySpreadConstraints"
    labels = pod_labels(kinds, body) or {}
    for i, constraint in maps_in(as_map(kinds.pod_spec(body)).get("topologySpreadConstraints")):
        selector = selector_of(constraint.get("labelSelector"))
        if selector is not None:
            selector = _by_own_labels(selector, constraint.get("matchLabelKeys"), labels, "In")
            yield query(POD, f"{base}/{i}", selector, [resource.key.namespace])


_TO_PODS = bridges_of(POD)

ALLOWS_PEER = Relation(
    name="allows-peer",
    inverse="allowed-as-peer-by",
    left=Side(("NetworkPolicy",), _network_peers),
    right=PODS_ANYWHERE,
    matches=matches,
    facts=NAMESPACES,
    bridges=_TO_PODS,
    description=(
        "From a NetworkPolicy to the workloads that its `from` and `to` peers select, in the "
        "namespaces that a peer selects."
    ),
    source="kubernetes.io/docs/concepts/services-networking/network-policies",
)

AFFINE_TO = Relation(
    name="affine-to",
    inverse="affinity-of",
    left=Side((WORKLOADS,), _affinity_terms("podAffinity")),
    right=PODS_ANYWHERE,
    matches=matches,
    facts=NAMESPACES,
    bridges=_TO_PODS,
    description="From a workload to the workloads that its pod affinity terms select.",
    source="kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node",
)

ANTI_AFFINE_TO = Relation(
    name="anti-affine-to",
    inverse="anti-affinity-of",
    left=Side((WORKLOADS,), _affinity_terms("podAntiAffinity")),
    right=PODS_ANYWHERE,
    matches=matches,
    facts=NAMESPACES,
    bridges=_TO_PODS,
    description="From a workload to the workloads that its pod anti-affinity terms select.",
    source="kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node",
)

SPREADS_WITH = Relation(
    name="spreads-with",
    inverse="spread-by",
    left=Side((WORKLOADS,), _spread_constraints),
    right=PODS,
    matches=matches,
    description=(
        "From a workload to the other workloads whose pods its topology spread constraints count."
    ),
    source="kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints",
)

RELATIONS = (ALLOWS_PEER, AFFINE_TO, ANTI_AFFINE_TO, SPREADS_WITH)
