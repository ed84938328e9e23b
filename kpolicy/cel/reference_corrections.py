"""Where cel-python 0.5.0 departs from cel-spec, each mended on its own.

With all of them cel-python is a sound reference; the tests that compare engines use them one by
one, to tell a known fault of cel-python from one of ours. So they are written over cel-python's
values alone and share nothing with kpolicy's runtime; where cel-python is right, it answers itself.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from kpolicy.cel.values import Optional

#: What cel-spec says (doc/langdef.md unless named), by the name of the correction; docs/cel.md has
#: them too.
CORRECTIONS: Mapping[str, str] = {
    "equality-across-types": (
        "values of different types are unequal, numbers compare by value, NaN equals nothing; "
        "cel-python raises 'no such overload' ('Equality')"
    ),
    "order-across-types": (
        "numbers are ordered across int, uint and double, and nothing else is ordered across "
        "types; cel-python refuses the first and orders bool with numbers ('Ordering')"
    ),
    "division-of-doubles": (
        "doubles follow IEEE 754: 0.0/0.0 is NaN and the sign of a zero divisor counts; "
        "cel-python answers inf ('Numeric Values')"
    ),
    "types-of-results": (
        "string + string is a string, duration - duration a duration; cel-python answers plain "
        "Python values that lack the methods and operators of their type ('Standard Definitions')"
    ),
    "conversion-to-string": (
        "string(true) is 'true', string(1.0) is '1', string(bytes) refuses what is not UTF-8; "
        "cel-python answers 'True' and '1.0' ('Standard Definitions'; digits as cel-go)"
    ),
    "conversion-to-number": (
        "a string is converted when it is a decimal number in range, a double when it is in "
        "range; cel-python takes '0x1' and ' 1' and rounds at the limits ('Standard Definitions')"
    ),
    "has-hides-errors": (
        "has(e.f) is an error when e is one, or is no map; cel-python answers false ('Field "
        "Selection')"
    ),
    "errors-in-maps": (
        "a map literal with a failing key or value is an error, and so is a repeated key; "
        "cel-python keeps the error as a value and lets a Python exception through ('Aggregate "
        "Values')"
    ),
    "map-keys": (
        "true and 1 are different keys, 1 and 1u are the same; cel-python's maps cannot hold the "
        "first two together and miss the third ('Maps', 'Equality')"
    ),
    "index-of-lists": (
        "a list index is a number without fraction from 0 to the size; cel-python counts "
        "negative ones from the end and refuses doubles ('Standard Definitions', _[_])"
    ),
    "range-of-macros": (
        "a macro goes over a list or the keys of a map; cel-python goes over the characters of a "
        "string, too ('Macros')"
    ),
    "errors-in-macros": (
        "an error in map, filter or exists_one is an error value that && and || may absorb; "
        "cel-python's ends the evaluation ('Logical Operators', 'Macros')"
    ),
}


_MACROS = frozenset(("map", "filter", "all", "exists", "exists_one"))


@lru_cache(maxsize=64)
def corrected_functions(names: frozenset[str]) -> dict[str, Callable[..., Any]]:
    """Return cel-python's functions that the corrections `names` replace."""
    from celpy.evaluation import CELEvalError, base_functions

    made: dict[str, Callable[..., Any]] = {}
    for name, operators in _operators().items():
        if name not in names:
            continue
        for operator, correct in operators.items():
            made[operator] = _passing_errors(
                correct, made.get(operator, base_functions[operator]), CELEvalError
            )
    return made


def _passing_errors(
    correct: Callable[..., Any], theirs: Callable[..., Any], error: Any
) -> Callable[..., Any]:
    """Return `correct` with cel-python's own function first; error operands are the answer."""

    def call(*operands: Any) -> Any:
        for operand in operands:
            if isinstance(operand, error):
                return operand
        return correct(theirs, *operands)

    return call


