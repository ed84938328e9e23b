"""The standard functions: conversions, string tests, and the parts of timestamps and durations.

Source: cel-spec doc/langdef.md ("List of Standard Definitions"); where it leaves room, cel-go's
common/stdlib. Their signatures are in `kpolicy.cel.standard`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final

from kpolicy.cel.errors import CelError
from kpolicy.cel.runtime import size
from kpolicy.cel.values import (
    INT_MAX,
    INT_MIN,
    NANOS,
    UINT_MAX,
    Duration,
    Timestamp,
    UInt,
    civil,
    days_from_civil,
    no_overload,
)

_INTEGER: Final = r"(?a)[+-]?[0-9]{1,40}"
_UNSIGNED: Final = r"(?a)[0-9]{1,40}"
_DOUBLE: Final = r"(?ai)[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)"
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "FALSE", "false", "False"))


def _conversion(value: Any, target: str) -> CelError:
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:57] + "..."
        return CelError(f"type conversion error: {shown!r} is no {target}")
    return CelError(no_overload(target, value))


def to_int(value: Any) -> int:
    """Return `int(value)`; doubles truncate, timestamps give Unix seconds."""
    kind = type(value)
    if kind is int:
        return value  # type: ignore[no-any-return]
    if kind is UInt:
        number = int(value)
    elif kind is float:
        # The bounds themselves are not doubles that round-trip: cel-go excludes them.
        if not -9.223372036854775808e18 < value < 9.223372036854775808e18:
            raise CelError("integer overflow: range error converting a double")
        number = math.trunc(value)
    elif kind is Timestamp:
        number = value.seconds
    elif kind is Duration:
        number = value.nanoseconds
    elif isinstance(value, str) and re.fullmatch(_INTEGER, value):
        number = int(value)
    else:
        raise _conversion(value, "int")
    if not INT_MIN <= number <= INT_MAX:
        raise CelError("integer overflow: range error converting to int")
    return number


def to_uint(value: Any) -> UInt:
    """Return `uint(value)`."""
    kind = type(value)
    if kind is UInt:
        return value  # type: ignore[no-any-return]
    if kind is int:
        number = value
    elif kind is float:
        if not 0.0 <= value < 18446744073709551616.0:
            raise CelError("unsigned integer overflow: range error converting a double")
        number = math.trunc(value)
    elif isinstance(value, str) and re.fullmatch(_UNSIGNED, value):
        number = int(value)
    else:
        raise _conversion(value, "uint")
    if not 0 <= number <= UINT_MAX:
        raise CelError("unsigned integer overflow: range error converting to uint")
    return UInt(number)


def to_double(value: Any) -> float:
    """Return `double(value)`."""
    if type(value) is float:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and re.fullmatch(_DOUBLE, value):
        number = float(value)
        if math.isinf(number) and "i" not in value.lower():
            raise CelError(f"type conversion error: the double {value[:60]} is out of range")
        return number
    raise _conversion(value, "double")


def to_bool(value: Any) -> bool:
    """Return `bool(value)`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
    raise _conversion(value, "bool")


def to_bytes(value: Any) -> bytes:
    """Return `bytes(value)`: a string's UTF-8."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise CelError("the string holds a lone surrogate and has no UTF-8 form") from None
    raise _conversion(value, "bytes")


def to_string(value: Any) -> str:
    """Return `string(value)`."""
    if isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return format_double(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None
    if isinstance(value, (Timestamp, Duration)):
        return str(value)
    raise _conversion(value, "string")


def format_double(value: float) -> str:
    """Return a double as Go's `%g` does: fewest digits, an exponent below 1e-4, from 1e+06."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1.0, value) < 0 else "0"
    mantissa, _, exponent_text = f"{value!r}".partition("e")
    digits = mantissa.lstrip("-").replace(".", "").lstrip("0")
    point = len(mantissa.lstrip("-").partition(".")[0])
    whole = mantissa.lstrip("-")
    if whole.startswith("0."):
        point = -(len(whole) - 2 - len(whole[2:].lstrip("0")))
    point += int(exponent_text or "0")
    digits = digits.rstrip("0")
    sign = "-" if value < 0 else ""
    exponent = point - 1
    if exponent < -4 or exponent >= 6:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


# Time

_RFC3339: Final = (
    r"(?a)(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))"
)
_DURATION: Final = r"(?a)[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:h|ms|m|s|us|µs|μs|ns))+)"
_DURATION_PART: Final = r"(?a)(\d*)\.?(\d*)(h|ms|m|s|us|µs|μs|ns)"
_UNITS: Final = {
    "h": 3600 * NANOS, "m": 60 * NANOS, "s": NANOS, "ms": 1_000_000,
    "us": 1000, "µs": 1000, "μs": 1000, "ns": 1,
}  # fmt: skip


