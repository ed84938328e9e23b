"""A ValidatingAdmissionPolicy on one resource: what the API server would decide.

Source: k8s.io/apiserver, the validating policy plugin: its dispatcher (bindings, parameters,
actions), its validator (match conditions, messages, audit annotations) and `CollectParams`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.cel.errors import CelError
from kpolicy.engine.evaluate import Surroundings, Unit, Variables, Verdict, skipped
from kpolicy.frozen import FrozenDict, freeze
from kpolicy.policy.vap import SEVERITY_OF, audit_variable
from kpolicy.policy.vap_matching import (
    NAME_LABEL,
    Constraints,
    Incoming,
    Matched,
    constraints_of,
    incoming,
    labels_of,
    target_of,
)
from kpolicy.policy.vap_parts import severity_of_actions
from kpolicy.records import dataclass
from kpolicy.snapshot.kinds import Kinds, split_api_version
from kpolicy.snapshot.resource import ResourceKey
from kpolicy.snapshot.selector import selector_of, selects

if TYPE_CHECKING:
    from kpolicy.findings import Outcome, Severity
    from kpolicy.policy.compiled import CompiledPolicy, CompiledValidation
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

#: A longer messageExpression result is not shown. Source: apiserver's MaxEvaluatedMessage...
_LONGEST_MESSAGE = 5 * 1024
#: An audit annotation is cut here. Source: the dispatcher.
_LONGEST_ANNOTATION = 10 * 1024


#: Where the bindings of a resource keep its request; no identifier of CEL.
_ASKED = "(asked)"


class Param(NamedTuple):
    """A resource that may parameterise a policy."""

    namespace: str
    """As written."""
    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    """A Binding, its matcher ready."""

    name: str
    constraints: Constraints | None
    actions: tuple[str, ...]
    param_ref: Mapping[str, Any] | None

    @property
    def severity(self) -> str:
        """What its actions stand for."""
        return severity_of_actions(self.actions)


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """What a unit knows when its policy is a ValidatingAdmissionPolicy."""

    constraints: Constraints
    bindings: tuple[Binding, ...]
    """At least one: where the input has none, one that denies everywhere."""
    bound: bool
    param_kind: tuple[str, str] | None
    given: tuple[Param, ...]
    """Parameters from policy files and `--params`."""
    reasons: Sequence[str]
    audit: Sequence[str]
    kinds: Kinds
    reads_request: bool
    reads_namespace: bool
    severity: str
    """The policy's own, before a configuration changes it."""
    _namespaces: dict[tuple[int, str, str], FrozenDict] = field(default_factory=dict)

    def namespace(self, snapshot: Snapshot | None, scope: str, name: str) -> FrozenDict:
        """Return a Namespace as policies see it; one not in the input as the server makes it."""
        key = (id(snapshot), scope, name)
        found = self._namespaces.get(key)
        if found is None:
            known = None
            if snapshot is not None:
                known = snapshot.get(ResourceKey("", "Namespace", "", name), scope)
            found = self._namespaces[key] = _namespace(name, None if known is None else known.body)
        return found


def _namespace(name: str, body: Mapping[str, Any] | None) -> FrozenDict:
    known = body or {}
    metadata = known.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    labels = {NAME_LABEL: name, **(labels_of(known) or {})}
    made: FrozenDict = freeze(
        {
            "metadata": {**metadata, "name": name, "labels": labels},
            "spec": known.get("spec") or {"finalizers": ["kubernetes"]},
            "status": known.get("status") or {"phase": "Active"},
        }
    )
    return made