@lru_cache(maxsize=64)
def corrected_evaluator(names: frozenset[str]) -> Any:
    """Return cel-python's evaluator class with the corrections that are no functions."""
    from celpy import celtypes
    from celpy.evaluation import CELEvalError, Evaluator

    class Corrected(Evaluator):
        def sub_evaluator(self, ast: Any) -> Any:
            return Corrected(ast, activation=self.activation)

        def macro_has_eval(self, exprlist: Any) -> Any:
            if "has-hides-errors" not in names:
                return super().macro_has_eval(exprlist)
            node = exprlist
            while node.data not in ("member_dot", "member_index"):
                node = node.children[-1]
            operand = self.visit(node.children[0])
            if isinstance(operand, CELEvalError):
                return operand
            key = node.children[1]
            field = key.value if node.data == "member_dot" else self.visit(key)
            if isinstance(operand, Optional):
                if not operand.has_value:
                    return celtypes.BoolType(False)
                operand = operand.value
            if not isinstance(operand, Mapping):
                return CELEvalError("has() of what is no map")
            return celtypes.BoolType(field in operand)

        def member_dot_arg(self, tree: Any) -> Any:
            if "range-of-macros" in names and tree.children[1].value in _MACROS:
                ranged = self.visit(tree.children[0])
                if not isinstance(ranged, (list, celtypes.MapType, CELEvalError)):
                    return CELEvalError("a macro goes over a list or a map")
            if "errors-in-macros" not in names:
                return super().member_dot_arg(tree)
            try:
                return super().member_dot_arg(tree)
            except CELEvalError as error:
                return error

        def mapinits(self, tree: Any) -> Any:
            if not names & {"errors-in-maps", "map-keys"}:
                return super().mapinits(tree)
            parts = self.visit_children(tree)
            failed = next((part for part in parts if isinstance(part, CELEvalError)), None)
            if failed is not None:
                return failed
            made: list[tuple[Any, Any]] = []
            for key, value in zip(parts[::2], parts[1::2], strict=True):
                if not isinstance(key, _key_types()):
                    return CELEvalError("unsupported key type")
                if any(_same_key(key, known) for known, _ in made):
                    return CELEvalError("repeated key")
                made.append((key, value))
            if "map-keys" in names:
                return _pair_map_class()(made)
            return celtypes.MapType(made)

    return Corrected


@lru_cache(maxsize=1)
def _pair_map_class() -> Any:
    """Return a map of cel-python's that tells keys apart as CEL does."""
    from celpy.celtypes import MapType

    class PairMap(MapType):
        def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
            super().__init__()
            self.pairs = pairs

        def __getitem__(self, key: Any) -> Any:
            for known, value in self.pairs:
                if _same_key(known, key):
                    return value
            raise KeyError(key)

        def get(self, key: Any, default: Any = None) -> Any:
            return self[key]

        def __contains__(self, key: object) -> bool:
            return any(_same_key(known, key) for known, _ in self.pairs)

        def __iter__(self) -> Any:
            return iter([key for key, _ in self.pairs])

        def __len__(self) -> int:
            return len(self.pairs)

        def keys(self) -> Any:
            return [key for key, _ in self.pairs]

        def items(self) -> Any:
            return list(self.pairs)

    return PairMap


def _key_types() -> tuple[type, ...]:
    from celpy import celtypes

    return (celtypes.IntType, celtypes.UintType, celtypes.BoolType, celtypes.StringType)


def _is_number(value: Any) -> bool:
    from celpy import celtypes

    return isinstance(value, (celtypes.IntType, celtypes.UintType, celtypes.DoubleType))


def _number(value: Any) -> int | float:
    from celpy import celtypes

    return float(value) if isinstance(value, celtypes.DoubleType) else int(value)


def _numbers(left: Any, right: Any) -> tuple[int | float, int | float]:
    """Return two numbers to compare: beside a double, the other becomes one, as in cel-go."""
    a, b = _number(left), _number(right)
    if isinstance(a, float) or isinstance(b, float):
        return float(a), float(b)
    return a, b


