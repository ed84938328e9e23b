"""What an API server writes into `status.typeChecking` of a ValidatingAdmissionPolicy.

Every validation is checked against the schemas of the kinds that the rules name: at most ten, none
behind a wildcard, subresources left out. Kinds and parameters without a schema are passed over.
Source: k8s.io/apiserver, the validating policy plugin, typechecking.go; cel-go's error texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.cel.checker import examine
from kpolicy.cel.declared import Declarations
from kpolicy.cel.errors import CelError
from kpolicy.cel.objects import ObjectType
from kpolicy.cel.types import BOOL, DYN, INT, STRING, Type, list_of, map_of
from kpolicy.policy.object_types import KnownFields, type_of_schema
from kpolicy.snapshot.kinds import Kinds, split_api_version

if TYPE_CHECKING:
    from kpolicy.policy.compiled import CompileContext
    from kpolicy.policy.model import Policy
    from kpolicy.schemas import Schema, SchemaSet

#: More kinds of one rule are not looked at.
_MOST_KINDS = 10


class ExpressionWarning(NamedTuple):
    """What is wrong with one expression, as the API server words it."""

    field_ref: str
    """`spec.validations[0].expression`."""
    warning: str


class _Target(NamedTuple):
    """A kind that is checked against; ordered as the API server orders them."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"


def type_warnings(
    policy: Policy, context: CompileContext, schemas: SchemaSet
) -> tuple[ExpressionWarning, ...]:
    """Return the warnings of a ValidatingAdmissionPolicy; none for a policy of another format.

    `schemas` know the kinds of the CustomResourceDefinitions that count; `context.kinds` their
    resources. An expression that does not parse has no warning: it is an error when it is loaded.
    """
    if "vap" not in policy.metadata:
        return ()
    targets = _targets(policy, context.kinds or Kinds.of(), schemas)
    worlds = [
        (target, _declarations(policy, context, type_of_schema(schema), schemas))
        for target, schema in targets
    ]
    found: list[ExpressionWarning] = []
    for index, validation in enumerate(policy.validations):
        for name, expression in (
            ("expression", validation.expression),
            ("messageExpression", validation.message_expression),
        ):
            if expression is None:
                continue
            texts = [
                f"{target}: {issues}\n"
                for target, declarations in worlds
                if (issues := _issues(expression.source, declarations, context))
            ]
            if texts:
                where = f"spec.validations[{index}].{name}"
                found.append(ExpressionWarning(where, "\n".join(texts)))
    return tuple(found)


def request_type() -> Type:
    """Return the type of `request`. Source: `BuildRequestType` of k8s.io/apiserver."""
    kind = _object("kind", group=STRING, version=STRING, kind=STRING)
    resource = _object("resource", group=STRING, version=STRING, resource=STRING)
    user = _object(
        "userInfo", username=STRING, uid=STRING, groups=list_of(STRING),
        extra=map_of(STRING, list_of(STRING)),
    )  # fmt: skip
    return _object(
        "request", kind=kind, resource=resource, subResource=STRING, requestKind=kind,
        requestResource=resource, requestSubResource=STRING, name=STRING, namespace=STRING,
        operation=STRING, userInfo=user, dryRun=BOOL, options=DYN,
    )  # fmt: skip


def params_type(policy: Policy, schemas: SchemaSet) -> Type:
    """Return the type of an admission policy's `params`: that of its paramKind, else `dyn`."""
    named = policy.metadata["vap"]["paramKind"]
    if not named:
        return DYN
    group, version = split_api_version(named["apiVersion"])
    schema = schemas.schema_for(group, version, named["kind"])
    return DYN if schema is None else type_of_schema(schema)


def _namespace_type() -> Type:
    """Return the type of `namespaceObject`: the fields that the API server lets through."""
    metadata = _object(
        "metadata", name=STRING, generateName=STRING, namespace=STRING, UID=STRING,
        labels=map_of(STRING, STRING), annotations=map_of(STRING, STRING), creationTimestamp=DYN,
        deletionTimestamp=DYN, deletionGracePeriodSeconds=INT, generation=INT,
        resourceVersion=STRING, finalizers=list_of(STRING),
    )  # fmt: skip
    spec = _object("spec", finalizers=list_of(STRING))
    status = _object("status", phase=STRING)
    return _object("namespace", metadata=metadata, spec=spec, status=status)


class _OnlyFields(KnownFields):
    """Fields, and no others."""

    __slots__ = ()

    def field(self, name: str) -> Type | None:
        return self._fields.get(name)


def _object(name: str, /, **fields: Type) -> Type:
    return ObjectType(f"kubernetes.{name}", fields=_OnlyFields(fields))