class AdmissionMatcher:
    """Stands where a `Matcher` does; all but the kind is decided when the policy is evaluated."""

    __slots__ = ("_admission", "_certain", "_known", "operation", "test")

    def __init__(self, admission: Admission, certain: bool) -> None:
        self._admission = admission
        self._certain = certain
        self._known: dict[tuple[str, str], bool] = {}
        self.operation = "CREATE"
        self.test = None

    def test_for(self, operation: str) -> None:
        """Return that the kind decides alone, so that `evaluate` can say why not."""
        return

    def may_meet(self, resource: Resource) -> bool:
        """Return whether the policy may meet this resource."""
        return self.meets_kind(resource.api_version, resource.kind)

    def takes(self, decoding: str) -> bool:
        """Return whether resources of which typed decoding made this are met: all are."""
        return True

    def meets_kind(self, api_version: str, kind: str) -> bool:
        """Return whether the policy may meet resources of this kind.

        A kind that is not built in may be defined in the input, under any plural and scope.
        """
        key = (api_version, kind)
        found = self._known.get(key)
        if found is None:
            kinds = self._admission.kinds
            target = target_of(api_version, kind, kinds)
            if target.exempt:
                found = False
            elif self._certain or kinds.built_in(target.group, kind):
                found = self._admission.constraints.covers_kind(target)
            else:
                found = any(
                    "*" in rule["apiGroups"] or target.group in rule["apiGroups"]
                    for rule in self._admission.constraints.rules
                )
            self._known[key] = found
        return found


def admission_unit(
    compiled: CompiledPolicy, kinds: Kinds, number: int, params: Sequence[Mapping[str, Any]] = ()
) -> Unit:
    """Return the unit of a ValidatingAdmissionPolicy; `params` are those of `--params`."""
    policy = compiled.policy
    data = policy.metadata["vap"]
    bindings = tuple(
        Binding(
            b["name"],
            constraints_of(b["constraints"]) if b["constraints"] is not None else None,
            tuple(b["actions"]),
            b["paramRef"],
        )
        for b in data["bindings"]
    )
    param_kind = None
    if data["paramKind"]:
        group, _ = split_api_version(data["paramKind"]["apiVersion"])
        param_kind = (group, data["paramKind"]["kind"])
    constraints = constraints_of(data["constraints"])
    admission = Admission(
        constraints=constraints,
        bindings=bindings or (Binding("", None, ("Deny",), None),),
        bound=bool(bindings),
        param_kind=param_kind,
        given=tuple(_given(param_kind, (*data["params"], *params))),
        reasons=data["reasons"],
        audit=data["audit"],
        kinds=kinds,
        reads_request="request" in compiled.references,
        reads_namespace="namespaceObject" in compiled.references,
        severity=severity_of_actions([a for b in bindings for a in b.actions]),
    )
    all_constraints = [constraints, *(b.constraints for b in bindings if b.constraints)]
    certain = _is_certain(all_constraints, admission.reads_request, kinds)
    joins = (
        compiled.joins
        or not certain
        or admission.reads_namespace
        or bool(param_kind and any(b.param_ref for b in bindings))
        or any(c.namespaces for c in all_constraints)
    )
    references = compiled.references | {"request"}
    ready = replace(compiled, joins=joins, references=references)
    matcher: Any = AdmissionMatcher(admission, certain)
    return Unit(ready, matcher, {}, number, admission)


def _is_certain(constraints: Iterable[Constraints], reads_request: bool, kinds: Kinds) -> bool:
    """Return whether no definition in the input can change what these cover."""
    for each in constraints:
        for rule in (*each.rules, *each.excluded):
            if all(kinds.is_built_in_group(group) for group in rule["apiGroups"]):
                continue
            if reads_request or rule["scope"] != "*" or not {"*", "*/*"} & {*rule["resources"]}:
                return False
    return True


def _given(
    param_kind: tuple[str, str] | None, bodies: Iterable[Mapping[str, Any]]
) -> Iterable[Param]:
    for body in bodies:
        group, _ = split_api_version(str(body.get("apiVersion") or ""))
        if (group, body.get("kind")) != param_kind:
            continue
        metadata = body.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        namespace, name = metadata.get("namespace"), metadata.get("name")
        yield Param(
            namespace if isinstance(namespace, str) else "",
            name if isinstance(name, str) else "",
            freeze(dict(body)),
        )


