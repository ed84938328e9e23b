"""Reading the parts of ValidatingAdmissionPolicies, which other engines' policies have too.

Source: the types and the validation of admissionregistration.k8s.io/v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kpolicy.policy.model import Expression, NamedExpression, Validation
from kpolicy.policy.native import IDENTIFIER, expression
from kpolicy.policy.source import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kpolicy.policy.source import SourceNode

_MATCH = (
    "namespaceSelector", "objectSelector", "resourceRules", "excludeResourceRules", "matchPolicy",
)  # fmt: skip
_RULE = ("resourceNames", "operations", "apiGroups", "apiVersions", "resources", "scope")
_VALIDATION = ("expression", "message", "reason", "messageExpression")
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT", "*")
_REASONS = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")


class Lenient:
    """Reads fields; an unknown one is a note, as the API server drops it."""

    def __init__(self, document: SourceNode) -> None:
        self.reader = Reader(document.source)
        self.notes: list[str] = []

    def fields(
        self,
        node: SourceNode | None,
        what: str,
        known: Sequence[str],
        required: Sequence[str] = (),
    ) -> dict[str, SourceNode]:
        if node is None:
            return {}
        if node.kind == "mapping":
            for key, at, _ in node.items():
                if key not in known:
                    where = f"{what}.{key}" if what else key
                    self.notes.append(
                        f"{at}: field {where} is unknown and ignored, as the API server does"
                    )
        names = list(known)
        if node.kind == "mapping":
            names += [key for key, _, _ in node.items() if key not in known]
        found = self.reader.fields(node, what or "the document", names, required)
        return {key: child for key, child in found.items() if key in known}


def ignores_failure(reader: Reader, node: SourceNode | None) -> bool:
    """Return whether `failurePolicy` is Ignore."""
    return reader.choice(node, "spec.failurePolicy", ("Fail", "Ignore"), "Fail") == "Ignore"


def read_param_kind(read: Lenient, node: SourceNode | None) -> dict[str, str] | None:
    if node is None:
        return None
    fields = read.fields(node, "spec.paramKind", ("apiVersion", "kind"), ("apiVersion", "kind"))
    return {
        key: read.reader.string(fields.get(key), f"spec.paramKind.{key}")
        for key in ("apiVersion", "kind")
    }


def match_resources(
    read: Lenient, node: SourceNode | None, what: str, policy: bool
) -> dict[str, Any]:
    """Return MatchResources as plain data; selectors stay as written, None = everything."""
    fields = read.fields(node, what, _MATCH)
    reader = read.reader
    rules = _rules(read, fields.get("resourceRules"), f"{what}.resourceRules")
    if policy and node is not None and not rules and not reader.problems:
        reader.problem(f"{what} needs a resource rule at least", node.location)
    return {
        "resourceRules": rules,
        "excludeResourceRules": _rules(
            read, fields.get("excludeResourceRules"), f"{what}.excludeResourceRules"
        ),
        "namespaceSelector": _selector(
            read, fields.get("namespaceSelector"), f"{what}.namespaceSelector"
        ),
        "objectSelector": _selector(read, fields.get("objectSelector"), f"{what}.objectSelector"),
        "matchPolicy": reader.choice(
            fields.get("matchPolicy"), f"{what}.matchPolicy", ("Exact", "Equivalent"), "Equivalent"
        ),
    }


def _selector(read: Lenient, node: SourceNode | None, what: str) -> dict[str, Any] | None:
    """Return a LabelSelector that selects something else than everything."""
    if node is None:
        return None
    from kpolicy.snapshot.selector import NOTHING, selector_of

    read.fields(node, what, ("matchLabels", "matchExpressions"))
    value = node.value
    if not isinstance(value, dict):
        return None
    selector = selector_of(value)
    if selector == NOTHING:
        read.reader.problem(f"{what} is no valid label selector", node.location)
    return value if selector else None


def _rules(read: Lenient, node: SourceNode | None, what: str) -> list[dict[str, Any]]:
    found = []
    reader = read.reader
    needed = ("apiGroups", "apiVersions", "operations", "resources")
    for number, entry in enumerate(reader.sequence(node, what)):
        here = f"{what}[{number}]"
        fields = read.fields(entry, here, _RULE, ("apiGroups", "apiVersions", "resources"))
        for operation, at in reader.located_strings(fields.get("operations"), f"{here}.operations"):
            if operation not in _OPERATIONS:
                reader.problem(
                    f'"{operation}" is no operation', at, f"one of {', '.join(_OPERATIONS)}"
                )
        rule: dict[str, Any] = {
            key: list(reader.strings(fields.get(key), f"{here}.{key}"))
            for key in (*needed, "resourceNames")
        }
        if not rule["operations"] and "operations" not in fields:
            rule["operations"] = ["*"]
            read.notes.append(
                f"{entry.location}: {here} has no operations, which Kubernetes requires; read as *"
            )
        for key in needed:
            if key in fields and fields[key].kind == "sequence" and not fields[key].elements():
                reader.problem(f"{here}.{key} is empty", fields[key].location)
        rule["scope"] = reader.choice(
            fields.get("scope"), f"{here}.scope", ("Cluster", "Namespaced", "*"), "*"
        )
        found.append(rule)
    return found


def read_validations(
    read: Lenient, node: SourceNode | None
) -> tuple[tuple[Validation, ...], list[str]]:
    found: list[Validation] = []
    reasons: list[str] = []
    reader = read.reader
    for number, entry in enumerate(reader.sequence(node, "spec.validations")):
        here = f"spec.validations[{number}]"
        fields = read.fields(entry, here, _VALIDATION, ("expression",))
        test = expression(reader, fields.get("expression"), f"{here}.expression")
        given = fields.get("messageExpression")
        if given is not None and given.kind == "scalar" and not given.text.strip():
            given = None  # Kubernetes: none
        reasons.append(reader.choice(fields.get("reason"), f"{here}.reason", _REASONS, "Invalid"))
        found.append(
            Validation(
                expression=test or Expression("true", entry.location),
                message=reader.string(fields.get("message"), f"{here}.message"),
                message_expression=expression(reader, given, f"{here}.messageExpression"),
            )
        )
    return tuple(found), reasons


def named_expressions(
    read: Lenient, node: SourceNode | None, what: str, identifiers: bool
) -> tuple[NamedExpression, ...]:
    found: list[NamedExpression] = []
    reader = read.reader
    for number, entry in enumerate(reader.sequence(node, what)):
        here = f"{what}[{number}]"
        fields = read.fields(entry, here, ("name", "expression"), ("name", "expression"))
        name_node = fields.get("name")
        name = reader.string(name_node, f"{here}.name")
        source = expression(reader, fields.get("expression"), f"{here}.expression")
        if name_node is None or not name or source is None:
            continue
        if identifiers and not IDENTIFIER.match(name):
            reader.problem(
                f'"{name}" cannot be the name of a variable', name_node.location,
                "letters, digits and _",
            )  # fmt: skip
        elif any(other.name == name for other in found):
            reader.problem(f'{what} has two entries named "{name}"', name_node.location)
        else:
            found.append(NamedExpression(name, source))
    return tuple(found)


def audit_annotations(read: Lenient, node: SourceNode | None) -> list[NamedExpression]:
    found: list[NamedExpression] = []
    reader = read.reader
    for number, entry in enumerate(reader.sequence(node, "spec.auditAnnotations")):
        here = f"spec.auditAnnotations[{number}]"
        fields = read.fields(entry, here, ("key", "valueExpression"), ("key", "valueExpression"))
        key = reader.string(fields.get("key"), f"{here}.key")
        source = expression(reader, fields.get("valueExpression"), f"{here}.valueExpression")
        if any(other.name == key for other in found):
            reader.problem(f'spec.auditAnnotations has two entries with key "{key}"',
                           entry.location)  # fmt: skip
        elif key and source is not None:
            found.append(NamedExpression(key, source))
    return found


def read_param_ref(read: Lenient, node: SourceNode | None) -> dict[str, Any] | None:
    if node is None:
        return None
    what = "spec.paramRef"
    fields = read.fields(node, what, ("name", "namespace", "selector", "parameterNotFoundAction"))
    reader = read.reader
    if ("name" in fields) == ("selector" in fields):
        reader.problem(f"{what} needs either a name or a selector", node.location)
    selector = fields.get("selector")
    chosen: dict[str, Any] | None = None
    if selector is not None:
        chosen = _selector(read, selector, f"{what}.selector") or {}
    return {
        "name": reader.string(fields.get("name"), f"{what}.name"),
        "namespace": reader.string(fields.get("namespace"), f"{what}.namespace"),
        "selector": chosen,
        "notFound": reader.choice(
            fields.get("parameterNotFoundAction"), f"{what}.parameterNotFoundAction",
            ("Allow", "Deny"), "Deny",
        ),
    }  # fmt: skip
