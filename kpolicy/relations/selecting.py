"""Who selects pods: Services, NetworkPolicies, disruption budgets and controllers.

What an absent and what an empty selector mean differs from API to API:

| API | absent | empty |
|---|---|---|
| Service `spec.selector` | nothing (endpoints by hand) | nothing |
| NetworkPolicy `spec.podSelector` | all pods of the namespace | all |
| PodDisruptionBudget `policy/v1` | nothing | all |
| PodDisruptionBudget `policy/v1beta1` | nothing | nothing |
| Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, Rollout ... | nothing | nothing |
| ReplicationController, DeploymentConfig (a map) | the template's labels | the template's labels |

Sources: the API reference of each kind; Kubernetes' deprecation guide for `policy/v1beta1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.relations.pods import (
    POD,
    PODS,
    matches,
    query,
    some_workload,
)
from kpolicy.relations.reading import as_map, pod_labels
from kpolicy.snapshot.kinds import WORKLOADS
from kpolicy.snapshot.selector import EVERYTHING, Selector, map_selector_of, selector_of

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

#: Controllers whose selector is a plain map of labels.
_MAP_SELECTORS = frozenset(
    {("", "ReplicationController"), ("apps.openshift.io", "DeploymentConfig")}
)


def pod_selector(resource: Resource, kinds: Kinds) -> tuple[Selector | None, str]:
    """Return the selector by which a resource selects pods, None for nothing, and its pointer."""
    spec = as_map(resource.body.get("spec"))
    group, kind = resource.key.group, resource.kind
    if (group, kind) == ("", "Service"):
        if spec.get("type") == "ExternalName":
            return None, ""
        return map_selector_of(spec.get("selector")) or None, "/spec/selector"
    if kind == "NetworkPolicy":
        found = selector_of(spec.get("podSelector"))
        return EVERYTHING if found is None else found, "/spec/podSelector"
    if kind == "PodDisruptionBudget":
        found = selector_of(spec.get("selector"))
        empty_is_all = resource.version != "v1beta1"
        return (found if found or empty_is_all else None), "/spec/selector"
    if (group, kind) in _MAP_SELECTORS:
        found = map_selector_of(spec.get("selector"))
        return found or map_selector_of(pod_labels(kinds, resource.body)) or None, "/spec/selector"
    return selector_of(spec.get("selector")) or None, "/spec/selector"


def _selectors(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    selector, place = pod_selector(resource, kinds)
    if selector is None:
        return
    namespace = resource.key.namespace
    # A controller makes the pods that it selects; that no other workload fits is no miss.
    target = None if kinds.is_workload(resource.body) else some_workload(namespace)
    yield query(POD, place, selector, [namespace], target=target)


SELECTS = Relation(
    name="selects",
    inverse="selected-by",
    left=Side(
        ("v1/Service", "NetworkPolicy", "policy/PodDisruptionBudget", WORKLOADS),
        _selectors,
    ),
    right=PODS,
    matches=matches,
    description=(
        "From a Service, NetworkPolicy, PodDisruptionBudget or controller to the workloads whose "
        "pods its selector selects."
    ),
    source="kubernetes.io/docs/concepts/overview/working-with-objects/labels",
)

RELATIONS = (SELECTS,)
