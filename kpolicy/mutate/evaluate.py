"""MutatingAdmissionPolicies run on one object, in the order of their names.

Source: k8s.io/apiserver, the mutating policy plugin: its dispatcher (bindings, parameters, order,
failures, reinvocation) and patchers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from kpolicy.cel.errors import CelError
from kpolicy.cel.library.mutation import misnamed
from kpolicy.engine.admission.params import Absent, Refused, params_of
from kpolicy.engine.admission.unit import Admission, Binding
from kpolicy.engine.admission.world import World
from kpolicy.engine.evaluate import Unit, Variables
from kpolicy.frozen import freeze, thaw
from kpolicy.mutate.errors import MutationError, TestFailed
from kpolicy.mutate.json_patch import apply
from kpolicy.mutate.merge import merged
from kpolicy.policy.vap_matching import Incoming, Matched, incoming, target_of
from kpolicy.records import dataclass
from kpolicy.schemas.validation import validate

if TYPE_CHECKING:
    from kpolicy.schemas.model import Schema
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


class Said(NamedTuple):
    """What a policy did to an object, or why it did nothing."""

    what: Literal["changed", "skipped", "ignored", "refused"]
    """`ignored` is an error under failurePolicy Ignore; under Fail the request is `refused`."""
    policy: str
    text: str


@dataclass(frozen=True, slots=True)
class Mutated:
    """An object after all policies, and what they did."""

    body: Mapping[str, Any]
    said: tuple[Said, ...]

    @property
    def refused(self) -> bool:
        """Whether the API server would refuse the request."""
        return any(each.what == "refused" for each in self.said)


def mutate(
    units: Sequence[Unit],
    resource: Resource,
    bindings: Mapping[str, Any],
    snapshot: Snapshot,
    schema: Schema | None,
) -> Mutated:
    """Return what the policies make of a resource.

    `bindings` are `object`, `oldObject` and `request` as a validating policy sees them; `schema` is
    that of the resource's kind, which merging needs. A policy with `reinvocationPolicy: IfNeeded`
    runs a second time where anything was changed.
    """
    ordered = sorted(units, key=lambda unit: unit.compiled.id)
    run = _Run(resource, bindings, snapshot, schema)
    for unit in ordered:
        run.policy(unit)
    if run.body != bindings["object"]:
        for unit in ordered:
            if unit.compiled.policy.metadata["vap"]["reinvoked"] and unit.compiled.id in run.asked:
                run.policy(unit)
    return Mutated(run.body, tuple(dict.fromkeys(run.said)))


class _Run:
    """One object on its way through the policies."""

    def __init__(
        self,
        resource: Resource,
        bindings: Mapping[str, Any],
        snapshot: Snapshot,
        schema: Schema | None,
    ) -> None:
        self.resource = resource
        self.bindings = bindings
        self.snapshot = snapshot
        self.schema = schema
        self.body = bindings["object"]
        self.said: list[Said] = []
        self.asked: set[str] = set()
        """The policies that met the object and whose conditions hold."""

    def policy(self, unit: Unit) -> None:
        """Run one policy under each of its bindings and parameters."""
        admission: Admission = unit.admission
        labels = admission.labels(self.snapshot, self.resource.scope)
        asked = self._incoming()
        met = admission.constraints.match(asked, labels)
        if not met.met:
            self._say("skipped", unit, met.reason or "its resource rules do not cover it")
            return
        for binding in admission.bindings:
            if binding.constraints is not None:
                bound = binding.constraints.match(asked, labels)
                if not bound.met:
                    why = bound.reason or "its resource rules do not cover it"
                    self._say("skipped", unit, f"binding {binding.name} does not meet it: {why}")
                    continue
            for param in self._params(unit, binding, asked):
                self._invoke(unit, asked, met, param)

    def _incoming(self) -> Incoming:
        kinds, resource = self.snapshot.kinds, self.resource
        target = target_of(resource.api_version, resource.kind, kinds)
        operation = self.bindings["request"]["operation"]
        return incoming(resource, target, self.body, self.bindings["oldObject"], operation)

    def _params(
        self, unit: Unit, binding: Binding, asked: Incoming
    ) -> Sequence[Mapping[str, Any] | None]:
        snapshot = self.snapshot
        try:
            return params_of(
                unit.admission, binding, asked, self.resource, snapshot, snapshot.kinds
            )
        except Refused as error:
            self._fail(unit, f"failed to configure binding: {error}")
        except Absent as absent:
            self._say("skipped", unit, f"binding {binding.name}: {absent}")
        return ()

    def _invoke(
        self, unit: Unit, asked: Incoming, met: Matched, param: Mapping[str, Any] | None
    ) -> None:
        if self.body is None:
            self._say("skipped", unit, "there is no object to change")
            return
        reason, failed = self._world(unit, asked, met, param).conditions()
        if failed:
            self._fail(unit, f"could not be evaluated: {failed}")
            return
        if reason:
            self._say("skipped", unit, reason)
            return
        self.asked.add(unit.compiled.id)
        for index in range(len(unit.compiled.mutations)):
            # Each mutation sees what the ones before it made.
            self._mutation(unit, index, self._world(unit, asked, met, param))

    def _world(
        self, unit: Unit, asked: Incoming, met: Matched, param: Mapping[str, Any] | None
    ) -> World:
        bindings = {**self.bindings, "object": self.body}
        world = World(unit, bindings, asked, met, param, None)
        world.bindings["namespaceObject"] = None
        return world

    def _mutation(self, unit: Unit, index: int, world: World) -> None:
        compiled, admission = unit.compiled, unit.admission
        bindings = world.bindings
        asked = self._incoming()
        if asked.namespace and not asked.is_namespace:
            bindings["namespaceObject"] = admission.namespace(
                self.snapshot, self.resource.scope, asked.namespace
            )
        bindings["variables"] = Variables(compiled.variables, bindings, None)
        mutation = compiled.policy.mutations[index]
        here = f"mutation {index + 1} ({mutation.patch_type})"
        try:
            value = compiled.mutations[index].evaluate(bindings, None)
            if mutation.patch_type == "ApplyConfiguration":
                body = self._configured(value)
            else:
                body = self._patched(value)
        except (CelError, MutationError) as error:
            self._fail(unit, f"{here}: {error}", f" at {mutation.expression.location}")
            return
        except TestFailed as failed:
            self._say("skipped", unit, f"{here} is not applied: {failed}")
            return
        if body != self.body:
            self.body = freeze(body)
            self._say("changed", unit, here)
        else:
            self._say("skipped", unit, f"{here} changes nothing")

    def _configured(self, value: Any) -> Mapping[str, Any]:
        wrong = list(misnamed(value))
        if wrong:
            raise MutationError(f"type mismatch: {'; '.join(wrong)}")
        if self.schema is None:
            kind = f"{self.resource.api_version} {self.resource.kind}"
            raise MutationError(
                f"nobody says how {kind} merges: give its CustomResourceDefinition, beside the "
                "object or the policy"
            )
        patch = {**_plain(value), "apiVersion": self.body["apiVersion"], "kind": self.body["kind"]}
        return merged(thaw(self.body), patch, self.schema)

    def _patched(self, operations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        plain = []
        for operation in operations:
            value = operation.get("value")
            wrong = list(misnamed(value))
            if wrong:
                raise MutationError(f"type mismatch: {'; '.join(wrong)}")
            plain.append({**operation, "value": _plain(value)})
        body = apply(self.body, plain)
        before = set(self._faults(self.body))
        for fault in self._faults(body):
            if fault not in before:
                raise MutationError(f"the patched object does not decode: {fault}")
        return body

    def _faults(self, body: Any) -> Iterator[str]:
        """Yield what the API server would not decode of a built-in kind."""
        schema = self.schema
        if schema is not None and schema.name.startswith("io.k8s."):
            for violation in validate(body, schema):
                if violation.fault in ("wrong-type", "unknown-field"):
                    yield f"{violation.path}: {violation.message}"

    def _fail(self, unit: Unit, text: str, where: str = "") -> None:
        ignored = unit.compiled.policy.failure_policy == "Ignore"
        self._say("ignored" if ignored else "refused", unit, text + where)

    def _say(self, what: Any, unit: Unit, text: str) -> None:
        self.said.append(Said(what, unit.compiled.id, text))


def _plain(value: Any) -> Any:
    """Return a value of CEL as JSON; raises `MutationError` for one that JSON cannot hold."""
    if value is None or isinstance(value, (bool, str, float)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise MutationError("a map with keys that are no strings is no JSON")
        return {key: _plain(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    raise MutationError(f"a value of type {type(value).__name__} is no JSON")
