"""Kubernetes schemas as types of CEL: how a manifest looks to the checker.

Values are as they stand in a manifest, not as typed Go: a date is a string, a quantity and a number
may be an int, a double or a string, and every field may be null (the API server drops it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kpolicy.cel.objects import ObjectType, wrapper_of
from kpolicy.cel.types import BOOL, DYN, INT, STRING, Type, list_of, map_of
from kpolicy.schemas import Schema, SchemaSet

_SCALARS = {"string": STRING, "integer": INT, "boolean": BOOL}

#: Overloads of kpolicy's library whose results have a schema: id, definitions, whether a list of
#: it.
_POD_FUNCTIONS = (
    ("kpolicy_podSpec", ("PodSpec",), False),
    ("kpolicy_podTemplate", ("PodTemplateSpec",), False),
    ("kpolicy_containers", ("Container",), True),
    ("kpolicy_initContainers", ("Container",), True),
    ("kpolicy_ephemeralContainers", ("EphemeralContainer",), True),
    ("kpolicy_allContainers", ("Container", "EphemeralContainer"), True),
    ("kpolicy_volumes", ("Volume",), True),
)


class SchemaFields:
    """The fields of an object by its schema."""

    __slots__ = ("_schema", "_types")

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._types: dict[str, Type | None] = {}

    def field(self, name: str) -> Type | None:
        """Return the type of a field; None if the schema says that there is none."""
        if name not in self._types:
            below = self._schema.get(name)
            if below is not None:
                self._types[name] = wrapper_of(type_of_schema(below))
            else:
                self._types[name] = DYN if self._schema.is_open else None
        return self._types[name]

    def names(self) -> Iterable[str]:
        """Return the declared fields."""
        return self._schema.field_names


class EitherFields:
    """The fields of one of several objects."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[ObjectType]) -> None:
        self._parts = parts

    def field(self, name: str) -> Type | None:
        """Return the type of a field in the first part that has it."""
        found = (part.fields.field(name) for part in self._parts)
        return next((kind for kind in found if kind is not None), None)

    def names(self) -> Iterable[str]:
        """Return the fields of all parts."""
        return {name for part in self._parts for name in part.fields.names()}


class KnownFields:
    """Fields with types of their own: `variables` and `params` of a policy."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Type]) -> None:
        self._fields = fields

    def field(self, name: str) -> Type | None:
        """Return the type of a field. One that is not known is somebody else's to report."""
        return self._fields.get(name, DYN)

    def names(self) -> Iterable[str]:
        """Return the known fields."""
        return self._fields


def type_of_schema(schema: Schema) -> Type:
    """Return the type of what a schema describes."""
    kind = schema.kind
    if kind == "object":
        if schema.field_names:
            return ObjectType(schema.name, fields=SchemaFields(schema))
        values = schema.additional
        return map_of(STRING, DYN if values is None else type_of_schema(values))
    if kind == "array":
        items = schema.items
        return list_of(DYN if items is None else type_of_schema(items))
    return _SCALARS.get(kind, DYN)


def pod_function_types(schemas: SchemaSet) -> dict[str, Type]:
    """Return the result types of kpolicy's pod functions, by overload id."""
    found: dict[str, Type] = {}
    for identifier, names, is_list in _POD_FUNCTIONS:
        definitions = [schemas.definition(f"io.k8s.api.core.v1.{name}") for name in names]
        parts = [type_of_schema(d) for d in definitions if d is not None]
        objects = [part for part in parts if isinstance(part, ObjectType)]
        if len(objects) != len(names):
            continue
        kind = objects[0]
        if len(objects) > 1:
            name = " or ".join(str(part) for part in objects)
            kind = ObjectType(name, fields=EitherFields(objects))
        found[identifier] = list_of(kind) if is_list else kind
    return found
