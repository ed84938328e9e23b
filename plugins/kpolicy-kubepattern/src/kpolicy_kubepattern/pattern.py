"""A pattern, whichever form it was written in, and what it finds.

It meets its leader (the custom resource says target). `needs` are relationships of the leader
with other resources; with a `follower`, every pair that satisfies `common` is a finding, otherwise
the leader alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from kpolicy.policy.model import Violation
from kpolicy.records import dataclass
from kpolicy.relations.claims import MOUNTS_CLAIM, SHARED_VOLUME_CLAIM
from kpolicy.relations.model import Entry, Relation, Side

from kpolicy_kubepattern.messages import filled
from kpolicy_kubepattern.relationships import Way

if TYPE_CHECKING:
    from kpolicy.relations.index import Hit
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

    from kpolicy_kubepattern.subjects import Subject


class Walk(Protocol):
    """How related resources are reached."""

    def hits(self, resource: Resource, subject: Subject, snapshot: Snapshot) -> Iterator[Hit]:
        """Yield each resource that is reached and is one of `subject`, once."""


@dataclass(frozen=True, slots=True)
class Need:
    """A relationship of the leader: it must hold (`shared`) or must not, or gives `weight`."""

    walks: tuple[Walk, ...]
    subject: Subject
    shared: bool = True
    required: bool = True
    weight: float = 0

    def found(self, resource: Resource, snapshot: Snapshot) -> Resource | None:
        """Return the first resource that is so related."""
        for walk in self.walks:
            for hit in walk.hits(resource, self.subject, snapshot):
                other: Resource = hit.resource
                return other
        return None


@dataclass(frozen=True, slots=True)
class Common:
    """What leader and follower must have (`shared`) or must not have in common, or `weight`."""

    way: Way
    shared: bool = True
    required: bool = True
    weight: float = 0


@dataclass(frozen=True, slots=True)
class Pattern:
    """A definition, read and checked."""

    name: str
    message: str
    leader: Subject
    needs: tuple[Need, ...] = ()
    minimum: float = 0
    any_of: tuple[Need, ...] = ()
    """Relationships of which one must hold, if there are any."""
    follower: Subject | None = None
    common: tuple[Common, ...] = ()
    common_minimum: float = 0

    def check(
        self, resource: Resource, snapshot: Snapshot, _params: Mapping[str, Any]
    ) -> Iterable[Violation]:
        """Yield what the pattern finds of which `resource` is the leader."""
        leader = self.leader
        if not leader.passes(resource, snapshot.kinds):
            return
        if not leader.stands_for(resource, snapshot):
            return
        met = self._needs_met(resource, snapshot)
        if met is None:
            return
        if self.follower is None:
            yield Violation(self._said(resource, None), related=met)
            return
        for hit in self._pairs(resource, snapshot):
            other: Resource = hit.resource
            yield Violation(
                self._said(resource, other),
                at=hit.here.pointer or None,
                item=f"{other.kind}/{other.key.namespace}/{other.name}",
                related=(other, *self._claims(resource, other, snapshot), *met),
            )

    def _needs_met(self, resource: Resource, snapshot: Snapshot) -> tuple[Resource, ...] | None:
        """Return the resources that required relationships lead to, None where one fails."""
        met: list[Resource] = []
        points, scored = 0.0, False
        for need in self.needs:
            found = need.found(resource, snapshot)
            holds = (found is not None) == need.shared
            if not need.required:
                scored = True
                points += need.weight if holds else 0
            elif not holds:
                return None
            elif found is not None:
                met.append(found)
        if scored and points < self.minimum:
            return None
        if self.any_of:
            some = [found for need in self.any_of if (found := need.found(resource, snapshot))]
            if not some:
                return None
            met += some
        return tuple(dict.fromkeys(met))

    def _pairs(self, resource: Resource, snapshot: Snapshot) -> Iterable[Hit]:
        """Return the followers of a leader, those of the first demand asked of all others."""
        follower = self.follower
        if follower is None:
            return
        reached = [
            {hit.resource: hit for hit in common.way.hits(resource, follower, snapshot)}
            for common in self.common
        ]
        demands = [
            found
            for common, found in zip(self.common, reached, strict=True)
            if common.required and common.shared
        ]
        candidates: Iterable[Hit] = (
            demands[0].values() if demands else Way(_EVERYBODY).hits(resource, follower, snapshot)
        )
        for hit in candidates:
            if self._in_common(hit.resource, reached):
                yield hit

    def _in_common(self, other: Resource, reached: Sequence[Mapping[Resource, Hit]]) -> bool:
        points, scored = 0.0, False
        for common, found in zip(self.common, reached, strict=True):
            holds = (other in found) == common.shared
            if common.required and not holds:
                return False
            if not common.required:
                scored = True
                points += common.weight if holds else 0
        return not scored or points >= self.common_minimum

    def _claims(
        self, resource: Resource, other: Resource, snapshot: Snapshot
    ) -> tuple[Resource, ...]:
        """Return the claims that both mount, where the input has them."""
        if not any(common.way.relation is SHARED_VOLUME_CLAIM for common in self.common):
            return ()
        index = snapshot.index(MOUNTS_CLAIM)
        theirs = {hit.resource for hit in index.related(other)}
        return tuple(hit.resource for hit in index.related(resource) if hit.resource in theirs)

    def _said(self, leader: Resource, follower: Resource | None) -> str:
        known = {**_words(self.leader.id, leader)}
        if follower is not None and self.follower is not None:
            known.update(_words(self.follower.id, follower))
        return filled(self.message, lambda name: known.get(name, ""))


def _words(id_: str, resource: Resource) -> dict[str, str]:
    """Return what the placeholders of both forms mean for a resource."""
    metadata = resource.body.get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    return {
        f"{id_}.name": resource.name,
        f"{id_}.namespace": resource.key.namespace,
        f"{id_}.metadata.name": resource.name,
        f"{id_}.metadata.namespace": resource.key.namespace,
        f"{id_}.metadata.uid": uid if isinstance(uid, str) else "(no uid)",
        f"{id_}.kind": resource.kind,
        f"{id_}.apiVersion": resource.api_version,
    }


def _one_key(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    if resource.name:
        yield Entry(("everybody",))


_EVERYBODY_SIDE = Side(("*",), _one_key)

#: Related are all: what followers are chosen from where nothing need be shared.
_EVERYBODY = Relation("kubepattern-everybody", left=_EVERYBODY_SIDE, right=_EVERYBODY_SIDE)
