"""Asking for the fields of what has none, as Kubernetes' API server answers: there are none.

The language's own conformance cases want an error for `x.?f` where `x` is null or a scalar; cel-go
gives one only with EnableErrorOnBadPresenceTest, which Kubernetes leaves off. Environments with
`lenient_presence` use these functions where others use those of `runtime`. A list is asked as ever:
its index cannot be a string. Source: cel-go, interpreter/attributes.go, refQualify.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from kpolicy.cel import runtime
from kpolicy.cel.values import NONE, Optional


def has(operand: Any, field: str) -> bool:
    """Return `has(operand.field)`."""
    if isinstance(operand, Optional):
        return operand.has_value and has(operand.value, field)
    return _has_parts(operand) and runtime.has(operand, field)


def select(operand: Any, field: str) -> Any:
    """Return `operand.field`; of an optional, an optional."""
    if isinstance(operand, Optional):
        return optional_select(operand, field)
    return runtime.select(operand, field)


def optional_select(operand: Any, field: str) -> Optional:
    """Return `operand.?field`."""
    if isinstance(operand, Optional):
        if not operand.has_value:
            return operand
        operand = operand.value
    return runtime.optional_select(operand, field) if _has_parts(operand) else NONE


def index(operand: Any, key: Any) -> Any:
    """Return `operand[key]`; of an optional, an optional."""
    if isinstance(operand, Optional):
        return optional_index(operand, key)
    return runtime.index(operand, key)


def optional_index(operand: Any, key: Any) -> Optional:
    """Return `operand[?key]`."""
    if isinstance(operand, Optional):
        if not operand.has_value:
            return operand
        operand = operand.value
    return runtime.optional_index(operand, key) if _has_parts(operand) else NONE


def _has_parts(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple, Mapping))


#: What stands for what of `runtime`.
LENIENT: Final[Mapping[Callable[..., Any], Callable[..., Any]]] = MappingProxyType(
    {
        runtime.has: has,
        runtime.select: select,
        runtime.optional_select: optional_select,
        runtime.index: index,
        runtime.optional_index: optional_index,
    }
)
