"""The resources that a pattern speaks of, and what it sees of each.

KubePattern looks at a cluster, where controllers have made pods. Manifests hold the controllers: a
pattern for Pods therefore sees the pod that each workload's template describes, under the
workload's name. A workload that makes none (`replicas: 0`), or that controls something in the
input (an export of a cluster, which holds the pods as well), is not seen so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kpolicy.records import dataclass
from kpolicy.relations.index import Filter
from kpolicy.relations.ownership import CONTROLLED_BY

from kpolicy_kubepattern.filters import Filters

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A resource of a pattern: its kind and its filters. Compared by identity."""

    id: str
    kind: str
    group: str | None = None
    """None = any group that has the kind, as in the registry's form."""
    filters: Filters = Filters()

    @property
    def is_pod(self) -> bool:
        """Whether the pods of workloads are meant."""
        return self.kind == "Pod" and not self.group

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds as `Match.kinds` and `Side.kinds` write them."""
        if self.is_pod:
            return ("v1/Pod", "workloads")
        if self.group is None:
            return (self.kind,)
        return (f"{self.group or 'core'}/{self.kind}",)

    def view(self, resource: Resource, kinds: Kinds) -> Mapping[str, Any] | None:
        """Return what the pattern sees of a resource of its kinds, None where it is none of it."""
        body: Mapping[str, Any] = resource.body
        if self.is_pod and resource.kind != "Pod":
            template = None if resource.kind == "PodTemplate" else kinds.pod_template(resource.body)
            if template is None:
                return None
            metadata = {**kinds.pod_metadata(resource.body), "name": resource.name}
            body = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": metadata,
                "spec": kinds.pod_spec(resource.body),
            }
        elif resource.kind != self.kind:
            return None
        given = body.get("metadata")
        metadata = {**given} if isinstance(given, dict) else {}
        if resource.key.namespace:
            metadata["namespace"] = resource.key.namespace
        return {**body, "metadata": metadata}

    def passes(self, resource: Resource, kinds: Kinds) -> bool:
        """Return whether a resource is of the kind and its filters hold.

        What the API server refuses for a value of a wrong type is in no cluster.
        """
        if resource.decoding == "wrong-type":
            return False
        view = self.view(resource, kinds)
        return view is not None and self.filters.hold(view)

    def filter(self, snapshot: Snapshot) -> Filter:
        """Return the subject as a filter of relations."""
        kinds = snapshot.kinds
        return Filter(self, lambda resource: self.passes(resource, kinds))

    def stands_for(self, resource: Resource, snapshot: Snapshot) -> bool:
        """Return whether a resource that passes is one, and not the maker of others that are."""
        if not self.is_pod or resource.kind == "Pod":
            return True
        spec = resource.body.get("spec")
        if isinstance(spec, dict) and spec.get("replicas") == 0:
            return False
        return not snapshot.index(CONTROLLED_BY).any(resource, reverse=True)
