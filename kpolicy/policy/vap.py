"""Reading `admissionregistration.k8s.io` ValidatingAdmissionPolicies and their Bindings.

A policy becomes a `Policy` whose `metadata["vap"]` holds, as plain data, what only admission knows:

- `constraints`: its `matchConstraints`; `actions`, `bindings`, `params`: see `vap_parts`;
- `paramKind`: `{"apiVersion", "kind"}` or None;
- `reasons`: the `reason` of each validation; `audit`: the keys of its `auditAnnotations`, whose
  expressions stand among the policy's variables under `audit_variable(key)`;
- `notes`: what was ignored.

Source: the types and the validation of admissionregistration.k8s.io/v1 (v1beta1 and v1alpha1 have
the same fields).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.model import Expression, NamedExpression, Policy, Validation
from kpolicy.policy.native import IDENTIFIER, expression
from kpolicy.policy.source import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kpolicy.policy.source import SourceNode

GROUP = "admissionregistration.k8s.io"
VERSIONS = ("v1", "v1beta1", "v1alpha1")

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_SPEC = (
    "paramKind", "matchConstraints", "validations", "failurePolicy", "auditAnnotations",
    "matchConditions", "variables",
)  # fmt: skip
_MUTATING = (
    "paramKind", "matchConstraints", "variables", "mutations", "failurePolicy",
    "matchConditions", "reinvocationPolicy",
)  # fmt: skip
_BINDING = ("policyName", "paramRef", "matchResources", "validationActions")
_MATCH = (
    "namespaceSelector", "objectSelector", "resourceRules", "excludeResourceRules", "matchPolicy",
)  # fmt: skip
_RULE = ("resourceNames", "operations", "apiGroups", "apiVersions", "resources", "scope")
_VALIDATION = ("expression", "message", "reason", "messageExpression")
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT", "*")
_REASONS = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")

#: How an action counts; the strongest of a binding's actions decides. Source: issue text.
SEVERITY_OF = {"Deny": "error", "Warn": "warning", "Audit": "info"}

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")


def audit_variable(key: str) -> str:
    """Return the name under which an audit annotation stands among the variables; no identifier."""
    return f"auditAnnotations[{key}]"


class _Lenient:
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


def load_validating(document: SourceNode) -> Loaded:
    """Return the policy or the Binding of a document, or all that is wrong with it."""
    kind = document.get("kind")
    if kind is not None and kind.value == "ValidatingAdmissionPolicyBinding":
        return _load_binding(document)
    if kind is not None and kind.value == "MutatingAdmissionPolicy":
        return _load_mutating(document)
    if kind is not None and kind.value == "MutatingAdmissionPolicyBinding":
        return Loaded()
    return _load_policy(document)


def _metadata_name(read: _Lenient, top: dict[str, SourceNode]) -> str:
    """Return metadata.name; whatever else metadata holds is not ours to judge."""
    metadata = top.get("metadata")
    node = metadata.get("name") if metadata is not None and metadata.kind == "mapping" else None
    reader = read.reader
    if node is None:
        if metadata is not None:
            reader.problem('metadata lacks "name"', metadata.location)
        return ""
    name = reader.string(node, "metadata.name")
    if name and not _NAME.match(name):
        reader.problem(
            f'"{name}" is no name that Kubernetes accepts', node.location,
            "lower-case letters, digits, dots and hyphens",
        )  # fmt: skip
    return name


def _load_policy(document: SourceNode) -> Loaded:
    read = _Lenient(document)
    reader = read.reader
    _check_version(read, document)
    top = read.fields(document, "", _TOP, ("metadata", "spec"))
    name = _metadata_name(read, top)
    spec = read.fields(top.get("spec"), "spec", _SPEC)
    spec_node = top.get("spec")
    if spec_node is not None and spec_node.kind == "mapping":
        if "matchConstraints" not in spec:
            reader.problem(
                "spec lacks matchConstraints, which Kubernetes requires", spec_node.location
            )
        if not _listed(spec, "validations") and not _listed(spec, "auditAnnotations"):
            reader.problem(
                "spec needs a validation or an audit annotation at least", spec_node.location
            )
    constraints = match_resources(read, spec.get("matchConstraints"), "spec.matchConstraints", True)
    param_kind = _param_kind(read, spec.get("paramKind"))
    validations, reasons = _validations(read, spec.get("validations"))
    variables = _named(read, spec.get("variables"), "spec.variables", True)
    audit = _audit(read, spec.get("auditAnnotations"))
    metadata: dict[str, Any] = {
        "free-params": param_kind is not None,
        "no-params": param_kind is None,
        "vap": {
            "constraints": constraints,
            "paramKind": param_kind,
            "reasons": reasons,
            "audit": [entry.name for entry in audit],
            "bindings": [],
            "params": [],
            "notes": read.notes,
        },
    }
    policy = Policy(
        id=name,
        severity="error",
        category="admission",
        params=(),
        match_conditions=_named(read, spec.get("matchConditions"), "spec.matchConditions", False),
        variables=(
            *variables,
            *(NamedExpression(audit_variable(e.name), e.expression) for e in audit),
        ),
        validations=validations,
        failure_policy="Ignore" if reader.choice(
            spec.get("failurePolicy"), "spec.failurePolicy", ("Fail", "Ignore"), "Fail"
        ) == "Ignore" else "Fail",
        location=document.location,
        metadata=metadata,
    )  # fmt: skip
    if reader.problems:
        return Loaded((), tuple(reader.problems), drafts=(policy,))
    return Loaded((policy,))


def _load_mutating(document: SourceNode) -> Loaded:
    """Return what of a MutatingAdmissionPolicy can be checked, and a note: a gate mutates nothing.

    Its match conditions and variables are compiled as a draft's; its mutations make types of
    their own (`Object{...}`, `JSONPatch{...}`) and are not.
    """
    read = _Lenient(document)
    reader = read.reader
    _check_version(read, document)
    top = read.fields(document, "", _TOP, ("metadata", "spec"))
    name = _metadata_name(read, top)
    spec = read.fields(top.get("spec"), "spec", _MUTATING, ("matchConstraints", "mutations"))
    match_resources(read, spec.get("matchConstraints"), "spec.matchConstraints", True)
    param_kind = _param_kind(read, spec.get("paramKind"))
    draft = Policy(
        id=name,
        match_conditions=_named(read, spec.get("matchConditions"), "spec.matchConditions", False),
        variables=_named(read, spec.get("variables"), "spec.variables", True),
        location=document.location,
        metadata={"free-params": param_kind is not None, "no-params": param_kind is None},
    )
    text = f"{document.location}: MutatingAdmissionPolicy {name} is not evaluated by a gate"
    part = Part("note", {"text": text}, document.location)
    return Loaded((), tuple(reader.problems), drafts=(draft,), parts=(part,))


def _listed(spec: dict[str, SourceNode], key: str) -> bool:
    node = spec.get(key)
    return node is not None and (node.kind != "sequence" or bool(node.elements()))


def _check_version(read: _Lenient, document: SourceNode) -> None:
    node = document.get("apiVersion")
    version = str(node.value).rpartition("/")[2] if node is not None else ""
    if node is not None and version not in VERSIONS:
        read.reader.problem(
            f'"{version}" is no version of {GROUP} that has this kind', node.location,
            f"known: {', '.join(VERSIONS)}",
        )  # fmt: skip


def _param_kind(read: _Lenient, node: SourceNode | None) -> dict[str, str] | None:
    if node is None:
        return None
    fields = read.fields(node, "spec.paramKind", ("apiVersion", "kind"), ("apiVersion", "kind"))
    return {
        key: read.reader.string(fields.get(key), f"spec.paramKind.{key}")
        for key in ("apiVersion", "kind")
    }


def match_resources(
    read: _Lenient, node: SourceNode | None, what: str, policy: bool
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


def _selector(read: _Lenient, node: SourceNode | None, what: str) -> dict[str, Any] | None:
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


def _rules(read: _Lenient, node: SourceNode | None, what: str) -> list[dict[str, Any]]:
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


def _validations(
    read: _Lenient, node: SourceNode | None
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


def _named(
    read: _Lenient, node: SourceNode | None, what: str, identifiers: bool
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


def _audit(read: _Lenient, node: SourceNode | None) -> list[NamedExpression]:
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


def _load_binding(document: SourceNode) -> Loaded:
    read = _Lenient(document)
    reader = read.reader
    _check_version(read, document)
    top = read.fields(document, "", _TOP, ("metadata", "spec"))
    name = _metadata_name(read, top)
    spec = read.fields(top.get("spec"), "spec", _BINDING, ("policyName",))
    actions_node = spec.get("validationActions")
    actions = reader.located_strings(actions_node, "spec.validationActions")
    for action, at in actions:
        if action not in SEVERITY_OF:
            reader.problem(
                f'"{action}" is no validation action', at, f"one of {', '.join(SEVERITY_OF)}"
            )
    names = [action for action, _ in actions]
    if actions_node is not None and "Deny" in names and "Warn" in names:
        reader.problem(
            "Deny and Warn cannot be used together: a denied request would be told twice",
            actions_node.location,
        )
    if not names and spec and not reader.problems:
        names = ["Deny"]
        at = actions_node.location if actions_node is not None else document.location
        read.notes.append(
            f"{at}: binding {name} lacks validationActions, which Kubernetes requires; read as Deny"
        )
    match = None
    if "matchResources" in spec:
        match = match_resources(read, spec["matchResources"], "spec.matchResources", False)
    data: dict[str, Any] = {
        "name": name,
        "policy": reader.string(spec.get("policyName"), "spec.policyName"),
        "constraints": match,
        "actions": names,
        "paramRef": _param_ref(read, spec.get("paramRef")),
        "notes": read.notes,
    }
    if reader.problems:
        return Loaded((), tuple(reader.problems))
    return Loaded(parts=(Part("vap-binding", data, document.location),))


def _param_ref(read: _Lenient, node: SourceNode | None) -> dict[str, Any] | None:
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