def to_timestamp(value: Any) -> Timestamp:
    """Return `timestamp(value)`: of RFC 3339 text or Unix seconds."""
    if type(value) is Timestamp:
        return value
    if type(value) is int:
        return Timestamp(value * NANOS)
    if isinstance(value, str):
        return parse_timestamp(value)
    raise _conversion(value, "timestamp")


def parse_timestamp(text: str) -> Timestamp:
    """Return the timestamp of RFC 3339 text; raises `CelError`."""
    found = re.fullmatch(_RFC3339, text) if len(text) <= 100 else None
    if found is None:
        raise _conversion(text, "timestamp")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, zone_hour, zone_minute = found.groups()[6:]
    offset = 0
    if sign:
        if int(zone_hour) > 24 or int(zone_minute) > 59:
            raise _conversion(text, "timestamp")
        offset = (int(zone_hour) * 60 + int(zone_minute)) * 60 * (-1 if sign == "-" else 1)
    if not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        raise _conversion(text, "timestamp")
    if not 1 <= day <= 31 or civil(days := days_from_civil(year, month, day)) != (year, month, day):
        raise _conversion(text, "timestamp")
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    return Timestamp(seconds * NANOS + int((fraction or "0").ljust(9, "0")[:9]))


def to_duration(value: Any) -> Duration:
    """Return `duration(value)`: of Go's notation (`1h30m`, `-1.5s`) or nanoseconds."""
    if type(value) is Duration:
        return value
    if type(value) is int:
        return Duration(value)
    if isinstance(value, str):
        return parse_duration(value)
    raise _conversion(value, "duration")


def parse_duration(text: str) -> Duration:
    """Return the duration of Go's notation; raises `CelError`."""
    if len(text) > 200 or not re.fullmatch(_DURATION, text):
        raise _conversion(text, "duration")
    total = 0
    for whole, fraction, unit in re.findall(_DURATION_PART, text.lstrip("+-")):
        scale = _UNITS[unit]
        total += int(whole or "0") * scale
        if fraction:
            total += int(fraction) * scale // 10 ** len(fraction)
    return Duration(-total if text.startswith("-") else total)


_OFFSET: Final = r"(?a)([+-]?)(\d{1,2}):(\d\d)"


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name or of an offset such as `-09:30`; raises `CelError`."""
    if ":" in name:
        found = re.fullmatch(_OFFSET, name)
        if not found or int(found[3]) > 59 or int(found[2]) > 23:
            raise CelError(f"invalid time zone offset {name!r}: expected ±HH:MM")
        minutes = int(found[2]) * 60 + int(found[3])
        return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
    if name in ("", "UTC"):
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise CelError(f"unknown time zone {name[:60]!r}") from None


def _local_seconds(moment: Timestamp, zone: str) -> int:
    """Return the seconds of Unix time shifted by the zone's offset at that moment."""
    info = _zone(zone)
    seconds = moment.seconds
    # datetime ends where timestamps end; a day inside, the offset is the same.
    safe = min(max(seconds, -62_135_596_800 + 172_800), 253_402_300_799 - 172_800)
    at = datetime.fromtimestamp(0, UTC) + timedelta(seconds=safe)
    offset = at.astimezone(info).utcoffset() or timedelta()
    return seconds + int(offset.total_seconds())


def _timestamp_part(part: Callable[[int, int], int], name: str) -> Callable[..., int]:
    def get(value: Any, zone: Any = None) -> int:
        if type(value) is not Timestamp or (zone is not None and not isinstance(zone, str)):
            raise CelError(no_overload(name, value, *([] if zone is None else [zone])))
        seconds = value.seconds if zone is None else _local_seconds(value, zone)
        return part(seconds, value.nanos)

    return get


def _clock_part(
    part: Callable[[int, int], int], of_duration: Callable[[int], int], name: str
) -> Callable[..., int]:
    of_timestamp = _timestamp_part(part, name)

    def get(value: Any, zone: Any = None) -> int:
        if type(value) is Duration and zone is None:
            nanoseconds = of_duration(abs(value.nanoseconds))
            return -nanoseconds if value.nanoseconds < 0 else nanoseconds
        return of_timestamp(value, zone)

    return get


def _day_of_year(seconds: int) -> int:
    days = seconds // 86_400
    return days - days_from_civil(civil(days)[0], 1, 1)


