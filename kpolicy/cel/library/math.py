"""The math library: greatest and least, rounding, signs, roots, and operations on bits.

Source: cel-go `ext/math.go` (version 2 of the library) and cel-spec
`tests/simple/testdata/math_ext.textproto`. The API server does not enable it up to 1.37; it is here
because policies that run in the gate alone may use it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from kpolicy.cel.declarations import Function, Library, Macro, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.nodes import Call, Constant, Identifier, ListNode, MapNode, Node, StructNode
from kpolicy.cel.types import BOOL, DOUBLE, DYN, INT, UINT, Type, list_of
from kpolicy.cel.values import INT_MIN, UINT_MAX, UInt, compare, is_number

_SIGN_BIT: Final = 1 << 63


def _identity(value: Any) -> Any:
    return value


def least(left: Any, right: Any) -> Any:
    """Return the smaller of two numbers; the first when they are equal."""
    return right if compare(left, right) > 0 else left


def greatest(left: Any, right: Any) -> Any:
    """Return the greater of two numbers; the first when they are equal."""
    return right if compare(left, right) < 0 else left


def least_of(numbers: Sequence[Any]) -> Any:
    """Return the smallest number of a list that is not empty."""
    return _best("math.@min", numbers, least)


def greatest_of(numbers: Sequence[Any]) -> Any:
    """Return the greatest number of a list that is not empty."""
    return _best("math.@max", numbers, greatest)


def _best(function: str, numbers: Sequence[Any], better: Any) -> Any:
    if not numbers:
        raise CelError(f"{function}(list) argument must not be empty")
    found = numbers[0]
    for number in numbers:
        if not is_number(number):
            raise CelError(f"no such overload: {function}")
        found = better(found, number)
    return found


def ceil(value: float) -> float:
    """Return the smallest whole number that is not below `value`."""
    result = float(math.ceil(value)) if math.isfinite(value) else value
    return math.copysign(result, value) if result == 0 else result


def floor(value: float) -> float:
    """Return the greatest whole number that is not above `value`."""
    result = float(math.floor(value)) if math.isfinite(value) else value
    return math.copysign(result, value) if result == 0 else result


def trunc(value: float) -> float:
    """Return `value` without its fraction."""
    result = float(math.trunc(value)) if math.isfinite(value) else value
    return math.copysign(result, value) if result == 0 else result


def round_half_away(value: float) -> float:
    """Return the nearest whole number, halves away from zero."""
    whole = trunc(value)
    if math.isfinite(value) and abs(value - whole) >= 0.5:
        whole += math.copysign(1.0, value)
    return whole


def is_finite(value: float) -> bool:
    """Say whether `value` is neither infinite nor NaN."""
    return math.isfinite(value)


def absolute_int(value: int) -> int:
    """Return the absolute value; the smallest int has none."""
    if value == INT_MIN:
        raise CelError("integer overflow")
    return abs(value)


def sign_double(value: float) -> float:
    """Return -1.0, 0.0 or 1.0, or NaN for NaN."""
    if value != value:
        return value
    return 1.0 if value > 0 else -1.0 if value < 0 else 0.0


def sign_int(value: int) -> int:
    """Return -1, 0 or 1."""
    return (value > 0) - (value < 0)


def sign_uint(value: int) -> UInt:
    """Return 0u or 1u."""
    return UInt(value > 0)


def square_root(value: float) -> float:
    """Return the square root, NaN for a negative number."""
    number = float(value)
    return math.nan if number < 0 else math.sqrt(number)


def _signed(value: int) -> int:
    """Return the 64 low bits of `value` as a two's complement int."""
    value &= UINT_MAX
    return value - (1 << 64) if value & _SIGN_BIT else value


def _check_offset(function: str, bits: int) -> None:
    if bits < 0:
        raise CelError(f"{function}() negative offset: {bits}")


def shift_left_int(value: int, bits: int) -> int:
    """Return `value` shifted left; bits that leave the 64 are lost."""
    _check_offset("math.bitShiftLeft", bits)
    return _signed(value << bits) if bits < 64 else 0


def shift_left_uint(value: int, bits: int) -> UInt:
    """Return `value` shifted left; bits that leave the 64 are lost."""
    _check_offset("math.bitShiftLeft", bits)
    return UInt((value << bits) & UINT_MAX if bits < 64 else 0)


def shift_right_int(value: int, bits: int) -> int:
    """Return `value` shifted right with zeros from the left, also for a negative one."""
    _check_offset("math.bitShiftRight", bits)
    return _signed((value & UINT_MAX) >> bits) if bits < 64 else 0


def shift_right_uint(value: int, bits: int) -> UInt:
    """Return `value` shifted right."""
    _check_offset("math.bitShiftRight", bits)
    return UInt(value >> bits if bits < 64 else 0)


def _may_be_number(node: Node) -> bool:
    if isinstance(node, Constant):
        return is_number(node.value)
    return not isinstance(node, (ListNode, MapNode, StructNode))


