"""What an evaluation looked at, and what a resource is found by: numbers that stand for keys.

A mark is a hash of a key in an index. An evaluation reads marks; a resource holds marks. A change
of a file concerns the evaluations that read a mark which the file holds, before the change or after
it. Two keys with one mark mean no more than an evaluation that is done again without need.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from kpolicy.relations.filed import Filed
    from kpolicy.relations.model import Relation
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

#: Read by what looks at every resource, at what lies outside the input, or at the facts of a
#: relation.
EVERYTHING = "everything"
WORLD = "world"
FACTS = "facts"


class Marks:
    """Makes marks, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, Hashable], int] = {}

    def of(self, space: str, scope: str, key: Hashable) -> int:
        """Return the mark of a key: in a relation, or another space of keys, and a scope."""
        at = (space, scope, key)
        known = self._known.get(at)
        if known is None:
            known = self._known[at] = crc32(repr(at).encode("utf-8", "surrogatepass"))
        return known

    def of_resource(self, resource: Resource) -> Iterator[int]:
        """Yield the marks by which the snapshot itself finds a resource."""
        key = resource.key
        yield self.of("key", "", tuple(key))
        yield self.of("kind", "", (key.group, key.kind))
        yield self.of("namespace", "", key.namespace)

    def of_entries(self, relation: Relation, scope: str, filed: Filed) -> Iterator[int]:
        """Yield the marks under which the entries of a resource in a relation are found."""
        name = relation.name
        for key in _keys(relation, filed):
            yield self.of(name, scope, key)
        if filed.facts:
            yield self.of(name, scope, FACTS)


def _keys(relation: Relation, filed: Filed) -> Iterator[Hashable]:
    for entry in (*filed.left, *filed.right, *filed.links, *filed.facts, *filed.bridges):
        yield entry.key
        for keys in entry.alternatives:
            yield from keys
    for entry in (*filed.links, *filed.bridges):
        yield entry.data
    if relation.broader is not None:
        for entry in (*filed.left, *filed.right, *filed.links):
            yield from relation.broader(entry.key)
        for entry in filed.links:
            yield from relation.broader(entry.data)


def held_by_file(
    snapshot: Snapshot, relations: Iterable[Relation], marks: Marks, paths: Iterable[str] = ()
) -> dict[str, set[int]]:
    """Return the marks that each file's resources hold; `paths` = of these files alone."""
    held: dict[str, set[int]] = {}
    only = frozenset(paths)
    for resource in snapshot.resources:
        if not only or resource.path in only:
            held.setdefault(resource.path, set()).update(marks.of_resource(resource))
    for relation in relations:
        for resource, filed in filed_in(snapshot, relation):
            if not only or resource.path in only:
                held[resource.path].update(marks.of_entries(relation, resource.scope, filed))
    return held


def filed_in(snapshot: Snapshot, relation: Relation) -> Iterator[tuple[Any, Filed]]:
    """Yield the entries of every resource in a relation."""
    yield from snapshot.index(relation).filed()
