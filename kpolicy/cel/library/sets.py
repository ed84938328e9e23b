"""The sets library: lists compared as sets.

Source: cel-go `ext/sets.go`; in Kubernetes since 1.29.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.library.lists import scalar_key
from kpolicy.cel.types import BOOL, T, list_of
from kpolicy.cel.values import equal


class _Members:
    """The elements of a list, arranged so that a scalar is found by its hash."""

    __slots__ = ("complex_ones", "keys")

    def __init__(self, values: Sequence[Any]) -> None:
        self.keys: set[Any] = set()
        self.complex_ones: list[Any] = []
        for value in values:
            key = scalar_key(value)
            if key is None:
                self.complex_ones.append(value)
            else:
                self.keys.add(key)

    def __contains__(self, value: Any) -> bool:
        key = scalar_key(value)
        if key is not None:
            return key in self.keys
        return any(equal(other, value) for other in self.complex_ones)


def contains(values: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Say whether every element of `wanted` equals one of `values`."""
    if not wanted:
        return True
    members = _Members(values)
    return all(value in members for value in wanted)


def equivalent(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Say whether each list contains the other, whatever the order and the repetitions."""
    return contains(left, right) and contains(right, left)


def intersects(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Say whether the lists have an equal element."""
    if not left or not right:
        return False
    members = _Members(right)
    return any(value in members for value in left)


_LISTS: Final = (list_of(T), list_of(T))

LIBRARY: Final = Library(
    name="cel.lib.ext.sets",
    doc="Lists compared as sets.",
    source="cel-go ext/sets.go",
    functions=(
        Function(
            "sets.contains",
            (Overload("list_sets_contains_list", _LISTS, BOOL, contains, cost="product"),),
            doc="whether the first list has every element of the second",
        ),
        Function(
            "sets.equivalent",
            (Overload("list_sets_equivalent_list", _LISTS, BOOL, equivalent, cost="product"),),
            doc="whether both lists have the same elements",
        ),
        Function(
            "sets.intersects",
            (Overload("list_sets_intersects_list", _LISTS, BOOL, intersects, cost="product"),),
            doc="whether the lists have an element in common",
        ),
    ),
)
