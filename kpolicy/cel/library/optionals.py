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
from kpolicy.cel.types import BOOL, OPTIONAL, T, V, list_of, optional_of, type_of_type
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


def _function(name: str, overload: Overload, doc: str) -> Function:
    return Function(name, (overload,), doc)


_OPTIONALS: Final = (list_of(optional_of(T)),)


def library() -> Library:
    """Return the declarations of optional values."""
    return Library(
        name="optional",
        functions=(
            _function("optional.of", Overload("optional_of", (V,), _OPTIONAL_V, Optional.of),
                      "an optional that holds the value"),
            _function("optional.ofNonZeroValue",
                      Overload("optional_ofNonZeroValue", (V,), _OPTIONAL_V, _of_non_zero),
                      "an optional that is empty for '', 0, false, null, [] and {}"),
            _function("optional.none", Overload("optional_none", (), _OPTIONAL_V, Optional.none),
                      "the empty optional"),
            _function("value",
                      Overload("optional_value", (_OPTIONAL_V,), V, lambda o: o.value, True),
                      "what the optional holds; an error when it is empty"),
            _function("hasValue",
                      Overload("optional_hasValue", (_OPTIONAL_V,), BOOL,
                               lambda o: o.has_value, True),
                      "whether the optional holds a value"),
            _function("or",
                      Overload("optional_or_optional", (_OPTIONAL_V, _OPTIONAL_V), _OPTIONAL_V,
                               _or, True),
                      "the optional itself, or the other when it is empty"),
            _function("orValue",
                      Overload("optional_orValue_value", (_OPTIONAL_V, V), V, _or_value, True),
                      "what the optional holds, or the other value when it is empty"),
            _function("optional.unwrap",
                      Overload("optional_unwrap", _OPTIONALS, list_of(T), _unwrap, cost="size"),
                      "the values of the optionals that hold one"),
            _function("unwrapOpt",
                      Overload("optional_unwrapOpt", _OPTIONALS, list_of(T), _unwrap, True,
                               cost="size"),
                      "the values of the optionals that hold one"),
        ),
        constants=MappingProxyType({"optional_type": (type_of_type(OPTIONAL), OPTIONAL)}),
        macros=(_macro("optMap", False), _macro("optFlatMap", True)),
        doc="Values that may be absent.",
        source="cel-go cel/library.go, OptionalTypes",
    )  # fmt: skip