# Strings


def _test(name: str, test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def call(value: Any, argument: Any) -> bool:
        if isinstance(value, str) and isinstance(argument, str):
            return test(value, argument)
        raise CelError(no_overload(name, value, argument))

    return call


@lru_cache(maxsize=256)
def pattern(text: str) -> Any:
    """Return the compiled RE2 pattern; raises `CelError` for one that RE2 does not know."""
    import re2

    if "\\C" in text:
        from kpolicy.cel.library.regex import has_byte_escape

        if has_byte_escape(text):
            raise CelError(f"invalid regular expression {text[:60]!r}: \\C is not in Go's RE2")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeError) as error:
        raise CelError(f"invalid regular expression {text[:60]!r}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def matches(value: Any, regex: Any) -> bool:
    """Return `value.matches(regex)`: whether RE2 finds the pattern anywhere."""
    if isinstance(value, str) and isinstance(regex, str):
        return _found(value, regex) if len(value) < _SHORT else _search(value, regex)
    raise CelError(no_overload("matches", value, regex))


#: Names, images and versions recur in a repository; longer texts seldom do.
_SHORT: Final = 200


def _search(value: str, regex: str) -> bool:
    return pattern(regex).search(value.encode("utf-8", "replace")) is not None


_found: Final = lru_cache(maxsize=4096)(_search)


class Found(dict[str, bool]):
    """Whether a constant pattern is found in a text; short texts are remembered."""

    __slots__ = ("compiled",)

    def __init__(self, compiled: Any) -> None:
        super().__init__()
        self.compiled = compiled

    def __missing__(self, text: str) -> bool:
        # On bytes RE2 need not count characters, which takes twice as long as the search itself.
        found = self.compiled.search(text.encode()) is not None
        if len(text) < _SHORT:
            if len(self) >= _KEPT:
                self.clear()
            self[text] = found
        return found

    def __repr__(self) -> str:
        return f"whether {self.compiled.pattern!r} is found, by text"


#: So many answers of a pattern are remembered.
_KEPT: Final = 1_000


#: Implementations by (name, number of arguments with the receiver).
FUNCTIONS: Final[Mapping[tuple[str, int], Callable[..., Any]]] = {
    ("size", 1): size,
    ("int", 1): to_int,
    ("uint", 1): to_uint,
    ("double", 1): to_double,
    ("bool", 1): to_bool,
    ("bytes", 1): to_bytes,
    ("string", 1): to_string,
    ("timestamp", 1): to_timestamp,
    ("duration", 1): to_duration,
    ("dyn", 1): lambda value: value,
    ("matches", 2): matches,
    ("contains", 2): _test("contains", lambda value, part: part in value),
    ("startsWith", 2): _test("startsWith", str.startswith),
    ("endsWith", 2): _test("endsWith", str.endswith),
    **{
        (name, arity): get
        for name, get in {
            "getFullYear": _timestamp_part(lambda s, _: civil(s // 86_400)[0], "getFullYear"),
            "getMonth": _timestamp_part(lambda s, _: civil(s // 86_400)[1] - 1, "getMonth"),
            "getDate": _timestamp_part(lambda s, _: civil(s // 86_400)[2], "getDate"),
            "getDayOfMonth": _timestamp_part(
                lambda s, _: civil(s // 86_400)[2] - 1, "getDayOfMonth"
            ),
            "getDayOfWeek": _timestamp_part(lambda s, _: (s // 86_400 + 4) % 7, "getDayOfWeek"),
            "getDayOfYear": _timestamp_part(lambda s, _: _day_of_year(s), "getDayOfYear"),
            "getHours": _clock_part(
                lambda s, _: s // 3600 % 24, lambda n: n // (3600 * NANOS), "getHours"
            ),
            "getMinutes": _clock_part(
                lambda s, _: s // 60 % 60, lambda n: n // (60 * NANOS), "getMinutes"
            ),
            "getSeconds": _clock_part(lambda s, _: s % 60, lambda n: n // NANOS, "getSeconds"),
            "getMilliseconds": _clock_part(
                lambda _, n: n // 1_000_000, lambda n: n // 1_000_000 % 1000, "getMilliseconds"
            ),
        }.items()
        for arity in (1, 2)
    },
}

#: Which of them are called `x.f()` only, or both ways; all others are called `f(x)`.
MEMBERS: Final = frozenset(name for name, _ in FUNCTIONS if name.startswith("get")) | {
    "contains", "startsWith", "endsWith",
}  # fmt: skip
BOTH: Final = frozenset(("size", "matches"))
