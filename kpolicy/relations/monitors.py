"""What the Prometheus operator scrapes: ServiceMonitor to Services, PodMonitor to pods.

Source: the operator's API reference: `selector` over the labels of Services or pods, an empty or
absent one selects all; `namespaceSelector` `any: true` or `matchNames`, else the monitor's own
namespace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.relations.pods import (
    POD,
    Target,
    labelled_anywhere,
    matches,
    pods_anywhere,
    query,
    some_workload,
)
from kpolicy.relations.reading import as_map, labels_of, texts_in
from kpolicy.snapshot.kinds import WORKLOADS
from kpolicy.snapshot.selector import EVERYTHING, selector_of

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

SERVICE = "service"


def _monitors(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    spec = as_map(resource.body.get("spec"))
    chosen = as_map(spec.get("namespaceSelector"))
    anywhere = chosen.get("any") is True
    names = [name for _, name in texts_in(chosen.get("matchNames"))]
    namespaces = [] if anywhere else names or [resource.key.namespace]
    where = namespaces[0] if len(namespaces) == 1 else ""
    what, target = POD, some_workload(where)
    if resource.kind == "ServiceMonitor":
        what, target = SERVICE, _some_service(where)
    selector = selector_of(spec.get("selector"))
    yield query(
        what,
        "/spec/selector",
        EVERYTHING if selector is None else selector,
        namespaces,
        EVERYTHING if anywhere else None,
        target,
    )


def _some_service(namespace: str) -> Target:
    return ("", "Service", namespace, None)


def _monitored(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    if (resource.key.group, resource.kind) == ("", "Service"):
        labels = labels_of(resource.body)
        yield from labelled_anywhere(SERVICE, resource.key.namespace, labels, "/metadata/labels")
    else:
        yield from pods_anywhere(resource, kinds)


MONITORS = Relation(
    name="monitors",
    inverse="monitored-by",
    left=Side(
        ("monitoring.coreos.com/ServiceMonitor", "monitoring.coreos.com/PodMonitor"), _monitors
    ),
    right=Side(("v1/Service", WORKLOADS), _monitored),
    matches=matches,
    description=(
        "From a ServiceMonitor to the Services, from a PodMonitor to the workloads, it selects."
    ),
    source="prometheus-operator.dev/docs/api-reference/api",
)

RELATIONS = (MONITORS,)
