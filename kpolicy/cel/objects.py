"""Types of manifests: objects with declared fields, for checking policies against schemas.

At run time an object is a map with string keys. To the checker it is a map whose fields are known,
so that a mistyped field is found when a policy is loaded. Whoever knows schemas implements
`Fields`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Protocol

from kpolicy.cel.types import DYN, Type
from kpolicy.records import dataclass


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


def wrapper_of(base: Type) -> Type:
    """Return the nullable form of `base`: it fits where `base` fits, and where null does."""
    return base if base == DYN or base.name == "wrapper" else Type("wrapper", (base,))


def unwrapped(kind: Type) -> Type:
    """Return the type that a nullable one wraps, else the type itself."""
    return kind.parameters[0] if kind.name == "wrapper" else kind
