"""An apply configuration merged into an object, as server-side apply merges.

Source: sigs.k8s.io/structured-merge-diff, typed (merge.go), and the apply configuration patcher of
k8s.io/apiserver (pkg/admission/plugin/policy/mutating/patch/smd.go), which takes no atomic part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kpolicy.mutate.errors import MutationError
from kpolicy.schemas.merging import is_atomic, key_default, list_rule
from kpolicy.schemas.model import Schema
from kpolicy.schemas.validation import validate

#: Where one side has nothing.
_ABSENT: Final = object()


def merged(live: Mapping[str, Any], patch: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return `live` with the fields of `patch`; `schema` is that of their kind.

    Raises `MutationError` for fields that the kind does not have, values of a wrong type, lists
    whose items cannot be told apart, and whatever is atomic: the fields of an atomic value that a
    patch does not name would be lost.
    """
    _check(patch, schema, "the apply configuration")
    atomic = list(_atomics(patch, schema, "", ""))
    if atomic:
        raise MutationError(
            f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)} (a JSON patch may)"
        )
    _check(live, schema, "the object")
    result: dict[str, Any] = _merge(live, patch, schema, "")
    return _dense(result) if schema.name.startswith("io.k8s.") else result


def _check(value: Any, schema: Schema, what: str) -> None:
    for violation in validate(value, schema):
        if violation.fault in ("wrong-type", "unknown-field"):
            raise MutationError(f"{what} does not fit its schema: .{violation.path}: "
                                f"{violation.message}")  # fmt: skip


def _atomics(value: Any, schema: Schema | None, path: str, field: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        if is_atomic(schema, field):
            yield path
        for name, below in value.items():
            known = None if schema is None else schema.get(name)
            if known is not None and schema is not None:
                yield from _atomics(below, known, f"{path}.{name}", f"{schema.name}.{name}")
    elif isinstance(value, (list, tuple)):
        if list_rule(schema).kind == "atomic":
            yield path
        items = None if schema is None else schema.items
        for index, below in enumerate(value):
            yield from _atomics(below, items, f"{path}[{index}]", "")


def _merge(live: Any, patch: Any, schema: Schema | None, path: str) -> Any:
    if patch is _ABSENT:
        return live
    if isinstance(patch, Mapping) or (patch is None and isinstance(live, Mapping)):
        return _maps(live, patch, schema, path)
    if isinstance(patch, (list, tuple)) or (patch is None and isinstance(live, (list, tuple))):
        return _lists(live, patch, schema, path)
    return patch


def _maps(live: Any, patch: Any, schema: Schema | None, path: str) -> Any:
    if not patch and not (isinstance(live, Mapping) and live):
        return patch
    result = dict(live) if isinstance(live, Mapping) else {}
    for name, value in (patch or {}).items():
        below = None
        if schema is not None:
            below = schema.get(name) or schema.additional
        result[name] = _merge(result.get(name, _ABSENT), value, below, f"{path}.{name}")
    return result


def _lists(live: Any, patch: Any, schema: Schema | None, path: str) -> Any:
    ours = live if isinstance(live, (list, tuple)) else ()
    if not patch and not ours:
        return patch
    rule = list_rule(schema)
    if rule.kind == "atomic":
        return patch
    items = None if schema is None else schema.items
    theirs = [_identity(item, rule.keys, items, path) for item in patch or ()]
    if len(set(theirs)) < len(theirs):
        raise MutationError(f"{path} has two items of the same key in the apply configuration")
    own = [_identity(item, rule.keys, items, path) for item in ours]
    return _interleaved(ours, own, patch or (), theirs, items, path)


def _identity(item: Any, keys: Sequence[str], schema: Schema | None, path: str) -> Any:
    """Return what tells an item of a list from the others."""
    if not keys:
        return (type(item).__name__, item)
    if not isinstance(item, Mapping):
        raise MutationError(f"{path} has an item that is no object")
    values = []
    for key in keys:
        value = item.get(key)
        if value is None:
            value = key_default(schema, key)
        if value is None:
            raise MutationError(f'{path} has an item without the key "{key}"')
        values.append((type(value).__name__, value))
    return tuple(values)


def _interleaved(
    live: Sequence[Any],
    own: Sequence[Any],
    patch: Sequence[Any],
    theirs: Sequence[Any],
    schema: Schema | None,
    path: str,
) -> list[Any]:
    """Return both lists as one: new items stand where they stand in the patch.

    `own` and `theirs` identify the items. Of live items with one identity that the patch names, one
    is left.
    """
    mine = dict(zip(own, live, strict=True))
    named = dict(zip(theirs, patch, strict=True))
    doubled = {key for key in own if own.count(key) > 1}
    shared = [key for key in theirs if key in mine]
    result: list[Any] = []
    done: set[Any] = set()
    left = right = 0
    while left < len(live) or right < len(patch):
        here = own[left] if left < len(live) else _ABSENT
        there = theirs[right] if right < len(patch) else _ABSENT
        if here is not _ABSENT and here not in named:
            result.append(live[left])
            left += 1
            continue
        if there is not _ABSENT and shared and here not in (_ABSENT, there, shared[0]):
            # It has its place where the patch has it.
            left += 1
            continue
        if here in done and here != there:
            left += 1
        if there is _ABSENT:
            continue
        before = _ABSENT if there in doubled else mine.get(there, _ABSENT)
        result.append(_merge(before, named[there], schema, path))
        done.add(there)
        if shared and shared[0] == there:
            shared.pop(0)
        left += here == there
        right += 1
    return result


def _dense(value: Any) -> Any:
    """Return a value of a built-in kind without its nulls, which the API server reads as absent."""
    if isinstance(value, Mapping):
        return {key: _dense(below) for key, below in value.items() if below is not None}
    if isinstance(value, (list, tuple)):
        return [_dense(below) for below in value]
    return value
