"""Frozen bodies: nothing public changes them, and what copies of them are."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpolicy.errors import FrozenError
from kpolicy.frozen import (
    FrozenDict,
    FrozenList,
    content_digest,
    freeze,
    pack_position,
    thaw,
    unpack_position,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def a_map() -> FrozenDict:
    return FrozenDict({"a": 1, "b": FrozenList([2])}, pack_position(3, 5))


def a_list() -> FrozenList:
    return FrozenList([3, 1, 2], pack_position(4, 7))


def _delete(target: Any, key: Any) -> None:
    del target[key]


MAP_CHANGES: dict[str, Callable[[FrozenDict], Any]] = {
    "set an item": lambda d: operator.setitem(d, "a", 2),
    "set a new item": lambda d: operator.setitem(d, "z", 2),
    "delete an item": lambda d: _delete(d, "a"),
    "update": lambda d: d.update({"a": 2}),
    "update with nothing": lambda d: d.update(),
    "update by keywords": lambda d: d.update(a=2),
    "setdefault, key there": lambda d: d.setdefault("a", 2),
    "setdefault, key absent": lambda d: d.setdefault("z", 2),
    "pop": lambda d: d.pop("a"),
    "pop with a default": lambda d: d.pop("z", None),
    "popitem": lambda d: d.popitem(),
    "clear": lambda d: d.clear(),
    "or in place": lambda d: operator.ior(d, {"a": 2}),
    "set an attribute": lambda d: setattr(d, "mark", 1),
    "set the slot": lambda d: setattr(d, "_mark", 1),
    "set a new attribute": lambda d: setattr(d, "other", 1),
    "set the class": lambda d: setattr(d, "__class__", dict),
    "delete an attribute": lambda d: delattr(d, "_mark"),
}
LIST_CHANGES: dict[str, Callable[[FrozenList], Any]] = {
    "set an item": lambda s: operator.setitem(s, 0, 9),
    "set a slice": lambda s: operator.setitem(s, slice(0, 1), [9]),
    "delete an item": lambda s: _delete(s, 0),
    "delete a slice": lambda s: _delete(s, slice(0, 2)),
    "append": lambda s: s.append(9),
    "extend": lambda s: s.extend([9]),
    "insert": lambda s: s.insert(0, 9),
    "remove": lambda s: s.remove(3),
    "pop": lambda s: s.pop(),
    "pop an index": lambda s: s.pop(0),
    "clear": lambda s: s.clear(),
    "sort": lambda s: s.sort(),
    "reverse": lambda s: s.reverse(),
    "add in place": lambda s: operator.iadd(s, [9]),
    "multiply in place": lambda s: operator.imul(s, 2),
    "set an attribute": lambda s: setattr(s, "mark", 1),
    "set the slot": lambda s: setattr(s, "_mark", 1),
    "delete an attribute": lambda s: delattr(s, "_mark"),
}


@pytest.mark.parametrize("change", MAP_CHANGES.values(), ids=MAP_CHANGES.keys())
def test_a_mapping_refuses_every_change(change: Callable[[FrozenDict], Any]) -> None:
    """Each mutator and operator raises, and the mapping is what it was."""
    body = a_map()
    with pytest.raises(FrozenError, match="immutable"):
        change(body)
    assert body == {"a": 1, "b": [2]}
    assert (body.line, body.column) == (3, 5)


@pytest.mark.parametrize("change", LIST_CHANGES.values(), ids=LIST_CHANGES.keys())
def test_a_sequence_refuses_every_change(change: Callable[[FrozenList], Any]) -> None:
    """Each mutator and operator raises, and the sequence is what it was."""
    body = a_list()
    with pytest.raises(FrozenError, match="immutable"):
        change(body)
    assert body == [3, 1, 2]
    assert (body.line, body.column) == (4, 7)


@pytest.mark.parametrize(("frozen", "plain"), [(FrozenDict, dict), (FrozenList, list)])
def test_no_mutator_of_the_base_class_is_forgotten(frozen: type, plain: type) -> None:
    """Whatever a plain dict or list can do to itself is overridden here."""
    reading = {
        "__class_getitem__", "__contains__", "__eq__", "__ge__", "__getattribute__", "__getitem__",
        "__gt__", "__hash__", "__iter__", "__le__", "__len__", "__lt__", "__ne__", "__new__",
        "__or__", "__repr__", "__reversed__", "__ror__", "__sizeof__", "__add__", "__mul__",
        "__rmul__", "__doc__", "get", "items", "keys", "values", "count", "index",
    }  # fmt: skip
    own = {name for name in vars(plain) if name not in reading}
    assert own - set(vars(frozen)) == set()


def test_calling_init_again_changes_nothing() -> None:
    """A second __init__ with other content is without effect."""
    body, items = a_map(), a_list()
    body.__init__({"z": 1})  # type: ignore[misc]
    items.__init__([9])  # type: ignore[misc]
    assert body == {"a": 1, "b": [2]}
    assert items == [3, 1, 2]


def test_copies_are_the_same_value() -> None:
    """copy(), copy.copy and copy.deepcopy give the very object: it is a value."""
    for body in (a_map(), a_list()):
        assert body.copy() is body
        assert copy.copy(body) is body
        assert copy.deepcopy(body) is body
        assert copy.deepcopy({"inside": body})["inside"] is body


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_gives_back_frozen_bodies_with_positions(protocol: int) -> None:
    """Types and positions survive, nested ones too."""
    nested = FrozenDict({"list": FrozenList([a_map()], 9)}, pack_position(1, 2))
    back = pickle.loads(pickle.dumps(nested, protocol))
    assert back == nested
    assert type(back) is FrozenDict
    assert type(back["list"]) is FrozenList
    assert (back.line, back["list"].mark, back["list"][0].column) == (1, 9, 5)


def test_operators_give_plain_objects() -> None:
    """What an operator makes is new and plain, and may be changed."""
    made: list[Any] = [
        a_map() | {"z": 1},
        {"z": 1} | a_map(),
        operator.add(a_list(), [1]),
        a_list() * 2,
        2 * a_list(),
        a_list()[0:2],
        dict(a_map()),
        list(a_list()),
    ]
    for value in made:
        assert type(value) in (dict, list)


def test_fromkeys_gives_a_frozen_mapping() -> None:
    """The constructor from keys works and its result is frozen."""
    body = FrozenDict.fromkeys(["a", "b"], 1)
    assert body == {"a": 1, "b": 1}
    assert type(body) is FrozenDict


def test_reading_is_that_of_dict_and_list() -> None:
    """Equality, order, iteration and membership are the base classes'."""
    assert a_map() == {"b": [2], "a": 1}
    assert list(a_map()) == ["a", "b"]
    assert a_list() == [3, 1, 2]
    assert sorted(a_list()) == [1, 2, 3]
    assert 3 in a_list()
    with pytest.raises(TypeError):
        hash(a_map())


