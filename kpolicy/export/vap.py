"""A native policy as a ValidatingAdmissionPolicy with its Binding.

Source of the target: the types and the validation of admissionregistration.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from kpolicy import cel
from kpolicy.cel.declarations import Library
from kpolicy.cel.errors import CelError
from kpolicy.cel.nodes import Call, Constant, Identifier, Node, Select
from kpolicy.cel.types import BOOL, STRING, Type
from kpolicy.cel.writer import write_lines
from kpolicy.export.cost import PER_EXPRESSION, PER_POLICY, Estimate, estimate
from kpolicy.export.homogeneous import of_one_type
from kpolicy.export.inline import Inexpressible, Inliner, constant, from_config_map
from kpolicy.export.items import all_of, told_of
from kpolicy.export.match import ambiguous, constraints, match_conditions, workloads_met
from kpolicy.export.model import Exported, Options, Refusal
from kpolicy.export.nested import Nesting
from kpolicy.export.releases import refused_by
from kpolicy.policy.compiled import JOINS, CompiledPolicy, CompiledValidation
from kpolicy.policy.model import Expression
from kpolicy.policy.syntax import walk
from kpolicy.snapshot.kinds import Kinds

_API = "admissionregistration.k8s.io/v1"
_ACTIONS = {"error": "Deny", "warning": "Warn", "info": "Audit"}
_ROOTS = ("object", "oldObject", "request", "namespaceObject", "params")
#: The API server's limits of a message and of what a messageExpression gives.
_MESSAGE = 5 * 1024


def export_policy(
    compiled: CompiledPolicy,
    params: Mapping[str, Any],
    kinds: Kinds,
    libraries: Sequence[Library],
    options: Options,
) -> Exported:
    """Return a policy as Kubernetes objects.

    `params` are the values that it runs with, `libraries` those that it was compiled with. Raises
    `Refusal` for a policy that says something that admission cannot.
    """
    return _Writer(compiled, params, kinds, libraries, options).exported()


class _Draft(NamedTuple):
    """A validation, rewritten and not yet checked."""

    origin: Expression
    test: Node
    message: str
    said: Node | None


class _Writer:
    def __init__(
        self,
        compiled: CompiledPolicy,
        params: Mapping[str, Any],
        kinds: Kinds,
        libraries: Sequence[Library],
        options: Options,
    ) -> None:
        policy = compiled.policy
        if policy.metadata.get("vap") is not None:
            raise Refusal("it is a ValidatingAdmissionPolicy already", policy.location)
        if policy.check is not None:
            raise Refusal("it is made in Python, not in CEL", policy.location)
        self.compiled, self.policy, self.options = compiled, policy, options
        self.params, self.kinds = params, kinds
        theirs = cel.kubernetes_libraries()
        # What a policy is written in knows more macros than what it is exported to.
        self.parser = cel.Environment(libraries=libraries)
        self.environment = cel.Environment(
            variables=(*_ROOTS, "variables"),
            libraries=theirs,
            strict_literals=True,
            lenient_presence=True,
        )
        met, strangers = workloads_met(policy.match, kinds)
        self.inliner = Inliner(
            self.environment.parse,
            met,
            strangers=strangers,
            ambiguous=ambiguous(met, policy.match, kinds),
            taken=[named.name for named in policy.variables],
            own={
                f.name for library in libraries if library not in theirs for f in library.functions
            },
            params={name: self._param(name, value) for name, value in params.items()},
        )
        flat = self.environment.parse("[[1]].flatten()")
        self.nesting = Nesting(needed=refused_by(flat, options.release) is not None)
        self.sizes: dict[str, Estimate] = {}
        self.dearest = self.total = 0

    def _param(self, name: str, value: Any) -> Node:
        """Return the expression that stands for a parameter."""
        if self.options.params == "literal":
            return constant(value)
        declared = next((p for p in self.policy.params if p.name == name), None)
        kind = "object" if declared is None else declared.type
        if kind == "array" and not all(isinstance(v, str) and "\n" not in v for v in value):
            kind = "object"
        try:
            return self.environment.parse(from_config_map(name, kind))
        except ValueError:
            raise Refusal(
                f'the parameter "{name}" is no text, number, boolean or list of texts, which is '
                "all that a ConfigMap can hold",
                self.policy.location,
                "--params literal writes its value into the policy",
            ) from None

    def exported(self) -> Exported:
        policy = self.policy
        self._refuse_joins()
        try:
            match = constraints(policy.match, self.kinds)
        except ValueError as error:
            raise Refusal(
                f"its match names kinds by a glob ({error}); a rule names resources",
                policy.location,
            ) from None
        # Rewriting makes variables; all of them are known before the first expression is checked.
        wheres = self._conditions()
        own = {
            v.name: self.nesting.variable(v.name, self._rewritten(v.expression))
            for v in policy.variables
        }
        drafts = [self._draft(validation) for validation in self.compiled.validations]
        origins = {v.name: v.expression for v in policy.variables}
        variables = [
            (name, self._variable(name, tree, origins.get(name)))
            for name, tree in _in_order({**self.inliner.variables, **own}, drafts)
        ]
        conditions = [(name, self._checked(tree, origin, BOOL)) for name, tree, origin in wheres]
        validations = [self._validation(draft) for draft in drafts]
        spec: dict[str, Any] = {"failurePolicy": policy.failure_policy}
        configured = self.options.params == "configmap" and bool(self.params)
        if configured:
            spec["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
        spec["matchConstraints"] = match
        if conditions:
            spec["matchConditions"] = [{"name": n, "expression": e} for n, e in conditions]
        if variables:
            spec["variables"] = [{"name": n, "expression": e} for n, e in variables]
        spec["validations"] = validations
        if self.total > PER_POLICY:
            raise Refusal(
                f"all its expressions together may cost {self.total:,}; an API server allows "
                f"{PER_POLICY:,}", policy.location,
            )  # fmt: skip
        documents = [
            {
                "apiVersion": _API,
                "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": policy.id, "annotations": self._annotations()},
                "spec": spec,
            }
        ]
        if configured:
            documents.append(self._config_map())
        documents.append(self._binding(configured))
        return Exported(policy.id, tuple(documents), self.dearest)

    def _refuse_joins(self) -> None:
        """Refuse a policy that looks beyond its object, whatever else stands against it."""
        policy = self.policy
        tests = [validation.expression for validation in policy.validations]
        items = [v.for_each.items for v in policy.validations if v.for_each is not None]
        named = [n.expression for n in (*policy.match_conditions, *policy.variables)]
        for expression in (*named, *items, *tests):
            for name in _called(self.parser.parse(expression.source)):
                if name in JOINS:
                    raise Refusal(
                        f"{name}() looks at other resources, which admission does not have",
                        expression.location,
                    )

    # Parts

    def _annotations(self) -> dict[str, str]:
        policy = self.policy
        told = {
            "kpolicy.dev/title": policy.title,
            "kpolicy.dev/severity": policy.severity,
            "kpolicy.dev/remediation": policy.remediation,
        }
        return {key: " ".join(text.split()) for key, text in told.items() if text}

    def _config_map(self) -> dict[str, Any]:
        data = {name: _as_text(value) for name, value in sorted(self.params.items())}
        metadata = {"name": self.policy.id, "namespace": self.options.namespace}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    def _binding(self, configured: bool) -> dict[str, Any]:
        actions = self.options.actions or (_ACTIONS[self.policy.severity],)
        spec: dict[str, Any] = {"policyName": self.policy.id}
        if configured:
            spec["paramRef"] = {
                "name": self.policy.id,
                "namespace": self.options.namespace,
                "parameterNotFoundAction": "Deny",
            }
        spec["validationActions"] = list(actions)
        return {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": self.policy.id},
            "spec": spec,
        }

    def _conditions(self) -> list[tuple[str, Node, Expression | None]]:
        found: list[tuple[str, Node, Expression | None]] = [
            (name, self.environment.parse(text), None)
            for name, text in match_conditions(self.policy.match)
        ]
        for condition in self.policy.match_conditions:
            tree = self._rewritten(condition.expression, variables=False)
            found.append((condition.name, tree, condition.expression))
        return found

    def _variable(self, name: str, tree: Node, origin: Expression | None) -> str:
        text = self._checked(tree, origin, None)
        self.sizes[name] = estimate(tree, self.sizes)
        return text

    def _draft(self, compiled: CompiledValidation) -> _Draft:
        validation = self.policy.validations[compiled.index]
        test = self.nesting.rewrite(self._rewritten(validation.expression))
        told = validation.message_expression
        said = None if told is None else self.nesting.rewrite(self._rewritten(told))
        message = " ".join(validation.message.split())
        if validation.for_each is not None:
            variable = validation.for_each.variable
            items = self.nesting.items(self._rewritten(validation.for_each.items))
            each = said if said is not None else self._name(compiled, variable)
            text = told_of(items, variable, test, each, "; " if said is not None else ", ")
            if said is None:
                head = message or self.policy.title or self.policy.id
                text = Call(0, "_+_", None, [Constant(0, f"{head}: "), text])
            test, said = all_of(items, variable, test), text
        fixed = message or (self.policy.title if said is not None else "")
        return _Draft(validation.expression, test, fixed, said)

    def _validation(self, draft: _Draft) -> dict[str, Any]:
        found: dict[str, Any] = {"expression": self._checked(draft.test, draft.origin, BOOL)}
        if draft.message:
            found["message"] = draft.message[:_MESSAGE]
        if draft.said is not None:
            found["messageExpression"] = self._checked(draft.said, draft.origin, STRING)
        return found

    def _name(self, compiled: CompiledValidation, variable: str) -> Node:
        """Return what names an item of a forEach: itself where it is a text, else its name."""
        result = compiled.items.result_type if compiled.items is not None else None
        if result is not None and result.parameters and result.parameters[0] == STRING:
            return Identifier(0, variable)
        return self.environment.parse(f"string({variable}.?name.orValue('an item without a name'))")

    # Expressions

    def _rewritten(self, expression: Expression, *, variables: bool = True) -> Node:
        tree = self.parser.parse(expression.source)
        try:
            return self.inliner.rewrite(tree, variables=variables)
        except Inexpressible as error:
            raise Refusal(error.reason, expression.location) from None

    def _checked(self, tree: Node, origin: Expression | None, expected: Type | None) -> str:
        """Return the source of an expression that the API servers asked for accept."""
        of_one_type(tree, self.environment)
        at = self.policy.location if origin is None else origin.location
        found = refused_by(tree, self.options.release)
        if found is not None:
            raise Refusal(f"it uses {found[0]}", at)
        text = write_lines(tree)
        try:
            self.environment.compile(text, expected=expected)
        except CelError as error:
            raise Refusal(f"as plain CEL it does not type-check: {error.message}", at) from None
        cost = estimate(tree, self.sizes).cost
        self.dearest = max(self.dearest, cost)
        self.total += cost
        if cost > PER_EXPRESSION:
            raise Refusal(
                f"an expression may cost {cost:,}; an API server lets none pass whose estimate is "
                f"above {PER_EXPRESSION:,}", at,
            )  # fmt: skip
        return text


def _called(tree: Node) -> Iterator[str]:
    """Yield the names of the functions that a tree calls, with their namespaces and without."""
    for part, _ in walk(tree):
        if isinstance(part, Call):
            yield part.function
            if isinstance(part.target, Identifier):
                yield f"{part.target.name}.{part.function}"


def _is_variable(node: Node) -> TypeGuard[Select]:
    return (
        isinstance(node, Select)
        and isinstance(node.operand, Identifier)
        and node.operand.name == "variables"
    )


def _in_order(variables: Mapping[str, Node], drafts: Sequence[_Draft]) -> list[tuple[str, Node]]:
    """Return the variables that are read, each after those that it reads itself."""
    ordered: dict[str, Node] = {}

    def add(tree: Node) -> None:
        for part, _ in walk(tree):
            if _is_variable(part) and part.field in variables and part.field not in ordered:
                add(variables[part.field])
                ordered[part.field] = variables[part.field]

    for draft in drafts:
        add(draft.test)
        if draft.said is not None:
            add(draft.said)
    return list(ordered.items())


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "\n".join(value) if isinstance(value, (list, tuple)) else str(value)
