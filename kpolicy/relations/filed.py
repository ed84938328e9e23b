"""The entries of one relation in one scope: persistent multimaps, and how a key reaches others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kpolicy.relations.model import Entry, Key, Relation
from kpolicy.snapshot.filing import Filing
from kpolicy.snapshot.layered import Layered

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import ResourceKey


class Ref(Protocol):
    """What an index needs to know of a resource; a `Resource`, or a stand-in without its body."""

    @property
    def key(self) -> ResourceKey:
        """The identity."""
        ...

    @property
    def scope(self) -> str:
        """The scope in which relations resolve."""
        ...

    @property
    def path(self) -> str:
        """The file it stands in."""
        ...

    @property
    def order(self) -> Any:
        """The sort key."""
        ...


class Filed(NamedTuple):
    """All entries of one resource in one relation: picklable, computed from that resource alone."""

    left: tuple[Entry, ...] = ()
    right: tuple[Entry, ...] = ()
    links: tuple[Entry, ...] = ()
    facts: tuple[Entry, ...] = ()
    bridges: tuple[Entry, ...] = ()

    def __bool__(self) -> bool:
        return tuple.__ne__(self, NOTHING)


#: What a resource without entries has.
NOTHING = Filed()


class Card(NamedTuple):
    """One entry of one resource, as it stands in a bucket."""

    ref: Any
    entry: Entry


def _order(card: Card) -> Any:
    return card.ref.order


class Drawer:
    """The filings of one scope. Immutable; `changed` derives the next.

    While nothing stands on the left no question has an answer, and nothing is filed: the drawer is
    `dormant` until the index fills it.
    """

    __slots__ = (
        "_classes",
        "_parts",
        "bridges",
        "dormant",
        "facts",
        "left",
        "links",
        "relation",
        "right",
    )

    def __init__(
        self,
        relation: Relation,
        left: Filing[Key, Card],
        right: Filing[Key, Card],
        links: Filing[Key, Card],
        facts: Filing[Key, Card],
        bridges: Filing[Key, Card],
        parts: Layered[Key, Layered[Key, int]],
    ) -> None:
        self.relation = relation
        self.left, self.right = left, right
        self.links, self.facts, self.bridges = links, facts, bridges
        self._parts = parts
        self._classes: dict[Key, tuple[Key, ...]] = {}
        self.dormant = False

    @classmethod
    def empty(cls, relation: Relation) -> Drawer:
        """Return a drawer with nothing in it."""
        nothing: Filing[Key, Card] = Filing.of((), _order)
        made = cls(relation, nothing, nothing, nothing, nothing, nothing, Layered({}))
        made.dormant = not relation.symmetric
        return made

    @classmethod
    def of(
        cls, relation: Relation, filed: Iterable[tuple[Any, Filed]], awake: bool = False
    ) -> Drawer:
        """Return the drawer that holds `filed`, which comes in the order of resources.

        `awake` = it is filled even where nothing stands on the left.
        """
        all_filed = list(filed)
        if (
            not awake
            and not relation.symmetric
            and not any(entries.left for _, entries in all_filed)
        ):
            return cls.empty(relation)
        right = Filing.of(_pairs(all_filed, "right"), _order)
        links = Filing.of(_both_ways(_cards(all_filed, "links")), _order)
        facts = Filing.of(_pairs(all_filed, "facts"), _order)
        bridges = Filing.of(_both_ways(_cards(all_filed, "bridges")), _order)
        made = cls(relation, right, right, links, facts, bridges, Layered({}))
        if relation.broader is not None:
            made._note_parts([], _narrow_keys(all_filed))
        if not relation.symmetric:
            made.left = Filing.of(made._chosen(_cards(all_filed, "left")), _order)
        return made

    def changed(
        self,
        removed: list[tuple[Any, Filed]],
        added: list[tuple[Any, Filed]],
    ) -> Drawer:
        """Return the drawer without the entries `removed` and with those `added`."""
        right = self.right.changed(*self._old_and_new(self.right, removed, added, "right"))
        links = self.links.changed(*self._both_ways_change(self.links, removed, added, "links"))
        bridges = self.bridges.changed(
            *self._both_ways_change(self.bridges, removed, added, "bridges")
        )
        facts = self.facts.changed(*self._old_and_new(self.facts, removed, added, "facts"))
        made = Drawer(self.relation, right, right, links, facts, bridges, self._parts)
        if self.relation.broader is not None:
            made._note_parts(_narrow_keys(removed), _narrow_keys(added))
        if not self.relation.symmetric:
            old = [
                (key, card)
                for item in _cards(removed, "left")
                for key in _all_keys(item.entry)
                for card in self._same(self.left, key, item)
            ]
            made.left = self.left.changed(old, made._chosen(_cards(added, "left")))
        return made

    # How a key reaches others

    def reach(self, key: Key) -> Iterable[Key]:
        """Return every key that `key` is related to: itself, linked and bridged keys, wider ones
        and parts."""
        relation = self.relation
        if relation.links is None and relation.bridges is None and relation.broader is None:
            return (key,)
        found: dict[Key, None] = dict.fromkeys(self._linked(key))
        if relation.broader is not None:
            for part in self._parts.get(key, ()):
                found.update(dict.fromkeys(self._linked(part)))
            for narrow in list(found):
                found.update(dict.fromkeys(relation.broader(narrow)))
        if relation.bridges is not None:
            for here in list(found):
                found.update((card.entry.data, None) for card in self.bridges.get(here))
        return found

    def _linked(self, key: Key) -> Iterable[Key]:
        if key not in self.links:
            return (key,)
        known = self._classes.get(key)
        if known is not None:
            return known
        seen = {key: None}
        todo = [key]
        while todo:
            for card in self.links.get(todo.pop()):
                other = card.entry.data
                if other not in seen:
                    seen[other] = None
                    todo.append(other)
        # One class, one walk: each of its keys has the same answer.
        members = tuple(seen)
        for member in members:
            self._classes[member] = members
        return members

    def facts_of(self, key: Key) -> tuple[Any, ...]:
        """Return the data of the facts filed under `key`."""
        return tuple(card.entry.data for card in self.facts.get(key))

    # How it changes

    @staticmethod
    def _same(filing: Filing[Key, Card], key: Key, item: Card) -> Iterator[Card]:
        for card in filing.get(key):
            if card.ref is item.ref:
                yield card

    def _old_and_new(
        self,
        filing: Filing[Key, Card],
        removed: list[tuple[Any, Filed]],
        added: list[tuple[Any, Filed]],
        part: str,
    ) -> tuple[list[tuple[Key, Card]], list[tuple[Key, Card]]]:
        old = [
            (key, card)
            for key, item in _pairs(removed, part)
            for card in self._same(filing, key, item)
        ]
        return old, list(_pairs(added, part))

    def _both_ways_change(
        self,
        filing: Filing[Key, Card],
        removed: list[tuple[Any, Filed]],
        added: list[tuple[Any, Filed]],
        part: str,
    ) -> tuple[list[tuple[Key, Card]], list[tuple[Key, Card]]]:
        old = [
            (key, card)
            for key, item in _both_ways(_cards(removed, part))
            for card in self._same(filing, key, item)
        ]
        return old, list(_both_ways(_cards(added, part)))

    def _chosen(self, cards: Iterable[Card]) -> Iterator[tuple[Key, Card]]:
        for card in cards:
            for key in self.filing_keys(card.entry):
                yield key, card

    def filing_keys(self, entry: Entry) -> tuple[Key, ...]:
        """Return the keys by which a left entry is found: the set that leads to the fewest."""
        if not entry.alternatives:
            return (entry.key,)
        if len(entry.alternatives) == 1:
            return entry.alternatives[0]
        return min(entry.alternatives, key=self._cost)

    def _cost(self, keys: tuple[Key, ...]) -> int:
        return sum(len(self.right.get(reached)) for key in keys for reached in self.reach(key))

    def _note_parts(self, removed: Iterable[Key], added: Iterable[Key]) -> None:
        broader = self.relation.broader
        assert broader is not None
        if not self._parts:
            whole: dict[Key, dict[Key, int]] = {}
            for key in added:
                for wide in broader(key):
                    counts = whole.setdefault(wide, {})
                    counts[key] = counts.get(key, 0) + 1
            self._parts = Layered({wide: Layered(counts) for wide, counts in whole.items()})
            return
        parts = self._parts
        for step, keys in ((-1, removed), (1, added)):
            for key in keys:
                for wide in broader(key):
                    known: Layered[Key, int] = parts.get(wide) or Layered({})
                    count = known.get(key, 0) + step
                    known = known.changed(*(((), {key: count}) if count else ((key,), {})))
                    parts = parts.changed(*(((), {wide: known}) if known else ((wide,), {})))
        self._parts = parts


def _cards(filed: Iterable[tuple[Any, Filed]], part: str) -> Iterator[Card]:
    for ref, entries in filed:
        for entry in getattr(entries, part):
            yield Card(ref, entry)


def _pairs(filed: Iterable[tuple[Any, Filed]], part: str) -> Iterator[tuple[Key, Card]]:
    for card in _cards(filed, part):
        yield card.entry.key, card


def _both_ways(cards: Iterable[Card]) -> Iterator[tuple[Key, Card]]:
    for ref, entry in cards:
        yield entry.key, Card(ref, entry)
        yield entry.data, Card(ref, Entry(entry.data, entry.key, entry.pointer))


def _all_keys(entry: Entry) -> Iterable[Key]:
    if not entry.alternatives:
        return (entry.key,)
    return {key for keys in entry.alternatives for key in keys}


def _narrow_keys(filed: Iterable[tuple[Any, Filed]]) -> Iterator[Key]:
    for _, entries in filed:
        for part in (entries.left, entries.right, entries.links):
            for entry in part:
                yield entry.key
                if part is entries.links:
                    yield entry.data
