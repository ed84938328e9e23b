"""YAML files of the tree as bodies, for what rendering has to know before a program runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kpolicy.frozen import FrozenDict
from kpolicy.manifests.model import Limits
from kpolicy.manifests.yaml_documents import Parsed, parse
from kpolicy.rendering.tree import FileTree, Unreadable

__all__ = ["fields", "mapping_in", "mappings", "maps", "strings", "text"]


def mappings(data: bytes) -> list[FrozenDict]:
    """Return the mappings among the YAML documents of `data`; what cannot be read is left out."""
    return [
        document.body
        for document in parse(data, Limits())
        if isinstance(document, Parsed) and document.body.__class__ is FrozenDict
    ]


def mapping_in(tree: FileTree, name: str) -> FrozenDict | None:
    """Return the first mapping in a file of the tree; None where there is none to be read."""
    try:
        found = mappings(tree.read(name))
    except Unreadable:
        return None
    return found[0] if found else None


def text(value: Any) -> str:
    """Return a string as it is, "" for anything else."""
    return value if isinstance(value, str) else ""


def strings(value: Any) -> tuple[str, ...]:
    """Return the strings in a list; () for anything else."""
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def fields(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def maps(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings in a list; [] for anything else."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, (list, tuple)) else []
