"""The index of one relation over one snapshot, and the questions it answers.

It is made of (resource, entries) pairs alone, so that a worker process may compute the entries and
the bodies may stay away. Every answer costs what it holds, not what the snapshot holds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.relations.filed import NOTHING, Card, Drawer, Filed, Ref
from kpolicy.relations.model import EntriesOf, Entry, Key, Relation
from kpolicy.snapshot.kinds import KindMatcher, Kinds, matcher
from kpolicy.snapshot.layered import Layered

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


class Hit(NamedTuple):
    """A related resource, and through which entry of each the two are related."""

    resource: Any
    here: Entry
    there: Entry


class Direction(NamedTuple):
    """A relation and the way it is walked."""

    relation: Relation
    reverse: bool = False


class Filter(NamedTuple):
    """A pure predicate over one resource. Equal keys mean the same predicate with the same
    parameters."""

    key: Hashable
    predicate: Callable[[Any], bool]


def directory(relations: Iterable[Relation]) -> Mapping[str, Direction]:
    """Return every name that `related(...)` may use, inverse names included.

    Raises ValueError when two relations claim one name.
    """
    found: dict[str, Direction] = {}
    for relation in relations:
        names = {relation.name: Direction(relation)}
        if relation.inverse and relation.inverse != relation.name:
            names[relation.inverse] = Direction(relation, True)
        for name, direction in names.items():
            if name in found and found[name].relation is not relation:
                raise ValueError(f"two relations are named {name!r}")
            found[name] = direction
    return found


class Filer:
    """Computes the entries of resources in one relation; `file` is pure and looks at one
    resource."""

    __slots__ = ("_active", "_kinds", "_sides", "relation")

    def __init__(self, relation: Relation, kinds: Kinds) -> None:
        self.relation = relation
        self._kinds = kinds
        sides = (
            None if relation.symmetric else relation.left,
            relation.right,
            relation.links,
            relation.facts,
            relation.bridges,
        )
        self._sides: tuple[tuple[int, KindMatcher, EntriesOf], ...] = tuple(
            (number, matcher(side.kinds, kinds), side.entries)
            for number, side in enumerate(sides)
            if side is not None
        )
        self._active: dict[tuple[str, str], tuple[tuple[int, EntriesOf], ...]] = {}

    def concerns(self, api_version: str, kind: str) -> bool:
        """Return whether resources of this kind can have entries at all."""
        return any(meets(api_version, kind) for _, meets, _ in self._sides)

    def file(self, resource: Resource) -> Filed:
        """Return the entries of `resource`."""
        key = (resource.api_version, resource.kind)
        active = self._active.get(key)
        if active is None:
            active = self._active[key] = tuple(
                (number, entries) for number, meets, entries in self._sides if meets(*key)
            )
        if not active:
            return NOTHING
        parts: list[tuple[Entry, ...]] = [(), (), (), (), ()]
        some = False
        for number, entries in active:
            found = tuple(entries(resource, self._kinds))
            if found:
                parts[number] = found
                some = True
        return Filed(*parts) if some else NOTHING


class Filers:
    """The filers of several relations, by number. A kind meets few of them."""

    __slots__ = ("_by_kind", "_filers")

    def __init__(self, relations: Iterable[Relation], kinds: Kinds) -> None:
        self._filers = tuple(enumerate(Filer(relation, kinds) for relation in relations))
        self._by_kind: dict[tuple[str, str], tuple[tuple[int, Filer], ...]] = {}

    def file(self, resource: Resource) -> list[tuple[int, Filed]]:
        """Return the entries of `resource` by the number of the relation, where it has any."""
        key = (resource.api_version, resource.kind)
        concerned = self._by_kind.get(key)
        if concerned is None:
            concerned = self._by_kind[key] = tuple(
                (number, filer) for number, filer in self._filers if filer.concerns(*key)
            )
        return [
            (number, filed)
            for number, filer in concerned
            if (filed := filer.file(resource)) is not NOTHING
        ]


class RelationIndex:
    """One relation, indexed. Immutable but for what it remembers of its own answers."""

    __slots__ = ("_counts", "_drawers", "_filed", "_filer", "_filtered", "_woken", "relation")

    def __init__(
        self,
        relation: Relation,
        filer: Filer | None,
        filed: Layered[Any, Filed],
        drawers: Mapping[str, Drawer],
    ) -> None:
        self.relation = relation
        self._filer = filer
        self._filed = filed
        self._drawers = drawers
        self._filtered: dict[Hashable, _Filtered] = {}
        self._counts: dict[tuple[str, bool, Key, Hashable], _Tally] = {}
        self._woken: dict[str, Drawer] = {}

    @classmethod
    def of(cls, relation: Relation, snapshot: Snapshot) -> RelationIndex:
        """Return the index over all resources of `snapshot`."""
        filer = Filer(relation, snapshot.kinds)
        return cls._made(relation, filer, ((r, filer.file(r)) for r in snapshot.resources))

    @classmethod
    def from_entries(
        cls, relation: Relation, filed: Iterable[tuple[Ref, Filed]], *, in_order: bool = False
    ) -> RelationIndex:
        """Return the index over entries that were computed elsewhere (see `Filer`).

        `in_order` = they come in the order of resources; else they are brought into it.
        """
        if not in_order:
            filed = sorted(filed, key=lambda pair: pair[0].order)
        return cls._made(relation, None, filed)

    @classmethod
    def several(cls, relations: Sequence[Relation], snapshot: Snapshot) -> list[RelationIndex]:
        """Return the index of each relation over all resources of `snapshot`.

        Each resource is filed in all of them at once: what they look at is found once.
        """
        filers = Filers(relations, snapshot.kinds)
        pairs: list[list[tuple[Resource, Filed]]] = [[] for _ in relations]
        for resource in snapshot.resources:
            for number, filed in filers.file(resource):
                pairs[number].append((resource, filed))
        return [cls._made(r, None, of_it) for r, of_it in zip(relations, pairs, strict=True)]

    @classmethod
    def _made(
        cls, relation: Relation, filer: Filer | None, pairs: Iterable[tuple[Any, Filed]]
    ) -> RelationIndex:
        by_scope: dict[str, list[tuple[Any, Filed]]] = {}
        all_filed: dict[Any, Filed] = {}
        for ref, filed in pairs:
            if filed is not NOTHING and filed:
                by_scope.setdefault(ref.scope, []).append((ref, filed))
                all_filed[ref] = filed
        drawers = {scope: Drawer.of(relation, items) for scope, items in by_scope.items()}
        return cls(relation, filer, Layered(all_filed), drawers)

    def derived(
        self, snapshot: Snapshot, removed: tuple[Resource, ...], added: tuple[Resource, ...]
    ) -> RelationIndex:
        """Return the index of `snapshot`, which lacks `removed` and has `added`; only these are
        filed."""
        filer = self._filer or Filer(self.relation, snapshot.kinds)
        gone = [(r, filed) for r in removed if (filed := self._filed.get(r)) is not None]
        new = [(r, f) for r in added if (f := filer.file(r))]
        if not gone and not new:
            return self
        all_filed = self._filed.changed([ref for ref, _ in gone], dict(new))
        drawers = dict(self._drawers)
        for scope in {r.scope for r, _ in (*gone, *new)}:
            drawer = drawers.get(scope) or Drawer.empty(self.relation)
            if drawer.dormant:
                if any(f.left for r, f in new if r.scope == scope):
                    drawers[scope] = self._filled(scope, all_filed)
                continue
            drawers[scope] = drawer.changed(
                [(r, f) for r, f in gone if r.scope == scope],
                [(r, f) for r, f in new if r.scope == scope],
            )
        index = RelationIndex(self.relation, filer, all_filed, drawers)
        index._filtered = {key: f.without(removed) for key, f in self._filtered.items()}
        return index

    def _filled(self, scope: str, all_filed: Layered[Any, Filed]) -> Drawer:
        """Return the drawer of a scope that has its first entry on the left."""
        pairs = [(ref, all_filed.get(ref)) for ref in all_filed if ref.scope == scope]
        pairs.sort(key=lambda pair: pair[0].order)
        return Drawer.of(self.relation, pairs)

    # Questions

    def entries(self, resource: Ref, reverse: bool = False) -> tuple[Entry, ...]:
        """Return the entries by which `resource` stands on the near side."""
        filed: Filed = self._filed.get(resource, NOTHING)
        return filed.right if reverse or self.relation.symmetric else filed.left

    def hits(self, resource: Ref, filter: Filter | None = None, reverse: bool = False) -> list[Hit]:
        """Return every related resource with each pair of entries that relates it, in order."""
        seen = {
            (id(h.resource), id(h.here), id(h.there)): h
            for h in self._walk(resource, filter, reverse)
        }
        found = list(seen.values())
        if self.relation.nearest:
            found = _nearest(resource, found)
        if len(found) > 1:
            found.sort(key=lambda hit: hit.resource.order)
        return found

    def related(
        self, resource: Ref, filter: Filter | None = None, reverse: bool = False
    ) -> list[Hit]:
        """Return each related resource once, in order, with the first pair of entries that relates
        it."""
        first: dict[Any, Hit] = {}
        for hit in self.hits(resource, filter, reverse):
            first.setdefault(hit.resource, hit)
        return list(first.values())

    def any(self, resource: Ref, filter: Filter | None = None, reverse: bool = False) -> bool:
        """Return whether some resource is related; stops at the first."""
        return next(self._walk(resource, filter, reverse), None) is not None

    def reaches(self, resource: Resource, body: Any, reverse: bool = False) -> bool:
        """Return whether the resource with this very body is related; stops when it is met."""
        hits: Iterable[Hit] = (
            self.hits(resource, None, reverse)
            if self.relation.nearest
            else self._walk(resource, None, reverse)
        )
        return any(hit.resource.body is body for hit in hits)

    def count(
        self,
        resource: Ref,
        filter: Filter | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> int:
        """Return how many resources are related; with `limit`, stops when it is reached.

        A resource filed under a single key is answered from the key's tally, whatever its size.
        """
        quick = self._tally(resource, filter, reverse)
        if quick is not None:
            return quick if limit is None else min(quick, limit)
        seen: set[Any] = set()
        for hit in self._walk(resource, filter, reverse):
            seen.add(
                hit.resource.key
                if self.relation.nearest and hit.resource.key.name
                else hit.resource
            )
            if limit is not None and len(seen) >= limit:
                return limit
        return len(seen)

    def filed(self) -> Iterator[tuple[Any, Filed]]:
        """Yield every resource that has entries, with these."""
        yield from self._filed.items()

    def keys_asked(self, resource: Ref, reverse: bool = False) -> Iterator[Key]:
        """Yield the keys under which answers about `resource` are looked for.

        An answer changes only when entries under these keys do.
        """
        drawer = self._drawers.get(resource.scope)
        if drawer is not None and drawer.dormant:
            drawer = self._awake(resource.scope)
        for entry in self.entries(resource, reverse):
            if drawer is not None:
                yield from self._asked(drawer, entry, reverse)
            target = None if reverse else entry.target
            if drawer is None or (target is not None and target[3] is not None):
                yield entry.key

    def _awake(self, scope: str) -> Drawer | None:
        """Return what tells the reach of keys in a dormant drawer, None where each is alone."""
        relation = self.relation
        if relation.links is None and relation.bridges is None and relation.broader is None:
            return None
        if scope not in self._woken:
            pairs = [(ref, filed) for ref, filed in self._filed.items() if ref.scope == scope]
            pairs.sort(key=lambda pair: pair[0].order)
            self._woken[scope] = Drawer.of(relation, pairs, awake=True)
        return self._woken[scope]

    def missing(self, resource: Ref) -> Iterator[tuple[Entry, tuple[Any, ...]]]:
        """Yield each left entry that refers to something and reaches nothing.

        With it come the resources that the key leads to and `matches` refused (a Service without
        that port).
        """
        drawer = self._drawers.get(resource.scope)
        if drawer is None:
            return
        for entry in self.entries(resource):
            if entry.target is None:
                continue
            if next(self._entry_hits(drawer, resource, entry, None, False), None) is None:
                yield entry, self._refused(drawer, resource, entry)

    def _refused(self, drawer: Drawer, resource: Ref, entry: Entry) -> tuple[Any, ...]:
        assert entry.target is not None
        if self.relation.matches is None or entry.target[3] is None:
            return ()
        cards = drawer.right.get(entry.key)
        return tuple(dict.fromkeys(card.ref for card in cards if card.ref is not resource))

    # How they are answered

    def _walk(self, resource: Ref, filter: Filter | None, reverse: bool) -> Iterator[Hit]:
        drawer = self._drawers.get(resource.scope)
        if drawer is None:
            return
        for entry in self.entries(resource, reverse):
            yield from self._entry_hits(drawer, resource, entry, filter, reverse)

    def _entry_hits(
        self, drawer: Drawer, resource: Ref, entry: Entry, filter: Filter | None, reverse: bool
    ) -> Iterator[Hit]:
        relation = self.relation
        matches = relation.matches
        own = resource.key
        named = bool(own.name)
        for key in self._asked(drawer, entry, reverse):
            for ref, other in self._bucket(drawer, resource.scope, key, filter, reverse):
                if ref is resource or (named and ref.key == own):
                    continue
                if matches is not None:
                    left, right = (other, entry) if reverse else (entry, other)
                    if relation.facts is None:
                        if not matches(left.data, right.data):
                            continue
                    elif not matches(left.data, right.data, drawer.facts_of):
                        continue
                yield Hit(ref, entry, other)

    @staticmethod
    def _asked(drawer: Drawer, entry: Entry, reverse: bool) -> Iterable[Key]:
        """Return the keys under which the other side's entries are looked up."""
        if reverse or not entry.alternatives:
            return drawer.reach(entry.key)
        keys = drawer.filing_keys(entry)
        return dict.fromkeys(k for key in keys for k in drawer.reach(key))

    def _bucket(
        self, drawer: Drawer, scope: str, key: Key, filter: Filter | None, reverse: bool
    ) -> tuple[Card, ...]:
        cards = (drawer.left if reverse else drawer.right).get(key)
        if filter is None or not cards:
            return cards
        memo = self._filtered.get(filter.key)
        if memo is None:
            memo = self._filtered[filter.key] = _Filtered(filter.predicate)
        return memo.bucket((scope, reverse, key), cards)

    def _tally(self, resource: Ref, filter: Filter | None, reverse: bool) -> int | None:
        """Return the count from the tally of a key, None where one key does not decide."""
        relation = self.relation
        entries = self.entries(resource, reverse)
        drawer = self._drawers.get(resource.scope)
        if drawer is None or not entries:
            return 0
        if relation.matches is not None or len(entries) != 1:
            return None
        asked = tuple(self._asked(drawer, entries[0], reverse))
        if len(asked) != 1:
            return None
        at = (resource.scope, reverse, asked[0], None if filter is None else filter.key)
        tally = self._counts.get(at)
        if tally is None:
            cards = self._bucket(drawer, resource.scope, asked[0], filter, reverse)
            tally = self._counts[at] = _Tally.of(cards)
        return tally.besides(resource, relation.nearest)