@given(JSON)
def test_freeze_and_thaw_are_inverse(value: Any) -> None:
    """Freezing reaches every level; thawing gives back an equal plain value that can change."""
    frozen = freeze(value)
    assert frozen == value
    assert freeze(frozen) is frozen or not isinstance(value, (dict, list))
    back = thaw(frozen)
    assert back == value
    todo = [(frozen, back)]
    while todo:
        cold, warm = todo.pop()
        if isinstance(cold, dict):
            assert type(cold) is FrozenDict
            assert type(warm) is dict
            todo += [(cold[k], warm[k]) for k in cold]
        elif isinstance(cold, list):
            assert type(cold) is FrozenList
            assert type(warm) is list
            todo += zip(cold, warm, strict=True)


@given(JSON, JSON)
def test_digests_follow_content(one: Any, other: Any) -> None:
    """Equal texts have equal digests, and different ones do not."""
    import json

    def text(value: Any) -> str:
        return json.dumps(value, sort_keys=True)

    assert (content_digest(one) == content_digest(other)) == (text(one) == text(other))


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (1, "1"), (None, "null"), ([], {}), ("a", ["a"])]
)
def test_digests_tell_types_apart(one: Any, other: Any) -> None:
    """Values that Python or YAML might confuse have different digests."""
    assert content_digest({"v": one}) != content_digest({"v": other})


def test_digests_ignore_positions_and_key_order() -> None:
    """Only content counts."""
    one = FrozenDict({"a": 1, "b": 2}, pack_position(1, 1))
    other = FrozenDict({"b": 2, "a": 1}, pack_position(9, 9))
    assert content_digest(one) == content_digest(other) == content_digest({"a": 1, "b": 2})


@given(st.integers(0, 10**7), st.integers(0, 2**24 - 1))
def test_positions_pack_and_unpack(line: int, column: int) -> None:
    """A line and a column come back as they went in."""
    assert unpack_position(pack_position(line, column)) == (line, column)


def test_a_column_beyond_the_packed_range_is_clamped() -> None:
    """A one-line file of 20 MB does not spill its column into the line."""
    assert unpack_position(pack_position(1, 2**30)) == (1, 2**24 - 1)
