"""A snapshot that notes what it was asked, for whom: so that a later scan asks only what changed.

`watched` gives a snapshot with the same answers. What is noted of a question to an index is the
question; the keys that answered it are worked out when all is done, each question once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from kpolicy.engine.cached.marks import EVERYTHING, FACTS, WORLD, Marks
from kpolicy.relations.index import RelationIndex
from kpolicy.snapshot.snapshot import _BY_BODY, _BY_KEY, _BY_KIND, _BY_NAMESPACE, Snapshot
from kpolicy.snapshot.world import Reference, Verdict, World

if TYPE_CHECKING:
    from kpolicy.relations.index import Filter, Hit
    from kpolicy.relations.model import Entry, Relation
    from kpolicy.snapshot.resource import Resource

_SPACES = {_BY_KEY: "key", _BY_KIND: "kind", _BY_NAMESPACE: "namespace"}


class Reads:
    """What the evaluations of a join phase looked at, by the file of the resource evaluated."""

    def __init__(self, marks: Marks | None = None) -> None:
        self.marks = Marks() if marks is None else marks
        self.snapshot: Snapshot | None = None
        """What was asked, unwatched."""
        self.evaluations: Counter[str] = Counter()
        """How many evaluations each file had in the join phase, where it counts them."""
        self._questions: dict[str, set[tuple[RelationIndex, Resource, bool]]] = {}
        self._plain: dict[str, set[int]] = {}
        self._asking: set[tuple[RelationIndex, Resource, bool]] = set()
        self._looking: set[int] = set()

    def begin(self, path: str) -> None:
        """Note what comes now for the file at `path`."""
        self._asking = self._questions.setdefault(path, set())
        self._looking = self._plain.setdefault(path, set())

    def ask(self, index: RelationIndex, resource: Resource, reverse: bool) -> None:
        """Note a question to an index."""
        self._asking.add((index, resource, reverse))

    def look(self, space: str, scope: str, key: Hashable) -> None:
        """Note a look-up by a key of another kind."""
        self._looking.add(self.marks.of(space, scope, key))

    def watched(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot that answers as `snapshot` does, and notes what it is asked here."""
        self.snapshot = snapshot
        return WatchedSnapshot.around(snapshot, self)

    def add(self, others: Mapping[str, Iterable[int]]) -> None:
        """Take in what another process noted: marks by file."""
        for path, marks in others.items():
            self._plain.setdefault(path, set()).update(marks)

    def by_file(self) -> dict[str, set[int]]:
        """Return the marks that each file's evaluations read."""
        known: dict[tuple[RelationIndex, Resource, bool], tuple[int, ...]] = {}
        found = {}
        for path, questions in self._questions.items():
            marks = set(self._plain[path])
            for question in questions:
                answer = known.get(question)
                if answer is None:
                    answer = known[question] = tuple(self._marks_of(*question))
                marks.update(answer)
            found[path] = marks
        for path, plain in self._plain.items():
            if path not in found:
                found[path] = plain
        return found

    def _marks_of(self, index: RelationIndex, resource: Resource, reverse: bool) -> Iterator[int]:
        name, scope = index.relation.name, resource.scope
        for key in index.keys_asked(resource, reverse):
            yield self.marks.of(name, scope, key)
        if index.relation.facts is not None:
            yield self.marks.of(name, scope, FACTS)


