"""Checks a policy's CEL against the schemas of the kinds that it matches.

`object` has the fields of its kind, so that a mistyped one (`object.spec.replica`) is found when
the policy is
loaded: an error if no matched kind has it, a warning if some have. Schemas cost some 20 ms, so this
is for `kpolicy policies check`, `kpolicy test` and policies seen for the first time, never for a
warm scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from kpolicy.cel.declared import Declarations
from kpolicy.cel.errors import CelError
from kpolicy.cel.object_check import Meeting, ObjectReport, check_objects, paths_read
from kpolicy.cel.objects import ObjectType, unwrapped, wrapper_of
from kpolicy.cel.types import BOOL, DYN, INT, STRING, Type, list_of, map_of
from kpolicy.errors import Problem
from kpolicy.policy.constraints import rule_meets
from kpolicy.policy.matching import Matcher
from kpolicy.policy.object_types import KnownFields, pod_function_types, type_of_schema
from kpolicy.policy.type_checking import params_type, request_type
from kpolicy.records import dataclass
from kpolicy.snapshot.kinds import Kinds, matcher, scope_groups

if TYPE_CHECKING:
    from kpolicy.cel.program import Program
    from kpolicy.policy.compiled import CompileContext, CompiledPolicy
    from kpolicy.policy.model import Expression, Policy
    from kpolicy.schemas import Schema, SchemaSet


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """What the schemas say against a policy.

    `mistyped` are those of the errors that name a field which is almost another one. A scan refuses
    a new policy for them alone: reading a field that is nowhere is an evaluation error, and legal.
    """

    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    mistyped: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Walk:
    """One policy on its way: what each matched kind knows by now, and what was found."""

    policy: Policy
    context: CompileContext
    meetings: list[Meeting]
    lenient: bool
    variables: list[dict[str, Type]] = field(default_factory=list)
    asking: set[str] = field(default_factory=set)
    """Variables that ask for the kind, as paths: who reads them knows what he meets."""
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    mistyped: list[Problem] = field(default_factory=list)

    def check(
        self,
        expression: Expression,
        program: Program | None,
        what: str,
        extra: Mapping[str, Sequence[Type]] | None = None,
    ) -> ObjectReport:
        """Check one expression for every kind; `extra` are variables with a type for each kind."""
        if program is None:
            return ObjectReport(results=(DYN,) * len(self.meetings))
        asked = not self.asking.isdisjoint(paths_read(program.ast))
        meetings = [
            replace(
                meeting,
                kind_known=meeting.kind_known or asked,
                declarations=replace(
                    meeting.declarations,
                    variables={
                        **(meeting.declarations.variables or {}),
                        "variables": ObjectType(
                            f"variables of {meeting.name}", fields=KnownFields(variables)
                        ),
                        **{name: kinds[index] for name, kinds in (extra or {}).items()},
                    },
                ),
            )
            for index, (meeting, variables) in enumerate(
                zip(self.meetings, self.variables, strict=True)
            )
        ]
        report = check_objects(program.ast, program.source, meetings)
        for error in report.errors:
            self.report(expression, error, what, self.warnings if self.lenient else self.errors)
        # With many kinds, what only some of them lack says nothing.
        for warning in report.warnings if len(self.meetings) <= _MANY else ():
            self.report(expression, warning, what, self.warnings)
        return report

    def report(
        self, expression: Expression, error: CelError, what: str, into: list[Problem]
    ) -> None:
        at, text = self.context.place(expression, error)
        parts = [part for part in (error.hint, text.excerpt(at) if text else "") if part]
        hint = "\n  ".join("\n".join(parts).split("\n"))
        problem = Problem(f'policy "{self.policy.id}": {what}: {error.message}', at, hint)
        into.append(problem)
        if into is self.errors and error.message.startswith("undefined field"):
            self.mistyped += [problem] * error.hint.startswith("did you mean")

    def guard(self, report: ObjectReport) -> None:
        """Keep what an expression asked for: what comes after it may rely on that."""
        if report.guarded:
            self.meetings = [m.after(report, i) for i, m in enumerate(self.meetings)]


class SchemaChecker:
    """Checks policies against one set of schemas; types are made once for all of them.

    `context` is the one that the policies are compiled with.
    """

    def __init__(self, context: CompileContext, schemas: SchemaSet) -> None:
        self.context = context
        self.schemas = schemas
        self._kinds = context.kinds or Kinds.of()
        self._declarations: Declarations | None = None
        self._types: dict[str, Type] = {}

    def check(self, compiled: CompiledPolicy) -> SchemaReport:
        """Check every expression of a compiled policy for each kind that it matches.

        Kinds without a schema (custom resources) are passed over; where the policy names one
        itself, what no other kind has is a warning. Raises nothing.
        """
        policy = compiled.policy
        met = _matched(policy, self._kinds, self.schemas)
        if not met:
            return SchemaReport()
        params, request = _type_of_params(policy), DYN
        if "vap" in policy.metadata:
            params, request = wrapper_of(params_type(policy, self.schemas)), request_type()
        walk = _Walk(
            policy,
            self.context,
            [self._meeting(kind, schema, params, request) for kind, schema in met],
            # Kubernetes itself only warns of what it finds so in a ValidatingAdmissionPolicy.
            lenient="vap" in policy.metadata
            or _names_unknown_kinds(policy, self._kinds, self.schemas),
            variables=[{} for _ in met],
        )
        for named, (_, program) in zip(policy.match_conditions, compiled.conditions, strict=True):
            walk.guard(walk.check(named.expression, program, f'match condition "{named.name}"'))
        for named in policy.variables:
            what = f'variable "{named.name}"'
            report = walk.check(named.expression, compiled.variables.get(named.name), what)
            for types, result in zip(walk.variables, report.results, strict=True):
                types[named.name] = result
            if report.asks_for_kind:
                walk.asking.add(f"variables.{named.name}")
        _check_validations(walk, compiled)
        return SchemaReport(tuple(walk.errors), tuple(walk.warnings), tuple(walk.mistyped))

    def _meeting(self, name: str, schema: Schema, params: Type, request: Type) -> Meeting:
        if self._declarations is None:
            base: Declarations = self.context.environment(("object",)).declarations()
            results = pod_function_types(self.schemas)
            self._declarations = replace(base, variables={}, results=results)
        namespace = self.schemas.schema_for("", "v1", "Namespace")
        kind = self._type_of(schema)
        variables = {
            "object": kind,
            "oldObject": wrapper_of(kind),
            "request": request,
            "params": params,
            "namespaceObject": DYN if namespace is None else wrapper_of(self._type_of(namespace)),
        }
        return Meeting(name, replace(self._declarations, variables=variables))

    def _type_of(self, schema: Schema) -> Type:
        if schema.name not in self._types:
            self._types[schema.name] = type_of_schema(schema)
        return self._types[schema.name]


#: More matched kinds than a policy about pods meets.
_MANY = 20


def _check_validations(walk: _Walk, compiled: CompiledPolicy) -> None:
    for each in compiled.validations:
        source = walk.policy.validations[each.index]
        what = f"validation {each.index + 1}"
        extra: dict[str, Sequence[Type]] = {}
        before = walk.meetings
        if source.for_each is not None:
            report = walk.check(source.for_each.items, each.items, f"{what}, forEach.in")
            extra = {each.variable: tuple(map(_element, report.results))}
            walk.guard(report)
        walk.guard(walk.check(source.expression, each.test, what, extra))
        for expression, program, name in (
            (source.message_expression, each.message_expression, "messageExpression"),
            (source.at, each.at, "at"),
            (source.related, each.related, "related"),
        ):
            if expression is not None:
                walk.check(expression, program, f"{what}, {name}", extra)
        for number, (step, programs) in enumerate(zip(source.fix, each.fix, strict=True)):
            here, met = f"{what}, fix[{number}]", walk.meetings
            if step.when is not None:
                walk.guard(walk.check(step.when, programs.when, f"{here}.when", extra))
            if step.base is not None:
                walk.check(step.base, programs.base, f"{here}.in", extra)
            if step.value is not None:
                walk.check(step.value, programs.value, f"{here}.value", extra)
            walk.meetings = met
        walk.meetings = before


def _element(kind: Type) -> Type:
    kind = unwrapped(kind)
    return kind.parameters[0] if kind.name == "list" and kind.parameters else DYN


def _type_of_params(policy: Policy) -> Type:
    """Return the type of `params`: that of a native policy's declarations."""
    if not policy.params or policy.metadata.get("free-params"):
        return DYN
    types = {}
    for param in policy.params:
        kind = _PARAM_TYPES.get(param.type, DYN)
        if param.type == "array":
            kind = list_of(_PARAM_TYPES.get(param.items or "", DYN))
        types[param.name] = wrapper_of(kind)
    return ObjectType("params", fields=KnownFields(types))


