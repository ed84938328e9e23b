"""`kyverno.io`: the rules with `validate.cel` of ClusterPolicy and Policy, with PolicyExceptions.

Source: the types of kyverno.io/v1 and v2, pkg/engine/handlers/validation/validate_cel.go of
kyverno/kyverno.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kpolicy.cel.writer import literal
from kpolicy.errors import Problem
from kpolicy.policy.admission import admission_policy, binding
from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.model import Expression, NamedExpression, Policy
from kpolicy.policy.vap_reading import (
    Lenient,
    audit_annotations,
    named_expressions,
    read_param_kind,
    read_param_ref,
    read_validations,
)

from kpolicy_kyverno.autogen import Rewriter
from kpolicy_kyverno.described import annotations_of, described
from kpolicy_kyverno.expressions import looks_around, refusal
from kpolicy_kyverno.leniency import lenient_named, lenient_validations
from kpolicy_kyverno.matching import Block, Kind, read_block

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kpolicy.policy.source import SourceNode

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_SPEC = (
    "rules", "validationFailureAction", "validationFailureActionOverrides", "failurePolicy",
    "background", "applyRules", "admission", "emitWarning", "schemaValidation",
    "webhookTimeoutSeconds", "webhookConfiguration", "generateExisting", "useServerSideApply",
    "generateExistingOnPolicyUpdate", "mutateExistingOnPolicyUpdate",
)  # fmt: skip
_RULE = (
    "name", "match", "exclude", "celPreconditions", "validate", "preconditions", "context",
    "mutate", "generate", "verifyImages", "imageExtractors", "skipBackgroundRequests",
    "reportProperties",
)  # fmt: skip
_VALIDATE = (
    "cel", "message", "failureAction", "failureActionOverrides", "allowExistingViolations",
)  # fmt: skip
_CEL = ("generate", "expressions", "variables", "paramKind", "paramRef", "auditAnnotations")
#: What a rule is that has no `validate.cel`, by its key.
_OTHER_RULES = ("mutate", "generate", "verifyImages", "validate")

AUTOGEN = "pod-policies.kyverno.io/autogen-controllers"
#: The controllers of pods; those with a template of their own place come last.
_CONTROLLERS: Mapping[str, Kind] = {
    kind.kind: kind
    for kind in (
        Kind("apps", "v1", "DaemonSet"),
        Kind("apps", "v1", "Deployment"),
        Kind("batch", "v1", "Job"),
        Kind("apps", "v1", "ReplicaSet"),
        Kind("", "v1", "ReplicationController"),
        Kind("apps", "v1", "StatefulSet"),
        Kind("batch", "v1", "CronJob"),
    )
}


def load_cluster_policy(document: SourceNode) -> Loaded:
    """Return the policy of a document: one rule of it, and `rules` for the others."""
    kind = str(document.get("kind").value)  # type: ignore[union-attr]
    if kind == "PolicyException":
        return _load_exception(document)
    if kind not in ("ClusterPolicy", "Policy"):
        text = f"{document.location}: {kind} is not evaluated: a gate deletes nothing"
        return Loaded(parts=(Part("note", {"text": text}, document.location),))
    return _Reader(document, namespaced=kind == "Policy").load()


class _Reader:
    """Reads one policy."""

    def __init__(self, document: SourceNode, *, namespaced: bool) -> None:
        self.document = document
        self.namespaced = namespaced
        self.read = Lenient(document)
        self.annotations = annotations_of(document)
        self.parts: list[Part] = []
        self.name = ""
        self.actions: list[str] = []

    def load(self) -> Loaded:
        read, reader = self.read, self.read.reader
        top = read.fields(self.document, "", _TOP, ("metadata", "spec"))
        metadata = top.get("metadata")
        name_node = metadata.get("name") if metadata is not None else None
        self.name = reader.string(name_node, "metadata.name")
        if metadata is not None and not self.name:
            reader.problem('metadata lacks "name"', metadata.location)
        spec = read.fields(top.get("spec"), "spec", _SPEC, ("rules",))
        self.actions = self._action(spec.get("validationFailureAction"), "Audit")
        failure = reader.choice(
            spec.get("failurePolicy"), "spec.failurePolicy", ("Fail", "Ignore"), "Fail"
        )
        if self.namespaced:
            node = metadata.get("namespace") if metadata is not None else None
            self.namespace = str(node.value) if node is not None and node.value else "default"
        entries = reader.sequence(spec.get("rules"), "spec.rules")
        blocks = [self._blocks(entry, f"spec.rules[{n}]") for n, entry in enumerate(entries)]
        controllers = self._controllers([b for pair in blocks for b in pair])
        policies: list[Policy] = []
        others: list[str] = []
        for number, entry in enumerate(entries):
            found = self._rule(
                entry, f"spec.rules[{number}]", *blocks[number], controllers, failure
            )
            if found is None:
                node = entry.get("name") if entry.kind == "mapping" else None
                others.append(str(node.value) if node is not None else str(number))
            else:
                policies += found
        if not policies:
            return self._nothing(others)
        for name in others:
            self._note(
                f"rule {name} of policy {self.name} is not evaluated: it is not validate.cel"
            )
        main, *rest = policies
        whole = replace(main, rules=tuple(rest))
        if reader.problems:
            return Loaded((), tuple(reader.problems), drafts=(main,), parts=tuple(self.parts))
        return Loaded((whole,), parts=tuple(self.parts))

    def _nothing(self, others: list[str]) -> Loaded:
        """Return what is to be said of a policy without a rule that can be run."""
        problems = list(self.read.reader.problems)
        if not problems and others:
            hint = "kpolicy runs rules with validate.cel; patterns need Kyverno itself"
            message = f'policy "{self.name}" has no rule with validate.cel'
            problems.append(Problem(message, self.document.location, hint))
        return Loaded((), tuple(problems), parts=tuple(self.parts))

    def _note(self, text: str) -> None:
        said = f"{self.document.location}: {text}"
        self.parts.append(Part("note", {"text": said}, self.document.location))

    def _action(self, node: SourceNode | None, default: str) -> list[str]:
        known = ("Audit", "Enforce", "audit", "enforce")
        text = self.read.reader.choice(node, "failureAction", known, default)
        return ["Deny"] if text.lower() == "enforce" else ["Audit"]

    def _blocks(self, entry: SourceNode, what: str) -> tuple[Block, Block]:
        match = entry.get("match") if entry.kind == "mapping" else None
        exclude = entry.get("exclude") if entry.kind == "mapping" else None
        return (
            read_block(self.read, match, f"{what}.match"),
            read_block(self.read, exclude, f"{what}.exclude", excludes=True),
        )

    def _controllers(self, blocks: list[Block]) -> list[str]:
        """Return the controllers that rules about pods are generated for. Source: CanAutoGen."""
        filters = [each for block in blocks for each in block.filters]
        for each in filters:
            pods = any(kind.kind == "Pod" and not kind.subresource for kind in each.kinds)
            if each.special or (pods and len(each.kinds) > 1):
                return []
        names = {kind.kind for each in filters for kind in each.kinds}
        if not names & {"Pod", *_CONTROLLERS}:
            return []
        given = self.annotations.get(AUTOGEN)
        if given is None:
            return list(_CONTROLLERS)
        return [name for name in _CONTROLLERS if name in given.replace(" ", "").split(",")]

    # Rules

    def _rule(
        self,
        entry: SourceNode,
        what: str,
        match: Block,
        exclude: Block,
        controllers: list[str],
        failure: str,
    ) -> list[Policy] | None:
        """Return a rule and those generated from it; None for one without `validate.cel`."""
        read, reader = self.read, self.read.reader
        fields = read.fields(entry, what, _RULE, ("name", "match"))
        name = reader.string(fields.get("name"), f"{what}.name")
        validate = fields.get("validate")
        node = validate.get("cel") if validate is not None and validate.kind == "mapping" else None
        if node is None:
            return None
        inner = read.fields(validate, f"{what}.validate", _VALIDATE)
        given = read.fields(node, f"{what}.validate.cel", _CEL)
        for key in ("preconditions", "context"):
            if key in fields:
                reader.problem(
                    f"{what}.{key} is refused: JMESPath and its context need Kyverno itself",
                    fields[key].location, "write it as celPreconditions",
                )  # fmt: skip
        here = f"{what}.validate.cel"
        conditions = named_expressions(
            read, fields.get("celPreconditions"), f"{what}.celPreconditions", False
        )
        variables = named_expressions(read, given.get("variables"), f"{here}.variables", True)
        validations, reasons = read_validations(read, given.get("expressions"))
        message = reader.string(inner.get("message"), f"{what}.validate.message")
        validations = tuple(v if v.message else replace(v, message=message) for v in validations)
        audit = audit_annotations(read, given.get("auditAnnotations"))
        for expression in (
            *(c.expression for c in conditions), *(v.expression for v in variables),
            *(v.expression for v in validations),
        ):  # fmt: skip
            why = refusal(expression)
            if why:
                reader.problem(why, expression.location)
        actions = self.actions
        if "failureAction" in inner:
            actions = self._action(inner["failureAction"], "Audit")
        shared: dict[str, Any] = {
            "reasons": reasons,
            "param_kind": read_param_kind(read, given.get("paramKind")),
            "bindings": (
                binding("", actions, param_ref=read_param_ref(read, given.get("paramRef"))),
            ),
            "ignore_failure": failure == "Ignore",
            "joins": looks_around([v.expression for v in (*conditions, *variables)]),
            **described(self.annotations),
        }

        def policy(rule: str, match: Block, exclude: Block, rewriter: Rewriter | None) -> Policy:
            own, tests, before, tellers = variables, validations, conditions, tuple(audit)
            if rewriter is not None:
                own, tests = rewriter.named(own), rewriter.validations(tests)
                before, tellers = rewriter.named(before), rewriter.named(tellers)
            own, tests = lenient_named(own), lenient_validations(tests)
            before, tellers = lenient_named(before), lenient_named(tellers)
            meant = self._meant(match, exclude)
            return admission_policy(
                self.name, self.document.location, rule=rule, validations=tests, variables=own,
                constraints=self._constraints(match, entry), match_conditions=(*meant, *before),
                audit=tellers, notes=read.notes if not rule.startswith("autogen-") else (),
                **shared,
            )  # fmt: skip

        found = [policy(name, match, exclude, None)]
        if any(kind.kind == "Pod" and not kind.subresource for kind in match.kinds):
            plain = tuple(_CONTROLLERS[c] for c in controllers if c != "CronJob")
            for prefix, kinds, config in (
                ("autogen", plain, "defaults"),
                ("autogen-cronjob", (_CONTROLLERS["CronJob"],), "cronjobs"),
            ):
                if not kinds or (config == "cronjobs" and "CronJob" not in controllers):
                    continue
                rewriter = Rewriter(config, keeps_namespace=False)
                without = exclude.with_kinds(kinds) if exclude.kinds else exclude
                found.append(
                    policy(f"{prefix}-{name}"[:63], match.with_kinds(kinds), without, rewriter)
                )
        return found

    def _constraints(self, match: Block, entry: SourceNode) -> dict[str, Any]:
        operations = sorted({o for each in match.filters for o in each.operations})
        if any(not each.operations for each in match.filters):
            operations = ["CREATE", "UPDATE"]
        rules = [kind.rule(operations) for kind in match.kinds]
        selectors = [f.namespace_selector for f in match.filters if f.namespace_selector]
        if selectors and (
            len(selectors) < len(match.filters) or any(s != selectors[0] for s in selectors)
        ):
            self.read.reader.problem(
                "namespaceSelector is refused where the filters of a match have different ones",
                entry.location, "split the rule",
            )  # fmt: skip
        return {
            "resourceRules": rules or [Kind("*", "*", "*").rule(operations)],
            "excludeResourceRules": [],
            "namespaceSelector": dict(selectors[0]) if selectors else None,
            "objectSelector": None,
            "matchPolicy": "Equivalent",
        }

    def _meant(self, match: Block, exclude: Block) -> list[NamedExpression]:
        """Return the conditions under which a rule means a request."""
        location = self.document.location
        found = []
        if self.namespaced:
            source = f"request.?namespace.orValue('') == {literal(self.namespace)}"
            found.append(NamedExpression("same namespace", Expression(source, location)))
        if len(match.filters) != 1 or match.filters[0].condition != "true" or match.every:
            found.append(NamedExpression("match", Expression(match.test(), location)))
        if exclude.filters:
            if any(f.namespace_selector for f in exclude.filters):
                self.read.reader.problem(
                    "a namespaceSelector in exclude is refused: match conditions do not see the "
                    "namespace", location,
                )  # fmt: skip
            found.append(NamedExpression("exclude", Expression(f"!({exclude.test()})", location)))
        return found


def _load_exception(document: SourceNode) -> Loaded:
    """Return what a PolicyException takes from the rules of policies."""
    read = Lenient(document)
    reader = read.reader
    top = read.fields(document, "", _TOP, ("metadata", "spec"))
    spec = read.fields(
        top.get("spec"), "spec", ("exceptions", "match", "conditions", "background", "podSecurity"),
        ("exceptions", "match"),
    )  # fmt: skip
    for key in ("conditions", "podSecurity"):
        if key in spec:
            reader.problem(
                f"spec.{key} is refused: only exceptions by match are read", spec[key].location
            )
    block = read_block(read, spec.get("match"), "spec.match")
    if any(f.namespace_selector for f in block.filters):
        reader.problem("a namespaceSelector is refused in exceptions", document.location)
    metadata = top.get("metadata")
    name_node = metadata.get("name") if metadata is not None else None
    name = reader.string(name_node, "metadata.name") or "exception"
    found = []
    for number, entry in enumerate(reader.sequence(spec.get("exceptions"), "spec.exceptions")):
        here = f"spec.exceptions[{number}]"
        fields = read.fields(entry, here, ("policyName", "ruleNames"), ("policyName", "ruleNames"))
        policy = reader.string(fields.get("policyName"), f"{here}.policyName").rpartition("/")[2]
        data = {
            "name": name,
            "policies": [policy],
            "rules": list(reader.strings(fields.get("ruleNames"), f"{here}.ruleNames")),
            "conditions": [(block.test(), document.location)],
        }
        found.append(Part("admission-exception", data, document.location))
    if reader.problems:
        return Loaded((), tuple(reader.problems))
    return Loaded(parts=tuple(found))
