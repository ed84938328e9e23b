"""Kubernetes schemas as plain data: what fields a kind has, and their types.

Knows neither CEL nor snapshots. `load()` gives the schemas of a release,
`SchemaSet.schema_for(group, version, kind)` one of them. Nothing is read before that.
"""

from __future__ import annotations

from kpolicy.schemas.bundle import bundled_versions, load, releases_of
from kpolicy.schemas.model import Schema, SchemaSet, custom_kinds

__all__ = ["Schema", "SchemaSet", "bundled_versions", "custom_kinds", "load", "releases_of"]
