"""A JSON patch as the API server applies it.

RFC 6902, and what the server's library (github.com/evanphx/json-patch, version 4) does beyond it:
`replace` of a key that a map does not have adds it, an index may be negative, the root cannot be
replaced, and a `test` of what is absent holds for null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kpolicy.frozen import thaw
from kpolicy.mutate.errors import MutationError, TestFailed

_ABSENT: Final = object()


def apply(body: Mapping[str, Any], operations: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a plain copy of `body` with the operations made, one after the other.

    An operation has `op`, `path`, `from` ("" if not set) and perhaps `value`. Raises
    `MutationError` for one that does not fit, `TestFailed` for a `test` that does not hold.
    """
    result: dict[str, Any] = thaw(body)
    for number, operation in enumerate(operations, start=1):
        op = operation["op"]
        perform = _OPERATIONS.get(op)
        if perform is None:
            raise MutationError(f'operation {number}: "{op}" is no operation of a JSON patch; '
                                f"one of {', '.join(_OPERATIONS)}")  # fmt: skip
        try:
            perform(result, operation)
        except MutationError as error:
            raise MutationError(f"operation {number}, {op} {operation['path']}: {error}") from None
        except TestFailed as error:
            raise TestFailed(f"operation {number}, {op} {operation['path']}: {error}") from None
    return result


def _add(body: Any, operation: Mapping[str, Any]) -> None:
    _insert(body, operation["path"], thaw(operation.get("value")))


def _insert(body: Any, path: str, value: Any) -> None:
    parent, key = _parent(body, path)
    if isinstance(parent, dict):
        parent[key] = value
    elif key == "-":
        parent.append(value)
    else:
        length = len(parent) + 1
        parent.insert(_index(key, length), value)


def _replace(body: Any, operation: Mapping[str, Any]) -> None:
    parent, key = _parent(body, operation["path"])
    at: Any = key if isinstance(parent, dict) else _index(key, len(parent))
    parent[at] = thaw(operation.get("value"))


def _remove(body: Any, operation: Mapping[str, Any]) -> None:
    _take(body, operation["path"])


def _take(body: Any, path: str) -> Any:
    parent, key = _parent(body, path)
    if isinstance(parent, list):
        return parent.pop(_index(key, len(parent)))
    if key not in parent:
        raise MutationError(f'there is no "{key}"')
    return parent.pop(key)


def _move(body: Any, operation: Mapping[str, Any]) -> None:
    # As in the library: what is moved is read first, so that it may be absent from a map.
    value = _get(body, operation["from"])
    _take(body, operation["from"])
    _insert(body, operation["path"], value)


def _copy(body: Any, operation: Mapping[str, Any]) -> None:
    value = _get(body, operation["from"])
    _insert(body, operation["path"], None if value is _ABSENT else thaw(value))


def _test(body: Any, operation: Mapping[str, Any]) -> None:
    found = _get(body, operation["path"])
    wanted = operation.get("value")
    if found is _ABSENT or found is None:
        if wanted is not None:
            raise TestFailed("there is no such value")
    elif not _same(found, wanted):
        raise TestFailed(f"the value is {found!r}, not {wanted!r}")


_OPERATIONS: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], None]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _get(body: Any, path: str) -> Any:
    parent, key = _parent(body, path)
    if isinstance(parent, dict):
        return parent.get(key, _ABSENT)
    return parent[_index(key, len(parent))]


def _parent(body: Any, path: str) -> tuple[Any, str]:
    """Return the map or list that a pointer leads into, and its last key."""
    if not path.startswith("/"):
        what = "the whole object cannot be changed" if not path else "a path begins with /"
        raise MutationError(what)
    keys = [t.replace("~1", "/").replace("~0", "~") for t in path.split("/")[1:]]
    parent = body
    for number, key in enumerate(keys[:-1]):
        if isinstance(parent, dict):
            found = parent.get(key)
        else:
            found = parent[_index(key, len(parent))]
        if not isinstance(found, (dict, list)):
            way = "/" + "/".join(path.split("/")[1 : number + 2])
            raise MutationError(f"nothing is at {way}" if found is None else f"{way} has no fields")
        parent = found
    return parent, keys[-1]


def _index(key: str, length: int) -> int:
    """Return an index into a list; a negative one counts from its end."""
    digits = key[1:] if key.startswith("-") else key
    if not (digits.isascii() and digits.isdecimal()):
        raise MutationError(f'"{key}" is no index of a list')
    index = int(key)
    if not -length <= index < length:
        raise MutationError(f"there is no element {index}")
    return index + length if index < 0 else index


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal as JSON; 1 and 1.0 are one number, true is none."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)
