"""The join phase: policies that look at other resources, over the merged snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kpolicy.cel.errors import CelError
from kpolicy.engine.evaluate import Surroundings, Unit, evaluate
from kpolicy.engine.findings import Placer
from kpolicy.engine.local import Settings, Tally, add_findings
from kpolicy.engine.plan import Plan
from kpolicy.engine.request_object import request_of
from kpolicy.policy.compiled import CompiledPolicy
from kpolicy.relations.context import JoinContext
from kpolicy.relations.index import Filter
from kpolicy.snapshot.resource import Resource
from kpolicy.snapshot.snapshot import Snapshot


def filters_of(unit: Unit, context: JoinContext) -> Mapping[str, Filter]:
    """Return the filters of a policy as the indexes take them."""
    made: dict[str, Filter] = {}
    for name, program in unit.compiled.filters.items():

        def passes(resource: Any, program: Any = program) -> bool:
            bindings = {"item": resource.body, "params": unit.params}
            try:
                return program.evaluate(bindings, context) is True
            except CelError:
                # An item that the filter cannot judge is not let through.
                return False

        made[name] = Filter((unit.compiled.id, name), passes)
    return MappingProxyType(made)


class JoinEvaluator:
    """Runs the join policies of a plan over one snapshot."""

    def __init__(
        self, plan: Plan, settings: Settings, snapshot: Snapshot, base: Snapshot | None = None
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.snapshot = snapshot
        self.context = JoinContext(snapshot, relations=plan.relations, base=base)
        self.filters = {
            unit.number: filters_of(unit, self.context)
            for unit in plan.units
            if unit.compiled.filters
        }
        self.around = Surroundings(snapshot, self._locate)
        self.needs_request = any("request" in u.compiled.references for u in plan.units)
        self._current: Unit | None = None

    def run(self, resource: Resource, placer: Placer, tally: Tally) -> None:
        """Evaluate the join policies on one resource."""
        settings, context = self.settings, self.context
        units = self.plan.meeting(resource.api_version, resource.kind, True)
        if not units:
            return
        context.resource = resource
        bindings: dict[str, Any] = {"object": resource.body, "oldObject": None}
        namespace = self.snapshot.namespace_of(resource)
        bindings["namespaceObject"] = None if namespace is None else namespace.body
        if self.needs_request:
            bindings["request"] = request_of(
                resource, self.snapshot.kinds, settings.operation, settings.user
            )
        for unit in units:
            test = unit.matcher.test
            if test is not None and not test(resource):
                continue
            context.filters = self.filters.get(unit.number, _NO_FILTERS)
            self._current = unit
            tally.evaluations += 1
            verdicts = evaluate(unit, resource, bindings, context, self.around, settings.everything)
            if verdicts:
                add_findings(unit, resource, verdicts, placer, tally, settings.everything)

    def _locate(self, other: Resource, compiled: CompiledPolicy) -> tuple[str, str, str]:
        """Return how the policy reached `other`: relation, pointer here, pointer there."""
        resource = self.context.resource
        if resource is None:
            return "", "", ""
        for question in sorted(compiled.questions, key=lambda q: (not q.filter, q.relation)):
            direction = self.plan.relations[question.relation]
            index = self.snapshot.index(direction.relation)
            chosen = self.context.filters.get(question.filter)
            for hit in index.related(resource, chosen, direction.reverse):
                if hit.resource is other:
                    return question.relation, hit.here.pointer, hit.there.pointer
        return "", "", ""


_NO_FILTERS: Mapping[str, Filter] = MappingProxyType({})
