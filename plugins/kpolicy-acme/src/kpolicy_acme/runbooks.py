"""The relation between a workload and its runbook, a ConfigMap that an annotation names."""

from __future__ import annotations

from collections.abc import Iterable

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.snapshot.kinds import Kinds
from kpolicy.snapshot.resource import Resource

ANNOTATION = "acme.example/runbook"
_POINTER = "/metadata/annotations/acme.example~1runbook"


def named(resource: Resource, _kinds: Kinds) -> Iterable[Entry]:
    """File a workload under the ConfigMap that it names, in its own namespace."""
    metadata = resource.body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    name = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if isinstance(name, str) and name:
        key = (resource.key.namespace, name)
        yield Entry(key, pointer=_POINTER, target=("", "ConfigMap", *key))


def itself(resource: Resource, _kinds: Kinds) -> Iterable[Entry]:
    """File a ConfigMap under its own name."""
    yield Entry((resource.key.namespace, resource.name))


RUNBOOK = Relation(
    "acme-runbook",
    left=Side(("workloads",), named),
    right=Side(("ConfigMap",), itself),
    inverse="acme-runbook-of",
    description="A workload and the ConfigMap that its annotation names as its runbook.",
)
