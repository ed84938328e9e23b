"""The quantity library: Kubernetes' resource quantities as values.

Source: `k8s.io/apiserver/pkg/cel/library/quantity.go` (Kubernetes 1.28) over
`k8s.io/apimachinery/pkg/api/resource`. Amounts are exact decimals down to 10^-9. The Go type
keeps an amount either in 64 bits or, when it had to, as a big decimal; `isInteger` and
`asInteger` answer only for the first kind with no decimals, and so they do here
(`quantity("1.0").isInteger()` is false).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.formatting import plain_double
from kpolicy.cel.types import BOOL, DOUBLE, INT, STRING, Type
from kpolicy.cel.values import INT_MAX, INT_MIN

QUANTITY_TYPE: Final = Type("kubernetes.Quantity")

Format = Literal["decimal", "binary", "exponent"]

_DECIMAL: Final = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX: Final = {exponent: suffix for suffix, exponent in _BINARY.items()}

#: Sign, digits, digits behind the point, suffix. Every part may be empty, as Go's scanner has it.
_SCAN: Final = re.compile(r"([+-]?)([0-9]*)(?:(\.)([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_WRONG_FORMAT: Final = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
#: Decimal digits that always fit 64 bits.
_FACTORS: Final = 18
_NANO: Final = -9
#: Digits that an amount may have when it is written out; beyond, only comparison is offered.
_MAX_DIGITS: Final = 4000


class Quantity:
    """An exact amount `unscaled * 10**exponent`, and how it is written.

    `wide` amounts are those that Go keeps as big decimals. `text` is the original text when
    that is canonical.
    """

    __slots__ = ("exponent", "form", "text", "unscaled", "wide")
    cel_type: ClassVar[Type] = QUANTITY_TYPE
    unscaled: int
    exponent: int
    form: Format
    wide: bool
    text: str

    def __init__(
        self, unscaled: int, exponent: int, form: Format, wide: bool = False, text: str = ""
    ) -> None:
        self.unscaled = unscaled
        self.exponent = exponent
        self.form = form
        self.wide = wide
        self.text = text

    @property
    def sign(self) -> int:
        """-1, 0 or 1."""
        return (self.unscaled > 0) - (self.unscaled < 0)

    def compare(self, other: Quantity) -> int:
        """Return -1, 0 or 1."""
        if self.sign != other.sign or not self.sign:
            return (self.sign > other.sign) - (self.sign < other.sign)
        apart = self.exponent - other.exponent
        if apart == 0:
            left, right = self.unscaled, other.unscaled
        else:
            # The number of digits decides between amounts too far apart to be written out.
            size = _digits(self.unscaled) - _digits(other.unscaled) + apart
            if abs(size) > 1:
                return self.sign if size > 0 else -self.sign
            left, right = _aligned(self, other)
        return (left > right) - (left < right)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quantity):
            return NotImplemented
        return self.compare(other) == 0

    def __hash__(self) -> int:
        return hash(_without_zeros(self.unscaled, self.exponent)) if self.unscaled else 0

    def __str__(self) -> str:
        return self.text or canonical(self)

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"


def _digits(number: int) -> int:
    # The logarithm is off by at most one, which the caller allows for by comparing exactly then.
    return int(number.bit_length() * 0.30103) + 1


def _aligned(left: Quantity, right: Quantity) -> tuple[int, int]:
    """Return both amounts as multiples of the finer one's power of ten."""
    apart = left.exponent - right.exponent
    if abs(apart) > 2 * _MAX_DIGITS:
        raise CelError(f"quantities {left} and {right} are too far apart in size")
    if apart >= 0:
        return left.unscaled * 10**apart, right.unscaled
    return left.unscaled, right.unscaled * 10**-apart


def _without_zeros(unscaled: int, exponent: int) -> tuple[int, int]:
    """Return the same amount without trailing zeros; 0 stays as it is."""
    while unscaled and unscaled % 10 == 0:
        unscaled //= 10
        exponent += 1
    return unscaled, exponent


