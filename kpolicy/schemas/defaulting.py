"""Defaults of custom resources, as an API server fills them in before it validates or admits.

Where a field is absent, or null and not `nullable`, its schema's `default` takes its place; what is
filled in is filled itself. Nothing is made for an object that is not there. Source: Kubernetes,
"Custom Resource Definitions", defaulting; apiextensions-apiserver, pkg/apiserver/schema/defaulting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList, freeze
from kpolicy.schemas.model import Schema

_ABSENT: Any = object()
#: Deeper than any schema that a server takes.
_DEEPEST = 100


def defaulted(body: Any, schema: Schema) -> Any:
    """Return a body with the defaults of its schema; the same object where there is nothing to
    fill in."""
    return _filled(body, schema.data, 0)


def _filled(value: Any, data: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        return value
    if isinstance(value, FrozenDict):
        changed: dict[str, Any] = {}
        properties = _mapping(data.get("properties"))
        for name, inner in properties.items():
            if not isinstance(inner, Mapping):
                continue
            before = item = value.get(name, _ABSENT)
            if item is _ABSENT or (item is None and inner.get("nullable") is not True):
                if "default" not in inner:
                    continue
                item = freeze(inner["default"])
            item = _filled(item, inner, depth + 1)
            if item is not before:
                changed[name] = item
        additional = data.get("additionalProperties")
        if isinstance(additional, Mapping):
            for name, before in value.items():
                if name not in properties:
                    item = _filled(before, additional, depth + 1)
                    if item is not before:
                        changed[name] = item
        return FrozenDict({**value, **changed}, value.mark) if changed else value
    items = data.get("items")
    if isinstance(value, FrozenList) and isinstance(items, Mapping):
        filled = [_filled(item, items, depth + 1) for item in value]
        if any(new is not old for new, old in zip(filled, value, strict=True)):
            return FrozenList(filled, value.mark)
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
