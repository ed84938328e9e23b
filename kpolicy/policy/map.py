"""Reading `admissionregistration.k8s.io` MutatingAdmissionPolicies and their Bindings.

A gate admits or refuses and changes nothing: a scan checks these policies and says so; `kpolicy
eval --mutate` runs them. Source: the types and the validation of admissionregistration.k8s.io/v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from kpolicy.policy.admission import admission_policy, binding
from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.model import Mutation
from kpolicy.policy.native import expression
from kpolicy.policy.vap import TOP, check_version, metadata_name
from kpolicy.policy.vap_reading import (
    Lenient,
    ignores_failure,
    match_resources,
    named_expressions,
    read_param_kind,
    read_param_ref,
)

if TYPE_CHECKING:
    from kpolicy.policy.source import SourceNode

_SPEC = (
    "paramKind", "matchConstraints", "variables", "mutations", "failurePolicy",
    "matchConditions", "reinvocationPolicy",
)  # fmt: skip
_BINDING = ("policyName", "paramRef", "matchResources")
_MUTATION = ("patchType", "applyConfiguration", "jsonPatch")


def load_mutating(document: SourceNode) -> Loaded:
    """Return the policy or the Binding of a document, or all that is wrong with it."""
    kind = document.get("kind")
    if kind is not None and kind.value == "MutatingAdmissionPolicyBinding":
        return _load_binding(document)
    return _load_policy(document)


def _load_policy(document: SourceNode) -> Loaded:
    read = Lenient(document)
    reader = read.reader
    check_version(read, document)
    top = read.fields(document, "", TOP, ("metadata", "spec"))
    name = metadata_name(read, top)
    spec = read.fields(top.get("spec"), "spec", _SPEC, ("matchConstraints", "mutations"))
    mutations = _mutations(read, spec.get("mutations"))
    if "mutations" in spec and not mutations and not reader.problems:
        reader.problem("spec needs a mutation at least", spec["mutations"].location)
    again = reader.choice(
        spec.get("reinvocationPolicy"), "spec.reinvocationPolicy", ("Never", "IfNeeded"), "Never"
    )
    policy = admission_policy(
        name,
        document.location,
        constraints=match_resources(
            read, spec.get("matchConstraints"), "spec.matchConstraints", True
        ),
        validations=(),
        reasons=(),
        match_conditions=named_expressions(
            read, spec.get("matchConditions"), "spec.matchConditions", False
        ),
        variables=named_expressions(read, spec.get("variables"), "spec.variables", True),
        param_kind=read_param_kind(read, spec.get("paramKind")),
        ignore_failure=ignores_failure(reader, spec.get("failurePolicy")),
        notes=read.notes,
        mutations=tuple(mutations),
        reinvoked=again == "IfNeeded",
    )
    text = f"{document.location}: MutatingAdmissionPolicy {name} is not evaluated by a gate"
    note = Part("note", {"text": text}, document.location)
    if reader.problems:
        return Loaded((), tuple(reader.problems), drafts=(policy,), parts=(note,))
    return Loaded(mutating=(policy,), parts=(note,))


def _mutations(read: Lenient, node: SourceNode | None) -> list[Mutation]:
    reader = read.reader
    found: list[Mutation] = []
    for number, entry in enumerate(reader.sequence(node, "spec.mutations")):
        here = f"spec.mutations[{number}]"
        fields = read.fields(entry, here, _MUTATION, ("patchType",))
        given = reader.choice(
            fields.get("patchType"), f"{here}.patchType", ("ApplyConfiguration", "JSONPatch"),
            "JSONPatch",
        )  # fmt: skip
        patch_type: Literal["ApplyConfiguration", "JSONPatch"] = (
            "ApplyConfiguration" if given == "ApplyConfiguration" else "JSONPatch"
        )
        key = "applyConfiguration" if patch_type == "ApplyConfiguration" else "jsonPatch"
        other = "jsonPatch" if key == "applyConfiguration" else "applyConfiguration"
        if "patchType" not in fields:
            continue
        if other in fields:
            reader.problem(f"{here} is a {given} and cannot have {other}", fields[other].location)
        if key not in fields:
            reader.problem(f'{here} is a {given} and lacks "{key}"', entry.location)
            continue
        within = read.fields(fields[key], f"{here}.{key}", ("expression",), ("expression",))
        source = expression(reader, within.get("expression"), f"{here}.{key}.expression")
        if source is not None:
            found.append(Mutation(patch_type, source))
    return found


def _load_binding(document: SourceNode) -> Loaded:
    read = Lenient(document)
    reader = read.reader
    check_version(read, document)
    top = read.fields(document, "", TOP, ("metadata", "spec"))
    name = metadata_name(read, top)
    spec = read.fields(top.get("spec"), "spec", _BINDING, ("policyName",))
    match: dict[str, Any] | None = None
    if "matchResources" in spec:
        match = match_resources(read, spec["matchResources"], "spec.matchResources", False)
    reference = read_param_ref(read, spec.get("paramRef"))
    data = binding(name, (), constraints=match, param_ref=reference, notes=read.notes)
    data["policy"] = reader.string(spec.get("policyName"), "spec.policyName")
    if reader.problems:
        return Loaded((), tuple(reader.problems))
    return Loaded(parts=(Part("map-binding", data, document.location),))
