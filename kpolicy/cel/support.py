"""What generated code calls and raises, beside the runtime's functions.

It is all that code which was written down beforehand needs of the code generator (see `prepared`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kpolicy.cel import runtime
from kpolicy.cel.dispatch import Callee
from kpolicy.cel.errors import BudgetExceeded
from kpolicy.cel.values import equal

#: Operands larger than this inside a loop, and results of `+` anywhere, are charged exactly.
LARGE: Final = 10_000
LARGE_IN_LOOP: Final = 1_000
_LARGE_MADE_IN_LOOP: Final = 300


class Surprise(Exception):
    """Raised by generated code that meets a case it leaves to exact evaluation."""


class LoopTooDear(BudgetExceeded):
    """Raised by generated code: it has its place, so that nothing need be evaluated again."""


class OverBudget:
    """Makes the error of a loop that costs too much."""

    __slots__ = ("budget", "column", "line", "source")

    def __init__(self, budget: int, line: int, column: int, source: str) -> None:
        self.budget, self.line, self.column, self.source = budget, line, column, source

    def __call__(self) -> LoopTooDear:
        error = LoopTooDear(self.budget, self.line, self.column)
        error.source = self.source
        return error

    def __repr__(self) -> str:
        return f"BudgetExceeded at {self.line}:{self.column}"


def sorted_pairs(pairs: list[tuple[Any, Any]]) -> list[Any]:
    return runtime.sort_by([item for item, _ in pairs], [key for _, key in pairs])


class ByClass(dict[Any, Callable[..., Any]]):
    """The implementation of a function by the classes of its arguments, filled as they appear."""

    __slots__ = ("callee", "single")

    def __init__(self, callee: Callee, *, single: bool) -> None:
        super().__init__()
        self.callee = callee
        self.single = single

    def __missing__(self, classes: Any) -> Callable[..., Any]:
        found = self.callee.settled((classes,) if self.single else classes)
        self[classes] = found
        return found

    def __repr__(self) -> str:
        return f"overloads of {self.callee.name} by class"


def small_equal(left: Any, right: Any) -> bool:
    """Return `equal`, but leave comparing large values to where it is charged."""
    if runtime.weight(left, LARGE_IN_LOOP) >= LARGE_IN_LOOP:
        raise Surprise
    return equal(left, right)


def fair_equal(left: Any, right: Any) -> bool:
    """As `small_equal`, for a comparison that is made once."""
    if isinstance(left, (list, tuple, Mapping)) and runtime.weight(left, LARGE) >= LARGE:
        raise Surprise
    return equal(left, right)


def fair_result(value: Any) -> Any:
    """Return what a function made, but leave a large result to where it is charged."""
    if type(value) in _SIZED and len(value) > LARGE:
        raise Surprise
    return value


def small_result(value: Any) -> Any:
    """As `fair_result`, for a call that is made often."""
    if type(value) in _SIZED and len(value) > _LARGE_MADE_IN_LOOP:
        raise Surprise
    return value


_SIZED: Final = frozenset((str, bytes, list))


def small_contains(needle: Any, haystack: Any) -> bool:
    if len(haystack) > LARGE_IN_LOOP and not isinstance(haystack, dict):
        raise Surprise
    return runtime.contains(needle, haystack)


def small_add(left: Any, right: Any) -> Any:
    made = runtime.add(left, right)
    if isinstance(made, (str, bytes, list)) and len(made) > LARGE:
        raise Surprise
    return made


def refuse_large(*values: Any) -> None:
    """Leave calls with large operands to where they are charged."""
    product = 1
    for value in values:
        if isinstance(value, (str, bytes)):
            product *= 1 + len(value) // 10
        elif isinstance(value, (list, tuple)):
            product *= 1 + len(value)
    if product > LARGE_IN_LOOP:
        raise Surprise
