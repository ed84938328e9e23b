"""The lists libraries: order, sums and positions, and making new lists.

Two sources share the name. Kubernetes' `k8s.io/apiserver/pkg/cel/library/lists.go` has `isSorted`,
`sum`, `min`, `max`, `indexOf`, `lastIndexOf` (all versions) and `includes` (1.37). cel-go's
`ext/lists.go`, version 3, has `slice`, `flatten`, `sort`, `sortBy`, `distinct`, `reverse` and
`lists.range` (Kubernetes 1.34). `first` and `last` belong to cel-go's optional library, version 2.

`isSorted`, `min`, `max` and `sum` raise "no such overload" for elements that cannot be compared or
added; the Go library silently passes over a pair of them in a list it knows nothing about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cmp_to_key
from itertools import islice
from operator import le
from typing import Any, Final

from kpolicy.cel.declarations import Function, Library, Macro, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.limits import MAX_ELEMENTS, check_elements, check_visited
from kpolicy.cel.nodes import Comprehension, Constant, Identifier, MapNode, Node, StructNode
from kpolicy.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    A,
    T,
    Type,
    list_of,
    optional_of,
)  # fmt: skip
from kpolicy.cel.values import (
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    Duration,
    Optional,
    UInt,
    compare,
    equal,
    is_number,
    no_overload,
    type_of,
)  # fmt: skip

#: Types of which plain Python comparison is CEL's, as long as all elements have the same one.
_PLAIN: Final = frozenset((str, int, bytes, bool, UInt))


def _homogeneous(values: Sequence[Any]) -> bool:
    """Say whether all values are of one plain type, so that Python's own order may be used."""
    return type(values[0]) in _PLAIN and len(set(map(type, values))) == 1


def is_sorted(values: Sequence[Any]) -> bool:
    """Say whether no element is smaller than the one before it."""
    if len(values) == 1:
        compare(values[0], values[0])
    if values and _homogeneous(values):
        return all(map(le, values, islice(values, 1, None)))
    return all(compare(values[i], values[i + 1]) <= 0 for i in range(len(values) - 1))


def smallest(values: Sequence[Any]) -> Any:
    """Return the smallest element, the first of equals."""
    return _extreme("min", values, 1)


def greatest(values: Sequence[Any]) -> Any:
    """Return the greatest element, the first of equals."""
    return _extreme("max", values, -1)


def _extreme(name: str, values: Sequence[Any], replace_when: int) -> Any:
    if not values:
        raise CelError(f"{name} called on empty list")
    if _homogeneous(values):
        return min(values) if name == "min" else max(values)
    found = values[0]
    for value in values:
        if compare(found, value) == replace_when:
            found = value
    return found


def _sum(zero: Any) -> Callable[[Sequence[Any]], Any]:
    def total(values: Sequence[Any]) -> Any:
        return add_all(values) if values else zero

    return total


def add_all(values: Sequence[Any]) -> Any:
    """Return the sum of a list of ints, uints, doubles or durations that is not empty.

    All elements must be of the first one's type; a sum outside its range is an error.
    """
    kind = type(values[0])
    if kind is bool or not (is_number(values[0]) or isinstance(values[0], Duration)):
        raise CelError(no_overload("sum", values))
    of = type_of(values[0])
    for value in values:
        if type(value) is not kind and type_of(value) != of:
            raise CelError(no_overload("_+_", values[0], value))
    if isinstance(values[0], Duration):
        return Duration(sum(value.nanoseconds for value in values))
    if isinstance(values[0], float):
        total = 0.0
        for value in values:
            total += value
        return total
    # Each partial sum must be in range, as when it is added up with `+`.
    low, high = (0, UINT_MAX) if kind is UInt else (INT_MIN, INT_MAX)
    running = 0
    for value in values:
        running += value
        if not low <= running <= high:
            raise CelError(f"{'unsigned ' if kind is UInt else ''}integer overflow")
    return UInt(running) if kind is UInt else running


def index_of(values: Sequence[Any], wanted: Any) -> int:
    """Return the first position of an element equal to `wanted`, or -1."""
    if type(wanted) is str:
        return values.index(wanted) if wanted in values else -1
    for index, value in enumerate(values):
        if equal(value, wanted):
            return index
    return -1


def last_index_of(values: Sequence[Any], wanted: Any) -> int:
    """Return the last position of an element equal to `wanted`, or -1."""
    for index in range(len(values) - 1, -1, -1):
        if equal(values[index], wanted):
            return index
    return -1


def includes(target: Any, wanted: Any) -> bool:
    """Say whether a list has an element equal to `wanted`, or any other target equals it."""
    if isinstance(target, (list, tuple)):
        return index_of(target, wanted) >= 0
    return equal(target, wanted)


def slice_list(values: Sequence[Any], start: int, end: int) -> list[Any]:
    """Return the elements from `start` up to and without `end`."""
    place = f"cannot slice({start}, {end})"
    if start < 0 or end < 0:
        raise CelError(f"{place}, negative indexes not supported")
    if start > end:
        raise CelError(f"{place}, start index must be less than or equal to end index")
    if end > len(values):
        raise CelError(f"{place}, list is length {len(values)}")
    return list(values[start:end])


