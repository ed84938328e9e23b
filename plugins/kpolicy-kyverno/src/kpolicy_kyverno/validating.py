"""`policies.kyverno.io`: ValidatingPolicy and NamespacedValidatingPolicy, with PolicyExceptions.

Source: the types of kyverno/api (policies.kyverno.io, v1alpha1 to v1) and pkg/cel/policies/vpol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kpolicy.policy.admission import SEVERITY_OF, admission_policy, binding
from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.model import Expression, NamedExpression, Policy, Validation
from kpolicy.policy.vap_reading import (
    Lenient,
    audit_annotations,
    ignores_failure,
    match_resources,
    named_expressions,
    read_validations,
)

from kpolicy_kyverno.autogen import (
    CONTROLLERS,
    Rewriter,
    can_generate,
    constraints_for,
)
from kpolicy_kyverno.described import annotations_of, described
from kpolicy_kyverno.expressions import looks_around, refusal, with_images
from kpolicy_kyverno.given import PART, calls_of, merged, missing, with_given
from kpolicy_kyverno.leniency import lenient_named, lenient_validations

if TYPE_CHECKING:
    from kpolicy.policy.source import SourceNode
    from kpolicy.strict.reader import Reader

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_SPEC = (
    "matchConstraints", "matchConditions", "variables", "validations", "auditAnnotations",
    "failurePolicy", "validationActions", "evaluation", "autogen", "webhookConfiguration",
    "validationConfigurations",
)  # fmt: skip
_OTHERS = {
    "ImageValidatingPolicy": "images are not verified offline",
    "MutatingPolicy": "a gate changes nothing",
    "GeneratingPolicy": "a gate generates nothing",
    "DeletingPolicy": "a gate deletes nothing",
}


_ASKS = {
    "image": "a gate asks no registry",
    "http": "an offline gate calls no services",
    "globalContext": "the global context lives in Kyverno's controllers",
}
_GIVE = "give what it answers as data: a Context of cli.kyverno.io in a file of -p"


def load_validating(document: SourceNode) -> Loaded:
    """Return the policy of a document, or all that is wrong with it."""
    kind = str(document.get("kind").value)  # type: ignore[union-attr]
    if kind == "PolicyException":
        return _load_exception(document)
    why = _OTHERS.get(kind.removeprefix("Namespaced"))
    if why is not None:
        metadata = document.get("metadata")
        name = metadata.get("name") if metadata is not None and metadata.kind == "mapping" else None
        text = f"{document.location}: {kind} {name.value if name else ''} is not evaluated: {why}"
        return Loaded(parts=(Part("note", {"text": text}, document.location),))
    if any(calls_of(expression) for expression in _expressions(document)):
        # What is given for its calls may stand in another file.
        return Loaded(parts=(Part(PART, {"document": document}, document.location),))
    return _load_policy(document, {})


def assemble_validating(parts: Sequence[Part]) -> Loaded:
    """Return the policies whose calls may be answered by what is given (see `given`)."""
    given = merged(parts)
    loaded = [_load_policy(p.data["document"], given) for p in parts if "document" in p.data]
    return Loaded(
        tuple(policy for each in loaded for policy in each.policies),
        tuple(problem for each in loaded for problem in each.problems),
        drafts=tuple(draft for each in loaded for draft in each.drafts),
        parts=tuple(part for each in loaded for part in each.parts),
    )


def _expressions(document: SourceNode) -> Iterator[Expression]:
    """Yield all texts of a policy's spec, whatever they mean."""
    pending = [node for key, _, node in document.items() if key == "spec"]
    while pending:
        node = pending.pop()
        if node.kind == "scalar":
            if isinstance(node.value, str):
                yield Expression(node.value, node.location)
        elif node.kind == "sequence":
            pending += node.elements()
        else:
            pending += [child for _, _, child in node.items()]


