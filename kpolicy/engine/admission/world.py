"""What a policy sees of one request with one parameter, and what its expressions come to.

Source: k8s.io/apiserver, the validator of the validating policy plugin: match conditions,
messages, audit annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kpolicy.cel.errors import CelError
from kpolicy.engine.admission.served import served
from kpolicy.engine.admission.unit import Admission
from kpolicy.engine.evaluate import Unit, Variables
from kpolicy.frozen import FrozenDict
from kpolicy.policy.admission import audit_variable
from kpolicy.policy.vap_matching import Incoming, Matched
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.findings import Outcome
    from kpolicy.policy.compiled import CompiledValidation
    from kpolicy.schemas.model import Schema

#: A longer messageExpression result is not shown. Source: apiserver's MaxEvaluatedMessage...
_LONGEST_MESSAGE = 5 * 1024
#: An audit annotation is cut here. Source: the dispatcher.
_LONGEST_ANNOTATION = 10 * 1024


#: Where the bindings of a resource keep its objects as the API server hands them to admission.
_SERVED = "(served)"


@dataclass(slots=True)
class Decided:
    """What one validation came to, whatever binding asked."""

    validation: int
    outcome: Outcome
    message: str
    reason: str = ""
    always: bool = False
    """Denied whatever the binding's actions are."""


def error_of(unit: Unit, validation: int, message: str, always: bool = False) -> Decided:
    """Return what an error means under the policy's failurePolicy."""
    if unit.compiled.policy.failure_policy == "Ignore":
        return Decided(validation, "skip", message)
    return Decided(validation, "error", message, always=always)


class World:
    """What a policy sees of one request with one parameter, and what it decides."""

    def __init__(
        self,
        unit: Unit,
        bindings: dict[str, Any],
        asked: Incoming,
        met: Matched,
        param: Mapping[str, Any] | None,
        context: Any,
        schema: Schema | None = None,
    ) -> None:
        self.unit = unit
        self.context = context
        own = dict(bindings)
        own["params"] = param
        admission: Admission = unit.admission
        self.namespace: FrozenDict | None = None
        if admission.reads_request:
            own["request"] = _request(bindings["request"], asked, met)
        objects = bindings.get(_SERVED)
        if objects is None:
            objects = bindings[_SERVED] = tuple(
                served(own[name], asked, schema) for name in ("object", "oldObject")
            )
        own["object"], own["oldObject"] = objects
        if (met.group, met.version) != (asked.target.group, asked.target.version):
            version = f"{met.group}/{met.version}" if met.group else met.version
            for name in ("object", "oldObject"):
                body = own[name]
                if isinstance(body, FrozenDict):
                    own[name] = FrozenDict({**body, "apiVersion": version}, body.mark)
        self.bindings = own

    def decide(self, annotations: dict[str, list[str]]) -> list[Decided]:
        """Return what is not a pass; a single one with validation -1 says why it was skipped."""
        unit, bindings, context = self.unit, self.bindings, self.context
        compiled = unit.compiled
        # As in the API server, match conditions see no namespace.
        bindings["namespaceObject"] = None
        reason, failed = self.conditions()
        if reason:
            return [Decided(-1, "skip", reason)]
        if failed:
            return [error_of(unit, 0, f"could not be evaluated: {failed}")]
        bindings["namespaceObject"] = self.namespace
        variables = Variables(compiled.variables, bindings, context)
        bindings["variables"] = variables
        decided: list[Decided] = []
        for validation in compiled.validations:
            try:
                if validation.test.evaluate(bindings, context) is True:
                    continue
            except CelError as error:
                text = f"could not be evaluated: validation {validation.index + 1}: {error}"
                decided.append(error_of(unit, validation.index, text))
                continue
            reasons = unit.admission.reasons
            decided.append(
                Decided(
                    validation.index, "fail", _message(validation, bindings, context),
                    reasons[validation.index],
                )
            )  # fmt: skip
        decided += self._audit(variables, annotations)
        return decided

    def conditions(self) -> tuple[str, str]:
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
    ) -> Iterable[Decided]:
        unit = self.unit
        for key in unit.admission.audit:
            try:
                value = variables[audit_variable(key)]
            except CelError as error:
                text = f"could not be evaluated: audit annotation {key}: {error}"
                yield error_of(unit, 0, text, always=True)
                continue
            if isinstance(value, str):
                text = value.strip()[:_LONGEST_ANNOTATION]
                if text and text not in annotations.setdefault(key, []):
                    annotations[key].append(text)
            elif value is not None:
                text = f"audit annotation {key} is neither a string nor null"
                yield Decided(0, "error", text, always=True)


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
