"""A relation as data: which resources stand on each side, and the keys under which each is filed.

Equal key = related (within one scope). Where equality of keys is not enough (label selectors), entries carry
JSON-shaped `data` and `matches(left.data, right.data)` decides; the key is then the most selective
part. Entries are computed from one resource alone, so that a worker process can do it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One filing of a resource: under `key`, with what `matches` needs, and where in it this is written."""

    key: Key
    data: Any = None
    pointer: str = ""
    """JSON pointer, in the resource, of what gave this entry (the volume, the selector, the reference)."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a relation. `entries` is pure and total: odd input gives fewer entries, never an error."""

    kinds: tuple[str, ...]
    """As in `Match.kinds`: `workloads`, `Service`, `apps/Deployment`, `*`."""
    entries: Callable[[Resource], Iterable[Entry]]


@dataclass(frozen=True, slots=True)
class Relation:
    """A named, indexed way from one resource to others.

    `object.related(name)` goes from the left side to the right; `inverse` names the way back ("" = the same
    name, for a symmetric relation whose two sides are one).
    """

    name: str
    left: Side
    right: Side
    inverse: str = ""
    matches: Callable[[Any, Any], bool] | None = None
    links: Side | None = None
    """Resources that make two keys one: each of its entries has `key` and `data` = the other key."""
    description: str = ""
    source: str = ""
