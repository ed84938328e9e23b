"""What an API server writes of an object that it has read: the same, but for how Go says it.

Go reads JSON into structs and writes these: a quantity in its canonical form (`cpu: 0.5` is
`"500m"`), and no list or map that is empty, where the field may be absent. Structs that are empty
stay (`podSelector: {}`). Scalars that are empty stay here too: schemas do not tell which of them
are pointers. Source: encoding/json's omitempty as the Go types of k8s.io/api use it;
k8s.io/apimachinery/pkg/api/resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.records import dataclass
from kpolicy.schemas.model import Definitions, SchemaSet

#: Returns the canonical text of a quantity; what is none, as it is.
CanonicalQuantity = Callable[[Any], Any]

#: What every object has, also one whose kind no schema describes.
_ANY_OBJECT: Mapping[str, Any] = {
    "properties": {"metadata": {"$ref": "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}}
}
#: Types whose values are written as they are.
_SCALARS = ("string", "integer", "number", "boolean", "int-or-string")
#: Optional lists that Go writes all the same, since their types do not say omitempty.
_WRITTEN = frozenset((("Role", "rules"), ("ClusterRole", "rules"), ("EndpointSlice", "ports")))


@dataclass(slots=True, eq=False)
class _Part:
    """How a value is written: which of its fields may go when empty, and what is below it."""

    is_quantity: bool = False
    fields: dict[str, _Part] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    """Fields that hold a list or a map and are not written when that is empty."""
    rest: _Part | None = None
    """Of the values of a map, or of a list's items."""


class Serving:
    """Writes objects of the kinds in one schema set; compiles a kind when it is first met."""

    def __init__(self, schemas: SchemaSet, canonical: CanonicalQuantity) -> None:
        self._schemas = schemas
        self._canonical = canonical
        self._named: dict[str, _Part] = {}
        self._kinds: dict[tuple[str, str], _Part] = {}

    def served(self, body: FrozenDict) -> FrozenDict:
        """Return `body` as an API server writes it: the same value where nothing changes."""
        key = (str(body.get("apiVersion")), str(body.get("kind")))
        part = self._kinds.get(key)
        if part is None:
            part = self._kinds[key] = self._kind(*key)
        written: FrozenDict = self._written(body, part)
        return written

    def _kind(self, api_version: str, kind: str) -> _Part:
        group, _, version = api_version.rpartition("/")
        schema = self._schemas.schema_for(group, version, kind)
        if schema is None:
            return self._part(_ANY_OBJECT, self._schemas.definitions)
        part = self._part(schema.data, schema.definitions)
        part.optional -= {name for owner, name in _WRITTEN if owner == kind}
        return part

    def _part(self, data: Mapping[str, Any], definitions: Definitions) -> _Part:
        reference = data.get("$ref")
        if reference is None:
            return self._filled(_Part(), data, definitions)
        known = self._named.get(reference)
        if known is None:
            # Entered before it is filled: definitions may contain themselves.
            known = self._named[reference] = _Part()
            self._filled(known, definitions.get(reference, {}), definitions)
        return known

    def _filled(self, part: _Part, data: Mapping[str, Any], definitions: Definitions) -> _Part:
        part.is_quantity = data.get("type") == "quantity"
        required = data.get("required", ())
        for name, inner in data.get("properties", {}).items():
            if inner.get("type") in _SCALARS:
                continue
            part.fields[name] = self._part(inner, definitions)
            if name not in required and _is_collection(inner):
                part.optional.add(name)
        rest = data.get("items") or data.get("additionalProperties")
        if isinstance(rest, Mapping) and rest.get("type") not in _SCALARS:
            part.rest = self._part(rest, definitions)
        return part

    def _written(self, value: Any, part: _Part) -> Any:
        if isinstance(value, FrozenDict):
            changed: dict[str, Any] | None = None
            for key, item in value.items():
                inner = part.fields.get(key, part.rest)
                if inner is None:
                    continue
                if not item and key in part.optional and isinstance(item, (FrozenDict, FrozenList)):
                    changed = dict(value) if changed is None else changed
                    del changed[key]
                    continue
                new = self._written(item, inner)
                if new is not item:
                    changed = dict(value) if changed is None else changed
                    changed[key] = new
            return value if changed is None else FrozenDict(changed, value.mark)
        if isinstance(value, FrozenList):
            if part.rest is None:
                return value
            items = [self._written(item, part.rest) for item in value]
            if all(new is item for new, item in zip(items, value, strict=True)):
                return value
            return FrozenList(items, value.mark)
        return self._canonical(value) if part.is_quantity else value


def _is_collection(data: Mapping[str, Any]) -> bool:
    """Return whether a field is a list or a map in Go, not a struct."""
    return data.get("type") == "array" or (
        isinstance(data.get("additionalProperties"), Mapping) and "properties" not in data
    )
