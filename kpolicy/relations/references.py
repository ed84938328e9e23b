"""References by name: what the relations that follow a name share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.model import Entry, Key, Side

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource


def key_to(group: str, kind: str, namespace: str, name: str) -> Key:
    """Return the key of one named resource."""
    return (group, kind, namespace, name)


def reference(
    group: str,
    kind: str,
    namespace: str,
    name: str,
    place: str,
    data: Any = None,
    optional: bool = False,
) -> Entry:
    """Return the entry of a reference; an optional one may miss its target."""
    target = None if optional else (group, kind, namespace, name)
    return Entry(key_to(group, kind, namespace, name), data, place, target=target)


def _named(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    if resource.name:
        yield Entry(tuple(resource.key))


def named(*kinds: str) -> Side:
    """Return the side of resources that are referred to by kind, namespace and name."""
    return Side(kinds, _named)
