"""KubePattern's relationships as relations of kpolicy.

Registry definitions name types (MOUNTS, EXPOSES ...), which hold in either direction. Two resources
have a type *in common* when both are so related to one third resource.

| type | kinds | relation |
|---|---|---|
| MOUNTS | Pod, PersistentVolumeClaim | `mounts-claim`; in common: `shared-volume-claim` |
| EXPOSES | Service, Pod | `selects` |
| USES_CONFIG | Pod, ConfigMap or Secret | `uses-config` |
| USES_SA | Pod, ServiceAccount | `uses-service-account` |
| IS_NAMESPACE_OF | Namespace, any | `in-namespace` |
| OWNS | Deployment, ReplicaSet | `owned-by` |
| MANAGES | ReplicaSet, Pod | `owned-by` |
| REFERENCES_KRATEO | any, any | a widget names the other among `spec.resourcesRefs.items` |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from kpolicy.records import dataclass
from kpolicy.relations.accounts import USES_SERVICE_ACCOUNT
from kpolicy.relations.claims import MOUNTS_CLAIM, SHARED_VOLUME_CLAIM
from kpolicy.relations.configuration import USES_CONFIG
from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.relations.ownership import IN_NAMESPACE, OWNED_BY
from kpolicy.relations.reading import as_map, as_text, maps_in
from kpolicy.relations.selecting import SELECTS

if TYPE_CHECKING:
    from kpolicy.relations.index import Hit
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

    from kpolicy_kubepattern.subjects import Subject

ANY = ("*",)
POD = ("Pod",)


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A relation and the way it is walked, perhaps through a third resource (`via`, its kind)."""

    relation: Relation
    reverse: bool = False
    via: str = ""

    def hits(self, resource: Resource, subject: Subject, snapshot: Snapshot) -> Iterator[Hit]:
        """Yield each resource that is reached and is one of `subject`, once."""
        index = snapshot.index(self.relation)
        filter_ = subject.filter(snapshot)
        if not self.via:
            for hit in index.related(resource, filter_, self.reverse):
                if subject.stands_for(hit.resource, snapshot):
                    yield hit
            return
        seen = {id(resource)}
        for middle in index.related(resource, None, self.reverse):
            if middle.resource.kind != self.via:
                continue
            for hit in index.related(middle.resource, filter_, not self.reverse):
                if id(hit.resource) in seen or hit.resource.key == resource.key:
                    continue
                seen.add(id(hit.resource))
                if subject.stands_for(hit.resource, snapshot):
                    yield hit._replace(here=middle.here)


def _widgets(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    """Yield what a Krateo widget refers to: namespace, name and plural of the other."""
    references = as_map(as_map(resource.body.get("spec")).get("resourcesRefs"))
    for index, item in maps_in(references.get("items")):
        namespace, name = as_text(item.get("namespace")), as_text(item.get("name"))
        plural = as_text(item.get("resource"))
        if namespace and name and plural:
            yield Entry((namespace, name, plural), None, f"/spec/resourcesRefs/items/{index}")


def _itself(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    if resource.name:
        plural = kinds.plural(resource.key.group, resource.kind)
        yield Entry((resource.key.namespace, resource.name, plural))


REFERENCES_WIDGET = Relation(
    "kubepattern-references-widget",
    left=Side(ANY, _widgets),
    right=Side(ANY, _itself),
    inverse="kubepattern-widget-referenced-by",
    description="From a Krateo widget to the resources that its spec.resourcesRefs name.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Ancestry:
    """The owners of a resource and their owners, or with `reverse` what it owns, to any depth."""

    reverse: bool = False

    def hits(self, resource: Resource, subject: Subject, snapshot: Snapshot) -> Iterator[Hit]:
        """Yield each ancestor (descendant) that is one of `subject`, once."""
        index = snapshot.index(OWNED_BY)
        seen = {id(resource)}
        waiting = [resource]
        while waiting:
            for hit in index.related(waiting.pop(), None, self.reverse):
                if id(hit.resource) in seen:
                    continue
                seen.add(id(hit.resource))
                waiting.append(hit.resource)
                if subject.passes(hit.resource, snapshot.kinds) and subject.stands_for(
                    hit.resource, snapshot
                ):
                    yield hit


def _in_common(name: str, relation: Relation) -> Relation:
    """Return the relation of those that `relation` leads to one and the same resource."""
    side = Side(relation.left.kinds, relation.left.entries)
    return Relation(f"kubepattern-common-{name}", left=side, right=side)


_SAME_CONFIG = _in_common("config", USES_CONFIG)
_SAME_ACCOUNT = _in_common("service-account", USES_SERVICE_ACCOUNT)
_SAME_NAMESPACE = _in_common("namespace", IN_NAMESPACE)
_SAME_OWNER = _in_common("owner", OWNED_BY)


@dataclass(frozen=True, slots=True)
class RelationshipType:
    """A type of the registry: between which kinds it holds, and the ways to walk it."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    forward: Way
    common: Way | None
    common_kinds: tuple[str, ...] = POD

    def ways(self, leader: str, other: str) -> tuple[Way, ...]:
        """Return the ways from resources of kind `leader` to those of kind `other`, () for none."""
        found = []
        if _fits(leader, self.first) and _fits(other, self.second):
            found.append(self.forward)
        if _fits(leader, self.second) and _fits(other, self.first):
            found.append(Way(self.forward.relation, not self.forward.reverse))
        return tuple(found)


def _fits(kind: str, kinds: tuple[str, ...]) -> bool:
    return kinds == ANY or kind in kinds


TYPES: Mapping[str, RelationshipType] = MappingProxyType(
    {
        "MOUNTS": RelationshipType(
            POD, ("PersistentVolumeClaim",), Way(MOUNTS_CLAIM), Way(SHARED_VOLUME_CLAIM)
        ),
        "EXPOSES": RelationshipType(
            ("Service",), POD, Way(SELECTS), Way(SELECTS, reverse=True, via="Service")
        ),
        "USES_CONFIG": RelationshipType(
            POD, ("ConfigMap", "Secret"), Way(USES_CONFIG), Way(_SAME_CONFIG)
        ),
        "USES_SA": RelationshipType(
            POD, ("ServiceAccount",), Way(USES_SERVICE_ACCOUNT), Way(_SAME_ACCOUNT)
        ),
        "IS_NAMESPACE_OF": RelationshipType(
            ("Namespace",), ANY, Way(IN_NAMESPACE, reverse=True), Way(_SAME_NAMESPACE), ANY
        ),
        "OWNS": RelationshipType(
            ("Deployment",), ("ReplicaSet",), Way(OWNED_BY, reverse=True),
            Way(_SAME_OWNER), ("ReplicaSet",),
        ),
        "MANAGES": RelationshipType(
            ("ReplicaSet",), POD, Way(OWNED_BY, reverse=True), Way(_SAME_OWNER)
        ),
        "REFERENCES_KRATEO": RelationshipType(ANY, ANY, Way(REFERENCES_WIDGET), None),
    }
)  # fmt: skip

#: Types that KubePattern names; no engine of it decides them, or only for two kinds of Krateo.
UNSUPPORTED = ("SAME_NETWORK", "HAS_AFFINITY_TO", "MANAGES_KRATEO")
