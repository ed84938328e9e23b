"""Edits applied to a body: what a resource is after a fix, before any text is touched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kpolicy.frozen import thaw
from kpolicy.policy.model import Edit

__all__ = ["PatchError", "apply", "escape", "settle", "tokens"]


class PatchError(Exception):
    """Edits that do not fit the body."""


def escape(token: str) -> str:
    """Return a key as a part of a JSON pointer (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def tokens(pointer: str) -> list[str]:
    """Return the keys that a JSON pointer goes through."""
    return [t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/")[1:]]


def settle(body: Any, edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Return the edits as JSON Patch means them, without those that change nothing.

    More than there: an `add` makes the mappings that are missing on its way (null counts as
    missing), and so becomes an `add` of all of them. Raises `PatchError` for what does not fit.
    """
    current = thaw(body)
    settled: list[Edit] = []
    for edit in edits:
        if edit.op == "add":
            edit = _whole(current, edit)
        if edit.op in ("quote", "deduplicate"):
            _parent(current, edit.pointer)
            settled.append(edit)
            continue
        before = _find(current, edit.pointer)
        if edit.op in ("add", "replace") and before is not _ABSENT and same(before, edit.value):
            continue
        current = _apply(current, edit)
        settled.append(edit)
    return tuple(settled)


def apply(body: Any, edits: Iterable[Edit]) -> Any:
    """Return a plain copy of `body` with the edits made. Raises `PatchError`."""
    current = thaw(body)
    for edit in edits:
        current = _apply(current, edit)
    return current


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal as JSON: 1, 1.0, true and "1" are four values."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and one != one:
        return isinstance(other, float) and other != other
    return type(one) is type(other) and bool(one == other)


_ABSENT: Any = object()


def _step(value: Any, token: str) -> Any:
    if isinstance(value, dict):
        return value.get(token, _ABSENT)
    if isinstance(value, list) and token.isascii() and token.isdecimal():
        number = int(token)
        return value[number] if number < len(value) else _ABSENT
    return _ABSENT


def _find(body: Any, pointer: str) -> Any:
    value = body
    for token in tokens(pointer):
        value = _step(value, token)
        if value is _ABSENT:
            return _ABSENT
    return value


def _whole(body: Any, edit: Edit) -> Edit:
    """Return the edit that adds the first thing missing on the way, with the rest inside it."""
    keys = tokens(edit.pointer)
    value = body
    for number, key in enumerate(keys[:-1]):
        found = _step(value, key)
        if found is _ABSENT and not isinstance(value, dict):
            raise PatchError(f"nothing is at {edit.pointer}")
        if found is _ABSENT or found is None:
            made = edit.value
            for inner in reversed(keys[number + 1 :]):
                if inner == "-":
                    made = [made]
                else:
                    made = {inner: made}
            pointer = "".join(f"/{escape(k)}" for k in keys[: number + 1])
            return Edit("replace" if found is None else "add", pointer, made)
        value = found
    if keys and isinstance(value, dict) and keys[-1] in value:
        return edit._replace(op="replace")
    return edit


def _parent(body: Any, pointer: str) -> tuple[Any, str]:
    way, _, last = pointer.rpartition("/")
    if not pointer:
        raise PatchError("the whole resource cannot be edited")
    parent = _find(body, way)
    if not isinstance(parent, (dict, list)):
        raise PatchError(f"nothing is at {way}")
    return parent, last.replace("~1", "/").replace("~0", "~")


def _apply(body: Any, edit: Edit) -> Any:
    """Return `body` after the edit, changed in place."""
    if edit.op == "deduplicate":
        return body
    parent, key = _parent(body, edit.pointer)
    if edit.op == "add":
        if isinstance(parent, dict):
            parent[key] = thaw(edit.value)
            return body
        if key == "-":
            parent.append(thaw(edit.value))
            return body
        if key.isascii() and key.isdecimal() and int(key) <= len(parent):
            parent.insert(int(key), thaw(edit.value))
            return body
        raise PatchError(f"nothing can be added at {edit.pointer}")
    if edit.op == "move":
        giver, old = _parent(body, edit.source)
        if giver is not parent or not isinstance(parent, dict):
            raise PatchError("only a key of a mapping can be given another name")
        if old not in parent or key in parent:
            raise PatchError(f"{edit.source} cannot be called {edit.pointer}")
        renamed = {key if k == old else k: v for k, v in parent.items()}
        parent.clear()
        parent.update(renamed)
        return body
    if _step(parent, key) is _ABSENT:
        raise PatchError(f"nothing is at {edit.pointer}")
    at: Any = key if isinstance(parent, dict) else int(key)
    if edit.op == "remove":
        del parent[at]
    else:
        parent[at] = thaw(edit.value)
    return body
