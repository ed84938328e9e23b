"""Optional values: `optional.of`, `orValue`, `optMap` and their kin.

Source: cel-go cel/library.go (`OptionalTypes`, version 2, as Kubernetes enables it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from kpolicy.cel.declarations import Function, Library, Macro, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.macros import variable_name
from kpolicy.cel.nodes import Node, OptionalMap
from kpolicy.cel.types import BOOL, OPTIONAL, T, Type, V, list_of, optional_of, type_of_type
from kpolicy.cel.values import NONE, TIMESTAMP_MIN, Duration, Optional, Timestamp, no_overload

_OPTIONAL_V: Final = optional_of(V)


def is_zero(value: Any) -> bool:
    """Say whether a value is its type's zero: empty, 0, false, null, the first timestamp."""
    if value is None or value is False:
        return True
    if isinstance(value, (int, float, str, bytes, list, tuple, Mapping)):
        return not value
    if isinstance(value, Timestamp):
        return value.nanoseconds == TIMESTAMP_MIN
    if isinstance(value, Duration):
        return value.nanoseconds == 0
    if isinstance(value, Optional):
        return not value.has_value
    return False


def _of_non_zero(value: Any) -> Optional:
    return NONE if is_zero(value) else Optional.of(value)


def _or(left: Optional, right: Optional) -> Optional:
    return left if left.has_value else right


def _or_value(left: Optional, right: Any) -> Any:
    return left.value if left.has_value else right


def _unwrap(values: Sequence[Any]) -> list[Any]:
    made = []
    for value in values:
        if not isinstance(value, Optional):
            raise CelError(no_overload("optional.unwrap", value))
        if value.has_value:
            made.append(value.value)
    return made


def _macro(name: str, flat: bool) -> Macro:
    def expand(expander: Any, offset: int, target: Node | None, args: Sequence[Node]) -> Node:
        assert target is not None
        return OptionalMap(offset, target, variable_name(expander, args[0]), args[1], flat)

    return Macro(name, 2, True, expand)


def _function(
    name: str, identifier: str, parameters: tuple[Type, ...], result: Type, call: Any, member: bool
) -> Function:
    return Function(name, (Overload(identifier, parameters, result, call, member),))


def library() -> Library:
    """Return the declarations of optional values."""
    return Library(
        name="optional",
        functions=(
            _function("optional.of", "optional_of", (V,), _OPTIONAL_V, Optional.of, False),
            _function(
                "optional.ofNonZeroValue", "optional_ofNonZeroValue", (V,), _OPTIONAL_V,
                _of_non_zero, False,
            ),
            _function("optional.none", "optional_none", (), _OPTIONAL_V, Optional.none, False),
            _function(
                "value", "optional_value", (_OPTIONAL_V,), V, lambda option: option.value, True
            ),
            _function(
                "hasValue", "optional_hasValue", (_OPTIONAL_V,), BOOL,
                lambda option: option.has_value, True,
            ),
            _function("or", "optional_or_optional", (_OPTIONAL_V, _OPTIONAL_V), _OPTIONAL_V, _or,
                      True),
            _function("orValue", "optional_orValue_value", (_OPTIONAL_V, V), V, _or_value, True),
            _function(
                "optional.unwrap", "optional_unwrap", (list_of(optional_of(T)),), list_of(T),
                _unwrap, False,
            ),
            _function(
                "unwrapOpt", "optional_unwrapOpt", (list_of(optional_of(T)),), list_of(T),
                _unwrap, True,
            ),
        ),
        constants=MappingProxyType({"optional_type": (type_of_type(OPTIONAL), OPTIONAL)}),
        macros=(_macro("optMap", False), _macro("optFlatMap", True)),
        doc="Values that may be absent.",
        source="cel-go cel/library.go, OptionalTypes",
    )  # fmt: skip
