"""Short ways to write resources and snapshots in tests."""

from __future__ import annotations

from typing import Any

from kpolicy.frozen import freeze
from kpolicy.manifests.model import Document
from kpolicy.snapshot import Kinds, Resource, Snapshot, World, resource_from

KINDS = Kinds.of()
RBAC = "rbac.authorization.k8s.io/v1"


def resource(
    body: dict[str, Any], path: str = "", scope: str = "", index: int = 0, kinds: Kinds = KINDS
) -> Resource:
    """Return the resource of a plain body; its path is made from kind and name unless given."""
    metadata = body.get("metadata") or {}
    where = path or f"{body.get('kind', '')}-{metadata.get('name', '')}.yaml".lower()
    return resource_from(Document(freeze(body), where, index, scope=scope), kinds)


def obj(
    kind: str, name: str = "", namespace: str = "", api: str = "v1", /, **fields: Any
) -> dict[str, Any]:
    """Return the body of an object; `labels`, `annotations` and `owners` go into its metadata."""
    metadata: dict[str, Any] = {}
    if name:
        metadata["name"] = name
    if namespace:
        metadata["namespace"] = namespace
    for key, field in (
        ("labels", "labels"),
        ("annotations", "annotations"),
        ("owners", "ownerReferences"),
    ):
        if key in fields:
            metadata[field] = fields.pop(key)
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def workload(
    kind: str = "Deployment",
    name: str = "web",
    namespace: str = "",
    /,
    pod_labels: dict[str, str] | None = None,
    selector: Any = None,
    extra: dict[str, Any] | None = None,
    **pod: Any,
) -> dict[str, Any]:
    """Return a workload whose pod spec has the fields `pod`."""
    template: dict[str, Any] = {"spec": pod}
    if pod_labels is not None:
        template["metadata"] = {"labels": pod_labels}
    spec: dict[str, Any] = {"template": template, **(extra or {})}
    if selector is not None:
        spec["selector"] = selector
    if kind == "Pod":
        labels = {} if pod_labels is None else {"labels": pod_labels}
        return obj("Pod", name, namespace, "v1", spec=pod, **labels)
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    apis = {"Job": "batch/v1", "CronJob": "batch/v1", "ReplicationController": "v1"}
    return obj(kind, name, namespace, apis.get(kind, "apps/v1"), spec=spec)


def claim_volume(claim: str, name: str = "v") -> dict[str, Any]:
    """Return a volume of a pod that mounts a claim."""
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def snapshot(*bodies: dict[str, Any] | Resource, world: World | None = None) -> Snapshot:
    """Return the snapshot of bodies, each in a file of its own unless given as a resource."""
    made = [
        b if isinstance(b, Resource) else resource(b, f"{i:03}.yaml") for i, b in enumerate(bodies)
    ]
    return Snapshot.of(made, KINDS, world)


def names(found: Any) -> list[str]:
    """Return the names of the resources of hits, or of resources."""
    return [getattr(f, "resource", f).name for f in found]
