"""Run-time values: equality and order across types, keys, time."""

from __future__ import annotations

import copy
import math
import pickle
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpolicy.cel.errors import BudgetExceeded, CelError
from kpolicy.cel.types import Type
from kpolicy.cel.values import (
    MISSING,
    NANOS,
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    Duration,
    KeyedMap,
    Optional,
    Timestamp,
    UInt,
    civil,
    compare,
    days_from_civil,
    equal,
    lookup,
    make_map,
    show,
    type_of,
)  # fmt: skip
from kpolicy.frozen import freeze


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0), (1, UInt(1)), (UInt(1), 1.0), (0.0, -0.0), ("a", "a"), (b"a", b"a"), (None, None),
        ([1, [2.0]], [1.0, [UInt(2)]]), ({"a": [1]}, {"a": [1.0]}), ([1], (1,)),
        (KeyedMap([(1, "a"), (True, "b")]), KeyedMap([(True, "b"), (UInt(1), "a")])),
        (Timestamp(5), Timestamp(5)), (Optional.none(), Optional.none()),
        (Optional.of([1]), Optional.of([1.0])), (freeze({"a": [1]}), OrderedDict(a=[1])),
    ],
)  # fmt: skip
def test_equal(left: Any, right: Any) -> None:
    assert equal(left, right)
    assert equal(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (True, 1), (False, 0), (True, 1.0), ([True], [1]), ({"a": False}, {"a": 0}), ("a", b"a"),
        ("1", 1), (None, 0), (None, False), (math.nan, math.nan), ([math.nan], [math.nan]),
        ([1], [1, 2]), ({"a": 1}, {"b": 1}), ({}, []), ("", None), (Duration(1), Timestamp(1)),
        (Duration(1), 1), (Optional.none(), None), (Optional.of(1), 1),
        (KeyedMap([(1, 2)]), KeyedMap([(True, 2)])), (Type("int"), "int"),
    ],
)  # fmt: skip
def test_not_equal(left: Any, right: Any) -> None:
    assert not equal(left, right)
    assert not equal(right, left)


def test_equality_of_a_nan_object_inside_the_same_list_is_false() -> None:
    """Python's list equality takes identity for equality; CEL's does not."""
    same = [math.nan]
    assert not equal(same, same)


def test_equality_gives_up_on_a_value_that_is_exponentially_large() -> None:
    value: list[Any] = []
    for _ in range(40):
        value = [value, value]
    other = copy.deepcopy([])
    for _ in range(40):
        other = [other, other]
    with pytest.raises(BudgetExceeded):
        equal(value, other)


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        (1, 2, -1), (2, 1.5, 1), (UInt(3), -1, 1), (1, 1.0, 0), (False, True, -1), ("a", "b", -1),
        ("\U0001f600", "\uffff", 1), (b"a", b"\xff", -1), (Duration(1), Duration(2), -1),
        (Timestamp(2), Timestamp(1), 1), (2**63 - 1, 9223372036854775808.0, 0),
    ],
)  # fmt: skip
def test_order(left: Any, right: Any, order: int) -> None:
    assert compare(left, right) == order
    assert compare(right, left) == -order


@pytest.mark.parametrize(
    ("left", "right"),
    [(True, 1), ("a", b"a"), (1, "1"), ([1], [2]), (None, None), (Duration(1), 1), ({}, {})],
)
def test_no_order(left: Any, right: Any) -> None:
    with pytest.raises(CelError, match="no such overload"):
        compare(left, right)


def test_nan_is_not_ordered() -> None:
    with pytest.raises(CelError, match="NaN"):
        compare(math.nan, 1)


def test_maps_made_in_cel_keep_true_and_one_apart() -> None:
    made = make_map([(True, "bool"), (1, "int"), ("1", "text")])
    assert [lookup(made, key) for key in (True, 1, UInt(1), 1.0, "1")] == [
        "bool", "int", "int", "int", "text",
    ]  # fmt: skip
    assert lookup(made, False) is MISSING
    assert lookup(made, 1.5) is MISSING
    assert list(made) == [True, 1, "1"]
    assert type(next(iter(made))) is bool


