"""The schemas of custom resources, by the definitions in a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.schemas.model import SchemaSet
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


def schemas_in(snapshot: Snapshot) -> SchemaSet:
    """Return the schemas of the newest release, with those of the definitions in the input."""
    return _with(snapshot.by_kind("apiextensions.k8s.io", "CustomResourceDefinition"))


@lru_cache(maxsize=4)
def _with(definitions: tuple[Resource, ...]) -> SchemaSet:
    # Resources are compared by identity, so that a changed definition is another key.
    return schemas_with(d.body for d in definitions)


def schemas_with(definitions: Iterable[Mapping[str, Any]]) -> SchemaSet:
    """Return the schemas of the newest release, with those of these definitions."""
    from kpolicy.schemas import load

    return load("").with_custom_resources(*definitions)
