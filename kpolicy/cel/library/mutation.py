"""The types that a mutating admission policy's mutations make: `Object{...}`, `JSONPatch{...}`.

Source: k8s.io/apiserver/pkg/cel/mutation (Kubernetes 1.32 and later). Not one of
`kubernetes_libraries()`: the API server has them in the expressions of mutations alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kpolicy.cel.declarations import Library, Struct
from kpolicy.cel.errors import CelError
from kpolicy.cel.objects import MessageType, StructFields
from kpolicy.cel.types import DYN, STRING, Type


class ObjectValue(dict[str, Any]):
    """What `Object.spec{...}` makes: a map that knows the name it was made under. Immutable."""

    __slots__ = ("type_name",)

    def __init__(self, type_name: str, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.type_name = type_name


class PatchOperation(dict[str, Any]):
    """What `JSONPatch{...}` makes: `op`, `path`, `from` ("" if not set), and perhaps `value`."""

    __slots__ = ()


def misnamed(value: Any, path: str = "") -> Iterator[str]:
    """Yield what is wrong with the type names inside an `ObjectValue`.

    The parts of an object must be called by the fields that lead to them: at `spec.template` stands
    an `Object.spec.template`. Lists and maps on the way have no names.
    """
    if isinstance(value, ObjectValue):
        path = path or value.type_name
        if value.type_name != path:
            yield (
                f'unexpected type name "{value.type_name}", expected "{path}", which matches the '
                "field names from the root"
            )
        for name, below in value.items():
            yield from misnamed(below, f"{path}.{name}")
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from misnamed(below, path)
    elif isinstance(value, (list, tuple)):
        for below in value:
            yield from misnamed(below, path)


def _operation(name: str, fields: Mapping[str, Any]) -> PatchOperation:
    for key in ("op", "path", "from"):
        if not isinstance(fields.get(key, ""), str):
            raise CelError(f"the field {key} of a {name} must be a string")
    return PatchOperation({"op": "", "path": "", "from": "", **fields})


_OBJECT: Final = Struct("Object", ObjectValue, nested=True)
_PATCH: Final = Struct(
    "JSONPatch", _operation, {"op": STRING, "path": STRING, "from": STRING, "value": DYN}
)

#: What an apply configuration and an operation of a JSON patch are to the checker.
OBJECT: Final = MessageType("Object", fields=StructFields(_OBJECT))
JSON_PATCH: Final = MessageType("JSONPatch", fields=StructFields(_PATCH))

LIBRARY: Final = Library(
    name="kubernetes.mutation",
    doc="Apply configurations and JSON patches.",
    source="k8s.io/apiserver/pkg/cel/mutation",
    structs=(_OBJECT, _PATCH),
    opaque={ObjectValue: Type("Object"), PatchOperation: Type("JSONPatch")},
)
