"""Resources, snapshots of them, and what is known about kinds.

Names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import KindMatcher, Kinds, WorkloadKind, matcher, scope_groups
    from kpolicy.snapshot.resource import Resource, ResourceKey, key_of, resource_from
    from kpolicy.snapshot.snapshot import Resolution, Snapshot
    from kpolicy.snapshot.world import Outside, Reference, Unread, World, unread_from_text

_EXPORTS = {
    "KindMatcher": "kinds",
    "Kinds": "kinds",
    "Outside": "world",
    "Reference": "world",
    "Resolution": "snapshot",
    "Resource": "resource",
    "ResourceKey": "resource",
    "Snapshot": "snapshot",
    "Unread": "world",
    "WorkloadKind": "kinds",
    "World": "world",
    "key_of": "resource",
    "matcher": "kinds",
    "resource_from": "resource",
    "scope_groups": "kinds",
    "unread_from_text": "world",
}

__all__ = [
    "KindMatcher",
    "Kinds",
    "Outside",
    "Reference",
    "Resolution",
    "Resource",
    "ResourceKey",
    "Snapshot",
    "Unread",
    "WorkloadKind",
    "World",
    "key_of",
    "matcher",
    "resource_from",
    "scope_groups",
    "unread_from_text",
]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
