"""`<string>.format(<list>)`: printf-like formatting.

Source: cel-spec `doc/extensions/strings.md` and cel-go `ext/formatting_v2.go`: the rules of
version 4 and later of the strings library, without locales. Kubernetes 1.29 to 1.37 still has the
older rules, which differ in `%e` (`1.5e+03` here), infinities (`Infinity`) and values inside
lists and maps (`[a, b]`, `{k: v}`, without quotation marks).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from kpolicy.cel.errors import CelError
from kpolicy.cel.library.limits import MAX_TEXT, check_text, check_visited
from kpolicy.cel.types import Type
from kpolicy.cel.values import NANOS, Duration, Timestamp, type_of

DEFAULT_PRECISION: Final = 6
#: cel-go's bound since version 5 of its strings library.
MAX_PRECISION: Final = 100


def format_string(template: str, arguments: Sequence[Any]) -> str:
    """Return `template` with each clause replaced by the argument of its position.

    A clause is `%[.precision]` and one of s d f e b o x X; `%%` is a per cent sign. Raises
    `CelError` for an unknown clause, a missing argument and one that does not fit. Arguments
    that no clause uses are ignored.
    """
    pieces: list[str] = []
    length = position = used = 0
    while True:
        percent = template.find("%", position)
        piece = template[position:] if percent < 0 else template[position:percent]
        if percent >= 0 and template.startswith("%", percent + 1):
            piece += "%"
            position = percent + 2
        elif percent >= 0:
            pieces.append(piece)
            length += len(piece)
            piece, position = _clause(template, percent + 1, arguments, used)
            used += 1
        pieces.append(piece)
        length += len(piece)
        check_text("format", length)
        if percent < 0:
            return "".join(pieces)


def _clause(template: str, position: int, arguments: Sequence[Any], index: int) -> tuple[str, int]:
    """Return the text of the clause behind the `%` before `position`, and the place after it."""
    if index >= len(arguments):
        raise CelError(f"index {index} out of range")
    if position >= len(template):
        raise CelError("unexpected end of string")
    precision = DEFAULT_PRECISION
    if template[position] == ".":
        end = position + 1
        while end < len(template) and template[end] in "0123456789":
            end += 1
        digits = template[position + 1 : end]
        position = end
        problem = ""
        if end >= len(template):
            problem = "could not find end of precision specifier"
        elif not digits:
            problem = "a precision needs digits after '.'"
        elif len(digits) > 9 or int(digits) > MAX_PRECISION:
            problem = f"precision {digits} exceeds maximum allowed precision {MAX_PRECISION}"
        if problem:
            raise CelError(
                f"could not parse formatting clause: error while parsing precision: {problem}"
            )
        precision = int(digits)
    clause = template[position]
    formatter = _CLAUSES.get(clause)
    if formatter is None:
        raise CelError(
            f'could not parse formatting clause: unrecognized formatting clause "{clause}"'
        )
    return formatter(arguments[index], precision), position + 1


def _does_not_fit(rule: str, value: Any) -> CelError:
    return CelError(f"error during formatting: {rule}, was given {type_of(value).name}")


def _special(value: float) -> str | None:
    """Return how NaN and the infinities are written in every clause for numbers."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return None


def plain_double(value: float) -> str:
    """Return the shortest decimal text of a double that reads back the same, without exponent."""
    special = _special(value)
    if special is not None:
        return special
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def format_value(value: Any) -> str:
    """Return a value as `%s` writes it.

    Raises `CelError` for what has no text, such as an optional or an IP address.
    """
    if isinstance(value, str):
        return value
    try:
        return _Writer().text(value)
    except RecursionError:
        raise CelError("format: the value is nested too deeply") from None


class _Writer:
    """Writes one value and bounds what it looks at: parts of it may be shared many times over."""

    __slots__ = ("_length", "_seen")

    def __init__(self) -> None:
        self._length = 0
        self._seen = 0

    def text(self, value: Any) -> str:
        """Return the text of a value and all within."""
        if isinstance(value, (list, tuple)):
            self._count(len(value))
            return "[" + ", ".join(map(self.text, value)) + "]"
        if isinstance(value, Mapping):
            self._count(len(value))
            entries = sorted(
                ((self.text(key), self.text(value[key])) for key in value),
                key=lambda entry: entry[0].encode("utf-8", "surrogatepass"),
            )
            return "{" + ", ".join(f"{key}: {item}" for key, item in entries) + "}"
        text = _scalar(value)
        self._length += len(text)
        if self._length > MAX_TEXT:
            check_text("format", self._length)
        return text

    def _count(self, elements: int) -> None:
        self._seen += elements + 1
        check_visited("format", self._seen)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return plain_double(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Duration):
        return plain_double(value.nanoseconds / NANOS) + "s"
    if isinstance(value, Timestamp):
        return str(value)
    if isinstance(value, Type):
        return value.name
    raise _does_not_fit(
        "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, "
        "types, durations, and timestamps",
        value,
    )


def _string(value: Any, _precision: int) -> str:
    return format_value(value)


def _decimal(value: Any, _precision: int) -> str:
    if _is_int(value):
        return int.__repr__(value)
    if isinstance(value, float):
        return plain_double(value)
    raise _does_not_fit("decimal clause can only be used on ints, uints, and doubles", value)


def _floating(letter: str, name: str) -> Callable[[Any, int], str]:
    def clause(value: Any, precision: int) -> str:
        if not _is_int(value) and not isinstance(value, float):
            raise _does_not_fit(
                f"{name} clause can only be used on ints, uints, and doubles", value
            )
        number = float(value)
        return _special(number) or f"{number:.{precision}{letter}}"

    return clause


def _binary(value: Any, _precision: int) -> str:
    if isinstance(value, int):
        return format(value, "b")
    raise _does_not_fit("only ints, uints, and bools can be formatted as binary", value)


def _octal(value: Any, _precision: int) -> str:
    if _is_int(value):
        return format(value, "o")
    raise _does_not_fit("octal clause can only be used on ints and uints", value)


def _hexadecimal(value: Any, _precision: int) -> str:
    if _is_int(value):
        return format(value, "x")
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").hex()
    if isinstance(value, bytes):
        return value.hex()
    raise _does_not_fit("only ints, uints, bytes, and strings can be formatted as hex", value)


_CLAUSES: Final[dict[str, Callable[[Any, int], str]]] = {
    "s": _string,
    "d": _decimal,
    "f": _floating("f", "fixed-point"),
    "e": _floating("e", "scientific"),
    "b": _binary,
    "o": _octal,
    "x": _hexadecimal,
    "X": lambda value, precision: _hexadecimal(value, precision).upper(),
}