def flatten(values: Sequence[Any], depth: int = 1) -> list[Any]:
    """Return the elements of lists within the list in their place, `depth` levels down."""
    if depth < 0:
        raise CelError("level must be non-negative")
    flat: list[Any] = []
    # One iterator for each open list: no recursion, however deep the lists lie.
    open_lists = [iter(values)]
    opened = 0
    while open_lists:
        for value in open_lists[-1]:
            if isinstance(value, (list, tuple)) and len(open_lists) <= depth:
                open_lists.append(iter(value))
                opened += 1
                check_elements("flatten", opened)
                break
            flat.append(value)
            if len(flat) > MAX_ELEMENTS:
                check_elements("flatten", len(flat))
        else:
            open_lists.pop()
    return flat


def sort(values: Sequence[Any]) -> list[Any]:
    """Return the elements in ascending order; all must be of one comparable type."""
    return sort_by_keys(values, values)


def sort_by_keys(values: Sequence[Any], keys: Sequence[Any]) -> list[Any]:
    """Return `values` in the ascending order of the `keys` of the same positions.

    This is what `sortBy` and cel-go's `@sortByAssociatedKeys` do. Raises `CelError` when the keys
    are not all of one comparable type.
    """
    if len(values) != len(keys):
        raise CelError(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys "
            f"list, but got {len(values)} and {len(keys)} elements respectively"
        )
    if not keys:
        return list(values)
    try:
        compare(keys[0], keys[0])
    except CelError as error:
        if "NaN" not in error.message:
            raise CelError("list elements must be comparable") from None
    if _homogeneous(keys):
        return [values[i] for i in sorted(range(len(keys)), key=keys.__getitem__)]
    of = type_of(keys[0])
    if any(type_of(key) != of for key in keys):
        raise CelError("list elements must have the same type")
    by = cmp_to_key(compare)
    return [values[i] for i in sorted(range(len(keys)), key=lambda i: by(keys[i]))]


def list_range(size: int) -> list[int]:
    """Return the ints from 0 up to and without `size`."""
    if size < 0:
        raise CelError(f"lists.range: size must be non-negative, got {size}")
    if size > MAX_ELEMENTS:
        raise CelError(f"lists.range: size {size} exceeds maximum allowed ({MAX_ELEMENTS})")
    return list(range(size))


def reverse(values: Sequence[Any]) -> list[Any]:
    """Return the elements in reverse order."""
    return list(values[::-1])