@lru_cache(maxsize=1024)
def parse_quantity(text: str) -> Quantity:
    """Return the quantity that `text` is; raise `CelError` when it is none.

    Manifests ask for the same few amounts again and again.
    """
    if text == "0":
        return Quantity(0, 0, "decimal", text=text)
    if len(text) > _MAX_DIGITS:
        raise CelError(f"a quantity has at most {_MAX_DIGITS} characters")
    match = _SCAN.fullmatch(text)
    if not text or match is None:
        raise CelError(_WRONG_FORMAT)
    negative = match[1] == "-"
    numerator = match[2].lstrip("0")
    decimals = match[4] or ""
    if not numerator and not (match[3] or match[5]):
        return Quantity(0, 0, "decimal", text="")
    numerator = numerator or "0"
    form, base, exponent = _suffix(match[5])
    narrow = _narrow(numerator, decimals, form, exponent)
    if narrow is not None:
        value, scale, is_canonical = narrow
        return Quantity(
            -value if negative else value, scale, form, text=text if is_canonical else ""
        )
    if not match[2] and not decimals:
        raise CelError("unable to parse numeric part of quantity")
    return _wide(numerator, decimals, negative, form, base, exponent)


def _suffix(suffix: str) -> tuple[Format, int, int]:
    """Return format, base and exponent of a suffix."""
    if suffix in _DECIMAL:
        return "decimal", 10, _DECIMAL[suffix]
    if suffix in _BINARY:
        return "binary", 2, _BINARY[suffix]
    digits = suffix[1:].lstrip("+-")
    if (
        suffix[:1] in ("e", "E")
        and digits
        and digits.isdigit()
        and len(suffix) - len(digits) <= 2
        and INT_MIN <= int(suffix[1:]) <= INT_MAX
    ):
        # Go cuts the exponent to 32 bits.
        return "exponent", 10, (int(suffix[1:]) + 2**31) % 2**32 - 2**31
    raise CelError("unable to parse quantity's suffix")


def _narrow(
    numerator: str, decimals: str, form: Format, exponent: int
) -> tuple[int, int, bool] | None:
    """Return value, scale and whether the text is canonical if Go keeps the amount in 64 bits."""
    multiplier, scale = 1, 0
    if form != "binary":
        scale = exponent
        room = _FACTORS - len(numerator) - len(decimals)
    elif decimals:
        return None
    else:
        multiplier = 1 << exponent
        room = 15 - len(numerator) - exponent * 3 // 10 - 1
    scale -= len(decimals)
    if room < 0 or scale < _NANO:
        return None
    shifted = numerator + decimals
    value = int(shifted)
    if not INT_MIN < value * multiplier <= INT_MAX:
        return None
    if form == "binary":
        is_canonical = value & 7 != 0
    else:
        is_canonical = scale % 3 == 0 and not shifted.endswith("000") and shifted[0] != "0"
    return value * multiplier, scale, is_canonical


