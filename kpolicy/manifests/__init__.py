"""Manifests: where they come from, and how their text becomes documents.

`discover` finds files, `load` reads one, `locate` tells where in it a JSON pointer stands.
Names are loaded on first use: the models alone cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.manifests.discovery import builtin_sources, discover
    from kpolicy.manifests.git import discover_revision
    from kpolicy.manifests.loader import load
    from kpolicy.manifests.places import locate, locate_many

_EXPORTS = {
    "builtin_sources": "discovery",
    "discover": "discovery",
    "discover_revision": "git",
    "load": "loader",
    "locate": "places",
    "locate_many": "places",
}

__all__ = ["builtin_sources", "discover", "discover_revision", "load", "locate", "locate_many"]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
