"""What an evaluation needs to answer questions about other resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.cel.errors import CelError
from kpolicy.records import dataclass
from kpolicy.relations.index import Direction, Filter, Hit, RelationIndex, directory

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Lookup:
    """One question to an index and its answer, for `kpolicy trace` and for cached join findings."""

    relation: str
    resource: Resource
    filter: str
    hits: tuple[Hit, ...]


def built_in_directory() -> Mapping[str, Direction]:
    """Return the names of the built-in relations."""
    from kpolicy.relations.builtin import relations

    return directory(relations())


@dataclass(slots=True)
class JoinContext:
    """The context object of programs that use the library of `kpolicy.relations.library`.

    One serves many evaluations: the receiver of a call tells which resource is meant.
    """

    snapshot: Snapshot
    resource: Resource | None = None
    """The resource under evaluation; decides the scope of `snapshot.get`."""
    filters: Mapping[str, Filter] = field(default_factory=lambda: MappingProxyType({}))
    """The filters of the policy under evaluation, by name."""
    relations: Mapping[str, Direction] = field(default_factory=built_in_directory)
    """Every name that `related` may use; see `kpolicy.relations.index.directory`."""
    base: Snapshot | None = None
    """The snapshot that `oldObject` comes from."""
    lookups: list[Lookup] | None = None
    """When a list: every answer of an index is noted here."""

    @property
    def kinds(self) -> Kinds:
        """What is known about kinds."""
        return self.snapshot.kinds

    def owner(self, body: Any) -> tuple[Snapshot, Resource]:
        """Return the resource whose body is the receiver of a call, with its snapshot.

        Raises CelError when the receiver is no whole resource of a snapshot.
        """
        current = self.resource
        if current is not None and current.body is body:
            return self.snapshot, current
        found = self.snapshot.resource_of(body)
        if found is not None:
            return self.snapshot, found
        if self.base is not None:
            found = self.base.resource_of(body)
            if found is not None:
                return self.base, found
        raise CelError(
            "relations start from a whole resource (object, or one that related() gave)",
            hint="call it on `object` itself, not on a part or a copy of it",
        )

    def direction(self, name: str) -> Direction:
        """Return the relation called `name`; raises CelError when there is none."""
        try:
            return self.relations[name]
        except KeyError:
            raise CelError(
                f"no relation is named {name!r}", hint=suggestion(name, self.relations)
            ) from None

    def filter(self, name: str | None) -> Filter | None:
        """Return the policy's filter called `name`; raises CelError when it has none."""
        if name is None:
            return None
        try:
            return self.filters[name]
        except KeyError:
            raise CelError(
                f"the policy has no filter named {name!r}", hint=suggestion(name, self.filters)
            ) from None

    def index(self, name: str, body: Any) -> tuple[RelationIndex, Resource, bool]:
        """Return the index of a relation, the resource that is asked about, and whether it is
        walked back."""
        snapshot, resource = self.owner(body)
        relation, reverse = self.direction(name)
        return snapshot.index(relation), resource, reverse

    def related(self, body: Any, name: str, filter: str | None = None) -> list[Hit]:
        """Return the hits of one question, each resource once; noted in `lookups`."""
        index, resource, reverse = self.index(name, body)
        hits = index.related(resource, self.filter(filter), reverse)
        if self.lookups is not None:
            self.lookups.append(Lookup(name, resource, filter or "", tuple(hits)))
        return hits


def suggestion(name: str, known: Mapping[str, Any]) -> str:
    """Return "did you mean ..." for a mistyped name, or what names there are."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(sorted(known))}" if known else "none is defined"
