"""What a pattern asks of one resource: conditions, all, any and none of which must hold."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kpolicy.records import dataclass

from kpolicy_kubepattern.paths import Path

_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = MappingProxyType(
    {
        "EQUALS": operator.eq,
        "GREATER_THAN": operator.gt,
        "GREATER_OR_EQUAL": operator.ge,
        "LESS_THAN": operator.lt,
        "LESS_OR_EQUAL": operator.le,
    }
)
SIZES = tuple(f"ARRAY_SIZE_{name}" for name in _COMPARISONS)
NUMBERS = tuple(name for name in _COMPARISONS if name != "EQUALS")
WITHOUT_VALUES = ("EXISTS", "NOT_EXISTS", "IS_EMPTY")

_INTEGER = re.compile(r"\s*[-+]?[0-9]+\s*\Z")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on the values that a path reaches.

    `spread` (the registry's form): a path to one list means its elements. Otherwise such a list is
    one value, and only `[*]` means its elements.
    """

    path: Path
    operator: str
    values: tuple[str, ...] = ()
    spread: bool = False

    def holds(self, body: Any) -> bool:
        """Return whether the condition holds of a resource."""
        name = self.operator
        if name.startswith("ARRAY_SIZE_"):
            return self._size_holds(body, _COMPARISONS[name.removeprefix("ARRAY_SIZE_")])
        found = self._found(body)
        if name == "EXISTS":
            return bool(found)
        if name == "NOT_EXISTS":
            return not found
        if name == "IS_EMPTY":
            return all(value in ("", [], {}) for value in found)
        if name == "EQUALS":
            return any(text_of(value) in self.values for value in found)
        if name == "NOT_EQUALS":
            return not any(text_of(value) in self.values for value in found)
        compare, wanted = _COMPARISONS[name], int(self.values[0])
        numbers = (integer(text_of(value)) for value in found)
        return any(number is not None and compare(number, wanted) for number in numbers)

    def _found(self, body: Any) -> list[Any]:
        found = self.path.values(body)
        if self.spread and self.path.definite and found and isinstance(found[0], list):
            return [value for value in found[0] if value is not None]
        return found

    def _size_holds(self, body: Any, compare: Callable[[int, int], bool]) -> bool:
        wanted = int(self.values[0])
        if self.spread and not self.path.definite:
            return compare(len(self.path.values(body)), wanted)
        lists = self.path.without_every().values(body)
        return any(isinstance(value, list) and compare(len(value), wanted) for value in lists)


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that must all hold, of which one must hold (if there are any), and none may."""

    match_all: tuple[Condition, ...] = ()
    match_any: tuple[Condition, ...] = ()
    match_none: tuple[Condition, ...] = ()

    def hold(self, body: Any) -> bool:
        """Return whether a resource passes."""
        return (
            all(condition.holds(body) for condition in self.match_all)
            and (not self.match_any or any(condition.holds(body) for condition in self.match_any))
            and not any(condition.holds(body) for condition in self.match_none)
        )


def text_of(value: Any) -> str | None:
    """Return a scalar as KubePattern compares it, as text; None for a list or a mapping."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) else None


def integer(text: str | None) -> int | None:
    """Return the integer that a text writes, None if it writes none."""
    return int(text) if text is not None and len(text) < 20 and _INTEGER.match(text) else None
