"""What CEL's operators compute, exactly: the functions that evaluated expressions may call.

Each takes run-time values, is total over them, and fails by raising `CelError`. The generated code
inlines the common cases and calls these for the rest. Source: cel-spec doc/langdef.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kpolicy.cel.errors import BudgetExceeded, CelError
from kpolicy.cel.values import (
    INT_MAX,
    INT_MIN,
    MISSING,
    NONE,
    UINT_MAX,
    Duration,
    Optional,
    Timestamp,
    UInt,
    compare,
    equal,
    holds,
    lookup,
    no_overload,
    show,
    type_of,
)

#: What one evaluation may cost (Kubernetes' limit for one expression); see `kpolicy.cel.cost`.
DEFAULT_BUDGET: Final = 1_000_000


def no_such_key(key: Any) -> CelError:
    """Return the error of a map that lacks `key`."""
    return CelError(f"no such key: {key if isinstance(key, str) else show(key)}")


# Selection and indexing


def select(operand: Any, field: str) -> Any:
    """Return `operand.field`; of an optional, an optional."""
    if isinstance(operand, (dict, Mapping)):
        try:
            return operand[field]
        except KeyError:
            raise no_such_key(field) from None
    if isinstance(operand, Optional):
        return optional_select(operand, field)
    raise CelError(f"no such key: {field} ({_kind(operand)} has no fields)")


def has(operand: Any, field: str) -> bool:
    """Return `has(operand.field)`."""
    if isinstance(operand, (dict, Mapping)):
        return field in operand
    if isinstance(operand, Optional):
        return operand.has_value and has(operand.value, field)
    raise CelError(f"no such key: {field} ({_kind(operand)} has no fields)")


def optional_select(operand: Any, field: str) -> Optional:
    """Return `operand.?field`."""
    if isinstance(operand, Optional):
        if not operand.has_value:
            return operand
        operand = operand.value
    if isinstance(operand, (dict, Mapping)):
        found = lookup(operand, field)
        return NONE if found is MISSING else Optional.of(found)
    raise CelError(f"no such key: {field} ({_kind(operand)} has no fields)")


def index(operand: Any, key: Any) -> Any:
    """Return `operand[key]`; of an optional, an optional."""
    if isinstance(operand, (list, tuple)):
        position = _position(key)
        if 0 <= position < len(operand):
            return operand[position]
        raise CelError(f"index out of bounds: {position}")
    if isinstance(operand, Mapping):
        found = lookup(operand, key)
        if found is MISSING:
            raise no_such_key(key)
        return found
    if isinstance(operand, Optional):
        return optional_index(operand, key)
    raise CelError(no_overload("_[_]", operand, key))


def optional_index(operand: Any, key: Any) -> Optional:
    """Return `operand[?key]`."""
    if isinstance(operand, Optional):
        if not operand.has_value:
            return operand
        operand = operand.value
    if isinstance(operand, (list, tuple)):
        position = _position(key)
        return Optional.of(operand[position]) if 0 <= position < len(operand) else NONE
    if isinstance(operand, Mapping):
        found = lookup(operand, key)
        return NONE if found is MISSING else Optional.of(found)
    raise CelError(no_overload("_[?_]", operand, key))


def _position(key: Any) -> int:
    """Return the list index that a number stands for: a double counts when it is whole."""
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    if isinstance(key, float) and math.isfinite(key) and key == int(key):
        return int(key)
    raise CelError(f"invalid list index: {show(key)}")


def contains(needle: Any, haystack: Any) -> bool:
    """Return `needle in haystack`."""
    if isinstance(haystack, (list, tuple)):
        if type(needle) is str:  # a text equals what Python says it equals
            return needle in haystack
        return any(equal(needle, item) for item in haystack)
    if isinstance(haystack, Mapping):
        return holds(haystack, needle)
    raise CelError(no_overload("@in", needle, haystack))


def size(value: Any) -> int:
    """Return `size(value)`: code points, bytes, elements or entries."""
    if isinstance(value, (str, bytes, list, tuple, Mapping)):
        return len(value)
    raise CelError(no_overload("size", value))


# Arithmetic


def _integer(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise CelError("integer overflow")


def _unsigned(value: int) -> UInt:
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise CelError("unsigned integer overflow")


def add(left: Any, right: Any) -> Any:
    """Return `left + right`."""
    a, b = type(left), type(right)
    if a is b:
        if a is int:
            return _integer(left + right)
        if a is str or a is float or a is bytes:
            return left + right
        if a is UInt:
            return _unsigned(int(left) + int(right))
        if a is Duration:
            return Duration(left.nanoseconds + right.nanoseconds)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return [*left, *right]
    if (a is Timestamp and b is Duration) or (a is Duration and b is Timestamp):
        return Timestamp(left.nanoseconds + right.nanoseconds)
    if isinstance(left, str) and isinstance(right, str):
        return str(left) + str(right)
    raise CelError(no_overload("_+_", left, right))


def subtract(left: Any, right: Any) -> Any:
    """Return `left - right`."""
    a, b = type(left), type(right)
    if a is b:
        if a is int:
            return _integer(left - right)
        if a is float:
            return left - right
        if a is UInt:
            return _unsigned(int(left) - int(right))
        if a is Duration or a is Timestamp:
            return Duration(left.nanoseconds - right.nanoseconds)
    if a is Timestamp and b is Duration:
        return Timestamp(left.nanoseconds - right.nanoseconds)
    raise CelError(no_overload("_-_", left, right))


def multiply(left: Any, right: Any) -> Any:
    """Return `left * right`."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return _integer(left * right)
        if kind is float:
            return left * right
        if kind is UInt:
            return _unsigned(int(left) * int(right))
    raise CelError(no_overload("_*_", left, right))


