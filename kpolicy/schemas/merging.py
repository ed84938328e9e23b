"""How the parts of an object merge: which lists are maps or sets, which objects are one value.

Source: the structured merge of Kubernetes' server-side apply ("Merge strategy"); of built-in kinds
what the API's definitions say (`data/merging.json`, made by scripts/build_schemas.py), of custom
resources the keywords in their definitions (x-kubernetes-list-type and the like).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kpolicy.schemas.model import Schema

#: What a key of a list has where an item leaves it out. The bundled definitions have no defaults.
_KEY_DEFAULTS: Mapping[str, Any] = {
    "io.k8s.api.core.v1.ContainerPort.protocol": "TCP",
    "io.k8s.api.core.v1.ServicePort.protocol": "TCP",
    "io.k8s.api.core.v1.LocalObjectReference.name": "",
}


class ListRule(NamedTuple):
    """How a list merges: `map` by its items' keys, `set` by the items themselves, or as a whole."""

    kind: Literal["map", "set", "atomic"]
    keys: tuple[str, ...] = ()


def list_rule(schema: Schema | None) -> ListRule:
    """Return how a list of this schema merges; of one without schema nothing is known."""
    if schema is None:
        return ListRule("atomic")
    stated = schema.data.get("x-kubernetes-list-type")
    keys = schema.data.get("x-kubernetes-list-map-keys", ())
    if stated is None:
        known = _table()
        keys = known["lists"].get(schema.name, ())
        stated = "map" if keys else "set" if schema.name in known["sets"] else "atomic"
    if stated == "map" and keys:
        return ListRule("map", tuple(keys))
    return ListRule("set" if stated == "set" else "atomic")


def is_atomic(schema: Schema | None, field: str = "") -> bool:
    """Return whether an object is one value; `field` is `parent's name.field` where it stands."""
    if schema is None:
        return False
    objects = _table()["objects"]
    stated = objects.get(field) or schema.data.get("x-kubernetes-map-type")
    return bool((stated or objects.get(schema.name)) == "atomic")


def key_default(item: Schema | None, key: str) -> Any:
    """Return what an item that leaves out a key has there, None if nothing."""
    if item is None:
        return None
    field = item.get(key)
    stated = None if field is None else field.data.get("default")
    return _KEY_DEFAULTS.get(f"{item.name}.{key}") if stated is None else stated


@cache
def _table() -> Mapping[str, Any]:
    import msgspec

    data = (Path(__file__).parent / "data" / "merging.json").read_bytes()
    table: dict[str, Any] = msgspec.json.decode(data)
    return {**table, "sets": frozenset(table["sets"])}