def _same_key(left: Any, right: Any) -> bool:
    if _is_number(left) and _is_number(right):
        return _number(left) == _number(right)
    if isinstance(left, str) and isinstance(right, str):
        return str(left) == str(right)
    return type(left) is type(right) and bool(left == right)


def _same(left: Any, right: Any) -> bool:
    """Say whether two of cel-python's values are equal as langdef defines it."""
    from celpy import celtypes

    if _is_number(left) or _is_number(right):
        if not (_is_number(left) and _is_number(right)):
            return False
        a, b = _numbers(left, right)
        return a == b
    if isinstance(left, celtypes.MapType) or isinstance(right, celtypes.MapType):
        if not (isinstance(left, celtypes.MapType) and isinstance(right, celtypes.MapType)):
            return False
        return len(left) == len(right) and all(
            any(_same_key(key, other) and _same(value, right[other]) for other in right)
            for key, value in left.items()
        )
    if isinstance(left, list) or isinstance(right, list):
        if not (isinstance(left, list) and isinstance(right, list)):
            return False
        return len(left) == len(right) and all(map(_same, left, right))
    if left is None or right is None:
        return left is right
    for kind in (celtypes.BoolType, str, bytes):
        if isinstance(left, kind) or isinstance(right, kind):
            return isinstance(left, kind) and isinstance(right, kind) and bool(left == right)
    return type(left) is type(right) and bool(left == right)


def _fail(message: str) -> Any:
    from celpy.evaluation import CELEvalError

    return CELEvalError(message)


def _truth(value: bool) -> Any:
    from celpy.celtypes import BoolType

    return BoolType(value)


def _contains(theirs: Callable[..., Any], item: Any, container: Any) -> Any:
    from celpy import celtypes

    if isinstance(container, celtypes.MapType):
        return _truth(any(_same_key(item, key) for key in container))
    if isinstance(container, list):
        return _truth(any(_same(item, element) for element in container))
    return _fail("no such overload: in")


def _ordered(theirs: Callable[..., Any], left: Any, right: Any) -> Any:
    from celpy import celtypes

    if isinstance(left, (bytes, str)) or not (_is_number(left) or _is_number(right)):
        kinds = (celtypes.BoolType, str, bytes, celtypes.TimestampType, celtypes.DurationType)
        if not any(isinstance(left, k) and isinstance(right, k) for k in kinds):
            return _fail("no such overload: these are not ordered")
        return theirs(left, right)
    if not (_is_number(left) and _is_number(right)):
        return _fail("no such overload: these are not ordered")
    a, b = _numbers(left, right)
    if a != a or b != b:
        return _fail("NaN values cannot be ordered")
    if type(left) is type(right):
        return theirs(left, right)
    sign = (a > b) - (a < b)
    return theirs(celtypes.IntType(sign), celtypes.IntType(0))


def _divided(theirs: Callable[..., Any], left: Any, right: Any) -> Any:
    from celpy.celtypes import DoubleType

    if not (isinstance(left, DoubleType) and isinstance(right, DoubleType)):
        return theirs(left, right)
    a, b = float(left), float(right)
    if b != 0:
        return DoubleType(a / b)
    if a == 0 or a != a:
        return DoubleType(math.nan)
    return DoubleType(math.copysign(math.inf, a) * math.copysign(1, b))


def _typed(theirs: Callable[..., Any], *operands: Any) -> Any:
    from celpy import celtypes

    made = theirs(*operands)
    for kind in _TYPES:
        if isinstance(made, kind):
            return getattr(celtypes, _TYPES[kind])(made)
    return made


_TYPES = {
    str: "StringType",
    bytes: "BytesType",
    list: "ListType",
    float: "DoubleType",
    datetime.timedelta: "DurationType",
}


