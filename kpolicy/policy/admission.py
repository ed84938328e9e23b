"""A policy that decides as a ValidatingAdmissionPolicy, made of its parts by whatever format.

`Policy.metadata["vap"]` holds, as plain data, what only admission knows:

- `constraints`: its `matchConstraints`; `actions`, `bindings`, `params`, `definitions`,
  `namespaces`: see `vap_parts`;
- `paramKind`: `{"apiVersion", "kind"}` or None;
- `reasons`: the `reason` of each validation; `audit`: the keys of its `auditAnnotations`, whose
  expressions stand among the policy's variables under `audit_variable(key)`;
- `rule`: its name among the rules of one policy; `notes`: what was ignored;
- `reinvoked`: whether a policy that changes objects runs again when others changed one since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kpolicy.policy.model import NamedExpression, Policy, Severity, Validation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kpolicy.location import SourceLocation

#: How an action counts; the strongest of a binding's actions decides. Source: issue text.
SEVERITY_OF = {"Deny": "error", "Warn": "warning", "Audit": "info"}


_ORDER: tuple[Severity, ...] = ("error", "warning", "info")


def severity_of_actions(actions: Sequence[str]) -> Severity:
    """Return the severity that a binding's actions stand for: the strongest one's."""
    found = {SEVERITY_OF[action] for action in actions if action in SEVERITY_OF}
    return next((severity for severity in _ORDER if severity in found), "error")


def audit_variable(key: str) -> str:
    """Return the name under which an audit annotation stands among the variables; no identifier."""
    return f"auditAnnotations[{key}]"


def admission_policy(
    id: str,
    location: SourceLocation,
    *,
    constraints: Mapping[str, Any],
    validations: Sequence[Validation],
    reasons: Sequence[str],
    match_conditions: Sequence[NamedExpression] = (),
    variables: Sequence[NamedExpression] = (),
    audit: Sequence[NamedExpression] = (),
    param_kind: Mapping[str, str] | None = None,
    bindings: Sequence[Mapping[str, Any]] = (),
    ignore_failure: bool = False,
    rule: str = "",
    joins: bool = False,
    reinvoked: bool = False,
    notes: Sequence[str] = (),
    **described: Any,
) -> Policy:
    """Return the policy that decides as a ValidatingAdmissionPolicy of these parts.

    For formats that other engines have for the same thing. `constraints` is what `match_resources`
    read, `bindings` what `binding` gives; more may stand in documents of their own. `rule` names a
    part of a policy with several (`Policy.rules`). `joins` says that its functions look at other
    resources. `described`: title, description and what else `Policy` says of itself.
    """
    metadata: dict[str, Any] = {
        "free-params": param_kind is not None,
        "no-params": param_kind is None,
        "joins": joins,
        "vap": {
            "constraints": dict(constraints),
            "paramKind": None if param_kind is None else dict(param_kind),
            "reasons": list(reasons),
            "audit": [entry.name for entry in audit],
            "bindings": [dict(bound) for bound in bindings],
            "params": [],
            "notes": list(notes),
            "rule": rule,
            "reinvoked": reinvoked,
        },
    }
    described.setdefault(
        "severity", severity_of_actions([a for b in bindings for a in b["actions"]])
    )
    described.setdefault("category", "admission")
    return Policy(
        id=id,
        params=(),
        match_conditions=tuple(match_conditions),
        variables=(
            *variables,
            *(NamedExpression(audit_variable(e.name), e.expression) for e in audit),
        ),
        validations=tuple(validations),
        failure_policy="Ignore" if ignore_failure else "Fail",
        location=location,
        metadata=metadata,
        **described,
    )


def binding(
    name: str,
    actions: Sequence[str],
    *,
    constraints: Mapping[str, Any] | None = None,
    param_ref: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a Binding as plain data; `param_ref` is what `read_param_ref` read."""
    return {
        "name": name,
        "constraints": constraints,
        "actions": list(actions),
        "paramRef": param_ref,
        "notes": list(notes),
    }
