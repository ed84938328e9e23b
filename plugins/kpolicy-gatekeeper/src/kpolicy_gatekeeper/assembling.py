"""Templates and constraints, brought together: each constraint is a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kpolicy.cel.writer import literal
from kpolicy.errors import Problem
from kpolicy.policy.admission import admission_policy, binding
from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.model import Expression, NamedExpression, Policy
from kpolicy.schemas.model import Schema
from kpolicy.schemas.validation import validate
from kpolicy.strict.suggest import did_you_mean

from kpolicy_gatekeeper.constraint import Constraint
from kpolicy_gatekeeper.template import Template


def assemble(parts: Sequence[Part]) -> Loaded:
    """Return a policy for each constraint, and what is wrong with templates or constraints."""
    templates: dict[str, Template] = {}
    constraints: list[Constraint] = []
    problems: list[Problem] = []
    for part in parts:
        template = part.data.get("template")
        if template is None:
            constraints.append(part.data["constraint"])
        elif template.kind in templates:
            first = templates[template.kind].location
            message = f"a template for {template.kind} stands at {first} already"
            problems.append(Problem(message, template.location, "remove one of the two"))
        else:
            templates[template.kind] = template
    policies = []
    for constraint in constraints:
        template = templates.get(constraint.kind)
        if template is None:
            hint = did_you_mean(constraint.kind, templates) or "name its template with -p too"
            message = f"no ConstraintTemplate for {constraint.kind} can be run"
            problems.append(Problem(message, constraint.location, hint))
            continue
        wrong = list(_misfits(template, constraint))
        problems += wrong
        if not wrong:
            policies.append(_policy(template, constraint))
    used = {constraint.kind for constraint in constraints}
    notes = tuple(
        Part("note", {"text": _unused(template)}, template.location)
        for kind, template in templates.items()
        if kind not in used
    )
    return Loaded(tuple(policies), tuple(problems), parts=notes)


def _unused(template: Template) -> str:
    return f"{template.location}: template {template.name} has no constraint; it decides nothing"


def _policy(template: Template, constraint: Constraint) -> Policy:
    at = constraint.location
    parameters = _defaulted(constraint.parameters, template.schema)
    variables = (
        NamedExpression(
            "anyObject",
            Expression(
                "has(request.operation) && request.operation == 'DELETE' && object == null "
                "? oldObject : object", at,
            ),
        ),
        NamedExpression("params", Expression(_as_cel(parameters), at)),
    )  # fmt: skip
    return admission_policy(
        f"{constraint.kind.lower()}.{constraint.name}",
        at,
        constraints=constraint.constraints,
        match_conditions=(*constraint.conditions, *template.conditions),
        variables=(*variables, *template.variables),
        validations=template.validations,
        reasons=template.reasons,
        bindings=(binding("", constraint.actions),),
        ignore_failure=template.ignores_failure,
        notes=(*template.notes, *constraint.notes),
        title=template.title or template.name,
        description=template.description,
    )


def _misfits(template: Template, constraint: Constraint) -> list[Problem]:
    """Return what the template's schema does not allow of the parameters."""
    if not template.schema:
        return []
    schema = Schema(constraint.kind, template.schema)
    return [
        Problem(
            f"spec.parameters{found.pointer.replace('/', '.')}: {found.message}",
            constraint.parameters_at,
            f"as the template {template.name} declares them",
        )
        for found in validate(constraint.parameters, schema)
        if found.fault != "unknown-field"
    ]


def _defaulted(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value with the defaults that a schema has for what is absent."""
    if isinstance(value, dict):
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        filled = dict(value)
        for name, below in properties.items():
            if not isinstance(below, dict):
                continue
            if name not in filled and "default" in below:
                filled[name] = below["default"]
            if name in filled:
                filled[name] = _defaulted(filled[name], below)
        return filled
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        return [_defaulted(item, items) for item in value]
    return value


def _as_cel(value: Any) -> str:
    """Return the literal of a JSON value."""
    if isinstance(value, Mapping):
        pairs = (f"{literal(str(key))}: {_as_cel(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_as_cel(item) for item in value)}]"
    return literal(value)
