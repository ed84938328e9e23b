"""JSON patches do what RFC 6902 says, and what the API server's library does beyond it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpolicy.fixes.patch import apply as fix
from kpolicy.frozen import freeze
from kpolicy.mutate.errors import MutationError, TestFailed
from kpolicy.mutate.json_patch import apply
from kpolicy.policy.model import Edit

BODY = {"m": {"x": "1"}, "l": ["a", "b", "c"], "n": 1, "a/b~c": {"k": True}}


def operation(op: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "path": path, "from": more.pop("source", ""), **more}


def patched(*operations: dict[str, Any]) -> dict[str, Any]:
    frozen = freeze(BODY)
    result = apply(frozen, operations)
    assert frozen == BODY
    return result


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        (operation("add", "/m/y", value="2"), "m", {"x": "1", "y": "2"}),
        (operation("add", "/m", value={}), "m", {}),
        (operation("add", "/l/0", value="z"), "l", ["z", "a", "b", "c"]),
        (operation("add", "/l/3", value="z"), "l", ["a", "b", "c", "z"]),
        (operation("add", "/l/-", value="z"), "l", ["a", "b", "c", "z"]),
        (operation("add", "/l/-1", value="z"), "l", ["a", "b", "c", "z"]),
        (operation("add", "/a~1b~0c/k", value=False), "a/b~c", {"k": False}),
        (operation("remove", "/l/1"), "l", ["a", "c"]),
        (operation("remove", "/l/-1"), "l", ["a", "b"]),
        (operation("remove", "/m/x"), "m", {}),
        (operation("replace", "/l/0", value="z"), "l", ["z", "b", "c"]),
        (operation("replace", "/m/new", value="2"), "m", {"x": "1", "new": "2"}),
        (operation("move", "/m/y", source="/m/x"), "m", {"y": "1"}),
        (operation("move", "/l/-", source="/l/0"), "l", ["b", "c", "a"]),
        (operation("copy", "/l/-", source="/l/0"), "l", ["a", "b", "c", "a"]),
        (operation("copy", "/m/y", source="/m/x"), "m", {"x": "1", "y": "1"}),
        (operation("test", "/n", value=1.0), "n", 1),
        (operation("test", "/m/none"), "m", {"x": "1"}),
    ],
)
def test_an_operation(given: Any, path: str, expected: Any) -> None:
    assert patched(given)[path] == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (operation("add", "/none/x", value=1), "nothing is at /none"),
        (operation("add", "/l/4", value=1), "there is no element 4"),
        (operation("add", "/n/x", value=1), "/n has no fields"),
        (operation("remove", "/m/none"), 'there is no "none"'),
        (operation("remove", "/l/3"), "there is no element 3"),
        (operation("replace", "/l/-", value=1), '"-" is no index'),
        (operation("replace", "", value=1), "the whole object cannot be changed"),
        (operation("add", "m/x", value=1), "a path begins with /"),
        (operation("move", "/m/y", source="/m/none"), 'there is no "none"'),
        (operation("append", "/l", value=1), '"append" is no operation'),
    ],
)
def test_an_operation_that_does_not_fit_is_told_by_its_number(given: Any, message: str) -> None:
    with pytest.raises(MutationError, match=message) as error:
        patched(operation("test", "/n", value=1), given)
    assert "operation 2" in str(error.value)


@pytest.mark.parametrize("value", [2, "1", True, None])
def test_a_test_that_does_not_hold(value: Any) -> None:
    with pytest.raises(TestFailed, match="operation 1, test /n"):
        patched(operation("test", "/n", value=value), operation("remove", "/n"))


@given(
    key=st.text(max_size=6),
    index=st.integers(0, 2),
    value=st.recursive(st.integers() | st.text() | st.booleans(), st.lists),
)
def test_it_agrees_with_the_edits_of_fixes(key: str, index: int, value: Any) -> None:
    """Where both know an operation, they do the same."""
    at = f"/m/{key.replace('~', '~0').replace('/', '~1')}"
    edits = [Edit("add", at, value), Edit("replace", f"/l/{index}", value), Edit("remove", at)]
    ours = [operation(e.op, e.pointer, value=e.value) for e in edits]
    for count in range(4):
        assert patched(*ours[:count]) == fix(BODY, edits[:count])