def _wide(
    numerator: str, decimals: str, negative: bool, form: Format, base: int, exponent: int
) -> Quantity:
    """Return an amount that Go keeps as a big decimal: rounded up to nanos, and capped."""
    unscaled = int(numerator + decimals)
    scale = -len(decimals)
    if base == 10:
        scale += exponent
    else:
        unscaled <<= exponent
    if unscaled:
        if abs(scale) > _MAX_DIGITS:
            raise CelError(
                f"a quantity's exponent must be between -{_MAX_DIGITS} and {_MAX_DIGITS}"
            )
        if scale >= _NANO:
            unscaled *= 10 ** (scale - _NANO)
        else:
            unscaled = -(-unscaled // 10 ** (_NANO - scale))
        scale = _NANO
    if form == "binary":
        if unscaled > INT_MAX * 10**-scale:
            unscaled, scale = INT_MAX, 0
        if 0 < unscaled < 10**-scale:
            form = "decimal"
    return Quantity(-unscaled if negative else unscaled, scale, form, wide=True)


def canonical(quantity: Quantity) -> str:
    """Return the canonical text: the shortest mantissa with a suffix of the quantity's format.

    A decimal amount beyond the suffixes is written with an exponent, where Go leaves the
    suffix out.
    """
    if not quantity.unscaled:
        return "0"
    unscaled, exponent = _without_zeros(quantity.unscaled, quantity.exponent)
    if quantity.form == "binary" and 0 <= exponent <= _MAX_DIGITS:
        whole = unscaled * 10**exponent
        if abs(whole) >= 1024:
            power = 0
            while whole % 1024 == 0 and abs(whole) >= 1024 and power < 60:
                whole //= 1024
                power += 10
            return f"{whole}{_BINARY_SUFFIX.get(power, '')}"
    shift = exponent % 3
    unscaled *= 10**shift
    exponent -= shift
    if quantity.form != "exponent" and exponent in _DECIMAL_SUFFIX:
        return f"{unscaled}{_DECIMAL_SUFFIX[exponent]}"
    return f"{unscaled}e{exponent}" if exponent else str(unscaled)


def add(left: Quantity, right: Quantity) -> Quantity:
    """Return the exact sum, in the format of the first that is not zero."""
    return _added(left, right, right.unscaled)


def subtract(left: Quantity, right: Quantity) -> Quantity:
    """Return the exact difference, in the format of the first that is not zero."""
    return _added(left, right, -right.unscaled)


def _added(left: Quantity, right: Quantity, unscaled: int) -> Quantity:
    form = left.form if left.unscaled else right.form
    wide = left.wide or right.wide
    if not wide:
        if not unscaled:
            return Quantity(left.unscaled, left.exponent, form)
        if not left.unscaled:
            return Quantity(unscaled, right.exponent, form)
    mine, other = _aligned(left, Quantity(unscaled, right.exponent, right.form))
    total = mine + other
    exponent = min(left.exponent, right.exponent)
    if not wide:
        wide = any(not INT_MIN <= number <= INT_MAX for number in (mine, other, total))
    return Quantity(total, exponent, form, wide)


def _of_int(number: int) -> Quantity:
    return Quantity(number, 0, "exponent")


def _int64(quantity: Quantity) -> int | None:
    """Return the amount as an int, or None where Go's `AsInt64` fails."""
    if quantity.wide or quantity.exponent < 0:
        return None
    if quantity.exponent > _FACTORS:
        return None if quantity.unscaled else 0
    value = quantity.unscaled * 10**quantity.exponent
    return value if INT_MIN <= value <= INT_MAX else None


def is_integer(quantity: Quantity) -> bool:
    """Say whether `as_integer` succeeds."""
    return _int64(quantity) is not None


def as_integer(quantity: Quantity) -> int:
    """Return the amount as an int; fail when it has decimals or is too big."""
    value = _int64(quantity)
    if value is None:
        raise CelError("cannot convert value to integer")
    return value


def as_approximate_float(quantity: Quantity) -> float:
    """Return the amount as a double, computed as Go does: mantissa times a power of ten."""
    try:
        base = float(quantity.unscaled)
    except OverflowError:
        base = float("inf") if quantity.unscaled > 0 else float("-inf")
    return base * _power_of_ten(quantity.exponent) if quantity.exponent else base


def _power_of_ten(exponent: int) -> float:
    """Return 10**exponent as Go's `math.Pow10` has it, from a product of two table entries."""
    if 0 <= exponent <= 308:
        return float(f"1e{exponent // 32 * 32}") * float(f"1e{exponent % 32}")
    if -323 <= exponent < 0:
        return float(f"1e-{-exponent // 32 * 32}") / float(f"1e{-exponent % 32}")
    return 0.0 if exponent < 0 else float("inf")


def of_number(number: float) -> Quantity:
    """Return the quantity of a number as it stands in a manifest, such as `cpu: 0.5`.

    In the cluster a policy never meets one: the API server has made it a text by then.
    """
    return parse_quantity(plain_double(number) if isinstance(number, float) else str(number))


def is_quantity(value: str | float) -> bool:
    """Say whether `quantity(value)` succeeds."""
    try:
        _ = parse_quantity(value) if isinstance(value, str) else of_number(value)
    except CelError:
        return False
    return True


def sign(quantity: Quantity) -> int:
    """Return -1, 0 or 1."""
    return quantity.sign


_TWO: Final = (QUANTITY_TYPE, QUANTITY_TYPE)


def _both(
    name: str, identifier: str, result: Type, implementation: Callable[..., Any], doc: str
) -> Function:
    return Function(name, (Overload(identifier, _TWO, result, implementation, True),), doc=doc)


def _of_one(
    name: str, identifier: str, result: Type, implementation: Callable[..., Any], doc: str
) -> Function:
    overload = Overload(identifier, (QUANTITY_TYPE,), result, implementation, True)
    return Function(name, (overload,), doc=doc)


LIBRARY: Final = Library(
    name="kubernetes.quantity",
    doc="Resource quantities.",
    source="k8s.io/apiserver/pkg/cel/library/quantity.go and k8s.io/apimachinery/pkg/api/resource",
    opaque={Quantity: QUANTITY_TYPE},
    functions=(
        Function(
            "quantity",
            (
                Overload("string_to_quantity", (STRING,), QUANTITY_TYPE, parse_quantity,
                         cost="size"),
                Overload("int_to_quantity", (INT,), QUANTITY_TYPE, of_number),
                Overload("double_to_quantity", (DOUBLE,), QUANTITY_TYPE, of_number),
            ),
            doc="the quantity of a text such as 500m or 2Gi, or of a number",
        ),
        Function(
            "isQuantity",
            (
                Overload("is_quantity_string", (STRING,), BOOL, is_quantity, cost="size"),
                Overload("is_quantity_int", (INT,), BOOL, is_quantity),
                Overload("is_quantity_double", (DOUBLE,), BOOL, is_quantity),
            ),
            doc="whether a text or a number is a quantity",
        ),
        Function(
            "sign",
            (
                Overload("quantity_sign", (QUANTITY_TYPE,), INT, sign),
                # Documented as a method, declared as a function: both work here.
                Overload("quantity_sign_member", (QUANTITY_TYPE,), INT, sign, True),
            ),
            doc="-1, 0 or 1",
        ),
        _of_one("isInteger", "quantity_is_integer", BOOL, is_integer,
                "whether asInteger succeeds"),
        _of_one("asInteger", "quantity_get_int", INT, as_integer,
                "the amount as an int; an error when it has decimals or is too big"),
        _of_one("asApproximateFloat", "quantity_get_float", DOUBLE, as_approximate_float,
                "the amount as a double, which may lose digits"),
        Function(
            "add",
            (
                Overload("quantity_add", _TWO, QUANTITY_TYPE, add, True),
                Overload("quantity_add_int", (QUANTITY_TYPE, INT), QUANTITY_TYPE,
                         lambda amount, number: add(amount, _of_int(number)), True),
            ),
            doc="the exact sum with a quantity or an int",
        ),
        Function(
            "sub",
            (
                Overload("quantity_sub", _TWO, QUANTITY_TYPE, subtract, True),
                Overload("quantity_sub_int", (QUANTITY_TYPE, INT), QUANTITY_TYPE,
                         lambda amount, number: subtract(amount, _of_int(number)), True),
            ),
            doc="the exact difference with a quantity or an int",
        ),
        _both("isGreaterThan", "quantity_is_greater_than", BOOL,
              lambda left, right: left.compare(right) > 0, "whether it is more than another"),
        _both("isLessThan", "quantity_is_less_than", BOOL,
              lambda left, right: left.compare(right) < 0, "whether it is less than another"),
        _both("compareTo", "quantity_compare_to", INT,
              lambda left, right: left.compare(right), "-1, 0 or 1"),
    ),
)  # fmt: skip
