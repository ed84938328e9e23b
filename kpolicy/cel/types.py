"""CEL types, for the checker's declarations and as values of `type(x)` at run time."""

from __future__ import annotations

import re

from kpolicy.records import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    """A CEL type: a name and, for lists, maps, optionals and opaque types, parameters.

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


def parse_type(text: str) -> Type:
    """Return the type that `text` spells: `int`, `map(string, list(dyn))`, `kubernetes.Quantity`.

    A single capital letter is a type parameter. The spelling is the one of `str(type)`.
    Raises ValueError.
    """
    tokens = re.findall(r"[\w.]+|[(),]|\S", text)
    parsed, position = _parse_type(tokens, 0, text)
    if position != len(tokens):
        raise ValueError(f"{text!r} is not a CEL type: unexpected {tokens[position]!r}")
    return parsed


def _parse_type(tokens: list[str], position: int, text: str) -> tuple[Type, int]:
    if position >= len(tokens) or not re.fullmatch(r"[A-Za-z_][\w.]*", tokens[position]):
        raise ValueError(f"{text!r} is not a CEL type, such as 'int' or 'map(string, dyn)'")
    name = tokens[position]
    position += 1
    if position < len(tokens) and tokens[position] == "(":
        parameters: list[Type] = []
        separator = "("
        while separator != ")":
            parameter, position = _parse_type(tokens, position + 1, text)
            parameters.append(parameter)
            separator = tokens[position] if position < len(tokens) else ""
            if separator not in (",", ")"):
                raise ValueError(f"{text!r} is not a CEL type: expected ',' or ')'")
        return Type(name, tuple(parameters)), position + 1
    return Type(name, is_parameter=len(name) == 1 and name.isupper()), position