class _Refused(Exception):
    """A binding that cannot be used; the API server denies, unless errors are to be ignored."""


class _Absent(Exception):
    """There is no parameter, and the binding allows that."""


@dataclass(slots=True)
class _Decided:
    """What one validation came to, whatever binding asked."""

    validation: int
    outcome: Outcome
    message: str
    reason: str = ""
    always: bool = False
    """Denied whatever the binding's actions are."""


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

    def namespace_labels(name: str) -> Mapping[str, Any]:
        labels: Mapping[str, Any] = admission.namespace(snapshot, resource.scope, name)["metadata"][
            "labels"
        ]
        return labels

    met = admission.constraints.match(asked, namespace_labels)
    if not met.met:
        return (skipped(met.reason),) if everything and met.reason else ()
    found: dict[tuple[int, str, str], Verdict] = {}
    seen: dict[int, list[_Decided]] = {}
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
            params = _params(admission, binding, asked, resource, snapshot, kinds)
        except _Refused as error:
            message = f"failed to configure binding: {error}"
            decided = _errors(unit, 0, message, always=True)
            _count(unit, binding, decided, found)
            continue
        except _Absent as absent:
            reasons.append(f"binding {binding.name}: {absent}")
            continue
        for param in params:
            results = seen.get(id(param))
            if results is None:
                world = _World(unit, bindings, asked, met, param, context)
                if admission.reads_namespace and asked.namespace and not asked.is_namespace:
                    world.namespace = admission.namespace(snapshot, resource.scope, asked.namespace)
                results = seen[id(param)] = world.decide(annotations)
            if len(results) == 1 and results[0].validation < 0:
                reasons.append(results[0].message)
                continue
            passed = passed or not results
            for decided in results:
                _count(unit, binding, decided, found, param)
    return _result(found, passed, reasons, annotations, everything)


def first_sight(
    unit: Unit, resource: Resource, bindings: dict[str, Any], context: Any, around: Surroundings
) -> dict[str, Any] | None:
    """Return what expressions read under the first binding and parameter, to be traced.

    None where no binding meets the resource. `bindings` are those of an evaluation that was made.
    """
    admission: Admission = unit.admission
    snapshot = around.snapshot
    asked: Incoming = bindings[_ASKED]

    def namespace_labels(name: str) -> Mapping[str, Any]:
        labels: Mapping[str, Any] = admission.namespace(snapshot, resource.scope, name)["metadata"][
            "labels"
        ]
        return labels

    met = admission.constraints.match(asked, namespace_labels)
    for binding in admission.bindings if met.met else ():
        if binding.constraints and not binding.constraints.match(asked, namespace_labels).met:
            continue
        try:
            params = _params(admission, binding, asked, resource, snapshot, snapshot.kinds)
        except (_Refused, _Absent):
            continue
        seen = _World(unit, bindings, asked, met, params[0], context).bindings
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
        return (Verdict(0, "pass", "", details=extra),)
    return (skipped("; ".join(dict.fromkeys(reasons)) or "nothing to decide"),)


def _errors(unit: Unit, validation: int, message: str, always: bool = False) -> _Decided:
    """Return what an error means under the policy's failurePolicy."""
    if unit.compiled.policy.failure_policy == "Ignore":
        return _Decided(validation, "skip", message)
    return _Decided(validation, "error", message, always=always)


