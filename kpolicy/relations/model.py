"""A relation as data: which resources stand on each side, and the keys under which each is filed.

Equal key = related (within one scope). Where equality of keys is not enough (label selectors),
entries carry JSON-shaped `data` and `matches(left.data, right.data)` decides; the key is then the
most selective part. Entries are computed from one resource alone, so that a worker process can do
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.relations.index import RelationIndex
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

Key = tuple[Any, ...]


class Entry(NamedTuple):
    """One filing of a resource: under `key`, with what `matches` needs, and where in it this is
    written.

    Keys and data are JSON-shaped (strings, numbers, tuples), hashable where they are keys.
    """

    key: Key
    data: Any = None
    pointer: str = ""
    """JSON pointer, in the resource, of what gave this entry (the volume, the selector, the
    reference)."""
    alternatives: tuple[tuple[Key, ...], ...] = ()
    """For a left entry: sets of keys, each set enough to reach every match. The index files the
    entry under the cheapest set; () = under `key`."""
    target: tuple[str | None, str, str, str | None] | None = None
    """For a left entry: (group, kind, namespace, name) of what it refers to, for `missing`; the
    name is None for a selector, the group None when unknown. None = an absent target means
    nothing."""


EntriesOf = Callable[["Resource", "Kinds"], Iterable[Entry]]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a relation. `entries` is pure and total: odd input gives fewer entries, never an
    error."""

    kinds: tuple[str, ...]
    """As in `Match.kinds`: `workloads`, `Service`, `apps/Deployment`, `*`."""
    entries: EntriesOf


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A named, indexed way from one resource to others. Compared by identity.

    `object.related(name)` goes from the left side to the right; `inverse` names the way back ("" =
    the same name, for a symmetric relation whose two sides are one object).
    """

    name: str
    left: Side
    right: Side
    inverse: str = ""
    matches: Callable[..., bool] | None = None
    """`matches(left.data, right.data)`, and with `facts` a third argument: `facts(key)`, a tuple of
    data."""
    links: Side | None = None
    """Resources that make two keys one: each of its entries has `key` and `data` = the other
    key."""
    broader: Callable[[Key], Iterable[Key]] | None = None
    """The wider keys that a key is part of (`data-web-0` of every claim `data-web-*`): what is
    filed under a wider key is related to what is filed under its parts; two parts are not thereby
    related."""
    facts: Side | None = None
    """Resources that `matches` consults: each of its entries has `key` and `data`."""
    bridges: Side | None = None
    """Resources by which one key also leads to another, one step, both ways: `key` and `data` = the
    other."""
    nearest: bool = False
    """Of several copies of one key, only the one nearest in the tree counts (for peers, not
    targets)."""
    description: str = ""
    source: str = ""

    @property
    def symmetric(self) -> bool:
        """Whether both sides are one."""
        return self.left is self.right

    def build_index(self, snapshot: Snapshot) -> RelationIndex:
        """Return the index over `snapshot`; called by `Snapshot.index`."""
        from kpolicy.relations.index import RelationIndex

        return RelationIndex.of(self, snapshot)
