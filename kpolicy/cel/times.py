"""Timestamps and durations: nanoseconds as ints, and the calendar that they need.

Sources: proto3 Timestamp (range), Go's time.Duration (range), cel-spec doc/langdef.md.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kpolicy.cel.errors import CelError

NANOS: Final = 1_000_000_000
#: 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z in nanoseconds of Unix time.
TIMESTAMP_MIN = -62_135_596_800 * NANOS
TIMESTAMP_MAX = 253_402_300_800 * NANOS - 1


class _Instant:
    """What a timestamp and a duration share: one number of nanoseconds, ordered and hashable."""

    __slots__ = ("nanoseconds",)
    nanoseconds: int
    _bounds: ClassVar[tuple[int, int]]
    _what: ClassVar[str]

    def __init__(self, nanoseconds: int) -> None:
        low, high = self._bounds
        if not low <= nanoseconds <= high:
            raise CelError(f"{self._what} out of range")
        object.__setattr__(self, "nanoseconds", nanoseconds)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    @property
    def seconds(self) -> int:
        """The whole seconds as protobuf counts them.

        Floored for timestamps, truncated for durations.
        """
        return self.nanoseconds // NANOS

    @property
    def nanos(self) -> int:
        """The nanoseconds beside `seconds`."""
        return self.nanoseconds - self.seconds * NANOS

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.nanoseconds == other.nanoseconds

    def __lt__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.nanoseconds < other.nanoseconds

    def __le__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.nanoseconds <= other.nanoseconds

    def __gt__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.nanoseconds > other.nanoseconds

    def __ge__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.nanoseconds >= other.nanoseconds

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.nanoseconds))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.nanoseconds,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class Timestamp(_Instant):
    """A point in time with nanoseconds (`nanoseconds` since 1970-01-01T00:00:00Z).

    `str()` is RFC 3339 in UTC.
    """

    __slots__ = ()
    _bounds = (TIMESTAMP_MIN, TIMESTAMP_MAX)
    _what = "timestamp"

    def __str__(self) -> str:
        days, rest = divmod(self.seconds, 86_400)
        year, month, day = civil(days)
        hour, rest = divmod(rest, 3600)
        minute, second = divmod(rest, 60)
        text = f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"
        nanos = self.nanos
        return text + (f".{nanos:09d}".rstrip("0") if nanos else "") + "Z"


class Duration(_Instant):
    """A span of time in nanoseconds, within 64 bits as in Go (about 292 years).

    `str()` is seconds, `90.5s`.
    """

    __slots__ = ()
    _bounds = (-(2**63), 2**63 - 1)
    _what = "duration"

    @property
    def seconds(self) -> int:
        """The whole seconds, truncated toward zero."""
        return _truncate(self.nanoseconds, NANOS)

    def __str__(self) -> str:
        whole, nanos = divmod(abs(self.nanoseconds), NANOS)
        fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
        return f"{'-' if self.nanoseconds < 0 else ''}{whole}{fraction}s"


def _truncate(numerator: int, denominator: int) -> int:
    """Return the quotient rounded toward zero."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def civil(days: int) -> tuple[int, int, int]:
    """Return (year, month, day) of a day counted from 1970-01-01, Gregorian throughout."""
    # datetime.date covers exactly the years 1 to 9999; a time zone may step just outside.
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    index = (5 * day_of_year + 2) // 153
    month = index + 3 if index < 10 else index - 9
    return (
        year_of_era + era * 400 + (month <= 2),
        month,
        day_of_year - (153 * index + 2) // 5 + 1,
    )


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the day counted from 1970-01-01 of a date in the proleptic Gregorian calendar."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468