def _extreme(macro: str, function: str) -> Macro:
    """Return the macro of `math.least` or `math.greatest`: any number of numbers, or one list."""
    name = f"math.{macro}()"

    def expand(
        expander: Any, offset: int, target: Node | None, args: Sequence[Node]
    ) -> Node | None:
        if not (isinstance(target, Identifier) and target.name in ("math", ".math")):
            return None
        if not args:
            raise expander.error(offset, f"{name} requires at least one argument")
        if len(args) == 1:
            only = args[0]
            if isinstance(only, ListNode):
                fits = bool(only.elements) and all(map(_may_be_number, only.elements))
            else:
                fits = _may_be_number(only)
            if not fits:
                raise expander.error(only.offset, f"{name} invalid single argument value")
            return Call(offset, function, None, [only])
        for arg in args:
            if not _may_be_number(arg):
                raise expander.error(arg.offset, f"{name} simple literal arguments must be numeric")
        if len(args) == 2:
            return Call(offset, function, None, list(args))
        return Call(offset, function, None, [ListNode(offset, list(args))])

    return Macro(macro, None, True, expand)


_NUMBERS: Final = (("double", DOUBLE), ("int", INT), ("uint", UINT))


def _extreme_overloads(function: str, pair: Any, of_list: Any) -> tuple[Overload, ...]:
    prefix = function.replace(".", "_")
    single = [Overload(f"{prefix}_{n}", (t,), t, _identity) for n, t in _NUMBERS]
    pairs = [
        Overload(f"{prefix}_{n}_{m}", (t, u), t if t is u else DYN, pair)
        for n, t in _NUMBERS
        for m, u in _NUMBERS
    ]
    lists = [
        Overload(f"{prefix}_list_{n}", (list_of(t),), t, of_list, cost="size") for n, t in _NUMBERS
    ]
    return (*single, *pairs, *lists)


def _unary(name: str, result: Type, implementation: Any, doc: str) -> Function:
    overload = Overload(f"math_{name}_double", (DOUBLE,), result, implementation)
    return Function(f"math.{name}", (overload,), doc=doc)


def _bits(name: str, on_int: Any, on_uint: Any, doc: str) -> Function:
    return Function(
        f"math.{name}",
        (
            Overload(f"math_{name}_int_int", (INT, INT), INT, on_int),
            Overload(f"math_{name}_uint_uint", (UINT, UINT), UINT, on_uint),
        ),
        doc=doc,
    )


def _shift(name: str, on_int: Any, on_uint: Any, doc: str) -> Function:
    return Function(
        f"math.{name}",
        (
            Overload(f"math_{name}_int_int", (INT, INT), INT, on_int),
            Overload(f"math_{name}_uint_int", (UINT, INT), UINT, on_uint),
        ),
        doc=doc,
    )


LIBRARY: Final = Library(
    name="cel.lib.ext.math",
    doc="Greatest and least (`math.greatest(1, 2)`), rounding, signs, roots, and bits.",
    source="cel-go ext/math.go, version 2",
    macros=(_extreme("least", "math.@min"), _extreme("greatest", "math.@max")),
    functions=(
        Function("math.@min", _extreme_overloads("math.@min", least, least_of),
                 doc="what `math.least(...)` becomes: the smallest number"),
        Function("math.@max", _extreme_overloads("math.@max", greatest, greatest_of),
                 doc="what `math.greatest(...)` becomes: the greatest number"),
        _unary("ceil", DOUBLE, ceil, "the next whole number upwards"),
        _unary("floor", DOUBLE, floor, "the next whole number downwards"),
        _unary("round", DOUBLE, round_half_away, "the nearest whole number, halves away from zero"),
        _unary("trunc", DOUBLE, trunc, "the number without its fraction"),
        _unary("isInf", BOOL, math.isinf, "whether a double is infinite"),
        _unary("isNaN", BOOL, math.isnan, "whether a double is not a number"),
        _unary("isFinite", BOOL, is_finite, "whether a double is neither infinite nor NaN"),
        Function(
            "math.abs",
            (
                Overload("math_abs_double", (DOUBLE,), DOUBLE, abs),
                Overload("math_abs_int", (INT,), INT, absolute_int),
                Overload("math_abs_uint", (UINT,), UINT, _identity),
            ),
            doc="the absolute value",
        ),
        Function(
            "math.sign",
            (
                Overload("math_sign_double", (DOUBLE,), DOUBLE, sign_double),
                Overload("math_sign_int", (INT,), INT, sign_int),
                Overload("math_sign_uint", (UINT,), UINT, sign_uint),
            ),
            doc="-1, 0 or 1 in the number's own type",
        ),
        Function(
            "math.sqrt",
            (
                Overload("math_sqrt_double", (DOUBLE,), DOUBLE, square_root),
                Overload("math_sqrt_int", (INT,), DOUBLE, square_root),
                Overload("math_sqrt_uint", (UINT,), DOUBLE, square_root),
            ),
            doc="the square root; NaN for a negative number",
        ),
        _bits("bitAnd", lambda a, b: a & b, lambda a, b: UInt(a & b), "bits set in both"),
        _bits("bitOr", lambda a, b: a | b, lambda a, b: UInt(a | b), "bits set in either"),
        _bits("bitXor", lambda a, b: a ^ b, lambda a, b: UInt(a ^ b), "bits set in one of both"),
        Function(
            "math.bitNot",
            (
                Overload("math_bitNot_int_int", (INT,), INT, lambda value: ~value),
                Overload("math_bitNot_uint_uint", (UINT,), UINT, lambda v: UInt(UINT_MAX ^ v)),
            ),
            doc="all bits inverted",
        ),
        _shift("bitShiftLeft", shift_left_int, shift_left_uint, "bits moved to the left"),
        _shift("bitShiftRight", shift_right_int, shift_right_uint,
               "bits moved to the right, zeros moving in"),
    ),
)  # fmt: skip
