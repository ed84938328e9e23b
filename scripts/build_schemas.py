"""Builds the files in kpolicy/schemas/data from the PyPI package `kubernetes-validate`.

That package (Apache-2.0) carries the OpenAPI definitions of Kubernetes (Apache-2.0) for many minor
releases as JSON Schema. What a checker or a validator needs is kept (no descriptions), and a
definition that stays the same over releases is stored once. What merging asks (which lists are
maps or sets, which objects are atomic) is of the newest release and in a file of its own, since a
scan never needs it. Usage, with the package installed or
its wheel unpacked somewhere:

    python scripts/build_schemas.py [DIRECTORY with v1.N.0-local folders]
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import zlib
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "kpolicy" / "schemas" / "data" / "kubernetes.json.z"
MERGING = TARGET.with_name("merging.json")

#: Keywords that say something about values; the rest is prose or for clients.
KEPT = (
    "type", "properties", "items", "additionalProperties", "required", "enum", "format",
    "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string",
)  # fmt: skip

#: Definitions whose values have a form of their own, which JSON Schema says badly or not at all.
SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "int-or-string"},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "quantity"},
    "io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "object", "open": True},
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": {"type": "object", "open": True},
}


def slim(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a schema; every field may be null, so that goes."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].rpartition("/")[2]}
    kept: dict[str, Any] = {}
    for key in KEPT:
        value = schema.get(key)
        if value is None:
            continue
        if key == "type":
            names = [value] if isinstance(value, str) else [t for t in value if t != "null"]
            value = names[0] if len(names) == 1 else names
        elif key == "properties":
            value = {name: slim(below) for name, below in value.items()}
        elif isinstance(value, dict):
            value = slim(value)
        kept[key] = value
    return kept


def definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a definition as it is stored, with the kinds that it defines."""
    kept = dict(SPECIAL.get(name) or slim(schema))
    kinds = schema.get("x-kubernetes-group-version-kind", ())
    if kinds and "kind" in kept.get("properties", {}):
        kept["kinds"] = [[k["group"], k["version"], k["kind"]] for k in kinds]
    return kept


def merging(definitions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return how lists and objects merge, by definition or `definition.field`.

    Lists that are not named are atomic, objects that are not named are granular.
    """
    lists: dict[str, list[str]] = {}
    sets: list[str] = []
    objects: dict[str, str] = {}
    for name, schema in sorted(definitions.items()):
        if "x-kubernetes-map-type" in schema:
            objects[name] = schema["x-kubernetes-map-type"]
        for field, below in sorted(schema.get("properties", {}).items()):
            kind = below.get("x-kubernetes-list-type")
            if kind == "map":
                lists[f"{name}.{field}"] = below["x-kubernetes-list-map-keys"]
            elif kind == "set":
                sets.append(f"{name}.{field}")
            if "x-kubernetes-map-type" in below:
                objects[f"{name}.{field}"] = below["x-kubernetes-map-type"]
    return {"lists": lists, "sets": sets, "objects": objects}


def source_directory() -> Path:
    """Return where the package keeps its schemas."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    found = importlib.util.find_spec("kubernetes_validate")
    if found is None or found.origin is None:
        sys.exit("kubernetes-validate is not installed: pip install kubernetes-validate")
    return Path(found.origin).parent / "kubernetes-json-schema"


def main() -> None:
    """Write the files and say how large they are."""
    folders = {
        int(match[1]): path
        for path in source_directory().iterdir()
        if (match := re.fullmatch(r"v1\.(\d+)\.0-local", path.name))
    }
    minors = sorted(folders)
    # Of each definition its variants, each as [first release, last release, schema].
    definitions: dict[str, list[list[Any]]] = {}
    for minor in minors:
        document = json.loads((folders[minor] / "_definitions.json").read_text())
        for name, schema in sorted(document["$defs"].items()):
            kept = definition(name, schema)
            variants = definitions.setdefault(name, [])
            if variants and variants[-1][1] == minor - 1 and variants[-1][2] == kept:
                variants[-1][1] = minor
            else:
                variants.append([minor, minor, kept])
    newest = json.loads((folders[minors[-1]] / "_definitions.json").read_text())["$defs"]
    MERGING.write_text(json.dumps(merging(newest), indent=1) + "\n")
    bundle = {"minors": minors, "definitions": dict(sorted(definitions.items()))}
    text = json.dumps(bundle, separators=(",", ":")).encode()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(zlib.compress(text, 9))
    size = TARGET.stat().st_size
    print(f"{len(definitions)} definitions of {len(minors)} releases: {size} bytes")


if __name__ == "__main__":
    main()
