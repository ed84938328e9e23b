"""A ValidatingAdmissionPolicy on one resource: what the API server would decide.

Source: k8s.io/apiserver, the dispatcher of the validating policy plugin: bindings, parameters,
actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kpolicy.engine.admission.params import Absent, Refused, name_of, params_of
from kpolicy.engine.admission.unit import Admission, Binding
from kpolicy.engine.admission.world import Decided, World, error_of
from kpolicy.engine.evaluate import Surroundings, Unit, Verdict, skipped
from kpolicy.policy.vap_matching import Incoming, incoming, target_of

if TYPE_CHECKING:
    from kpolicy.findings import Severity
    from kpolicy.snapshot.resource import Resource

#: Where the bindings of a resource keep its request; no identifier of CEL.
_ASKED = "(asked)"


def evaluate_admission(
    unit: Unit,
    resource: Resource,
    bindings: dict[str, Any],
    context: Any,
    around: Surroundings | None,
    everything: bool,
) -> Sequence[Verdict]:
    """Return what a ValidatingAdmissionPolicy says of a resource under all its bindings."""
    admission: Admission = unit.admission
    snapshot = around.snapshot if around is not None else None
    kinds = admission.kinds if snapshot is None else snapshot.kinds
    asked: Incoming | None = bindings.get(_ASKED)
    if asked is None:
        # The same for every policy that is asked about this resource.
        asked = bindings[_ASKED] = incoming(
            resource,
            target_of(resource.api_version, resource.kind, kinds),
            bindings["object"],
            bindings["oldObject"],
            bindings["request"]["operation"],
        )
    namespace_labels = admission.labels(snapshot, resource.scope)
    met = admission.constraints.match(asked, namespace_labels)
    if not met.met:
        if not everything or not met.reason:
            return ()
        return (_of_rule(skipped(met.reason), admission.rule),)
    schema = admission.schema(snapshot, asked.target)
    found: dict[tuple[int, str, str], Verdict] = {}
    seen: dict[int, list[Decided]] = {}
    passed = False
    annotations: dict[str, list[str]] = {}
    reasons: list[str] = []
    for binding in admission.bindings:
        if binding.constraints is not None:
            bound = binding.constraints.match(asked, namespace_labels)
            if not bound.met:
                why = bound.reason or "its resource rules do not cover it"
                reasons.append(f"binding {binding.name} does not meet it: {why}")
                continue
        try:
            params = params_of(admission, binding, asked, resource, snapshot, kinds)
        except Refused as error:
            message = f"failed to configure binding: {error}"
            decided = error_of(unit, 0, message, always=True)
            _count(unit, binding, decided, found)
            continue
        except Absent as absent:
            reasons.append(f"binding {binding.name}: {absent}")
            continue
        for param in params:
            results = seen.get(id(param))
            if results is None:
                world = World(unit, bindings, asked, met, param, context, schema)
                if admission.reads_namespace and asked.namespace and not asked.is_namespace:
                    world.namespace = admission.namespace(snapshot, resource.scope, asked.namespace)
                results = seen[id(param)] = world.decide(annotations)
            if len(results) == 1 and results[0].validation < 0:
                reasons.append(results[0].message)
                continue
            passed = passed or not results
            for decided in results:
                _count(unit, binding, decided, found, param)
    return _result(found, passed, reasons, annotations, everything, admission.rule)


def first_sight(
    unit: Unit, resource: Resource, bindings: dict[str, Any], context: Any, around: Surroundings
) -> dict[str, Any] | None:
    """Return what expressions read under the first binding and parameter, to be traced.

    None where no binding meets the resource. `bindings` are those of an evaluation that was made.
    """
    admission: Admission = unit.admission
    snapshot = around.snapshot
    asked: Incoming = bindings[_ASKED]
    namespace_labels = admission.labels(snapshot, resource.scope)
    met = admission.constraints.match(asked, namespace_labels)
    for binding in admission.bindings if met.met else ():
        if binding.constraints and not binding.constraints.match(asked, namespace_labels).met:
            continue
        try:
            params = params_of(admission, binding, asked, resource, snapshot, snapshot.kinds)
        except (Refused, Absent):
            continue
        schema = admission.schema(snapshot, asked.target)
        seen = World(unit, bindings, asked, met, params[0], context, schema).bindings
        seen["namespaceObject"] = None
        if asked.namespace and not asked.is_namespace:
            seen["namespaceObject"] = admission.namespace(snapshot, resource.scope, asked.namespace)
        return seen
    return None


def _result(
    found: Mapping[tuple[int, str, str], Verdict],
    passed: bool,
    reasons: Sequence[str],
    annotations: Mapping[str, list[str]],
    everything: bool,
    rule: str,
) -> Sequence[Verdict]:
    verdicts = [v for v in found.values() if everything or v.outcome != "skip"]
    if everything and annotations:
        extra = tuple((f"auditAnnotations.{k}", ", ".join(v)) for k, v in annotations.items())
    else:
        extra = ()
    if verdicts:
        return [v._replace(details=v.details + extra) for v in verdicts] if extra else verdicts
    if not everything:
        return ()
    if passed:
        return (_of_rule(Verdict(0, "pass", "", details=extra), rule),)
    why = "; ".join(dict.fromkeys(reasons)) or "nothing to decide"
    return (_of_rule(skipped(why), rule),)


def _of_rule(verdict: Verdict, rule: str) -> Verdict:
    """Return a verdict that says which rule gave it, of a policy with several."""
    if not rule:
        return verdict
    return verdict._replace(identity=rule, details=(("rule", rule), *verdict.details))


def _count(
    unit: Unit,
    binding: Binding,
    decided: Decided,
    found: dict[tuple[int, str, str], Verdict],
    param: Mapping[str, Any] | None = None,
) -> None:
    """Add a decision under a binding; the same one under several bindings is one finding."""
    policy = unit.compiled.policy
    admission: Admission = unit.admission
    severity = "error" if decided.always else binding.severity
    if policy.severity != admission.severity:
        severity = policy.severity  # a configuration decides it
    key = (decided.validation, decided.outcome, decided.message)
    known = found.get(key)
    details: list[tuple[str, str]] = []
    if admission.rule:
        details.append(("rule", admission.rule))
    if binding.name:
        details.append(("binding", binding.name))
        details.append(("validationActions", ", ".join(binding.actions)))
    if param is not None:
        details.append(("params", name_of(param)))
    if decided.reason:
        details.append(("reason", decided.reason))
    if known is None:
        found[key] = Verdict(
            decided.validation, decided.outcome, decided.message, identity=admission.rule,
            severity="" if severity == policy.severity else severity, details=tuple(details),
        )  # fmt: skip
        return
    before: Severity = known.severity or policy.severity  # type: ignore[assignment]
    if _RANK[severity] > _RANK[before]:
        found[key] = known._replace(
            severity="" if severity == policy.severity else severity, details=tuple(details)
        )


_RANK = {"info": 0, "warning": 1, "error": 2}
