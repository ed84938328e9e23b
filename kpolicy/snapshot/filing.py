"""A persistent multimap from keys to items, kept in the order of resources.

Buckets are sorted tuples in a persistent map, so that a derived snapshot shares every bucket that
did not change.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from kpolicy.snapshot.layered import Layered

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Filing(Generic[K, V]):
    """An immutable multimap. `order` gives each value its sort key; equal orders keep their
    sequence."""

    __slots__ = ("_buckets", "order")

    def __init__(self, buckets: Layered[K, tuple[V, ...]], order: Callable[[V], Any]) -> None:
        self._buckets = buckets
        self.order = order

    @classmethod
    def of(cls, pairs: Iterable[tuple[K, V]], order: Callable[[V], Any]) -> Filing[K, V]:
        """Return a multimap of `pairs`, which come in order already."""
        lists: defaultdict[K, list[V]] = defaultdict(list)
        for key, value in pairs:
            lists[key].append(value)
        return cls(Layered({k: tuple(v) for k, v in lists.items()}), order)

    def get(self, key: K) -> tuple[V, ...]:
        """Return the values filed under `key`, in order."""
        found: tuple[V, ...] = self._buckets.get(key, ())
        return found

    def __contains__(self, key: object) -> bool:
        return key in self._buckets

    def __iter__(self) -> Iterator[K]:
        return iter(self._buckets)

    def __len__(self) -> int:
        return len(self._buckets)

    def changed(self, removed: Iterable[tuple[K, V]], added: Iterable[tuple[K, V]]) -> Filing[K, V]:
        """Return the multimap without `removed` (compared by identity) and with `added`."""
        touched: dict[K, list[V]] = {}
        gone: defaultdict[K, set[int]] = defaultdict(set)
        for key, value in removed:
            gone[key].add(id(value))
        for key, ids in gone.items():
            touched[key] = [v for v in self.get(key) if id(v) not in ids]
        for key, value in added:
            bucket = touched.get(key)
            if bucket is None:
                bucket = touched[key] = list(self.get(key))
            insort(bucket, value, key=self.order)
        if not touched:
            return self
        full = {key: tuple(bucket) for key, bucket in touched.items() if bucket}
        empty = [key for key, bucket in touched.items() if not bucket]
        return Filing(self._buckets.changed(empty, full), self.order)
