"""A persistent map made for one large build and many small changes.

A plain dict that is never changed again holds what was built; changes lie above it in a pyrsistent
map, which is imported with the first change: a plain scan makes none. Reading costs what a dict
costs, building as well, and a derived map shares the dict with the one it came from. When the
changes grow to a quarter of the whole they are laid down into a new dict.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pyrsistent.typing import PMap

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_GONE: Any = object()
_ABSENT: Any = object()
_SMALL = 256


class Layered(Mapping[K, V]):
    """An immutable map. `Layered(mapping)` takes the mapping over: the caller must not change
    it."""

    __slots__ = ("_base", "_changes", "_count")

    def __init__(self, base: dict[K, V]) -> None:
        self._base = base
        self._changes: PMap[K, V] | None = None
        self._count = len(base)

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of `key`, or `default`."""
        if self._changes:
            value = self._changes.get(key, default)
            if value is _GONE:
                return default
            if value is not default:
                return value
        return self._base.get(key, default)

    def __getitem__(self, key: K) -> V:
        value = self.get(key, _ABSENT)
        if value is _ABSENT:
            raise KeyError(key)
        found: V = value
        return found

    def __contains__(self, key: object) -> bool:
        if self._changes and key in self._changes:
            return self._changes.get(key) is not _GONE  # type: ignore[arg-type]
        return key in self._base

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[K]:
        changes = self._changes
        if not changes:
            yield from self._base
            return
        for key in self._base:
            if changes.get(key) is not _GONE:
                yield key
        for key, value in changes.items():
            if value is not _GONE and key not in self._base:
                yield key

    def changed(self, removed: Iterable[K], updated: Mapping[K, V]) -> Layered[K, V]:
        """Return the map without `removed` and with `updated`, which wins."""
        from pyrsistent import pmap

        evolver = (self._changes or pmap()).evolver()
        count = self._count
        for key in removed:
            if key in self and key not in updated:
                count -= 1
                evolver[key] = _GONE
        for key, value in updated.items():
            if key not in self:
                count += 1
            evolver[key] = value
        made: Layered[K, V] = Layered.__new__(Layered)
        made._base, made._changes, made._count = self._base, evolver.persistent(), count
        return made._settled()

    def _settled(self) -> Layered[K, V]:
        changes: Mapping[K, V] = self._changes or {}
        if len(changes) <= _SMALL + len(self._base) // 4:
            return self
        base = dict(self._base)
        for key, value in changes.items():
            if value is _GONE:
                base.pop(key, None)
            else:
                base[key] = value
        return Layered(base)
