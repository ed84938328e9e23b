"""The sets library: lists compared as sets, in time linear in their size.

Source: cel-go `ext/sets.go`; in Kubernetes since 1.29.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.library.lists import Keys
from kpolicy.cel.types import BOOL, T, list_of


def contains(values: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Say whether every element of `wanted` equals one of `values`."""
    if not wanted:
        return True
    keys = Keys()
    members = set(map(keys.key, values))
    return all(keys.key(value) in members for value in wanted)


def equivalent(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Say whether each list contains the other, whatever the order and the repetitions."""
    return contains(left, right) and contains(right, left)


def intersects(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Say whether the lists have an equal element."""
    if not left or not right:
        return False
    keys = Keys()
    members = set(map(keys.key, right))
    return any(keys.key(value) in members for value in left)


_LISTS: Final = (list_of(T), list_of(T))

LIBRARY: Final = Library(
    name="cel.lib.ext.sets",
    doc="Lists compared as sets.",
    source="cel-go ext/sets.go",
    functions=(
        Function(
            "sets.contains",
            (Overload("list_sets_contains_list", _LISTS, BOOL, contains, cost="size"),),
            doc="whether the first list has every element of the second",
        ),
        Function(
            "sets.equivalent",
            (Overload("list_sets_equivalent_list", _LISTS, BOOL, equivalent, cost="size"),),
            doc="whether both lists have the same elements",
        ),
        Function(
            "sets.intersects",
            (Overload("list_sets_intersects_list", _LISTS, BOOL, intersects, cost="size"),),
            doc="whether the lists have an element in common",
        ),
    ),
)
