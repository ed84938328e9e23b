"""Conversions and the parts of time: what Go's strconv and time packages take, and no more."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpolicy import cel
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.standard import (
    FUNCTIONS,
    format_double,
    parse_duration,
    parse_timestamp,
    to_bool,
    to_double,
    to_int,
    to_string,
    to_uint,
)  # fmt: skip
from kpolicy.cel.values import NANOS, Timestamp, UInt


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0), ("1s", NANOS), ("-1.5s", -1_500_000_000), ("+5m", 300 * NANOS),
        (".5s", 500_000_000),
        ("1h2m3s4ms5us6ns", 3_723_004_005_006), ("1.s", NANOS), ("1µs", 1000), ("1μs", 1000),
        ("0.000000001s", 1), ("2562047h47m16.854775807s", 2**63 - 1),
    ],
)  # fmt: skip
def test_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration(text).nanoseconds == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "1", "s", "1d", "1e3s", "1h-5m", " 1s", "1s ", "--1s", ".s", "1nns", "١s", "1S"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(CelError, match="is no duration"):
        parse_duration(text)


def test_a_duration_out_of_range() -> None:
    with pytest.raises(CelError, match="out of range"):
        parse_duration("2562047h47m16.854775808s")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2024-02-29T12:30:45Z", "2024-02-29T12:30:45Z"),
        ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00Z"),
        ("2024-01-01T00:00:00.5-00:30", "2024-01-01T00:30:00.5Z"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"),
        ("2024-01-01T00:00:00.1234567899Z", "2024-01-01T00:00:00.123456789Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_timestamps(text: str, canonical: str) -> None:
    assert str(parse_timestamp(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01t00:00:00Z", "2024-01-01 00:00:00Z",
        "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-00-01T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-01-00T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00+25:00", "2024-01-01T00:00:00+01:60", "2024-01-01T00:00:00ZZ",
        "12024-01-01T00:00:00Z", "２024-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_timestamp(text: str) -> None:
    with pytest.raises(CelError, match="is no timestamp"):
        parse_timestamp(text)


@pytest.mark.parametrize("text", ["0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01"])
def test_a_timestamp_out_of_range(text: str) -> None:
    with pytest.raises(CelError):
        parse_timestamp(text)


ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]
GETTERS = {
    "getFullYear": lambda t: t.year, "getMonth": lambda t: t.month - 1, "getDate": lambda t: t.day,
    "getDayOfMonth": lambda t: t.day - 1, "getDayOfWeek": lambda t: t.isoweekday() % 7,
    "getDayOfYear": lambda t: t.timetuple().tm_yday - 1, "getHours": lambda t: t.hour,
    "getMinutes": lambda t: t.minute, "getSeconds": lambda t: t.second,
    "getMilliseconds": lambda t: t.microsecond // 1000,
}  # fmt: skip


@given(
    st.integers(-62_000_000_000, 253_000_000_000), st.integers(0, NANOS - 1), st.sampled_from(ZONES)
)
def test_the_parts_of_a_timestamp_are_pythons(seconds: int, nanos: int, zone: str) -> None:
    there = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        seconds=seconds, microseconds=nanos // 1000
    )
    local = there.astimezone(ZoneInfo(zone))
    moment = Timestamp(seconds * NANOS + nanos)
    for name, expected in GETTERS.items():
        assert FUNCTIONS[name, 2](moment, zone) == expected(local), name
        assert FUNCTIONS[name, 1](moment) == expected(there), name


@pytest.mark.parametrize(
    ("zone", "hour"), [("+02:00", 14), ("-09:30", 2), ("02:00", 14), ("-0:30", 11), ("", 12)]
)
def test_offsets_as_zones(zone: str, hour: int) -> None:
    assert FUNCTIONS["getHours", 2](parse_timestamp("2024-01-01T12:00:00Z"), zone) == hour


@pytest.mark.parametrize(
    "zone", ["+2", "+02:60", "24:00", "Nowhere", "../etc/passwd", "a\0b", "+0200"]
)
def test_unknown_zones(zone: str) -> None:
    with pytest.raises(CelError, match="time zone"):
        FUNCTIONS["getHours", 2](Timestamp(0), zone)


def test_the_ends_of_time_have_local_parts() -> None:
    assert FUNCTIONS["getFullYear", 2](parse_timestamp("0001-01-01T00:00:00Z"), "-01:00") == 0
    assert FUNCTIONS["getFullYear", 2](parse_timestamp("9999-12-31T23:59:59Z"), "+01:00") == 10_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (0.1, "0.1"), (123456.0, "123456"),
        (1234567.0, "1.234567e+06"),
        (1e6, "1e+06"), (1e21, "1e+21"), (0.0001, "0.0001"), (0.00001, "1e-05"),
        (-4.5e-3, "-0.0045"),
        (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"), (math.inf, "+Inf"),
        (-math.inf, "-Inf"), (math.nan, "NaN"), (100.5, "100.5"),
    ],
)  # fmt: skip
def test_doubles_as_text(value: float, text: str) -> None:
    assert format_double(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_double_reads_back(value: float) -> None:
    assert float(format_double(value)) == value


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (to_int, "+5", 5), (to_int, "-007", -7), (to_int, 1.9, 1), (to_int, UInt(5), 5),
        (to_int, -9.2e18, -9200000000000000000), (to_uint, "5", UInt(5)), (to_uint, 1.9, UInt(1)),
        (to_double, "1e3", 1000.0), (to_double, "-Inf", -math.inf), (to_double, ".5", 0.5),
        (to_double, "1.", 1.0), (to_bool, "t", True), (to_bool, "False", False),
        (to_string, UInt(5), "5"), (to_string, True, "true"), (to_string, b"\xc3\xbf", "ÿ"),
    ],
)  # fmt: skip
def test_conversions(convert: Any, value: Any, expected: Any) -> None:
    made = convert(value)
    assert (type(made), made) == (type(expected), expected)


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        (to_int, "1_0"), (to_int, " 1"), (to_int, "0x10"), (to_int, "1.0"), (to_int, "٣"),
        (to_int, ""),
        (to_int, math.nan), (to_int, math.inf), (to_int, 9.3e18), (to_int, 2.0**63),
        (to_int, -(2.0**63)),
        (to_int, "9223372036854775808"), (to_int, True), (to_int, None), (to_int, []),
        (to_uint, "-1"), (to_uint, "+1"), (to_uint, -1), (to_uint, -0.5), (to_uint, 2.0**64),
        (to_uint, math.nan), (to_double, "1_0"), (to_double, "0x1p3_"), (to_double, "1e999"),
        (to_double, True), (to_double, ""), (to_bool, "tRuE"), (to_bool, "yes"), (to_bool, 1),
        (to_string, None), (to_string, []), (to_string, b"\xff"),
    ],
)  # fmt: skip
def test_refused_conversions(convert: Any, value: Any) -> None:
    with pytest.raises(CelError):
        convert(value)


def test_regular_expressions_are_re2s() -> None:
    assert cel.compile("x.matches('^[a-z]+$')").evaluate({"x": "abc"}) is True
    assert cel.compile("x.matches('(?i)ABC')").evaluate({"x": "xabcx"}) is True
    for pattern in ("(?=a)", "a{1001}", r"\1", "a++"):
        with pytest.raises(CelError, match="invalid regular expression"):
            cel.compile("x.matches(y)").evaluate({"x": "a", "y": pattern})
