"""Volume claims: which workload mounts which PersistentVolumeClaim, and which workloads share one.

Sources: Kubernetes' documentation of StatefulSets (claim name `<template>-<set>-<ordinal>`), of
generic ephemeral volumes (`<pod>-<volume>`), and of binding (`volumeName`, `claimRef`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.model import Entry, Key, Relation, Side
from kpolicy.relations.reading import as_map, as_text, at, maps_in, template_pointer
from kpolicy.snapshot.kinds import WORKLOADS

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

CLAIM = "claim"
CLAIMS = "claims"
VOLUME = "volume"

#: No object has a longer name; a hostile one is not taken apart.
MAX_NAME = 253

#: An ordinal in canonical decimal form, as a whole part between dashes or at the end.
_ORDINAL = r"-(?:0|[1-9][0-9]*)(?=-|$)"


def claim_key(namespace: str, name: str) -> Key:
    """Return the key of one claim."""
    return (CLAIM, namespace, name)


def claims_key(namespace: str, before: str, after: str = "") -> Key:
    """Return the key of all claims named `before`, an ordinal, `after`."""
    return (CLAIMS, namespace, before, after)


def wider_claims(key: Key) -> Iterator[Key]:
    """Yield the families of claims that one claim's name may belong to."""
    if key[0] != CLAIM:
        return
    _, namespace, name = key
    if len(name) > MAX_NAME:
        return
    for found in re.finditer(_ORDINAL, name):
        yield claims_key(namespace, name[: found.start() + 1], name[found.end() :])


def mounted_claims(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    """Yield an entry for each claim that the pods of a workload declare among their volumes."""
    spec = kinds.pod_spec(resource.body)
    if spec is None:
        return
    namespace = resource.key.namespace
    templates = _claim_templates(resource)
    for name, place in templates.items():
        yield Entry(claims_key(namespace, f"{name}-{resource.name}-"), None, place)
    base = template_pointer(kinds, resource.body) + "/spec/volumes"
    for index, volume in maps_in(spec.get("volumes")):
        if as_text(volume.get("name")) in templates:
            continue  # the controller puts the template's claim in its place
        place = f"{base}/{index}"
        source = volume.get("persistentVolumeClaim")
        if isinstance(source, dict):
            claim = as_text(source.get("claimName"))
            if claim:
                yield Entry(claim_key(namespace, claim), None, place)
        elif isinstance(volume.get("ephemeral"), dict) and as_text(volume.get("name")):
            key = _ephemeral_key(resource, volume["name"])
            if key is not None:
                yield Entry(key, {"made": True}, place)


def _claim_templates(resource: Resource) -> dict[str, str]:
    """Return name -> pointer of a StatefulSet's claim templates."""
    if resource.kind != "StatefulSet" or not resource.name:
        return {}
    found = {}
    for index, template in maps_in(at(resource.body, "spec", "volumeClaimTemplates")):
        name = as_text(at(template, "metadata", "name"))
        if name:
            found[name] = f"/spec/volumeClaimTemplates/{index}"
    return found


def _ephemeral_key(resource: Resource, volume: str) -> Key | None:
    """Return the key of a generic ephemeral volume's claim; None where the pod's name is
    generated."""
    namespace, name = resource.key.namespace, resource.name
    if not name:
        return None
    if resource.kind == "Pod":
        return claim_key(namespace, f"{name}-{volume}")
    if resource.kind == "StatefulSet":
        return claims_key(namespace, f"{name}-", f"-{volume}")
    return None


def _claim_references(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    """Yield the same entries; those that name a claim miss it when there is none."""
    for entry in mounted_claims(resource, kinds):
        # The controllers make the claims of templates and of ephemeral volumes.
        named = entry.key[0] == CLAIM and not entry.data
        target = ("", "PersistentVolumeClaim", *entry.key[1:]) if named else None
        yield entry._replace(target=target)


def _claims(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    if resource.name:
        yield Entry(claim_key(resource.key.namespace, resource.name))


def bindings(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    """Yield the links between a claim and the volume it is bound to, written on either side."""
    spec: dict[str, Any] = as_map(resource.body.get("spec"))
    if not resource.name:
        return
    if resource.kind == "PersistentVolumeClaim":
        volume = as_text(spec.get("volumeName"))
        if volume:
            claim = claim_key(resource.key.namespace, resource.name)
            yield Entry(claim, (VOLUME, volume), "/spec/volumeName")
    elif resource.kind == "PersistentVolume":
        reference = as_map(spec.get("claimRef"))
        name = as_text(reference.get("name"))
        if name and reference.get("kind", "PersistentVolumeClaim") == "PersistentVolumeClaim":
            namespace = as_text(reference.get("namespace")) or "default"
            volume_key = (VOLUME, resource.name)
            yield Entry(volume_key, claim_key(namespace, name), "/spec/claimRef")


_MOUNTERS = Side((WORKLOADS,), mounted_claims)

MOUNTS_CLAIM = Relation(
    name="mounts-claim",
    inverse="mounted-by",
    left=Side((WORKLOADS,), _claim_references),
    right=Side(("v1/PersistentVolumeClaim",), _claims),
    broader=wider_claims,
    description=(
        "From a workload to the PersistentVolumeClaims that its pods declare among their volumes; "
        "claims of a StatefulSet's templates for any ordinal, and of generic ephemeral volumes, "
        "included."
    ),
    source="kubernetes.io/docs/concepts/storage/persistent-volumes, .../controllers/statefulset",
)

SHARED_VOLUME_CLAIM = Relation(
    name="shared-volume-claim",
    left=_MOUNTERS,
    right=_MOUNTERS,
    broader=wider_claims,
    links=Side(("v1/PersistentVolumeClaim", "v1/PersistentVolume"), bindings),
    nearest=True,
    description=(
        "From a workload to the other workloads that mount the same PersistentVolumeClaim, or a "
        "claim bound to the same PersistentVolume."
    ),
    source="kubernetes.io/docs/concepts/storage/persistent-volumes",
)

BOUND_TO = Relation(
    name="bound-to",
    inverse="binds-claim",
    left=Side(("v1/PersistentVolumeClaim",), _claims),
    right=Side(
        ("v1/PersistentVolume",),
        lambda r, _: [Entry((VOLUME, r.name))] if r.name else [],
    ),
    links=Side(("v1/PersistentVolumeClaim", "v1/PersistentVolume"), bindings),
    description=(
        "From a claim to the PersistentVolume that it names (`volumeName`) or that names it "
        "(`claimRef`)."
    ),
    source="kubernetes.io/docs/concepts/storage/persistent-volumes#binding",
)

RELATIONS = (MOUNTS_CLAIM, SHARED_VOLUME_CLAIM, BOUND_TO)
