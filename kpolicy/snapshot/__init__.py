"""Resources, snapshots of them, and what is known about kinds."""

from __future__ import annotations

from kpolicy.snapshot.kinds import KindMatcher, Kinds, WorkloadKind, matcher, scope_groups
from kpolicy.snapshot.resource import Resource, ResourceKey, key_of, resource_from
from kpolicy.snapshot.snapshot import Resolution, Snapshot
from kpolicy.snapshot.world import Outside, Reference, Unread, World, unread_from_text

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
