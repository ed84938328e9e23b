"""Reading `admissionregistration.k8s.io` ValidatingAdmissionPolicies and their Bindings.

Source: the types and the validation of admissionregistration.k8s.io/v1 (v1beta1 and v1alpha1 have
the same fields).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kpolicy.policy.admission import SEVERITY_OF, admission_policy, binding
from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.vap_reading import (
    Lenient,
    audit_annotations,
    ignores_failure,
    match_resources,
    named_expressions,
    read_param_kind,
    read_param_ref,
    read_validations,
)

if TYPE_CHECKING:
    from kpolicy.policy.source import SourceNode

GROUP = "admissionregistration.k8s.io"
VERSIONS = ("v1", "v1beta1", "v1alpha1")
TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_SPEC = (
    "paramKind", "matchConstraints", "validations", "failurePolicy", "auditAnnotations",
    "matchConditions", "variables",
)  # fmt: skip
_BINDING = ("policyName", "paramRef", "matchResources", "validationActions")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")


def load_validating(document: SourceNode) -> Loaded:
    """Return the policy or the Binding of a document, or all that is wrong with it."""
    kind = document.get("kind")
    if kind is not None and kind.value == "ValidatingAdmissionPolicyBinding":
        return _load_binding(document)
    if kind is not None and str(kind.value).startswith("Mutating"):
        from kpolicy.policy.map import load_mutating

        return load_mutating(document)
    return _load_policy(document)


def metadata_name(read: Lenient, top: dict[str, SourceNode]) -> str:
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
    read = Lenient(document)
    reader = read.reader
    check_version(read, document)
    top = read.fields(document, "", TOP, ("metadata", "spec"))
    name = metadata_name(read, top)
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
    param_kind = read_param_kind(read, spec.get("paramKind"))
    validations, reasons = read_validations(read, spec.get("validations"))
    variables = named_expressions(read, spec.get("variables"), "spec.variables", True)
    audit = audit_annotations(read, spec.get("auditAnnotations"))
    policy = admission_policy(
        name,
        document.location,
        constraints=constraints,
        param_kind=param_kind,
        validations=validations,
        reasons=reasons,
        match_conditions=named_expressions(
            read, spec.get("matchConditions"), "spec.matchConditions", False
        ),
        variables=variables,
        audit=audit,
        ignore_failure=ignores_failure(reader, spec.get("failurePolicy")),
        notes=read.notes,
    )
    if reader.problems:
        return Loaded((), tuple(reader.problems), drafts=(policy,))
    return Loaded((policy,))


def _listed(spec: dict[str, SourceNode], key: str) -> bool:
    node = spec.get(key)
    return node is not None and (node.kind != "sequence" or bool(node.elements()))


def check_version(read: Lenient, document: SourceNode) -> None:
    """Report a version of the group that is none."""
    node = document.get("apiVersion")
    version = str(node.value).rpartition("/")[2] if node is not None else ""
    if node is not None and version not in VERSIONS:
        read.reader.problem(
            f'"{version}" is no version of {GROUP} that has this kind', node.location,
            f"known: {', '.join(VERSIONS)}",
        )  # fmt: skip


def _load_binding(document: SourceNode) -> Loaded:
    read = Lenient(document)
    reader = read.reader
    check_version(read, document)
    top = read.fields(document, "", TOP, ("metadata", "spec"))
    name = metadata_name(read, top)
    spec = read.fields(top.get("spec"), "spec", _BINDING, ("policyName",))
    actions_node = spec.get("validationActions")
    actions = reader.located_strings(actions_node, "spec.validationActions")
    for action, at in actions:
        if action not in SEVERITY_OF:
            reader.problem(
                f'"{action}" is no validation action', at, f"one of {', '.join(SEVERITY_OF)}"
            )
    names = [action for action, _ in actions]
    for number, (action, at) in enumerate(actions):
        if action in names[:number]:
            reader.problem(f"validation action {action} is listed twice", at)
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
    reference = read_param_ref(read, spec.get("paramRef"))
    data = binding(name, names, constraints=match, param_ref=reference, notes=read.notes)
    data["policy"] = reader.string(spec.get("policyName"), "spec.policyName")
    if reader.problems:
        return Loaded((), tuple(reader.problems))
    return Loaded(parts=(Part("vap-binding", data, document.location),))
