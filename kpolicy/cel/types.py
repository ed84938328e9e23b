"""CEL types, for the checker's declarations and as values of `type(x)` at run time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    """A CEL type: a name and, for `list`, `map`, `optional_type`, `type` and opaque types, parameters.

    As a run-time value (the answer of `type(x)`) it has no parameters. A type parameter of an
    overload (`T`) is `Type("T", is_parameter=True)`.
    """

    name: str
    parameters: tuple[Type, ...] = ()
    is_parameter: bool = False

    def __str__(self) -> str:
        if not self.parameters:
            return self.name
        return f"{self.name}({', '.join(map(str, self.parameters))})"


DYN = Type("dyn")
BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
NULL = Type("null_type")
TIMESTAMP = Type("google.protobuf.Timestamp")
DURATION = Type("google.protobuf.Duration")
TYPE = Type("type")
LIST = Type("list")
MAP = Type("map")
OPTIONAL = Type("optional_type")
ERROR = Type("error")

T = Type("T", is_parameter=True)
K = Type("K", is_parameter=True)
V = Type("V", is_parameter=True)
A = Type("A", is_parameter=True)
B = Type("B", is_parameter=True)


def list_of(element: Type) -> Type:
    """Return `list(element)`."""
    return Type("list", (element,))


def map_of(key: Type, value: Type) -> Type:
    """Return `map(key, value)`."""
    return Type("map", (key, value))


def optional_of(element: Type) -> Type:
    """Return `optional_type(element)`."""
    return Type("optional_type", (element,))


def type_of_type(of: Type) -> Type:
    """Return `type(of)`, the checker's type of a type name."""
    return Type("type", (of,))
