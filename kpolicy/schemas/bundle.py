"""The Kubernetes schemas that come with the package, loaded when first asked for.

`data/kubernetes.json.z` is made by scripts/build_schemas.py; see docs/decisions for why it is
bundled.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from kpolicy.errors import UsageError
from kpolicy.schemas.model import Schema, SchemaSet


@lru_cache(maxsize=1)
def _bundle() -> Mapping[str, Any]:
    import msgspec

    # Not importlib.resources: importing that costs more than reading the file, on every scan.
    packed = (Path(__file__).parent / "data" / "kubernetes.json.z").read_bytes()
    bundle: Mapping[str, Any] = msgspec.json.decode(zlib.decompress(packed))
    return bundle


def bundled_versions() -> tuple[str, ...]:
    """Return the Kubernetes releases whose schemas are bundled, oldest first: `1.25` ..."""
    return tuple(f"1.{minor}" for minor in _bundle()["minors"])


@lru_cache(maxsize=2)
def load(version: str = "") -> SchemaSet:
    """Return the schemas of a Kubernetes release (`1.34`, `v1.34.2`); '' = the newest bundled one.

    Raises `UsageError` for a release that is not bundled.
    """
    minors: list[int] = _bundle()["minors"]
    minor = minors[-1] if not version else _minor_of(version)
    if minor not in minors:
        raise UsageError(
            f"there are no schemas for Kubernetes {version!r}: bundled are 1.{minors[0]} to "
            f"1.{minors[-1]}"
        )
    definitions: dict[str, Mapping[str, Any]] = {}
    for name, variants in _bundle()["definitions"].items():
        for first, last, schema in variants:
            if first <= minor <= last:
                definitions[name] = schema
    kinds = {
        (group, version, kind): Schema(name, schema, definitions)
        for name, schema in definitions.items()
        for group, version, kind in schema.get("kinds", ())
    }
    return SchemaSet(minor, definitions, kinds)


def releases_of(group: str, version: str, kind: str) -> tuple[str, str] | None:
    """Return the first and last bundled release that serves a kind, or None if none does."""
    served = [
        (first, last)
        for variants in _bundle()["definitions"].values()
        for first, last, schema in variants
        if [group, version, kind] in schema.get("kinds", ())
    ]
    if not served:
        return None
    return f"1.{min(first for first, _ in served)}", f"1.{max(last for _, last in served)}"


def _minor_of(version: str) -> int:
    parts = version.removeprefix("v").split(".")
    if len(parts) in (2, 3) and parts[0] == "1" and parts[1].isdigit():
        return int(parts[1])
    raise UsageError(f"{version!r} is not a Kubernetes release, such as 1.34")
