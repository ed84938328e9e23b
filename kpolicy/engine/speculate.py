"""Deciding join policies where only one resource is at hand.

A worker has the body but not the other resources; the join phase has all keys but not the bodies.
So the worker evaluates a join policy under a *guess* of what the indexes will answer. Where the
policy is satisfied under the guess, it notes what was asked: the join phase then compares the real
answers, from keys alone, and looks into a body only where the guess was wrong. Nothing is analysed;
any policy works, and one that asks what cannot be guessed is simply evaluated in the join phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.relations.context import JoinContext
from kpolicy.relations.index import Direction, Filter, Hit
from kpolicy.relations.missing import missing

if TYPE_CHECKING:
    from kpolicy.relations.model import Relation
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


class Unguessable(BaseException):
    """An evaluation asked what no guess answers. Not an Exception: nothing may absorb it."""


class Asked(NamedTuple):
    """A question to an index, with the answer under which the policy was satisfied."""

    kind: str
    """`any`, `count`, `none` (no hits at all) or `missing` (no reference leads nowhere)."""
    relation: str
    reverse: bool
    filter: str
    limit: int
    """The limit of a count, -1 without one."""
    answer: int


class _GuessIndex:
    """Answers like an index, always the same, and writes down what was asked."""

    def __init__(self, relation: Relation, owner: GuessContext) -> None:
        self.relation = relation
        self._owner = owner

    def _note(
        self, kind: str, filter: Filter | None, reverse: bool, limit: int, answer: int
    ) -> None:
        name = "" if filter is None else filter.key[1]  # type: ignore[index]
        self._owner.asked.append(Asked(kind, self.relation.name, reverse, name, limit, answer))

    def any(self, resource: Any, filter: Filter | None = None, reverse: bool = False) -> bool:
        self._note("any", filter, reverse, -1, int(self._owner.guess))
        return self._owner.guess

    def count(
        self,
        resource: Any,
        filter: Filter | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> int:
        answer = int(self._owner.guess)
        self._note("count", filter, reverse, -1 if limit is None else limit, answer)
        return answer

    def hits(self, resource: Any, filter: Filter | None = None, reverse: bool = False) -> list[Hit]:
        self._note("none", filter, reverse, -1, 0)
        return []

    related = hits

    def reaches(self, resource: Any, body: Any, reverse: bool = False) -> bool:
        self._note("none", None, reverse, -1, 0)
        return False

    def missing(self, resource: Any) -> Iterator[Any]:
        self._note("missing", None, False, -1, 0)
        return iter(())


class _GuessSnapshot:
    """Stands in for the snapshot; what it has no guess for is `Unguessable`."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.owner: GuessContext | None = None

    def index(self, relation: Relation) -> _GuessIndex:
        assert self.owner is not None
        return _GuessIndex(relation, self.owner)

    def __getattr__(self, name: str) -> Any:
        raise Unguessable(name)


class GuessContext(JoinContext):
    """The context of a guessing evaluation. `guess` is what `isRelated` answers."""

    __slots__ = ("asked", "guess")

    asked: list[Asked]
    guess: bool

    @classmethod
    def of(cls, kinds: Kinds, relations: Mapping[str, Direction]) -> GuessContext:
        """Return a context that knows kinds and relations and no resource."""
        stand_in: Any = _GuessSnapshot(kinds)
        self = cls(stand_in, relations=relations)
        stand_in.owner = self
        self.asked, self.guess = [], True
        return self

    def begin(self, resource: Resource, filters: Mapping[str, Filter], guess: bool) -> None:
        """Prepare for the evaluation of one policy on one resource."""
        self.resource = resource
        self.filters = filters
        self.guess = guess
        self.asked = []


def holds(
    asked: Asked,
    resource: Resource,
    snapshot: Snapshot,
    relations: Mapping[str, Direction],
    filters: Mapping[str, Filter],
) -> bool:
    """Return whether the real index gives the answer that was guessed."""
    direction = relations[asked.relation]
    chosen = filters[asked.filter] if asked.filter else None
    if asked.kind == "missing":
        return next(missing(snapshot, Direction(direction.relation), resource), None) is None
    index = snapshot.index(direction.relation)
    if asked.kind == "count":
        limit = None if asked.limit < 0 else asked.limit
        return index.count(resource, chosen, asked.reverse, limit) == asked.answer
    return index.any(resource, chosen, asked.reverse) == bool(asked.answer)