class Keys:
    """Makes hashable stand-ins that are equal exactly when the CEL values are.

    With them, membership in a list of any values is found by hash instead of by comparing with each
    element. `MAX_VISITED` bounds all values looked at, however often they share a part.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = 0

    def key(self, value: Any) -> Any:
        """Return the stand-in; raises `CelError` for a value that is too big or too deep."""
        if isinstance(value, str):
            return value
        try:
            return self._key(value)
        except RecursionError:
            raise CelError("the value is nested too deeply") from None

    def _key(self, value: Any) -> Any:
        if isinstance(value, (str, bytes)):
            return value
        if value is None or value is True or value is False:
            return (value,)
        if isinstance(value, (int, float)):
            # NaN equals nothing, so it gets a new object each time.
            return value if value == value else object()
        self._seen += 1
        if isinstance(value, (list, tuple)):
            self._count(len(value))
            return ("list", *map(self._key, value))
        if isinstance(value, Mapping):
            self._count(len(value))
            return ("map", frozenset((self._key(key), self._key(value[key])) for key in value))
        if isinstance(value, Optional):
            return ("optional", self._key(value.value) if value.has_value else ())
        return ("value", value)

    def _count(self, more: int) -> None:
        self._seen += more
        check_visited("comparison of elements", self._seen)


def distinct(values: Sequence[Any]) -> list[Any]:
    """Return the elements without those that equal an earlier one."""
    keys = Keys()
    found: dict[Any, Any] = {}
    for value in values:
        found.setdefault(keys.key(value), value)
    return list(found.values())


def first(values: Sequence[Any]) -> Optional:
    """Return the first element as an optional."""
    return Optional.of(values[0]) if values else Optional.none()


def last(values: Sequence[Any]) -> Optional:
    """Return the last element as an optional."""
    return Optional.of(values[-1]) if values else Optional.none()


def _expand_sort_by(
    expander: Any, offset: int, target: Node | None, args: Sequence[Node]
) -> Node | None:
    """Rewrite `list.sortBy(e, key)` to a comprehension that collects keys and sorts by them."""
    variable, key = args
    if target is None:
        return None
    if isinstance(target, (Constant, MapNode, StructNode)):
        raise expander.error(
            target.offset,
            "sortBy can only be applied to a list, identifier, comprehension, call or "
            "select expression",
        )
    if not isinstance(variable, Identifier) or variable.name.startswith("."):
        raise expander.error(variable.offset, "argument is not an identifier")
    return Comprehension(offset, "sortBy", target, variable.name, None, key)


SUMMABLE: Final[tuple[tuple[str, Type, Any], ...]] = (
    ("int", INT, 0), ("uint", UINT, UInt(0)), ("double", DOUBLE, 0.0),
    ("duration", DURATION, Duration(0)),
)  # fmt: skip
COMPARABLE: Final = (
    ("int", INT), ("uint", UINT), ("double", DOUBLE), ("bool", BOOL), ("duration", DURATION),
    ("timestamp", TIMESTAMP), ("string", STRING), ("bytes", BYTES),
)  # fmt: skip


def _for_each_comparable(
    make: Callable[[str, Type], Overload], types: Iterable[tuple[str, Type]] = COMPARABLE
) -> tuple[Overload, ...]:
    return tuple(make(name, of) for name, of in types)


_LIST_T: Final = list_of(T)

LIBRARY: Final = Library(
    name="lists",
    doc="Order, sums and positions in lists, and making new lists.",
    source="k8s.io/apiserver/pkg/cel/library/lists.go (1.37) and cel-go ext/lists.go, version 3",
    macros=(Macro("sortBy", 2, True, _expand_sort_by),),
    functions=(
        Function(
            "isSorted",
            _for_each_comparable(
                lambda name, of: Overload(f"list_{name}_is_sorted_bool", (list_of(of),), BOOL,
                                          is_sorted, True, cost="size")
            ),
            doc="whether no element is smaller than the one before it",
        ),
        Function(
            "sum",
            tuple(
                Overload(f"list_{name}_sum_{name}", (list_of(of),), of, _sum(zero), True,
                         cost="size", settled="" if name == "int" else f"@sum_{name}")
                for name, of, zero in SUMMABLE
            ),
            doc="the sum of numbers or durations; zero for an empty list",
        ),
        *(
            Function(
                f"@sum_{name}",
                (Overload(f"list_{name}_sum_settled", (list_of(of),), of, _sum(zero), True,
                          cost="size"),),
                doc="`sum` of a list whose elements the checker knows",
            )
            for name, of, zero in SUMMABLE[1:]
        ),
        Function(
            "max",
            _for_each_comparable(
                lambda name, of: Overload(f"list_{name}_max_{name}", (list_of(of),), of, greatest,
                                          True, cost="size")
            ),
            doc="the greatest element; an error for an empty list",
        ),
        Function(
            "min",
            _for_each_comparable(
                lambda name, of: Overload(f"list_{name}_min_{name}", (list_of(of),), of, smallest,
                                          True, cost="size")
            ),
            doc="the smallest element; an error for an empty list",
        ),
        Function(
            "indexOf",
            (Overload("list_a_index_of_int", (list_of(A), A), INT, index_of, True, cost="size"),),
            doc="the first position of an equal element; -1 when there is none",
        ),
        Function(
            "lastIndexOf",
            (Overload("list_a_last_index_of_int", (list_of(A), A), INT, last_index_of, True,
                      cost="size"),),
            doc="the last position of an equal element; -1 when there is none",
        ),
        Function(
            "includes",
            (Overload("list_includes_dyn_dyn", (DYN, DYN), BOOL, includes, True, cost="size"),),
            doc="whether a list has an equal element, or another value is equal",
        ),
        Function(
            "slice",
            (Overload("list_slice", (_LIST_T, INT, INT), _LIST_T, slice_list, True, cost="size"),),
            doc="the elements from a position up to another",
        ),
        Function(
            "flatten",
            (
                Overload("list_flatten", (list_of(_LIST_T),), _LIST_T, flatten, True, cost="size"),
                Overload("list_flatten_int", (list_of(DYN), INT), list_of(DYN), flatten, True,
                         cost="size"),
            ),
            doc="the elements of inner lists in one list, one level or n levels down",
        ),
        Function(
            "sort",
            _for_each_comparable(
                lambda name, of: Overload(f"list_{of.name}_sort", (list_of(of),), list_of(of),
                                          sort, True, cost="size")
            ),
            doc="the elements in ascending order",
        ),
        Function(
            "@sortByAssociatedKeys",
            _for_each_comparable(
                lambda name, of: Overload(f"list_{of.name}_sortByAssociatedKeys",
                                          (_LIST_T, list_of(of)), _LIST_T, sort_by_keys, True,
                                          cost="size")
            ),
            doc="what `list.sortBy(e, key)` does: the elements in the order of their keys",
        ),
        Function(
            "lists.range",
            (Overload("lists_range", (INT,), list_of(INT), list_range, cost="size"),),
            doc="the ints from 0 up to and without n",
        ),
        Function(
            "reverse",
            (Overload("list_reverse", (_LIST_T,), _LIST_T, reverse, True, cost="size"),),
            doc="the elements backwards",
        ),
        Function(
            "distinct",
            (Overload("list_distinct", (_LIST_T,), _LIST_T, distinct, True, cost="size"),),
            doc="the elements without those that equal an earlier one",
        ),
        Function(
            "first",
            (Overload("list_first", (_LIST_T,), optional_of(T), first, True),),
            doc="the first element, or optional.none()",
        ),
        Function(
            "last",
            (Overload("list_last", (_LIST_T,), optional_of(T), last, True),),
            doc="the last element, or optional.none()",
        ),
    ),
)  # fmt: skip
