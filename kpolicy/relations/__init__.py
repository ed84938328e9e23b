"""Relations between resources: data, indexed joins, and their CEL library."""

from __future__ import annotations

from kpolicy.relations.builtin import relations
from kpolicy.relations.context import JoinContext, Lookup
from kpolicy.relations.index import (
    Direction,
    Filer,
    Filter,
    Hit,
    RelationIndex,
    directory,
)
from kpolicy.relations.model import Entry, Key, Relation, Side

__all__ = [
    "Direction",
    "Entry",
    "Filer",
    "Filter",
    "Hit",
    "JoinContext",
    "Key",
    "Lookup",
    "Relation",
    "RelationIndex",
    "Side",
    "directory",
    "relations",
]
