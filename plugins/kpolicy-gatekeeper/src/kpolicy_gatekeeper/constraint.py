"""Constraints: what they match, their parameters, and what happens when they are violated.

Source: Gatekeeper's documentation, "How to use Gatekeeper", "Constraints"; pkg/mutation/match of
open-policy-agent/gatekeeper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpolicy.cel.writer import literal
from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.model import Expression, NamedExpression
from kpolicy.policy.vap_reading import Lenient
from kpolicy.snapshot.kinds import Kinds

from kpolicy_gatekeeper.template import FORMAT

if TYPE_CHECKING:
    from kpolicy.location import SourceLocation
    from kpolicy.policy.source import SourceNode

_SPEC = ("match", "parameters", "enforcementAction", "scopedEnforcementActions")
_MATCH = (
    "source", "kinds", "scope", "namespaces", "excludedNamespaces", "labelSelector",
    "namespaceSelector", "name",
)  # fmt: skip
#: Where the object lives; "" for what is cluster-scoped, its own name for a Namespace.
_NAMESPACE = "request.?namespace.orValue('')"
#: What an enforcement action is to an API server.
ACTIONS = {"deny": "Deny", "warn": "Warn", "dryrun": "Audit"}


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint as it was read."""

    kind: str
    name: str
    parameters: dict[str, Any]
    parameters_at: SourceLocation
    constraints: dict[str, Any]
    conditions: tuple[NamedExpression, ...]
    actions: tuple[str, ...]
    location: SourceLocation
    notes: tuple[str, ...]


def load_constraint(document: SourceNode) -> Loaded:
    """Return the constraint of a document as a part, or all that is wrong with it."""
    read = Lenient(document)
    reader = read.reader
    top = read.fields(
        document, "", ("apiVersion", "kind", "metadata", "spec", "status"), ("metadata",)
    )
    metadata = top.get("metadata")
    node = metadata.get("name") if metadata is not None and metadata.kind == "mapping" else None
    name = reader.string(node, "metadata.name")
    if metadata is not None and not name:
        reader.problem('metadata lacks "name"', metadata.location)
    spec = read.fields(top.get("spec"), "spec", _SPEC)
    match = read.fields(spec.get("match"), "spec.match", _MATCH)
    parameters = spec.get("parameters")
    given = parameters.value if parameters is not None else None
    if parameters is not None and given is not None and not isinstance(given, dict):
        reader.problem("spec.parameters must be a mapping", parameters.location)
        given = None
    source = reader.choice(
        match.get("source"), "spec.match.source", ("All", "Generated", "Original"), "All"
    )
    conditions = _conditions(read, match, document.location)
    if source == "Generated":
        read.notes.append(
            f"{document.location}: constraint {name} is for generated resources alone, which a "
            "gate never sees"
        )
        conditions.append(_condition("source", "false", document.location))
    constraint = Constraint(
        kind=str(document.get("kind").value),  # type: ignore[union-attr]
        name=name,
        parameters=given or {},
        parameters_at=parameters.location if parameters is not None else document.location,
        constraints=_constraints(read, match),
        conditions=tuple(conditions),
        actions=_actions(read, spec),
        location=document.location,
        notes=tuple(read.notes),
    )
    if reader.problems:
        return Loaded((), tuple(reader.problems))
    return Loaded(parts=(Part(FORMAT, {"constraint": constraint}, document.location),))


