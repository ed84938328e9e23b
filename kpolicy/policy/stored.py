"""Policies as data, for the cache: validated when they are read, and never code."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from kpolicy.location import SourceLocation
from kpolicy.policy.compiled import CompiledPolicy, CompiledStep, CompiledValidation, Question
from kpolicy.policy.model import Match, NamedExpression, Param, Policy, Validation
from kpolicy.policy.programs import LazyProgram

if TYPE_CHECKING:
    from kpolicy.cel import Program
    from kpolicy.policy.compiled import CompileContext, Key

Severity = Literal["error", "warning", "info"]

#: A program: the variables of its environment, and what `Program.dump` gives.
Dumped = tuple[tuple[str, ...], list[Any]]


class StoredPolicy(msgspec.Struct, array_like=True, frozen=True):
    """`Policy` without its Python."""

    id: str
    severity: Severity
    title: str
    pack: str
    category: str
    default: bool
    description: str
    remediation: str
    references: tuple[str, ...]
    params: tuple[Param, ...]
    match: Match
    match_conditions: tuple[NamedExpression, ...]
    filters: tuple[NamedExpression, ...]
    variables: tuple[NamedExpression, ...]
    validations: tuple[Validation, ...]
    failure_policy: Literal["Fail", "Ignore"]
    location: SourceLocation | None
    plugin: str
    metadata: dict[str, Any]


class StoredValidation(msgspec.Struct, array_like=True, frozen=True):
    """`CompiledValidation` with its programs as data."""

    index: int
    test: Dumped
    message: str
    message_expression: Dumped | None
    variable: str
    items: Dumped | None
    at: Dumped | None
    at_chain: tuple[tuple[Dumped, str | int | Dumped | None], ...]
    related: Dumped | None
    fix: tuple[tuple[str, str, str, Dumped | None, Dumped | None, Dumped | None], ...]


class StoredCompiled(msgspec.Struct, array_like=True, frozen=True):
    """`CompiledPolicy` without its policy, its programs as data."""

    conditions: tuple[tuple[str, Dumped], ...]
    filters: tuple[tuple[str, Dumped], ...]
    variables: tuple[tuple[str, Dumped], ...]
    validations: tuple[StoredValidation, ...]
    questions: tuple[tuple[str, str], ...]
    references: tuple[str, ...]
    joins: bool


_FIELDS = StoredPolicy.__struct_fields__


def store_policy(policy: Policy) -> bytes:
    """Return a policy as data. Raises `TypeError` for one that holds what is no data."""
    if policy.check is not None:
        raise TypeError("a policy made in Python is not stored")
    if policy.rules:
        raise TypeError("a policy of several rules is not stored")
    values = {name: getattr(policy, name) for name in _FIELDS}
    values["metadata"] = dict(policy.metadata)
    values["match"] = _plain_match(policy.match)
    return msgspec.msgpack.encode(StoredPolicy(**values))


def _plain_match(match: Match) -> Match:
    """A mapping proxy is no data to msgspec."""
    from dataclasses import replace

    return match if match.labels is None else replace(match, labels=dict(match.labels))


_POLICY = msgspec.msgpack.Decoder(StoredPolicy)
_COMPILED = msgspec.msgpack.Decoder(StoredCompiled)


def restore_policy(data: bytes) -> Policy:
    """Return the policy that `store_policy` stored; raises `msgspec.MsgspecError` else."""
    stored = _POLICY.decode(data)
    values: dict[str, Any] = {name: getattr(stored, name) for name in _FIELDS}
    values["metadata"] = MappingProxyType(stored.metadata)
    return Policy(**values)


def store_compiled(compiled: CompiledPolicy) -> bytes:
    """Return what compiling gave, as data."""

    def optional(program: Any) -> Dumped | None:
        return None if program is None else _dump(program)

    stored = StoredCompiled(
        conditions=tuple((name, _dump(p)) for name, p in compiled.conditions),
        filters=tuple((name, _dump(p)) for name, p in compiled.filters.items()),
        variables=tuple((name, _dump(p)) for name, p in compiled.variables.items()),
        validations=tuple(
            StoredValidation(
                index=v.index,
                test=_dump(v.test),
                message=v.message,
                message_expression=optional(v.message_expression),
                variable=v.variable,
                items=optional(v.items),
                at=optional(v.at),
                at_chain=tuple((_dump(p), _stored_key(key)) for p, key in v.at_chain),
                related=optional(v.related),
                fix=tuple(
                    (s.op, s.path, s.source, optional(s.value), optional(s.when), optional(s.base))
                    for s in v.fix
                ),
            )
            for v in compiled.validations
        ),
        questions=tuple((q.relation, q.filter) for q in compiled.questions),
        references=tuple(sorted(compiled.references)),
        joins=compiled.joins,
    )
    return msgspec.msgpack.encode(stored)


def _stored_key(key: Key) -> str | int | Dumped | None:
    return key if key is None or isinstance(key, (str, int)) else _dump(key)


def _dump(program: Any) -> Dumped:
    return program.names, program.dump()


def restore_compiled(data: bytes, policy: Policy, context: CompileContext) -> CompiledPolicy:
    """Return a compiled policy whose programs wait for their first evaluation.

    Raises `msgspec.MsgspecError` for data that is none.
    """
    stored = _COMPILED.decode(data)

    def program(dumped: Dumped) -> Program:
        names, data = dumped
        source = data[1] if len(data) > 1 and isinstance(data[1], str) else ""

        def make() -> Program:
            environment = context.environment(names)
            made: Program
            try:
                made = environment.load(data)
            except ValueError:  # no tree of this version: the source is at hand
                made = environment.compile(source)
            return made

        return cast(
            "Program", LazyProgram(source, names, make, context.patience, prepared=context.prepared)
        )

    def optional(dumped: Dumped | None) -> Program | None:
        return None if dumped is None else program(dumped)

    return CompiledPolicy(
        policy=policy,
        conditions=tuple((name, program(d)) for name, d in stored.conditions),
        filters=MappingProxyType({name: program(d) for name, d in stored.filters}),
        variables=MappingProxyType({name: program(d) for name, d in stored.variables}),
        validations=tuple(
            CompiledValidation(
                index=v.index,
                test=program(v.test),
                message=v.message,
                message_expression=optional(v.message_expression),
                variable=v.variable,
                items=optional(v.items),
                at=optional(v.at),
                at_chain=tuple(
                    (program(d), program(key) if isinstance(key, tuple) else key)
                    for d, key in v.at_chain
                ),
                related=optional(v.related),
                fix=tuple(
                    CompiledStep(op, path, source, *map(optional, programs))
                    for op, path, source, *programs in v.fix
                ),
            )
            for v in stored.validations
        ),
        questions=tuple(Question(relation, name) for relation, name in stored.questions),
        references=frozenset(stored.references),
        joins=stored.joins,
    )
