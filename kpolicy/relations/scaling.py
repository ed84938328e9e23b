"""What scales a workload: HorizontalPodAutoscaler, KEDA's ScaledObject, VerticalPodAutoscaler.

Sources: API references; KEDA takes an absent apiVersion and kind for `apps/v1` and `Deployment`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.relations.reading import as_map, as_text, group_of

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

_FIELDS = {
    "HorizontalPodAutoscaler": "scaleTargetRef",
    "ScaledObject": "scaleTargetRef",
    "VerticalPodAutoscaler": "targetRef",
}


def _scales(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    field = _FIELDS.get(resource.kind, "")
    reference = as_map(as_map(resource.body.get("spec")).get(field))
    name, kind = as_text(reference.get("name")), as_text(reference.get("kind"))
    version = as_text(reference.get("apiVersion"))
    if resource.kind == "ScaledObject":
        kind, version = kind or "Deployment", version or "apps/v1"
    if not name or not kind:
        return
    # An autoscaler without apiVersion names a kind of any group.
    group = group_of(version) if version else None
    namespace = resource.key.namespace
    target = (group, kind, namespace, name)
    yield Entry((kind, namespace, name), {"group": group}, f"/spec/{field}", target=target)


def _scalable(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    group, kind, namespace, name = resource.key
    if name and namespace:
        yield Entry((kind, namespace, name), {"group": group})


def _same_group(left: Any, right: Any) -> bool:
    return left["group"] is None or left["group"] == right["group"]


SCALES = Relation(
    name="scales",
    inverse="scaled-by",
    left=Side(
        (
            "autoscaling/HorizontalPodAutoscaler",
            "keda.sh/ScaledObject",
            "autoscaling.k8s.io/VerticalPodAutoscaler",
        ),
        _scales,
    ),
    right=Side(("*",), _scalable),
    matches=_same_group,
    description=(
        "From a HorizontalPodAutoscaler, ScaledObject or VerticalPodAutoscaler to the resource it "
        "scales."
    ),
    source="kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale, keda.sh/docs",
)

RELATIONS = (SCALES,)
