"""`<string>.format(<list>)`: printf-like formatting.

Source: cel-spec `doc/extensions/strings.md` and cel-go `ext/formatting_v2.go`: the rules of
version 4 and later of the strings library, without locales. Kubernetes 1.29 to 1.37 still has the
older rules, which differ in `%e` (`1.5e+03` here), infinities (`Infinity`) and values inside
lists and maps (`[a, b]`, `{k: v}`, without quotation marks).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
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
    length = used = 0
    for part in parse_template(template):
        if isinstance(part, str):
            pieces.append(part)
        elif used >= len(arguments):
            raise CelError(f"index {used} out of range")
        else:
            letter, precision = part
            pieces.append(_CLAUSES[letter](arguments[used], precision))
            used += 1
        length += len(pieces[-1])
        check_text("format", length)
    return "".join(pieces)


def literal_problem(template: str, types: Sequence[Type]) -> str:
    """Return what is wrong with a template for arguments of these static types, or ''.

    Source: cel-go's `stringFormatValidator`, which the API server enables.
    """
    try:
        clauses = [part for part in parse_template(template) if not isinstance(part, str)]
    except CelError as error:
        return error.message
    if len(clauses) > len(types):
        return f"index {len(types)} out of range"
    for (letter, _), of in zip(clauses, types, strict=False):
        known = of.name not in ("dyn", "error", "any") and not of.is_parameter
        if known and letter in _ACCEPTED and of.name not in _ACCEPTED[letter]:
            return f"%{letter} takes no {of.name}"
    if len(clauses) < len(types):
        return (
            "too many arguments supplied to string.format "
            f"(expected {len(clauses)}, got {len(types)})"
        )
    return ""


@lru_cache(maxsize=256)
def parse_template(template: str) -> tuple[str | tuple[str, int], ...]:
    """Return the plain texts and the clauses (letter and precision) of a template."""
    parts: list[str | tuple[str, int]] = []
    position = 0
    while (percent := template.find("%", position)) >= 0:
        parts.append(template[position:percent])
        if template.startswith("%", percent + 1):
            parts.append("%")
            position = percent + 2
            continue
        clause, position = _clause(template, percent + 1)
        parts.append(clause)
    parts.append(template[position:])
    return tuple(part for part in parts if part)


def _clause(template: str, position: int) -> tuple[tuple[str, int], int]:
    """Return the clause behind the `%` before `position`, and the place after it."""
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
            problem = f"precision {digits[:20]} exceeds maximum allowed precision {MAX_PRECISION}"
        if problem:
            raise CelError(
                f"could not parse formatting clause: error while parsing precision: {problem}"
            )
        precision = int(digits)
    letter = template[position]
    if letter not in _CLAUSES:
        raise CelError(
            f'could not parse formatting clause: unrecognized formatting clause "{letter}"'
        )
    return (letter, precision), position + 1


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
        from decimal import Decimal

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

_NUMBERS: Final = frozenset(("int", "uint", "double"))
#: The types that a clause takes, by its letter.
_ACCEPTED: Final[Mapping[str, frozenset[str]]] = {
    "s": _NUMBERS
    | {"string", "bool", "bytes", "list", "map", "type", "null_type"}
    | {"google.protobuf.Duration", "google.protobuf.Timestamp"},
    "d": _NUMBERS,
    "f": _NUMBERS,
    "e": _NUMBERS,
    "b": frozenset(("int", "uint", "bool")),
    "o": frozenset(("int", "uint")),
    "x": frozenset(("int", "uint", "string", "bytes")),
    "X": frozenset(("int", "uint", "string", "bytes")),
}