def _as_string(theirs: Callable[..., Any], value: Any) -> Any:
    from celpy import celtypes

    if isinstance(value, celtypes.BoolType):
        return celtypes.StringType("true" if value else "false")
    if isinstance(value, celtypes.DoubleType):
        return celtypes.StringType(_shortest(float(value)))
    if isinstance(value, bytes):
        try:
            return celtypes.StringType(bytes(value).decode("utf-8"))
        except UnicodeDecodeError:
            return _fail("invalid UTF-8")
    return theirs(value)


def _shortest(value: float) -> str:
    """Return a double as Go prints it (`%g`, shortest): what cel-go's string(double) does."""
    if not math.isfinite(value):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) + int(exponent) - 1
    if -4 <= power < 6:
        return format(Decimal(repr(value)).normalize(), "f")
    text = "".join(map(str, digits))
    mantissa = text[0] + ("." + text[1:] if len(text) > 1 else "")
    return f"{'-' if sign else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _as_integer(low: int, high: int, signed: bool) -> Callable[..., Any]:
    def convert(theirs: Callable[..., Any], value: Any) -> Any:
        from celpy.celtypes import DoubleType, IntType, UintType

        if isinstance(value, str):
            shape = r"[+-]?[0-9]+" if signed else r"[0-9]+"
            if not re.fullmatch(shape, value, re.ASCII) or not low <= int(value) <= high:
                return _fail("type conversion error")
        elif isinstance(value, DoubleType):
            # cel-go leaves out both limits, which are no exact doubles of their type.
            inside = low < float(value) < high if signed else 0 <= float(value) < high
            if not inside:
                return _fail("range error")
            made = int(float(value))
            return IntType(made) if signed else UintType(made)
        return theirs(value)

    return convert


def _as_double(theirs: Callable[..., Any], value: Any) -> Any:
    if isinstance(value, str) and (value != value.strip() or "_" in value):
        return _fail("type conversion error")
    return theirs(value)


def _indexed(theirs: Callable[..., Any], container: Any, key: Any) -> Any:
    from celpy import celtypes

    if not isinstance(container, list):
        return theirs(container, key)
    if not _is_number(key) or _number(key) != _number(key) or _number(key) % 1 != 0:
        return _fail("invalid list index")
    position = int(_number(key))
    if not 0 <= position < len(container):
        return _fail("index out of bounds")
    return theirs(container, celtypes.IntType(position))


def _looked_up(theirs: Callable[..., Any], container: Any, key: Any) -> Any:
    from celpy.celtypes import MapType

    if not isinstance(container, MapType):
        return theirs(container, key)
    for known in container:
        if _same_key(known, key):
            return container[known]
    return _fail("no such key")


@lru_cache(maxsize=1)
def _operators() -> Mapping[str, Mapping[str, Callable[..., Any]]]:
    """Return each correction's functions: cel-python's own first, then the operands."""
    ordering = dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _ordered)
    return {
        "equality-across-types": {
            "_==_": lambda theirs, a, b: _truth(_same(a, b)),
            "_!=_": lambda theirs, a, b: _truth(not _same(a, b)),
            "_in_": _contains,
        },
        "order-across-types": ordering,
        "division-of-doubles": {"_/_": _divided},
        "types-of-results": dict.fromkeys(("_+_", "_-_", "_*_", "-_"), _typed),
        "conversion-to-string": {"string": _as_string},
        "conversion-to-number": {
            "double": _as_double,
            "int": _as_integer(-(2**63), 2**63, signed=True),
            "uint": _as_integer(0, 2**64, signed=False),
        },
        "map-keys": {"_[_]": _looked_up},
        "index-of-lists": {"_[_]": _indexed},
    }


def names_of(wanted: Iterable[str] | None) -> frozenset[str]:
    """Return the corrections asked for; None = all. Raises KeyError for an unknown name."""
    names = frozenset(CORRECTIONS if wanted is None else wanted)
    for name in names:
        CORRECTIONS[name]
    return names
