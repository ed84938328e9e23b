"""A policy as data: what it matches, what must hold, and what it says when it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from kpolicy.location import SourceLocation
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

Severity = Literal["error", "warning", "info"]
ParamType = Literal["string", "integer", "number", "boolean", "array", "object"]


@dataclass(frozen=True, slots=True)
class Expression:
    """CEL source with the place where it begins in its file."""

    source: str
    location: SourceLocation


@dataclass(frozen=True, slots=True)
class NamedExpression:
    """A match condition, a variable or a filter."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Param:
    """A typed parameter with its default; visible to CEL as `params.<name>`."""

    name: str
    type: ParamType
    default: Any = None
    description: str = ""
    items: ParamType | None = None
    enum: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """Which resources a native policy meets."""

    kinds: tuple[str, ...] = ("*",)
    exclude_kinds: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    """Globs over the effective namespace; () = all."""
    exclude_namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    exclude_names: tuple[str, ...] = ()
    labels: Mapping[str, Any] | None = None
    """A LabelSelector on the resource's own labels."""
    decoded: Literal["", "readable", "typed"] = ""
    """Which resources of built-in kinds: "typed" = those that Kubernetes decodes; "readable" = also
    those whose values it refuses, but not those with a field of a wrong JSON type; "" = all."""


@dataclass(frozen=True, slots=True)
class ForEach:
    """One finding for each item of `items` for which the validation fails."""

    variable: str
    items: Expression


@dataclass(frozen=True, slots=True)
class FixStep:
    """One step of a fix: `path` (and `source`, of a move) as written, its value as CEL."""

    op: Literal["add", "replace", "remove", "move"]
    path: str
    source: str = ""
    value: Expression | None = None
    when: Expression | None = None
    """The step is left out where this is false."""
    base: Expression | None = None
    """The part of the object that the paths start from (`in`); None = the finding's item."""


class Edit(NamedTuple):
    """One edit of a resource, its pointers from the resource's root.

    `add`, `replace`, `remove` and `move` are JSON Patch's (RFC 6902). Two more are edits of the
    text, for Python policies: `quote` makes a string of a plain scalar, as it is written, and
    `deduplicate` removes all but the last of the entries with one key.
    """

    op: Literal["add", "replace", "remove", "move", "quote", "deduplicate"]
    pointer: str
    value: Any = None
    source: str = ""
    """Where a move comes from."""


@dataclass(frozen=True, slots=True)
class Validation:
    """One expression of a policy: true = holds."""

    expression: Expression
    message: str = ""
    message_expression: Expression | None = None
    for_each: ForEach | None = None
    at: Expression | None = None
    """Where the finding stands: an expression over `object` whose value is a part of it."""
    related: Expression | None = None
    """Further resources (a body or a list of bodies) that the finding names with their places."""
    fix: tuple[FixStep, ...] = ()
    """How to mend it: safe to apply unseen, or not given."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change that a MutatingAdmissionPolicy makes: what its expression gives is merged into
    the object, or is a list of operations of a JSON patch."""

    patch_type: Literal["ApplyConfiguration", "JSONPatch"]
    expression: Expression


@dataclass(frozen=True, slots=True)
class Violation:
    """What a Python policy yields for each thing that is wrong."""

    message: str
    at: Any = None
    """A part of the body (by identity), a (line, column) pair or None for the whole resource."""
    item: str = ""
    related: tuple[Resource, ...] = ()
    fix: tuple[Edit, ...] = ()
    """How to mend it; pointers from the resource's root."""


PythonCheck = Callable[["Resource", "Snapshot", Mapping[str, Any]], Iterable[Violation]]


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: either `validations` or, for what CEL cannot say, `check`.

    `check` is called with the resource, the snapshot and the parameters.
    """

    id: str
    severity: Severity = "warning"
    title: str = ""
    pack: str = ""
    category: str = ""
    default: bool = False
    description: str = ""
    remediation: str = ""
    references: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()
    match: Match = field(default_factory=Match)
    match_conditions: tuple[NamedExpression, ...] = ()
    filters: tuple[NamedExpression, ...] = ()
    variables: tuple[NamedExpression, ...] = ()
    validations: tuple[Validation, ...] = ()
    failure_policy: Literal["Fail", "Ignore"] = "Fail"
    check: PythonCheck | None = None
    location: SourceLocation | None = None
    plugin: str = ""
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Anything a policy format wants to keep (a VAP's constraints and bindings)."""
    rules: tuple[Policy, ...] = ()
    """Further policies that decide under the same id, each for a match of its own: what other
    engines call the rules of a policy. Admission policies only."""
    mutations: tuple[Mutation, ...] = ()
    """What a policy changes that admits or refuses nothing."""
