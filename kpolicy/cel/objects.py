"""Types of manifests: objects with declared fields, for checking policies against schemas.

At run time an object is a map with string keys. To the checker it is a map whose fields are known,
so that a mistyped field is found when a policy is loaded. Whoever knows schemas implements
`Fields`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from kpolicy.cel.types import DYN, Type
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Struct


class Fields(Protocol):
    """What fields an object has."""

    def field(self, name: str) -> Type | None:
        """Return the type of a field, or None if there is none of that name."""

    def names(self) -> Iterable[str]:
        """Return the names of all fields, for suggestions."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectType(Type):
    """A map with declared fields; `name` identifies it (two of one name are one type)."""

    fields: Fields = field(kw_only=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectType) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True, eq=False)
class MessageType(ObjectType):
    """A message type (`Struct`): another one fits in its place as little as a map does."""

    def __str__(self) -> str:
        return self.name


class StructFields:
    """The fields of a message type."""

    __slots__ = ("_struct",)

    def __init__(self, struct: Struct) -> None:
        self._struct = struct

    def field(self, name: str) -> Type | None:
        """Return the type of a field, or None if there is none of that name."""
        fields = self._struct.fields
        return DYN if fields is None else fields.get(name)

    def names(self) -> Iterable[str]:
        """Return the names of all fields that are declared."""
        return self._struct.fields or ()


def wrapper_of(base: Type) -> Type:
    """Return the nullable form of `base`: it fits where `base` fits, and where null does."""
    return base if base == DYN or base.name == "wrapper" else Type("wrapper", (base,))


def unwrapped(kind: Type) -> Type:
    """Return the type that a nullable one wraps, else the type itself."""
    return kind.parameters[0] if kind.name == "wrapper" else kind