class WatchedSnapshot(Snapshot):
    """A snapshot that shares all its parts with another one, and notes what it is asked."""

    __slots__ = ("_base", "_indexes", "_reads")

    _base: Snapshot
    _reads: Reads
    _indexes: dict[Hashable, WatchedIndex]

    @classmethod
    def around(cls, snapshot: Snapshot, reads: Reads) -> WatchedSnapshot:
        """Return a watched view of `snapshot`."""
        world = WatchedWorld.around(snapshot.world, reads)
        self = cast("WatchedSnapshot", cls._made(snapshot._files, snapshot.kinds, world))
        self._views, self._base, self._reads, self._indexes = snapshot._views, snapshot, reads, {}
        return self

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All resources; whoever asks depends on every file."""
        self._reads.look(EVERYTHING, "", "")
        return self._base.resources

    @property
    def files(self) -> Mapping[str, tuple[Resource, ...]]:
        """The resources of each file; whoever asks depends on every file."""
        self._reads.look(EVERYTHING, "", "")
        return self._base.files

    @property
    def content_hash(self) -> str:
        """The digest of what the snapshot holds."""
        self._reads.look(EVERYTHING, "", "")
        return self._base.content_hash

    def duplicates(self) -> Iterator[tuple[Resource, ...]]:
        """Yield the copies of each key that one scope defines more than once."""
        self._reads.look(EVERYTHING, "", "")
        return self._base.duplicates()

    def index(self, relation: Any) -> Any:
        """Return the index of `relation`, watched where it is one of a relation."""
        watched = self._indexes.get(relation)
        if watched is None:
            found = self._base.index(relation)
            if not isinstance(found, RelationIndex):
                if relation not in _SPACES and relation is not _BY_BODY:
                    # A view of a plugin's own making: nobody knows what it is made of.
                    self._reads.look(EVERYTHING, "", "")
                return found
            watched = self._indexes[relation] = WatchedIndex(found, self._reads)
        return watched

    def _lookup(self, by: Any, key: Hashable) -> tuple[Resource, ...]:
        space = _SPACES.get(by)
        if space is not None:
            self._reads.look(space, "", tuple(key) if isinstance(key, tuple) else key)
        return self._base._lookup(by, key)


class WatchedWorld(World):
    """A world that notes that it was asked."""

    __slots__ = ("_reads", "_world")

    _reads: Reads
    _world: World

    @classmethod
    def around(cls, world: World, reads: Reads) -> WatchedWorld:
        """Return a watched view of `world`."""
        self = cls.__new__(cls)
        self.outside, self.unread = world.outside, world.unread
        self._reads, self._world = reads, world
        return self

    def judge(self, reference: Reference, scope: str = "") -> Verdict:
        """Return what it means that `reference` has no target in the input."""
        self._reads.look(WORLD, "", "")
        return self._world.judge(reference, scope)


class WatchedIndex:
    """The index of a relation, noting each question."""

    __slots__ = ("_index", "_reads", "relation")

    def __init__(self, index: RelationIndex, reads: Reads) -> None:
        self.relation: Relation = index.relation
        self._index = index
        self._reads = reads

    def entries(self, resource: Resource, reverse: bool = False) -> tuple[Entry, ...]:
        """Return the entries by which `resource` stands on the near side."""
        return self._index.entries(resource, reverse)

    def hits(
        self, resource: Resource, filter: Filter | None = None, reverse: bool = False
    ) -> list[Hit]:
        """Return every related resource with each pair of entries that relates it."""
        self._reads.ask(self._index, resource, reverse)
        return self._index.hits(resource, filter, reverse)

    def related(
        self, resource: Resource, filter: Filter | None = None, reverse: bool = False
    ) -> list[Hit]:
        """Return each related resource once."""
        self._reads.ask(self._index, resource, reverse)
        return self._index.related(resource, filter, reverse)

    def any(self, resource: Resource, filter: Filter | None = None, reverse: bool = False) -> bool:
        """Return whether some resource is related."""
        self._reads.ask(self._index, resource, reverse)
        return self._index.any(resource, filter, reverse)

    def reaches(self, resource: Resource, body: Any, reverse: bool = False) -> bool:
        """Return whether the resource with this very body is related."""
        self._reads.ask(self._index, resource, reverse)
        return self._index.reaches(resource, body, reverse)

    def count(
        self,
        resource: Resource,
        filter: Filter | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> int:
        """Return how many resources are related."""
        self._reads.ask(self._index, resource, reverse)
        return self._index.count(resource, filter, reverse, limit)

    def missing(self, resource: Resource) -> Iterator[tuple[Entry, tuple[Any, ...]]]:
        """Yield each left entry that refers to something and reaches nothing."""
        self._reads.ask(self._index, resource, False)
        return self._index.missing(resource)
