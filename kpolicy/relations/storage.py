"""Workloads that reach the same storage, by whatever name: `shared-volume`.

Keys are what identifies storage: an NFS export, a node's path, a CSI driver and handle and so on,
and volume claims. A PersistentVolume makes its claim's key and its storage's key one, so that a pod
that mounts an export itself meets a pod that mounts it through a claim.

Source: API references of Volume and PersistentVolumeSpec.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.claims import VOLUME, bindings, mounted_claims, wider_claims
from kpolicy.relations.model import Entry, Key, Relation, Side
from kpolicy.relations.reading import as_map, as_text, maps_in, template_pointer
from kpolicy.snapshot.kinds import WORKLOADS

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

#: Volume sources that name storage that outlives a pod: field, then the fields that identify it.
_SOURCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("nfs", ("server", "path")),
    ("hostPath", ("path",)),
    ("glusterfs", ("endpoints", "path")),
    ("cephfs", ("monitors", "path")),
    ("rbd", ("monitors", "pool", "image")),
    ("iscsi", ("targetPortal", "iqn", "lun")),
    ("azureFile", ("shareName",)),
    ("azureDisk", ("diskURI",)),
    ("awsElasticBlockStore", ("volumeID",)),
    ("gcePersistentDisk", ("pdName",)),
    ("cinder", ("volumeID",)),
    ("vsphereVolume", ("volumePath",)),
    ("portworxVolume", ("volumeID",)),
    ("quobyte", ("registry", "volume")),
)
_PATHS = frozenset({"path", "volumePath"})


def storage_key(source: dict[str, Any]) -> tuple[Key, str] | None:
    """Return the key of the storage that a volume source names, with the field that names it."""
    csi = source.get("csi")
    if isinstance(csi, dict):
        driver, handle = as_text(csi.get("driver")), as_text(csi.get("volumeHandle"))
        if driver and handle:
            return ("csi", driver, handle), "csi"
    for field, names in _SOURCES:
        given = source.get(field)
        if not isinstance(given, dict):
            continue
        parts = tuple(_part(name, given.get(name)) for name in names)
        return ((field, *parts), field) if parts[0] else None
    return None


def _local_key(spec: dict[str, Any]) -> tuple[Key, str] | None:
    """Return the key of a `local` PersistentVolume: one path on two nodes is two disks."""
    path = as_text(as_map(spec.get("local")).get("path"))
    if not path:
        return None
    import json

    node = json.dumps(spec.get("nodeAffinity"), sort_keys=True, default=str)
    return ("local", posixpath.normpath(path), node), "local"


def _part(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ",".join(sorted(v for v in value if isinstance(v, str)))
    if isinstance(value, int):
        return str(value)
    text = as_text(value)
    if name in _PATHS and text:
        return posixpath.normpath(text)
    return text.lower() if name == "server" else text


def _volumes(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    yield from mounted_claims(resource, kinds)
    spec = as_map(kinds.pod_spec(resource.body))
    base = template_pointer(kinds, resource.body) + "/spec/volumes"
    for i, volume in maps_in(spec.get("volumes")):
        if found := storage_key(volume):
            yield Entry(found[0], None, f"{base}/{i}")


def _same_storage(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    yield from bindings(resource, kinds)
    if resource.kind == "PersistentVolume" and resource.name:
        spec = as_map(resource.body.get("spec"))
        found = storage_key(spec) or _local_key(spec)
        if found:
            yield Entry((VOLUME, resource.name), found[0], f"/spec/{found[1]}")


_SIDE = Side((WORKLOADS,), _volumes)

SHARED_VOLUME = Relation(
    name="shared-volume",
    left=_SIDE,
    right=_SIDE,
    broader=wider_claims,
    links=Side(("v1/PersistentVolumeClaim", "v1/PersistentVolume"), _same_storage),
    nearest=True,
    description=(
        "From a workload to the other workloads that reach the same storage: through one claim, "
        "two claims bound to one PersistentVolume, an NFS export, a path on the node, a CSI "
        "handle."
    ),
    source="kubernetes.io/docs/concepts/storage/volumes",
)

RELATIONS = (SHARED_VOLUME,)