def _targets(policy: Policy, kinds: Kinds, schemas: SchemaSet) -> list[tuple[_Target, Schema]]:
    """Return the kinds to check against that have a schema."""
    by_resource: dict[tuple[str, str, str], list[_Target]] = {}
    for group, version, kind in schemas.kinds:
        target = _Target(group, version, kind)
        by_resource.setdefault((group, version, kinds.plural(group, kind)), []).append(target)
    named: set[_Target] = set()
    for rule in policy.metadata["vap"]["constraints"]["resourceRules"]:
        chosen: list[_Target] = []
        for group, version, resource in _resources(rule):
            chosen += by_resource.get((group, version, resource), ())
        named.update(chosen[:_MOST_KINDS])
        if len(chosen) >= _MOST_KINDS:
            break
    found = ((target, schemas.schema_for(*target)) for target in sorted(named))
    return [(target, schema) for target, schema in found if schema is not None]


def _resources(rule: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the resources that a rule names; of one with a wildcard group or version none."""
    if any("*" in text for text in (*rule["apiGroups"], *rule["apiVersions"])):
        return
    for group in sorted(rule["apiGroups"]):
        for version in sorted(rule["apiVersions"]):
            for resource in sorted(rule["resources"]):
                if "*" not in resource and "/" not in resource:
                    yield group, version, resource


def _declarations(
    policy: Policy, context: CompileContext, kind: Type, schemas: SchemaSet
) -> Declarations:
    """Return what names mean for objects of one kind, the policy's variables among them."""
    names = {
        "object": kind,
        "oldObject": kind,
        "request": request_type(),
        "namespaceObject": _namespace_type(),
        "authorizer": DYN,
    }
    if policy.metadata["vap"]["paramKind"]:
        names["params"] = params_type(policy, schemas)
    base: Declarations = context.environment(("object",)).declarations()
    variables: dict[str, Type] = {}
    audit = set(policy.metadata["vap"]["audit"])
    for named in policy.variables:
        declarations = _with(base, names, variables)
        try:
            tree = context.environment(("object",)).parse(named.expression.source)
        except CelError:
            continue
        found = examine(tree, declarations, named.expression.source)
        # A variable that does not check is no variable to those who read it.
        if not found.errors and named.name not in audit:
            variables[named.name] = found.result
    return _with(base, names, variables)


def _with(
    base: Declarations, names: Mapping[str, Type], variables: Mapping[str, Type]
) -> Declarations:
    composed = _object("variables", **variables)
    return replace(base, variables={**names, "variables": composed})


def _issues(source: str, declarations: Declarations, context: CompileContext) -> str:
    """Return everything that is wrong with an expression, as cel-go displays it."""
    try:
        tree = context.environment(("object",)).parse(source)
    except CelError:
        return ""
    found = examine(tree, declarations, source)
    errors = [*found.errors, *(absent.error for absent in found.absent if absent.asked)]
    places = sorted({(e.line, e.column, _worded(e.message)) for e in errors})
    return "\n".join(_displayed(source, *place) for place in places)


def _displayed(source: str, line: int, column: int, message: str) -> str:
    lines = source.split("\n")
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    dots = "." * max(column - 1, 0)
    return f"ERROR: <input>:{line}:{column}: {message}\n | {text}\n | {dots}^"


_FIELD = re.compile(r"(undefined field '[^']*') in .*", re.S)
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '(.*)'", re.S)
_UNARY = {"!": "!_", "-": "-_"}
_OTHER = {"in": "@in", "[]": "_[_]", "?:": "_?_:_"}


def _worded(message: str) -> str:
    """Return a message in cel-go's words: operators by their internal names."""
    field = _FIELD.fullmatch(message)
    if field is not None:
        return field[1]
    overload = _OVERLOAD.fullmatch(message)
    if overload is None or (overload[1][0].isalpha() and overload[1] != "in"):
        return message
    operator, types = overload[1], overload[2]
    alone = types.count(",") == 0
    name = _OTHER.get(operator) or (_UNARY.get(operator) if alone else None) or f"_{operator}_"
    return f"found no matching overload for '{name}' applied to '{types}'"


def as_status(policy: Policy, warnings: Sequence[ExpressionWarning]) -> dict[str, Any]:
    """Return what `kubectl get -o yaml` would show of a policy's type checking."""
    listed: Iterable[dict[str, str]] = (
        {"fieldRef": each.field_ref, "warning": each.warning} for each in warnings
    )
    checked: dict[str, Any] = {"expressionWarnings": list(listed)} if warnings else {}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": policy.id},
        "status": {"typeChecking": checked},
    }