def _load_policy(document: SourceNode, given: Mapping[str, Any]) -> Loaded:
    namespaced = str(document.get("kind").value).startswith("Namespaced")  # type: ignore[union-attr]
    read = Lenient(document)
    reader = read.reader
    top = read.fields(document, "", _TOP, ("metadata", "spec"))
    metadata = top.get("metadata")
    name_node = metadata.get("name") if metadata is not None else None
    name = reader.string(name_node, "metadata.name")
    if metadata is not None and not name:
        reader.problem('metadata lacks "name"', metadata.location)
    spec = read.fields(top.get("spec"), "spec", _SPEC, ("validations",))
    match = match_resources(read, spec.get("matchConstraints"), "spec.matchConstraints", True)
    conditions = named_expressions(read, spec.get("matchConditions"), "spec.matchConditions", False)
    variables = named_expressions(read, spec.get("variables"), "spec.variables", True)
    validations, reasons = read_validations(read, spec.get("validations"))
    audit = audit_annotations(read, spec.get("auditAnnotations"))
    if _mode(read, spec.get("evaluation")) == "JSON":
        at = spec["evaluation"].location
        text = f"{at}: policy {name} is for JSON payloads, not for Kubernetes; it is not evaluated"
        return Loaded((), tuple(reader.problems), parts=(Part("note", {"text": text}, at),))
    if namespaced:
        conditions = (_own_namespace(document, metadata), *conditions)
    refused = _refuse(reader, conditions, variables, validations, audit, given)
    every = [*(c.expression for c in conditions), *(v.expression for v in variables),
             *(v.expression for v in validations)]  # fmt: skip
    joins = looks_around(every)
    shared: dict[str, Any] = {
        "reasons": reasons,
        "bindings": (binding("", _actions(read, spec.get("validationActions"))),),
        "ignore_failure": ignores_failure(reader, spec.get("failurePolicy")),
        "joins": joins,
        **described(annotations_of(document)),
    }

    def policy(
        match: dict[str, Any], rewriter: Rewriter | None, rule: str, notes: list[str]
    ) -> Policy:
        own, tests, tellers = variables, validations, audit
        before = conditions
        if rewriter is not None:
            own, tests = rewriter.named(own), rewriter.validations(tests)
            tellers = list(rewriter.named(tellers))
            before = rewriter.named(before)
        own, tests = lenient_named(own), lenient_validations(tests)
        before, tellers = lenient_named(before), list(lenient_named(tellers))
        own, tests = with_images(own, tests, document.location)
        own, tests = with_given(own, tests, document.location, given)
        return admission_policy(
            name, document.location, constraints=match, validations=tests, variables=own,
            match_conditions=before, audit=tellers, rule=rule, notes=notes, **shared,
        )  # fmt: skip

    main = policy(match, None, "", read.notes)
    # What is refused would be told a second time, as a function that does not exist.
    drafts = () if refused else (main,)
    if reader.problems:
        return Loaded((), tuple(reader.problems), drafts=drafts)
    rules: list[Policy] = []
    groups: dict[str, list[Any]] = {}
    for resource in _controllers(read, spec.get("autogen"), match):
        groups.setdefault(CONTROLLERS[resource].config, []).append(CONTROLLERS[resource])
    for config, found in sorted(groups.items()):
        rewriter = Rewriter(config, keeps_namespace=True)
        rules.append(policy(constraints_for(match, found), rewriter, f"autogen-{config}", []))
    if reader.problems:
        return Loaded((), tuple(reader.problems), drafts=drafts)
    return Loaded((replace(main, rules=tuple(rules)),))


def _refuse(
    reader: Reader,
    conditions: Sequence[NamedExpression],
    variables: Sequence[NamedExpression],
    validations: Sequence[Validation],
    audit: Sequence[NamedExpression],
    given: Mapping[str, Any],
) -> bool:
    """Note the calls that nothing answers; return whether there are some."""
    before = len(reader.problems)
    tests = [v.expression for v in validations]
    tests += [v.message_expression for v in validations if v.message_expression is not None]
    answered = [*(v.expression for v in variables), *tests]
    others = [entry.expression for entry in (*conditions, *audit)]
    for expression in (*answered, *others):
        why = refusal(expression)
        if why:
            reader.problem(why, expression.location)
    for expression in answered:
        call = missing(expression, given)
        if call:
            why = f"{call} is refused: {_ASKS[call.partition('.')[0]]}"
            reader.problem(why, expression.location, _GIVE)
    for expression in others:
        for call in sorted(calls_of(expression)):
            if not call.startswith("resource."):
                why = f"{call} is answered in variables and validations only"
                reader.problem(why, expression.location, "move the call to a variable")
    return len(reader.problems) > before


