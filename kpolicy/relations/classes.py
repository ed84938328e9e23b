"""Cluster-scoped classes that others name: storage classes and priority classes.

Source: API references of PersistentVolumeClaim, PersistentVolume, StatefulSet and PodSpec.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.relations.reading import as_map, as_text, at, maps_in, template_pointer
from kpolicy.relations.references import named, reference
from kpolicy.snapshot.kinds import WORKLOADS

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

#: Read before the field existed, and still first by the controller.
_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def _class_of(claim: Any, place: str) -> Iterator[Entry]:
    """Yield the class that a claim or volume names; "" asks for none, absent for the default
    one."""
    old = as_text(as_map(at(claim, "metadata", "annotations")).get(_ANNOTATION))
    if old:
        at_old = f"{place}/metadata/annotations/{_ANNOTATION.replace('/', '~1')}"
        yield reference("storage.k8s.io", "StorageClass", "", old, at_old)
    elif name := as_text(at(claim, "spec", "storageClassName")):
        where = f"{place}/spec/storageClassName"
        yield reference("storage.k8s.io", "StorageClass", "", name, where)


def _storage_classes(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    if resource.kind in ("PersistentVolumeClaim", "PersistentVolume"):
        yield from _class_of(resource.body, "")
        return
    for i, claim in maps_in(at(resource.body, "spec", "volumeClaimTemplates")):
        yield from _class_of(claim, f"/spec/volumeClaimTemplates/{i}")
    spec = as_map(kinds.pod_spec(resource.body))
    base = template_pointer(kinds, resource.body) + "/spec/volumes"
    for i, volume in maps_in(spec.get("volumes")):
        claim = at(volume, "ephemeral", "volumeClaimTemplate")
        if isinstance(claim, dict):
            yield from _class_of(claim, f"{base}/{i}/ephemeral/volumeClaimTemplate")


USES_STORAGE_CLASS = Relation(
    name="uses-storage-class",
    inverse="storage-class-used-by",
    left=Side(("v1/PersistentVolumeClaim", "v1/PersistentVolume", WORKLOADS), _storage_classes),
    right=named("storage.k8s.io/StorageClass"),
    description=(
        "From a claim, a volume, a StatefulSet's claim template or an ephemeral volume to the "
        "StorageClass it names."
    ),
    source="kubernetes.io/docs/concepts/storage/storage-classes",
)


def _priority_class(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    spec = as_map(kinds.pod_spec(resource.body))
    if name := as_text(spec.get("priorityClassName")):
        place = template_pointer(kinds, resource.body) + "/spec/priorityClassName"
        yield reference("scheduling.k8s.io", "PriorityClass", "", name, place)


USES_PRIORITY_CLASS = Relation(
    name="uses-priority-class",
    inverse="priority-class-used-by",
    left=Side((WORKLOADS,), _priority_class),
    right=named("scheduling.k8s.io/PriorityClass"),
    description="From a workload to the PriorityClass that its pods name.",
    source="kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption",
)

RELATIONS = (USES_STORAGE_CLASS, USES_PRIORITY_CLASS)