def _constraints(read: Lenient, match: dict[str, SourceNode]) -> dict[str, Any]:
    """Return resource rules and selectors, as a ValidatingAdmissionPolicy has them."""
    reader = read.reader
    scope = reader.choice(
        match.get("scope"), "spec.match.scope", ("*", "Cluster", "Namespaced"), "*"
    )
    rules = []
    for number, entry in enumerate(reader.sequence(match.get("kinds"), "spec.match.kinds")):
        here = f"spec.match.kinds[{number}]"
        fields = read.fields(entry, here, ("apiGroups", "kinds"))
        groups = reader.strings(fields.get("apiGroups"), f"{here}.apiGroups") or ("*",)
        kinds = reader.strings(fields.get("kinds"), f"{here}.kinds") or ("*",)
        rules += [_rule(group, kind, scope) for group in groups for kind in kinds]
    return {
        "resourceRules": rules or [_rule("*", "*", scope)],
        "excludeResourceRules": [],
        "namespaceSelector": _selector(match.get("namespaceSelector")),
        "objectSelector": _selector(match.get("labelSelector")),
        "matchPolicy": "Equivalent",
    }


def _rule(group: str, kind: str, scope: str) -> dict[str, Any]:
    plural = "*" if kind == "*" else _plural(group, kind)
    return {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "resources": [plural],
        "operations": ["CREATE", "UPDATE"],
        "resourceNames": [],
        "scope": scope,
    }


def _plural(group: str, kind: str) -> str:
    from kpolicy.snapshot.tables import built_in_kinds

    if group == "*":
        group = next((row.group for row in built_in_kinds() if row.kind == kind), "")
    return Kinds.of().plural(group, kind)


def _selector(node: SourceNode | None) -> dict[str, Any] | None:
    value = node.value if node is not None and node.kind == "mapping" else None
    return value or None


def _conditions(
    read: Lenient, match: dict[str, SourceNode], location: SourceLocation
) -> list[NamedExpression]:
    """Return what a match says of namespaces and names, as match conditions.

    Cluster-scoped objects pass `excludedNamespaces` and are none of `namespaces`'.
    """
    reader = read.reader
    found = []
    namespaces = reader.strings(match.get("namespaces"), "spec.match.namespaces")
    if namespaces:
        source = _any_of(_NAMESPACE, namespaces)
        found.append(_condition("namespaces", source, location))
    excluded = reader.strings(match.get("excludedNamespaces"), "spec.match.excludedNamespaces")
    if excluded:
        source = _any_of(_NAMESPACE, excluded)
        found.append(_condition("excluded namespaces", f"!({source})", location))
    name = reader.string(match.get("name"), "spec.match.name")
    if name:
        own = "(object != null ? object : oldObject).metadata.?name.orValue('')"
        found.append(_condition("name", _any_of(own, (name,)), location))
    return found


def _condition(name: str, source: str, location: SourceLocation) -> NamedExpression:
    return NamedExpression(name, Expression(source, location))


def _any_of(subject: str, patterns: Sequence[str]) -> str:
    """Return the test for names, or beginnings and ends of names written with `*`."""
    plain = [literal(pattern) for pattern in patterns if "*" not in pattern]
    tests = [f"{subject} in [{', '.join(plain)}]"] if plain else []
    for pattern in patterns:
        if "*" in pattern:
            parts = "[\\s\\S]*".join(re.escape(part) for part in pattern.split("*"))
            tests.append(f"{subject}.matches({literal(f'^{parts}$')})")
    return " || ".join(tests)


def _actions(read: Lenient, spec: dict[str, SourceNode]) -> tuple[str, ...]:
    """Return the validation actions that the enforcement action stands for."""
    reader = read.reader
    known = (*ACTIONS, "scoped")
    action = reader.choice(spec.get("enforcementAction"), "spec.enforcementAction", known, "deny")
    if action != "scoped":
        return (ACTIONS[action],)
    found = []
    entries = reader.sequence(spec.get("scopedEnforcementActions"), "spec.scopedEnforcementActions")
    for number, entry in enumerate(entries):
        here = f"spec.scopedEnforcementActions[{number}]"
        fields = read.fields(entry, here, ("action", "enforcementPoints"), ("action",))
        scoped = reader.choice(fields.get("action"), f"{here}.action", tuple(ACTIONS), "deny")
        found.append(ACTIONS[scoped])
    return tuple(dict.fromkeys(found)) or ("Deny",)