#: A `number` may be an int or a double.
_PARAM_TYPES = {
    "string": STRING,
    "integer": INT,
    "boolean": BOOL,
    "object": map_of(STRING, DYN),
}


def _matched(policy: Policy, kinds: Kinds, schemas: SchemaSet) -> list[tuple[str, Schema]]:
    """Return the kinds that a policy meets, by name; of each only one version with one shape."""
    meets = Matcher(policy, kinds).meets_kind
    rules = _admission_rules(policy)
    found: dict[tuple[str, str], tuple[str, Schema]] = {}
    for (group, version, kind), schema in schemas.kinds.items():
        if schema.get("metadata") is None or kind.endswith("List"):
            continue
        api_version = f"{group}/{version}" if group else version
        if not meets(api_version, kind):
            continue
        plural, namespaced = kinds.plural(group, kind), kinds.namespaced(group, kind)
        if rules is not None and not any(
            rule_meets(rule, group, version, plural, namespaced=namespaced, exact=False)
            for rule in rules
        ):
            continue
        shape = (schema.name, kind)
        found.setdefault(shape, (kind, schema))
    return list(found.values())


def _admission_rules(policy: Policy) -> Sequence[dict[str, Any]] | None:
    """Return the resource rules of a ValidatingAdmissionPolicy, None for another policy."""
    admission = policy.metadata.get("vap")
    if not isinstance(admission, Mapping):
        return None
    constraints = admission.get("constraints") or {}
    return constraints.get("resourceRules") or None


def _names_unknown_kinds(policy: Policy, kinds: Kinds, schemas: SchemaSet) -> bool:
    """Say whether a policy names a kind that has no schema; groups of kinds do not count."""
    constraints = policy.metadata.get("matchConstraints") or {}
    known = {group for group, _, _ in schemas.kinds} | {"*"}
    for rule in constraints.get("resourceRules", ()):
        if not known.issuperset(rule.get("apiGroups", ())):
            return True
    groups = scope_groups(kinds)
    for text in policy.match.kinds:
        if text in groups or text == "*":
            continue
        named = matcher((text,), kinds)
        if not any(
            named(f"{group}/{version}" if group else version, kind)
            for group, version, kind in schemas.kinds
        ):
            return True
    return False
