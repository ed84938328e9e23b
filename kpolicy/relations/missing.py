"""References that lead nowhere, and what that means: absent or unknowable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.cel.errors import CelError
from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.relations.reading import element_at
from kpolicy.snapshot.kinds import EMPTY_MAP
from kpolicy.snapshot.world import Reference

if TYPE_CHECKING:
    from kpolicy.relations.index import Direction
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


class MissingTarget(FrozenDict):
    """One reference without a target, as policies see it.

    Keys: `group`, `kind`, `namespace`, `name` ("" for a selector), `certainty` ("absent" or
    "unknowable"), `reason`, `pointer` (in the resource that refers), `item` (the element there),
    `found` (resources that the name leads to but that do not fit: a Service without that port). An
    engine places a finding about it at `pointer` and hands `certainty` on.
    """

    __slots__ = ()


def item_at(body: Any, pointer: str) -> Any:
    """Return the element of `body` at `pointer`: the nearest mapping or list on the way to a
    scalar."""
    while True:
        value = element_at(body, pointer)
        if isinstance(value, (dict, list)):
            return value
        if not pointer:
            return EMPTY_MAP
        pointer = pointer.rpartition("/")[0]


def missing(
    snapshot: Snapshot, direction: Direction, resource: Resource
) -> Iterator[MissingTarget]:
    """Yield what `resource` refers to in vain. What exists outside, by config or by Kubernetes, is
    no miss.

    Raises CelError for a relation that is walked backwards: only references can miss their target.
    """
    relation, reverse = direction
    if reverse and not relation.symmetric:
        raise CelError(
            f"missing() takes a relation forwards; {relation.inverse!r} is the way back of "
            f"{relation.name!r}",
            hint="a resource that nothing refers to: !object.isRelated(...)",
        )
    index = snapshot.index(relation)
    for entry, found in index.missing(resource):
        assert entry.target is not None
        reference = Reference(*entry.target)
        if found:
            certainty, reason = "absent", "it is there, but does not offer what is referred to"
        else:
            verdict = snapshot.world.judge(reference, resource.scope)
            if verdict.state == "outside":
                continue
            certainty, reason = verdict.state, verdict.reason
        yield MissingTarget(
            {
                "group": reference.group or "",
                "kind": reference.kind,
                "namespace": reference.namespace,
                "name": reference.name or "",
                "certainty": certainty,
                "reason": reason,
                "pointer": entry.pointer,
                "item": item_at(resource.body, entry.pointer),
                "data": entry.data,
                "found": FrozenList(ref.body for ref in found),
            }
        )
