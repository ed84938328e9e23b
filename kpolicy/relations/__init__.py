"""Relations between resources: data, indexed joins, and their CEL library.

Names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.relations.builtin import relations
    from kpolicy.relations.context import JoinContext, Lookup
    from kpolicy.relations.index import Direction, Filer, Filter, Hit, RelationIndex, directory
    from kpolicy.relations.model import Entry, Key, Relation, Side

_EXPORTS = {
    "Direction": "index",
    "Entry": "model",
    "Filer": "index",
    "Filter": "index",
    "Hit": "index",
    "JoinContext": "context",
    "Key": "model",
    "Lookup": "context",
    "Relation": "model",
    "RelationIndex": "index",
    "Side": "model",
    "directory": "index",
    "relations": "builtin",
}

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


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