def divide(left: Any, right: Any) -> Any:
    """Return `left / right`: ints truncate toward zero, doubles follow IEEE 754."""
    kind = type(left)
    if kind is type(right):
        if kind is int or kind is UInt:
            if right == 0:
                raise CelError("division by zero")
            quotient = abs(int(left)) // abs(int(right))
            if kind is UInt:
                return UInt(quotient)
            return _integer(quotient if (left < 0) == (right < 0) else -quotient)
        if kind is float:
            if right == 0.0:
                if left == 0.0 or left != left:
                    return math.nan
                return math.copysign(math.inf, left) * math.copysign(1.0, right)
            return left / right
    raise CelError(no_overload("_/_", left, right))


def modulo(left: Any, right: Any) -> Any:
    """Return `left % right`, with the sign of `left`."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is UInt):
        if right == 0:
            raise CelError("modulus by zero")
        if kind is UInt:
            return UInt(int(left) % int(right))
        if left == INT_MIN and right == -1:
            raise CelError("integer overflow")
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    raise CelError(no_overload("_%_", left, right))


def negate(value: Any) -> Any:
    """Return `-value`."""
    if type(value) is int:
        return _integer(-value)
    if type(value) is float:
        return -value
    if type(value) is Duration:
        return Duration(-value.nanoseconds)
    raise CelError(no_overload("-_", value))


# Order and logic


def less(left: Any, right: Any) -> bool:
    """Return `left < right`."""
    return compare(left, right) < 0


def less_equals(left: Any, right: Any) -> bool:
    """Return `left <= right`."""
    return compare(left, right) <= 0


def greater(left: Any, right: Any) -> bool:
    """Return `left > right`."""
    return compare(left, right) > 0


def greater_equals(left: Any, right: Any) -> bool:
    """Return `left >= right`."""
    return compare(left, right) >= 0


def not_equal(left: Any, right: Any) -> bool:
    """Return `left != right`."""
    return not equal(left, right)


def logical_not(value: Any) -> bool:
    """Return `!value`."""
    if value is True:
        return False
    if value is False:
        return True
    raise CelError(no_overload("!_", value))


# Loops


def entries(value: Any) -> Sequence[tuple[Any, Any]]:
    """Return what a macro with two variables goes over: (index, element) or (key, value)."""
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if isinstance(value, Mapping):
        return [(key, value[key]) for key in value]
    raise CelError(f"no such overload: a macro goes over a list or a map, not {_kind(value)}")


def elements(value: Any) -> Sequence[Any]:
    """Return what a macro with one variable goes over: elements or keys."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, Mapping):
        return list(value)
    raise CelError(f"no such overload: a macro goes over a list or a map, not {_kind(value)}")


def merge_entry(made: list[tuple[Any, Any]], entry: Any) -> None:
    """Add what a `transformMapEntry` body answered to the pairs of the new map."""
    if not isinstance(entry, Mapping):
        raise CelError(f"no such overload: transformMapEntry makes map entries, not {_kind(entry)}")
    made.extend((key, entry[key]) for key in entry)


def optional_element(value: Any) -> Optional:
    """Return the optional of an element marked `?`; raises `CelError` for another value."""
    if isinstance(value, Optional):
        return value
    raise CelError(f"an element marked ? must be an optional, not {_kind(value)}")


def weight(value: Any, limit: int = DEFAULT_BUDGET) -> int:
    """Return how many steps it takes to go over a value, deeply; counting ends above `limit`.

    A value that an expression makes may hold one list many times over: `[x, x]` of `[y, y]` ...
    """
    if type(value) is str:
        return 1 + len(value) // 10
    total = 0
    pending = [value]
    while pending and total <= limit:
        item = pending.pop()
        total += 1
        if isinstance(item, (str, bytes)):
            total += len(item) // 10
        elif isinstance(item, (list, tuple, Mapping)):
            total += len(item)
            if total > limit:
                break
            light = not isinstance(item, Mapping)
            for part in item if light else [item[key] for key in item]:
                if type(part) is str:
                    total += 1 + len(part) // 10
                elif not light or not isinstance(part, _LIGHT):
                    pending.append(part)
        elif isinstance(item, Optional) and item.has_value:
            pending.append(item.value)
    return total


_LIGHT: Final = (int, float, type(None))


def bounded(value: Any) -> Any:
    """Return `value`; raises `BudgetExceeded` for one too large to be written out."""
    if weight(value) > DEFAULT_BUDGET:
        raise BudgetExceeded(DEFAULT_BUDGET)
    return value


def _kind(value: Any) -> str:
    try:
        return type_of(value).name
    except CelError:
        return type(value).__name__


#: Operators that evaluate all their operands, by cel-go's names.
OPERATORS: Final[Mapping[str, Callable[..., Any]]] = {
    "_+_": add, "_-_": subtract, "_*_": multiply, "_/_": divide, "_%_": modulo, "-_": negate,
    "_==_": equal, "_!=_": not_equal, "_<_": less, "_<=_": less_equals, "_>_": greater,
    "_>=_": greater_equals, "!_": logical_not, "@in": contains, "_[_]": index,
    "_[?_]": optional_index,
}  # fmt: skip


def sort_by(values: list[Any], keys: list[Any]) -> list[Any]:
    """Return the values in the order of their keys (`sortBy`)."""
    from kpolicy.cel.library.lists import sort_by_keys

    return sort_by_keys(values, keys)