def _own_namespace(document: SourceNode, metadata: SourceNode | None) -> NamedExpression:
    """Return the condition under which a namespaced policy meets an object: its own namespace."""
    node = metadata.get("namespace") if metadata is not None else None
    namespace = str(node.value) if node is not None and node.value else "default"
    source = f"request.?namespace.orValue('') == '{namespace}'"
    return NamedExpression("same-namespace", Expression(source, document.location))


def _mode(read: Lenient, node: SourceNode | None) -> str:
    fields = read.fields(node, "spec.evaluation", ("mode", "admission", "background"))
    modes = ("Kubernetes", "JSON")
    return read.reader.choice(fields.get("mode"), "spec.evaluation.mode", modes, "Kubernetes")


def _actions(read: Lenient, node: SourceNode | None) -> list[str]:
    actions = read.reader.located_strings(node, "spec.validationActions")
    for action, at in actions:
        if action not in SEVERITY_OF:
            read.reader.problem(
                f'"{action}" is no validation action', at, f"one of {', '.join(SEVERITY_OF)}"
            )
    # Source: the types of kyverno/api, ValidationActions().
    return [action for action, _ in actions] or ["Deny"]


def _controllers(read: Lenient, node: SourceNode | None, match: dict[str, Any]) -> list[str]:
    """Return the resources that the policy is generated for, in Kyverno's order."""
    if not can_generate(match):
        return []
    fields = read.fields(node, "spec.autogen", ("podControllers", "validatingAdmissionPolicy"))
    given = fields.get("podControllers")
    inner = read.fields(given, "spec.autogen.podControllers", ("controllers",))
    if "controllers" not in inner:
        return sorted(CONTROLLERS)
    found = []
    what = "spec.autogen.podControllers.controllers"
    for name, at in read.reader.located_strings(inner["controllers"], what):
        if name in CONTROLLERS:
            found.append(name)
        else:
            hint = f"one of {', '.join(sorted(CONTROLLERS))}"
            read.reader.problem(f'"{name}" is no pod controller', at, hint)
    return found


def _load_exception(document: SourceNode) -> Loaded:
    """Return what a PolicyException takes from its policies."""
    read = Lenient(document)
    reader = read.reader
    top = read.fields(document, "", _TOP, ("metadata", "spec"))
    spec = read.fields(
        top.get("spec"), "spec",
        ("policyRefs", "matchConditions", "images", "allowedValues", "reportResult"),
        ("policyRefs",),
    )  # fmt: skip
    conditions = named_expressions(read, spec.get("matchConditions"), "spec.matchConditions", False)
    for key in ("images", "allowedValues"):
        if key in spec:
            reader.problem(
                f"spec.{key} is refused: only exceptions by match conditions are read",
                spec[key].location,
            )
    names = []
    for number, entry in enumerate(reader.sequence(spec.get("policyRefs"), "spec.policyRefs")):
        here = f"spec.policyRefs[{number}]"
        fields = read.fields(entry, here, ("name", "kind"), ("name",))
        names.append(reader.string(fields.get("name"), f"{here}.name"))
    metadata = top.get("metadata")
    name_node = metadata.get("name") if metadata is not None else None
    data = {
        "name": reader.string(name_node, "metadata.name") or "exception",
        "policies": names,
        "rules": [],
        "conditions": [(c.expression.source, c.expression.location) for c in conditions],
    }
    if reader.problems:
        return Loaded((), tuple(reader.problems))
    return Loaded(parts=(Part("admission-exception", data, document.location),))