def test_plain_dicts_keep_true_and_one_apart_in_lookups() -> None:
    assert lookup({True: "x"}, 1) is MISSING
    assert lookup({1: "x"}, True) is MISSING
    assert lookup({1: "x"}, UInt(1)) == "x"
    assert lookup({0: "x"}, -0.0) == "x"
    assert lookup({"a": 1}, math.nan) is MISSING
    assert lookup({"a": 1}, b"a") is MISSING


@pytest.mark.parametrize("key", [1.0, None, b"a", [1]])
def test_other_keys_are_errors(key: Any) -> None:
    with pytest.raises(CelError, match="unsupported key type"):
        make_map([(key, 1)])


@pytest.mark.parametrize("pair", [("a", "a"), (1, UInt(1)), (True, True)])
def test_repeated_keys_are_errors(pair: tuple[Any, Any]) -> None:
    with pytest.raises(CelError, match="duplicate key"):
        make_map([(key, 1) for key in pair])


def test_maps_of_string_keys_are_plain_dicts() -> None:
    assert type(make_map([("a", 1)])) is dict


@given(st.integers(-2_000_000, 3_000_000))
def test_calendar_days_round_trip(day: int) -> None:
    assert days_from_civil(*civil(day)) == day


def test_calendar_agrees_with_python() -> None:
    from datetime import date, timedelta

    for day in range(-719_162, 2_932_896, 9_973):
        there = date(1970, 1, 1) + timedelta(days=day)
        assert civil(day) == (there.year, there.month, there.day)


def test_times_are_written_canonically() -> None:
    assert str(Timestamp(TIMESTAMP_MIN)) == "0001-01-01T00:00:00Z"
    assert str(Timestamp(TIMESTAMP_MAX)) == "9999-12-31T23:59:59.999999999Z"
    assert str(Timestamp(-1)) == "1969-12-31T23:59:59.999999999Z"
    assert str(Duration(-1_500_000_000)) == "-1.5s"
    assert str(Duration(90 * NANOS)) == "90s"
    assert (Duration(-1_500_000_000).seconds, Duration(-1_500_000_000).nanos) == (-1, -500_000_000)
    assert (Timestamp(-1).seconds, Timestamp(-1).nanos) == (-1, 999_999_999)


def test_times_out_of_range_are_errors() -> None:
    with pytest.raises(CelError, match="timestamp out of range"):
        Timestamp(TIMESTAMP_MAX + 1)
    with pytest.raises(CelError, match="duration out of range"):
        Duration(2**63)


@pytest.mark.parametrize(
    "value", [UInt(7), Timestamp(5), Duration(-5), Optional.of([1]), Optional.none()]
)
def test_values_are_immutable_and_survive_pickling(value: Any) -> None:
    assert equal(pickle.loads(pickle.dumps(value)), value)
    assert type(pickle.loads(pickle.dumps(value))) is type(value)
    with pytest.raises(AttributeError):
        value.nanoseconds = 1


def test_the_type_of_each_value() -> None:
    values = [
        None,
        True,
        1,
        UInt(1),
        1.0,
        "",
        b"",
        [],
        (),
        {},
        KeyedMap([]),
        freeze({}),
        Type("int"),
    ]
    names = [
        "null_type", "bool", "int", "uint", "double", "string", "bytes", "list", "list", "map",
        "map",
        "map", "type",
    ]  # fmt: skip
    assert [type_of(value).name for value in values] == names
    with pytest.raises(CelError, match="not a CEL value"):
        type_of(object())


def test_texts_of_values_are_cut() -> None:
    assert show([1, UInt(2), 'a"b', None, {"k": b"x"}, Optional.of(True)]) == (
        '[1, 2u, "a\\"b", null, {"k": b\'x\'}, optional.of(true)]'
    )
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    assert len(show(value, limit=100)) < 200
    assert len(show("x" * 10**6, limit=100)) < 200
