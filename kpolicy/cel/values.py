"""Run-time values of CEL that Python has no type for, and the relations among all values.

CEL to Python: int `int` (never `bool`), uint `UInt`, double `float`, string `str`, bytes
`bytes`, bool `bool`, null `None`, list any `list` or `tuple`, map any `Mapping`, timestamp
`Timestamp`, duration `Duration`, type `Type`, optional `Optional`. A map made in CEL is a plain
`dict` when all its keys are strings, else a `KeyedMap`, which keeps `true` and `1` apart.

Sources: cel-spec doc/langdef.md (sections "Values", "Equality", "Ordering"), proto3 Timestamp
and Duration.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kpolicy.cel import types
from kpolicy.cel.errors import BudgetExceeded, CelError
from kpolicy.cel.times import (
    NANOS,
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    Duration,
    Timestamp,
    civil,
    days_from_civil,
)
from kpolicy.cel.types import Type

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1
UINT_MAX = 2**64 - 1


class UInt(int):
    """A CEL uint: an int subclass, so that arithmetic is Python's; `str()` has no suffix."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"UInt({int(self)})"

    def __str__(self) -> str:
        return int.__repr__(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return UInt, (int(self),)


class Optional:
    """A value that may be absent: `Optional.of(value)`, `Optional.none()`."""

    __slots__ = ("_value", "has_value")
    has_value: bool
    _value: Any

    def __init__(self, has_value: bool, value: Any = None) -> None:
        object.__setattr__(self, "has_value", has_value)
        object.__setattr__(self, "_value", value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Optional is immutable")

    @classmethod
    def of(cls, value: Any) -> Optional:
        """Return an optional that holds `value`."""
        return cls(True, value)

    @classmethod
    def none(cls) -> Optional:
        """Return the empty optional."""
        return NONE

    @property
    def value(self) -> Any:
        """The value; raises `CelError` when there is none."""
        if not self.has_value:
            raise CelError("optional.none() dereference")
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Optional):
            return NotImplemented
        if self.has_value and other.has_value:
            return equal(self._value, other._value)
        return self.has_value == other.has_value

    def __hash__(self) -> int:
        return hash(("Optional", self.has_value))

    def __reduce__(self) -> tuple[Any, ...]:
        return Optional, (self.has_value, self._value)

    def __repr__(self) -> str:
        return f"Optional.of({self._value!r})" if self.has_value else "Optional.none()"


NONE: Final = Optional(False)


class KeyedMap(Mapping[Any, Any]):
    """A map made in CEL that has keys other than strings.

    Keys are bool, int, uint or string; `true` and `1` are different keys, while `1`, `1u` and a
    lookup with `1.0`
    are the same one (langdef, "Equality").
    """

    __slots__ = ("_entries",)

    def __init__(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        entries: dict[Any, tuple[Any, Any]] = {}
        for key, value in pairs:
            entries[_identity(key)] = (key, value)
        self._entries = entries

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._entries[_identity(key)][1]
        except (KeyError, TypeError):
            raise KeyError(key) from None

    def __contains__(self, key: object) -> bool:
        try:
            return _identity(key) in self._entries
        except TypeError:
            return False

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{k!r}: {v!r}" for k, v in self._entries.values()) + "}"


def _identity(key: Any) -> Any:
    """Return what stands for a CEL map key in a Python dict."""
    return ("bool", key) if key is True or key is False else key


def make_map(pairs: Iterable[tuple[Any, Any]]) -> Mapping[Any, Any]:
    """Return the CEL map of `pairs`.

    Raises `CelError` for a key that is no bool, int, uint or string, and for a repeated one.
    """
    entries: dict[Any, tuple[Any, Any]] = {}
    plain = True
    for key, value in pairs:
        if type(key) is not str:
            if isinstance(key, str):
                key = str(key)
            elif isinstance(key, int):
                plain = False
            else:
                raise CelError(f"unsupported key type: {type_of(key)}")
        identity = _identity(key)
        if identity in entries:
            raise CelError(f"duplicate key in map: {show(key)}")
        entries[identity] = (key, value)
    if plain:
        return dict(entries.values())
    made = KeyedMap.__new__(KeyedMap)
    made._entries = entries
    return made


MISSING: Final = object()


def lookup(mapping: Mapping[Any, Any], key: Any) -> Any:
    """Return the value of a CEL key in any mapping, or `MISSING`.

    Errors of the mapping itself pass through.
    """
    return mapping[key] if holds(mapping, key) else MISSING


def holds(mapping: Mapping[Any, Any], key: Any) -> bool:
    """Say whether a mapping has a CEL key; its value is not read."""
    kind = type(key)
    if kind is not str:
        if kind is bool or isinstance(key, int):
            if not isinstance(mapping, KeyedMap) and key in (0, 1):
                # A plain dict holds True and 1 as one key: only a key of the same kind counts.
                found = next((k for k in mapping if k == key and not isinstance(k, float)), MISSING)
                return found is not MISSING and isinstance(found, bool) == (kind is bool)
        elif kind is float:
            return math.isfinite(key) and key == int(key) and holds(mapping, int(key))
        elif not isinstance(key, str):
            return False
    return key in mapping


_TYPES: Final[dict[type, Type]] = {
    bool: types.BOOL, int: types.INT, UInt: types.UINT, float: types.DOUBLE, str: types.STRING,
    bytes: types.BYTES, type(None): types.NULL, list: types.LIST, tuple: types.LIST,
    dict: types.MAP, KeyedMap: types.MAP, Timestamp: types.TIMESTAMP, Duration: types.DURATION,
    Type: types.TYPE, Optional: types.OPTIONAL,
}  # fmt: skip


def type_of(value: Any, opaque: Mapping[type, Type] | None = None) -> Type:
    """Return the CEL type of a run-time value, without parameters.

    `opaque` maps the libraries' own classes; a class may also name its type as `cel_type`.
    Raises `CelError` for
    a value that is none of CEL's.
    """
    found = class_type(type(value), opaque)
    if found is None:
        raise CelError(f"a Python {type(value).__name__} is not a CEL value")
    return found


def class_type(kind: type, opaque: Mapping[type, Type] | None = None) -> Type | None:
    """Return the CEL type of a Python class's values, or None."""
    found = _TYPES.get(kind)
    if found is not None:
        return found
    if opaque:
        for base in kind.__mro__:
            if base in opaque:
                return opaque[base]
    for base in kind.__mro__:
        if base in _TYPES:
            return _TYPES[base]
    if issubclass(kind, Mapping):
        return types.MAP
    named = getattr(kind, "cel_type", None)
    return named if isinstance(named, Type) else None


def is_number(value: Any) -> bool:
    """Say whether `value` is an int, uint or double."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool:
    """Return CEL's `left == right`: numbers by value across types, else false across types.

    Lists and maps are compared deeply; NaN equals nothing, not even itself inside a list. Never an
    error, but for `BudgetExceeded` when the values are too large to be compared.
    """
    return _equal(left, right, [EQUAL_LIMIT])


#: How many elements one comparison goes over at most.
EQUAL_LIMIT: Final = 1_000_000


def _equal(left: Any, right: Any, fuel: list[int]) -> bool:
    kind = type(left)
    if kind is str or kind is bytes or left is None:
        return bool(left == right)
    if kind is bool or type(right) is bool:
        return left is right
    if isinstance(left, (int, float)):
        return isinstance(right, (int, float)) and _numbers_equal(left, right)
    if isinstance(left, (list, tuple)):
        if not isinstance(right, (list, tuple)) or len(left) != len(right):
            return False
        _spend(fuel, len(left))
        return all(_equal(a, b, fuel) for a, b in zip(left, right, strict=True))
    if isinstance(left, Mapping):
        if not isinstance(right, Mapping) or len(left) != len(right):
            return False
        _spend(fuel, len(left))
        for key in left:
            other = lookup(right, key)
            if other is MISSING or not _equal(left[key], other, fuel):
                return False
        return True
    if isinstance(left, Optional) and isinstance(right, Optional):
        if left.has_value and right.has_value:
            return _equal(left.value, right.value, fuel)
        return left.has_value == right.has_value
    return bool(left == right)


def _spend(fuel: list[int], amount: int) -> None:
    fuel[0] -= amount
    if fuel[0] < 0:
        raise BudgetExceeded(EQUAL_LIMIT)


def compare(left: Any, right: Any) -> int:
    """Return -1, 0 or 1 for ordered values; raise `CelError` ("no such overload") for others,
    and for NaN.

    Ordered are bools, numbers across types, strings and bytes (by code point), timestamps,
    durations and library
    values that order themselves.
    """
    if not comparable(left, right):
        raise CelError(no_overload("<", left, right))
    if left != left or right != right:
        raise CelError("NaN values cannot be ordered")
    if type(left) is not type(right) and (type(left) is float or type(right) is float):
        left, right = float(left), float(right)
    return -1 if left < right else int(left > right)


def _numbers_equal(left: Any, right: Any) -> bool:
    """Compare an int or uint with a double as doubles, as cel-go does; others by value."""
    if type(left) is not type(right) and (type(left) is float or type(right) is float):
        return float(left) == float(right)
    return bool(left == right)


def comparable(left: Any, right: Any) -> bool:
    """Say whether CEL orders the two values."""
    a, b = type(left), type(right)
    if a is b:
        return a in _ORDERED or (a not in _TYPES and hasattr(a, "__cel_ordered__"))
    if a is bool or b is bool:
        return False
    if isinstance(left, (int, float)):
        return isinstance(right, (int, float))
    if isinstance(left, str):
        return isinstance(right, str)
    return isinstance(left, bytes) and isinstance(right, bytes)


_ORDERED: Final = frozenset((bool, int, UInt, float, str, bytes, Timestamp, Duration))


def no_overload(function: str, *operands: Any) -> str:
    """Return the message of a call whose run-time types fit no overload."""
    named = []
    for operand in operands:
        try:
            named.append(str(type_of(operand)))
        except CelError:
            named.append(
                getattr(getattr(type(operand), "cel_type", None), "name", type(operand).__name__)
            )
    return f"no such overload: {function} on ({', '.join(named)})"


def show(value: Any, limit: int = 2_000) -> str:
    """Return a text of a value for messages and traces, in CEL's notation where it has one.

    It is cut at about `limit` characters, however large the value.
    """
    parts: list[str] = []
    room = limit
    pending: list[tuple[bool, Any]] = [(False, value)]
    while pending:
        is_text, item = pending.pop()
        if is_text:
            text = item
        elif isinstance(item, (list, tuple)):
            _push(pending, "[", [[(False, each)] for each in item[: limit // 2]], "]")
            continue
        elif isinstance(item, Mapping):
            shown = [
                [(False, key), (True, ": "), (False, item[key])]
                for key in itertools.islice(item, limit // 2)
            ]
            _push(pending, "{", shown, "}")
            continue
        elif isinstance(item, Optional) and item.has_value:
            pending += [(True, ")"), (False, item.value), (True, "optional.of(")]
            continue
        else:
            text = _show_scalar(item, room)
        parts.append(text)
        room -= len(text)
        if room < 0:
            parts.append("...")
            break
    return "".join(parts)


def _push(
    pending: list[tuple[bool, Any]], opening: str, items: list[list[tuple[bool, Any]]], end: str
) -> None:
    pending.append((True, end))
    for position in range(len(items) - 1, -1, -1):
        pending += reversed(items[position])
        if position:
            pending.append((True, ", "))
    pending.append((True, opening))


def _show_scalar(value: Any, room: int) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, UInt):
        return f"{value}u"
    if isinstance(value, str):
        text = value[: max(room, 0) + 1].replace("\\", "\\\\").replace('"', '\\"')
        return '"' + text.replace("\n", "\\n") + '"'
    if isinstance(value, bytes):
        return f"b{value[: max(room, 0) + 1].decode('latin-1')!r}"
    if isinstance(value, Timestamp):
        return f'timestamp("{value}")'
    if isinstance(value, Duration):
        return f'duration("{value}")'
    if isinstance(value, Optional):
        return "optional.none()"
    return str(value)


__all__ = [
    "EQUAL_LIMIT",
    "INT_MAX",
    "INT_MIN",
    "MISSING",
    "NANOS",
    "NONE",
    "TIMESTAMP_MAX",
    "TIMESTAMP_MIN",
    "UINT_MAX",
    "Duration",
    "KeyedMap",
    "Optional",
    "Timestamp",
    "UInt",
    "civil",
    "class_type",
    "comparable",
    "compare",
    "days_from_civil",
    "equal",
    "holds",
    "is_number",
    "lookup",
    "make_map",
    "no_overload",
    "show",
    "type_of",
]
