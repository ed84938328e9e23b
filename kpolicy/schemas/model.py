"""A schema as plain data, with the questions that a checker or a validator asks of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, Literal

from kpolicy.records import dataclass

#: `any` = nothing is said; `int-or-string` and `quantity` are Kubernetes' own.
Kind = Literal[
    "object", "array", "string", "integer", "number", "boolean", "int-or-string", "quantity", "any",
]  # fmt: skip

Definitions = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Schema:
    """What a value must look like: one node of an OpenAPI schema.

    `name` says what it is a schema of, uniquely (`io.k8s.api.apps.v1.Deployment`, then `.spec` for
    a part without a definition of its own). References are followed when the schema is made.
    """

    name: str
    data: Mapping[str, Any]
    definitions: Definitions = field(default_factory=dict, repr=False, compare=False)

    @property
    def kind(self) -> Kind:
        """What kind of value this is."""
        if self.data.get("x-kubernetes-int-or-string"):
            return "int-or-string"
        stated = self.data.get("type")
        if isinstance(stated, str):
            return stated  # type: ignore[return-value]
        return "object" if "properties" in self.data else "any"

    @property
    def is_open(self) -> bool:
        """Whether an object may have fields that are not declared."""
        data = self.data
        return bool(
            data.get("open")
            or data.get("x-kubernetes-preserve-unknown-fields")
            or data.get("x-kubernetes-embedded-resource")
            or ("properties" not in data and "additionalProperties" not in data)
        )

    @property
    def field_names(self) -> frozenset[str]:
        """The declared fields of an object."""
        return frozenset(self.data.get("properties", ()))

    def get(self, name: str) -> Schema | None:
        """Return the schema of a declared field, or None."""
        found = self.data.get("properties", {}).get(name)
        return None if found is None else self._below(name, found)

    def properties(self) -> Iterator[tuple[str, Schema]]:
        """Yield each declared field with its schema."""
        for name, found in self.data.get("properties", {}).items():
            yield name, self._below(name, found)

    @property
    def items(self) -> Schema | None:
        """The schema of an array's items, if stated."""
        found = self.data.get("items")
        return None if found is None else self._below("items", found)

    @property
    def additional(self) -> Schema | None:
        """The schema of the values of a map (an object without fixed fields), if it is one."""
        found = self.data.get("additionalProperties")
        return self._below("values", found) if isinstance(found, Mapping) else None

    @property
    def required(self) -> tuple[str, ...]:
        """The fields that an object must have."""
        return tuple(self.data.get("required", ()))

    @property
    def enum(self) -> tuple[Any, ...]:
        """The only values allowed; () = any."""
        return tuple(self.data.get("enum", ()))

    @property
    def format(self) -> str:
        """`int32`, `date-time`, `byte`, ...; '' if none."""
        return str(self.data.get("format", ""))

    def _below(self, step: str, data: Mapping[str, Any]) -> Schema:
        reference = data.get("$ref")
        if reference is not None:
            return Schema(reference, self.definitions.get(reference, {}), self.definitions)
        return Schema(f"{self.name}.{step}", data, self.definitions)


@dataclass(frozen=True, slots=True)
class SchemaSet:
    """The schemas of one Kubernetes release, and of custom resources added to them."""

    minor: int
    definitions: Definitions = field(repr=False)
    kinds: Mapping[tuple[str, str, str], Schema] = field(repr=False)

    @property
    def version(self) -> str:
        """The release: `1.37`."""
        return f"1.{self.minor}"

    def schema_for(self, group: str, version: str, kind: str) -> Schema | None:
        """Return the schema of a kind (group '' for the core API), or None if it is not known."""
        return self.kinds.get((group, version, kind))

    def versions_of(self, group: str, kind: str) -> tuple[Schema, ...]:
        """Return the schemas of all versions of a kind; `group` '*' = of all groups."""
        return tuple(
            schema
            for (g, _, k), schema in self.kinds.items()
            if k == kind and (g == group or group == "*")
        )

    def definition(self, name: str) -> Schema | None:
        """Return a named definition, such as `io.k8s.api.core.v1.PodSpec`."""
        found = self.definitions.get(name)
        return None if found is None else Schema(name, found, self.definitions)

    def with_custom_resources(self, *definitions: Mapping[str, Any]) -> SchemaSet:
        """Return a set that also knows the kinds of CustomResourceDefinition bodies (v1)."""
        kinds = dict(self.kinds)
        for body in definitions:
            kinds.update(custom_kinds(body, self.definitions))
        return SchemaSet(self.minor, self.definitions, kinds)


def custom_kinds(
    body: Mapping[str, Any], definitions: Definitions
) -> Iterator[tuple[tuple[str, str, str], Schema]]:
    """Yield (group, version, kind) and schema for each version of a CustomResourceDefinition.

    Parts that have another shape than a definition should are passed over.
    """
    spec = body.get("spec")
    names = spec.get("names") if isinstance(spec, Mapping) else None
    versions = spec.get("versions") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(names, Mapping):
        return
    group, kind = spec.get("group"), names.get("kind")
    for version in versions if isinstance(versions, (list, tuple)) else ():
        holder = version.get("schema") if isinstance(version, Mapping) else None
        schema = holder.get("openAPIV3Schema") if isinstance(holder, Mapping) else None
        if not isinstance(schema, Mapping):
            continue
        # Every object has these three, whether the definition says so or not.
        properties = {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            **(schema.get("properties") or {}),
            "metadata": {"$ref": "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
        }
        key = (str(group), str(version.get("name")), str(kind))
        yield key, Schema(".".join(key), {**schema, "properties": properties}, definitions)
