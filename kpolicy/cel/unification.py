"""Assignability of types with type variables and `dyn`: the algebra below the checker.

The rules are those of cel-go's checker (gradual typing by assignability, not equality), so that the
same expressions are accepted and get the same type: `dyn` fits everywhere, a type variable takes
the most general of the types it met, and null fits what can be absent.
"""

from __future__ import annotations

from collections.abc import Sequence

from kpolicy.cel.objects import MessageType, ObjectType, unwrapped
from kpolicy.cel.types import DYN, STRING, Type, map_of

Mapping = dict[Type, Type]

_PRIMITIVES = frozenset(("bool", "int", "uint", "double", "string", "bytes"))
_NEVER_NULL = _PRIMITIVES | {"list", "map", "type"}


def is_wild(kind: Type) -> bool:
    """Say whether a type fits everywhere: `dyn`, or the type of something already reported."""
    return kind.name in ("dyn", "error") and not kind.is_parameter


class Unifier:
    """The type variables of one expression and what they stand for."""

    __slots__ = ("_count", "mapping")

    def __init__(self) -> None:
        self.mapping: Mapping = {}
        self._count = 0

    def fresh(self) -> Type:
        """Return a new type variable."""
        self._count += 1
        return Type(f"_var{self._count}", is_parameter=True)

    def instance(self, signature: Sequence[Type]) -> tuple[Type, ...]:
        """Return a signature with fresh variables in the place of its type parameters."""
        renamed: Mapping = {}
        return tuple(self._renamed(kind, renamed) for kind in signature)

    def _renamed(self, kind: Type, renamed: Mapping) -> Type:
        if kind.is_parameter:
            if kind not in renamed:
                renamed[kind] = self.fresh()
            return renamed[kind]
        if not kind.parameters:
            return kind
        return Type(kind.name, tuple(self._renamed(p, renamed) for p in kind.parameters))

    def assign(self, sources: Sequence[Type], targets: Sequence[Type]) -> bool:
        """Say whether each source fits its target, and keep what that tells of the variables."""
        if len(sources) != len(targets):
            return False
        trial = dict(self.mapping)
        if not all(_assignable(trial, s, t) for s, t in zip(sources, targets, strict=True)):
            return False
        self.mapping = trial
        return True

    def substitute(self, kind: Type, *, free_is_dyn: bool = False) -> Type:
        """Return `kind` with its variables replaced by what they stand for."""
        while kind in self.mapping:
            kind = self.mapping[kind]
        if kind.is_parameter:
            return DYN if free_is_dyn else kind
        if not kind.parameters:
            return kind
        return Type(
            kind.name,
            tuple(self.substitute(p, free_is_dyn=free_is_dyn) for p in kind.parameters),
        )

    def join(self, previous: Type | None, current: Type) -> Type | None:
        """Return the type of both, or None if neither fits the other."""
        if previous is None:
            return current
        if self.assign((previous,), (current,)):
            return most_general(previous, current)
        return None


def most_general(left: Type, right: Type) -> Type:
    """Return the less specific of two types of which one fits the other."""
    if isinstance(left, ObjectType) and isinstance(right, ObjectType) and left != right:
        return DYN
    # Of null and what may be null, the other one (cel-spec's type deduction; cel-go says null).
    if left.name == "null_type" or right.name == "null_type":
        other = right if left.name == "null_type" else left
        return left if other.name == "null_type" else other
    # cel-spec, type_deduction/legacy_nullable_types: of a nullable type and null it is the former.
    if right.name == "null_type" and _nullable(left):
        return left
    return left if _covers(left, right) else right


def _covers(left: Type, right: Type) -> bool:
    """Say whether `left` equals `right` or is less specific."""
    if left.is_parameter or left.name == "dyn":
        return True
    if right.is_parameter or right.name == "dyn":
        return False
    if left.name == "wrapper" and right.name != "wrapper":
        return _covers(left.parameters[0], right)
    if left.name != right.name or len(left.parameters) != len(right.parameters):
        return False
    if left.name == "type":
        return True
    return all(map(_covers, left.parameters, right.parameters))


def _assignable(mapping: Mapping, left: Type, right: Type) -> bool:
    if right.is_parameter:
        valid, bound = _bind(mapping, left, right)
        if valid or bound:
            return valid
    if left.is_parameter:
        return _bind(mapping, right, left)[0]
    if is_wild(left) or is_wild(right):
        return True
    if left.name == "null_type":
        return _nullable(right)
    if right.name == "null_type":
        return _nullable(left)
    left, right = unwrapped(left), unwrapped(right)
    if isinstance(left, ObjectType) or isinstance(right, ObjectType):
        return _objects_assignable(mapping, left, right)
    if left.name == "type":
        return right.name == "type"
    return (
        left.name == right.name
        and len(left.parameters) == len(right.parameters)
        and all(
            _assignable(mapping, a, b)
            for a, b in zip(left.parameters, right.parameters, strict=True)
        )
    )


def _objects_assignable(mapping: Mapping, left: Type, right: Type) -> bool:
    if isinstance(left, MessageType) or isinstance(right, MessageType):
        return left == right
    if isinstance(left, ObjectType) and isinstance(right, ObjectType):
        return True
    plain = map_of(STRING, DYN)
    if isinstance(left, ObjectType):
        return _assignable(mapping, plain, right)
    return _assignable(mapping, left, plain)


def _nullable(kind: Type) -> bool:
    return kind.name not in _NEVER_NULL or isinstance(kind, ObjectType)


def _bind(mapping: Mapping, kind: Type, variable: Type) -> tuple[bool, bool]:
    """Try `kind` for `variable`; return (it fits, the variable had a type before)."""
    if kind == variable:
        return True, True
    if variable in mapping:
        current = mapping[variable]
        if current == kind:
            return True, True
        if not _assignable(mapping, kind, current):
            return False, True
        general = most_general(kind, current)
        if not _occurs(mapping, variable, general):
            mapping[variable] = general
        return True, True
    if _occurs(mapping, variable, kind):
        return False, False
    mapping[variable] = kind
    return True, False


def _occurs(mapping: Mapping, variable: Type, within: Type) -> bool:
    if variable == within:
        return True
    if within.is_parameter:
        return within in mapping and _occurs(mapping, variable, mapping[within])
    return any(_occurs(mapping, variable, p) for p in within.parameters)