def _count(
    unit: Unit,
    binding: Binding,
    decided: _Decided,
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
    if binding.name:
        details.append(("binding", binding.name))
        details.append(("validationActions", ", ".join(binding.actions)))
    if param is not None:
        details.append(("params", _name_of(param)))
    if decided.reason:
        details.append(("reason", decided.reason))
    if known is None:
        found[key] = Verdict(
            decided.validation, decided.outcome, decided.message,
            severity="" if severity == policy.severity else severity, details=tuple(details),
        )  # fmt: skip
        return
    before: Severity = known.severity or policy.severity  # type: ignore[assignment]
    if _RANK[severity] > _RANK[before]:
        found[key] = known._replace(
            severity="" if severity == policy.severity else severity, details=tuple(details)
        )


_RANK = {"info": 0, "warning": 1, "error": 2}


def _name_of(param: Mapping[str, Any]) -> str:
    metadata = param.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    namespace, name = metadata.get("namespace"), metadata.get("name")
    return f"{namespace}/{name}" if namespace else str(name or "")


def _params(
    admission: Admission,
    binding: Binding,
    asked: Incoming,
    resource: Resource,
    snapshot: Snapshot | None,
    kinds: Kinds,
) -> Sequence[Mapping[str, Any] | None]:
    """Return the parameters to evaluate with, one after the other; None = `params` is null.

    Raises `_Refused` where the API server has a configuration error, `_Absent` where there is
    nothing to evaluate with.
    """
    if admission.param_kind is None:
        return (None,)
    reference = binding.param_ref
    if reference is None:
        if not admission.bound and admission.given:
            # Without a binding, the parameters that were given are meant.
            return [param.body for param in admission.given]
        return (None,)
    group, kind = admission.param_kind
    known = kinds.knows(group, kind)
    namespaced = kinds.namespaced(group, kind)
    wanted = reference["namespace"]
    if known and not namespaced and wanted:
        raise _Refused("paramRef.namespace must not be provided for a cluster-scoped paramKind")
    namespace = wanted or asked.namespace
    if known and namespaced and not namespace:
        raise _Refused(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    found = []
    for param in _candidates(admission, resource, snapshot):
        if known:
            fits = not namespaced or (param.namespace or "default") == namespace
        elif wanted:
            fits = (param.namespace or "default") == wanted
        else:
            # Nobody says whether the kind has namespaces: an object without one has none.
            fits = not param.namespace or param.namespace == namespace
        if fits:
            found.append(param)
    if reference["name"]:
        found = [param for param in found if param.name == reference["name"]][:1]
    else:
        selector = selector_of(reference["selector"]) or ()
        found = [param for param in found if selects(selector, labels_of(param.body) or {})]
    if found:
        return [param.body for param in found]
    if reference["notFound"] == "Deny":
        raise _Refused("no params found for policy binding with `Deny` parameterNotFoundAction")
    raise _Absent("there are no params, which parameterNotFoundAction allows")


def _candidates(admission: Admission, resource: Resource, snapshot: Snapshot | None) -> list[Param]:
    """Return the resources of the parameter's kind; what was given wins over the scanned input."""
    found = {(param.namespace, param.name): param for param in reversed(admission.given)}
    assert admission.param_kind is not None
    for other in snapshot.by_kind(*admission.param_kind) if snapshot is not None else ():
        if other.scope in ("", resource.scope):
            param = Param(other.namespace, other.name, other.body)
            found.setdefault((param.namespace, param.name), param)
    return sorted(found.values(), key=lambda p: (p.namespace, p.name))


class _World:
    """What a policy sees of one request with one parameter, and what it decides."""

    def __init__(
        self,
        unit: Unit,
        bindings: Mapping[str, Any],
        asked: Incoming,
        met: Matched,
        param: Mapping[str, Any] | None,
        context: Any,
    ) -> None:
        self.unit = unit
        self.context = context
        own = dict(bindings)
        own["params"] = param
        admission: Admission = unit.admission
        self.namespace: FrozenDict | None = None
        if admission.reads_request:
            own["request"] = _request(bindings["request"], asked, met)
        if (met.group, met.version) != (asked.target.group, asked.target.version):
            version = f"{met.group}/{met.version}" if met.group else met.version
            for name in ("object", "oldObject"):
                body = own[name]
                if isinstance(body, FrozenDict):
                    own[name] = FrozenDict({**body, "apiVersion": version}, body.mark)
        self.bindings = own

    def decide(self, annotations: dict[str, list[str]]) -> list[_Decided]:
        """Return what is not a pass; a single one with validation -1 says why it was skipped."""
        unit, bindings, context = self.unit, self.bindings, self.context
        compiled = unit.compiled
        # As in the API server, match conditions see no namespace.
        bindings["namespaceObject"] = None
        reason, failed = self._conditions()
        if reason:
            return [_Decided(-1, "skip", reason)]
        if failed:
            return [_errors(unit, 0, f"could not be evaluated: {failed}")]
        bindings["namespaceObject"] = self.namespace
        variables = Variables(compiled.variables, bindings, context)
        bindings["variables"] = variables
        decided: list[_Decided] = []
        for validation in compiled.validations:
            try:
                if validation.test.evaluate(bindings, context) is True:
                    continue
            except CelError as error:
                text = f"could not be evaluated: validation {validation.index + 1}: {error}"
                decided.append(_errors(unit, validation.index, text))
                continue
            reasons = unit.admission.reasons
            decided.append(
                _Decided(
                    validation.index, "fail", _message(validation, bindings, context),
                    reasons[validation.index],
                )
            )  # fmt: skip
        decided += self._audit(variables, annotations)
        return decided

    def _conditions(self) -> tuple[str, str]:
        """Return which condition leaves the request out, and the first that failed.

        One false condition excludes the request even where another one fails.
        """
        failed = ""
        for name, program in self.unit.compiled.conditions:
            try:
                if program.evaluate(self.bindings, self.context) is not True:
                    return f'match condition "{name}" is false', ""
            except CelError as error:
                failed = failed or f'match condition "{name}": {error}'
        return "", failed

    def _audit(
        self, variables: Mapping[str, Any], annotations: dict[str, list[str]]
    ) -> Iterable[_Decided]:
        unit = self.unit
        for key in unit.admission.audit:
            try:
                value = variables[audit_variable(key)]
            except CelError as error:
                text = f"could not be evaluated: audit annotation {key}: {error}"
                yield _errors(unit, 0, text, always=True)
                continue
            if isinstance(value, str):
                text = value.strip()[:_LONGEST_ANNOTATION]
                if text and text not in annotations.setdefault(key, []):
                    annotations[key].append(text)
            elif value is not None:
                text = f"audit annotation {key} is neither a string nor null"
                yield _Decided(0, "error", text, always=True)


def _request(request: Mapping[str, Any], asked: Incoming, met: Matched) -> FrozenDict:
    """Return `request` as the API server serialises it: what is empty is absent."""
    target = asked.target
    kind = FrozenDict({"group": met.group, "version": met.version, "kind": target.kind})
    resource = FrozenDict({"group": met.group, "version": met.version, "resource": target.plural})
    made = {
        **request,
        "operation": asked.operation,
        "kind": kind,
        "resource": resource,
        "requestResource": FrozenDict(
            {"group": target.group, "version": target.version, "resource": target.plural}
        ),
        "namespace": asked.namespace,
        "subResource": target.subresource,
        "requestSubResource": target.subresource,
    }
    for name in ("subResource", "requestSubResource", "name", "namespace"):
        if not made[name]:
            del made[name]
    user = made["userInfo"]
    made["userInfo"] = FrozenDict({k: v for k, v in user.items() if v})
    frozen: FrozenDict = FrozenDict(made)
    return frozen


def _message(validation: CompiledValidation, bindings: Mapping[str, Any], context: Any) -> str:
    """Return the message as the API server chooses it: the expression's, the fixed, the default."""
    if validation.message_expression is not None:
        try:
            text = validation.message_expression.evaluate(bindings, context)
        except CelError:
            text = ""
        if isinstance(text, str):
            text = text.strip()
            if text and "\n" not in text and len(text.encode()) <= _LONGEST_MESSAGE:
                return text
    fixed = " ".join(validation.message.split("\n")).strip()
    if fixed:
        return fixed
    return f"failed expression: {' '.join(validation.test.source.split())}"


__all__ = ["SEVERITY_OF", "Admission", "admission_unit", "evaluate_admission"]