class _Tally(NamedTuple):
    """How many resources a bucket holds, and how many of each named key."""

    refs: int
    unnamed: frozenset[int]
    keys: Mapping[Any, int]

    @classmethod
    def of(cls, cards: tuple[Card, ...]) -> _Tally:
        refs = {id(card.ref): card.ref for card in cards}
        keys: dict[Any, int] = {}
        for ref in refs.values():
            if ref.key.name:
                keys[ref.key] = keys.get(ref.key, 0) + 1
        unnamed = frozenset(i for i, ref in refs.items() if not ref.key.name)
        return cls(len(refs), unnamed, keys)

    def besides(self, resource: Ref, by_key: bool) -> int:
        """Return the number of resources that are neither `resource` nor copies of it."""
        if by_key:
            total = len(self.keys) + len(self.unnamed)
            return total - (resource.key in self.keys) - (id(resource) in self.unnamed)
        return self.refs - self.keys.get(resource.key, 0) - (id(resource) in self.unnamed)


class _Filtered:
    """What a filter said of each resource, and the buckets of those it let through."""

    __slots__ = ("_bits", "_buckets", "_predicate")

    def __init__(
        self, predicate: Callable[[Any], bool], bits: dict[Any, bool] | None = None
    ) -> None:
        self._predicate = predicate
        self._bits = {} if bits is None else bits
        self._buckets: dict[tuple[str, bool, Key], tuple[Card, ...]] = {}

    def bucket(self, at: tuple[str, bool, Key], cards: tuple[Card, ...]) -> tuple[Card, ...]:
        found = self._buckets.get(at)
        if found is None:
            found = self._buckets[at] = tuple(card for card in cards if self._passes(card.ref))
        return found

    def _passes(self, ref: Any) -> bool:
        bit = self._bits.get(ref)
        if bit is None:
            bit = self._bits[ref] = bool(self._predicate(ref))
        return bit

    def without(self, removed: Iterable[Any]) -> _Filtered:
        """Return the filter's memory for the next snapshot: bits are kept, buckets are not."""
        bits = dict(self._bits)
        for ref in removed:
            bits.pop(ref, None)
        return _Filtered(self._predicate, bits)


def _nearest(resource: Ref, hits: list[Hit]) -> list[Hit]:
    """Keep, of several copies of one key, the one that is nearest to `resource` in the tree."""
    by_key: dict[Any, dict[int, Any]] = {}
    for hit in hits:
        if hit.resource.key.name:
            by_key.setdefault(hit.resource.key, {})[id(hit.resource)] = hit.resource
    dropped: set[int] = set()
    for copies in by_key.values():
        if len(copies) > 1:
            best = min(
                copies.values(), key=lambda r: (tree_distance(resource.path, r.path), r.order)
            )
            dropped.update(i for i in copies if i != id(best))
    return [hit for hit in hits if id(hit.resource) not in dropped] if dropped else hits


def tree_distance(one: str, other: str) -> int:
    """Return how many directories lie between two files."""
    if one == other:
        return 0
    a, b = one.split("/")[:-1], other.split("/")[:-1]
    common = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        common += 1
    return 1 + len(a) + len(b) - 2 * common
