"""The join phase: policies that look at other resources, over the merged snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.engine.evaluate import Surroundings, Unit, Verdict, evaluate
from kpolicy.engine.findings import Placer
from kpolicy.engine.lazy import Library
from kpolicy.engine.local import Settings, add_findings, admission, pass_over
from kpolicy.engine.plan import Plan
from kpolicy.engine.request_object import request_of
from kpolicy.engine.rows import Guess, Row, RowMaker, filters_of, relations_of
from kpolicy.engine.speculate import holds
from kpolicy.engine.tally import Tally
from kpolicy.manifests.model import ManifestFile
from kpolicy.policy.compiled import CompiledPolicy
from kpolicy.relations.context import JoinContext
from kpolicy.relations.index import Filter, RelationIndex
from kpolicy.snapshot.kinds import Kinds
from kpolicy.snapshot.resource import Resource, ResourceKey
from kpolicy.snapshot.snapshot import Snapshot
from kpolicy.snapshot.world import World

if TYPE_CHECKING:
    from kpolicy.engine.cached.reads import Reads


class JoinEvaluator:
    """Runs the join policies of a plan over one snapshot."""

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        snapshot: Snapshot,
        base: Snapshot | None = None,
        bits: Mapping[Resource, frozenset[tuple[str, str]]] | None = None,
        reads: Reads | None = None,
    ) -> None:
        self.plan = plan
        self.reads = reads
        """Where it is noted what the evaluations look at."""
        if reads is not None:
            snapshot = reads.watched(snapshot)
        self.settings = settings
        self.snapshot = snapshot
        self.base = base
        self.context = JoinContext(snapshot, relations=plan.relations, base=base)
        self.filters: dict[int, Mapping[str, Filter]] = {}
        for unit in plan.units:
            if unit.compiled.filters:
                made = filters_of(unit, self.context)
                self.filters[unit.number] = made if bits is None else _known(made, bits)
        self.around = Surroundings(snapshot, self._locate)
        self.needs_request = any("request" in u.compiled.references for u in plan.units)
        self.of_namespaces = frozenset(
            u.number
            for u in plan.units
            if u.admission is not None or "namespaceObject" in u.compiled.references
        )
        self._doubled: frozenset[ResourceKey] | None = None
        # They would be called for every resource, to say nothing.
        self.of_copies = frozenset(
            unit.number
            for unit in plan.units
            if unit.compiled.policy.metadata.get("copies") and not settings.everything
        )

    def run(self, resource: Resource, placer: Placer, tally: Tally) -> None:
        """Evaluate every join policy that meets a resource."""
        admitted = admission(resource, self.settings)
        met = self.plan.meeting(resource, True, admitted[2])
        if not met:
            return
        if self.reads is not None:
            self.reads.begin(resource.path)
        bindings = self._bound(resource, *admitted)
        for unit, test in met:
            if test is not None and not test(resource):
                pass_over(unit, resource, placer, tally, self.settings.everything)
                continue
            tally.evaluations += 1
            self.evaluate(unit, resource, bindings, placer, tally)

    def settle(self, resource: Resource, row: Row, placer: Placer, tally: Tally) -> None:
        """Finish what a worker left open for a resource."""
        bindings: dict[str, Any] | None = None
        if self.reads is not None:
            self.reads.begin(resource.path)
        for pending in row.pending:
            unit = self.plan.units[pending.unit]
            guess = self._right_guess(unit, resource, pending.guesses)
            if guess is not None:
                if guess.passed and self.settings.everything:
                    passed = (Verdict(0, "pass", ""),)
                    add_findings(unit, resource, passed, placer, tally, True)
                continue
            if unit.compiled.policy.check is not None:
                self.evaluate(unit, resource, {}, placer, tally)
                continue
            if bindings is None:
                bindings = self._bound(resource, *admission(resource, self.settings))
            self.evaluate(unit, resource, bindings, placer, tally)

    def _right_guess(
        self, unit: Unit, resource: Resource, guesses: Sequence[Guess]
    ) -> Guess | None:
        """Return the first guess that the real indexes bear out."""
        filters = self.filters.get(unit.number, _NO_FILTERS)
        for guess in guesses:
            if all(
                holds(question, resource, self.snapshot, self.plan.relations, filters)
                for question in guess.asked
            ):
                return guess
        return None

    def bindings(self, resource: Resource) -> tuple[dict[str, Any], str]:
        """Return what expressions about a resource can read, and the operation."""
        admitted = admission(resource, self.settings)
        bindings = self._bound(resource, *admitted)
        bindings["namespaceObject"] = self._namespace_of(resource)
        return bindings, admitted[2]

    def _namespace_of(self, resource: Resource) -> Any:
        namespace = self.snapshot.namespace_of(resource)
        return None if namespace is None else namespace.body

    def _bound(self, resource: Resource, new: Any, old: Any, operation: str) -> dict[str, Any]:
        bindings: dict[str, Any] = {"object": new, "oldObject": old}
        if self.needs_request:
            kinds, user = self.snapshot.kinds, self.settings.user
            bindings["request"] = request_of(resource, kinds, operation, user)
        return bindings

    def evaluate(
        self,
        unit: Unit,
        resource: Resource,
        bindings: dict[str, Any],
        placer: Placer,
        tally: Tally,
    ) -> None:
        """Evaluate one join policy on one resource."""
        if unit.number in self.of_copies and not self.has_copies(resource):
            return
        context = self.context
        context.resource = resource
        context.filters = self.filters.get(unit.number, _NO_FILTERS)
        if unit.number in self.of_namespaces:
            bindings["namespaceObject"] = self._namespace_of(resource)
        everything = self.settings.everything
        verdicts = evaluate(unit, resource, bindings, context, self.around, everything)
        if verdicts:
            add_findings(unit, resource, verdicts, placer, tally, everything)

    def has_copies(self, resource: Resource) -> bool:
        """Return whether the input has its key more than once."""
        if self.reads is not None:
            return len(self.snapshot.copies(resource.key)) > 1
        if self._doubled is None:
            counts = Counter(r.key for r in self.snapshot.resources)
            self._doubled = frozenset(key for key, count in counts.items() if count > 1)
        return resource.key in self._doubled

    def is_open(self, resource: Resource, row: Row) -> bool:
        """Return whether there is anything to settle."""
        if all(pending.unit in self.of_copies for pending in row.pending):
            return bool(row.pending) and self.has_copies(resource)
        return True

    def _locate(self, other: Resource, compiled: CompiledPolicy) -> tuple[str, str, str]:
        """Return how the policy reached `other`: relation, pointer here, pointer there."""
        resource = self.context.resource
        if resource is None:
            return "", "", ""
        # A filtered question is the narrower one, and the likelier to be the reason.
        for question in sorted(compiled.questions, key=lambda q: not q.filter):
            direction = self.plan.relations[question.relation]
            index = self.snapshot.index(direction.relation)
            chosen = self.context.filters.get(question.filter)
            for hit in index.related(resource, chosen, direction.reverse):
                if hit.resource is other:
                    return question.relation, hit.here.pointer, hit.there.pointer
        return "", "", ""


_NO_FILTERS: Mapping[str, Filter] = MappingProxyType({})


def _known(
    made: Mapping[str, Filter], bits: Mapping[Resource, frozenset[tuple[str, str]]]
) -> Mapping[str, Filter]:
    """Return filters that know their answers from the workers' bits."""
    nothing: frozenset[tuple[str, str]] = frozenset()
    known = {}
    for name, filter_ in made.items():

        def passes(resource: Any, key: Any = filter_.key) -> bool:
            return key in bits.get(resource, nothing)

        known[name] = Filter(filter_.key, passes)
    return known


def join_whole(
    plan: Plan,
    settings: Settings,
    tally: Tally,
    files: Mapping[str, ManifestFile],
    world: World,
    reads: Reads | None = None,
) -> None:
    """Run the join phase over resources whose bodies are at hand."""
    snapshot = Snapshot.of(tally.resources, plan.kinds, world)
    for index in RelationIndex.several(relations_of(plan), snapshot):
        snapshot.adopt(index.relation, index)
    evaluator = JoinEvaluator(plan, settings, snapshot, reads=reads)
    placer = Placer(dict(files), tally.plain)
    for resource in snapshot.resources:
        before = tally.evaluations
        evaluator.run(resource, placer, tally)
        if reads is not None:
            reads.evaluations[resource.path] += tally.evaluations - before


def join_rows(
    plan: Plan,
    settings: Settings,
    tally: Tally,
    files: Mapping[str, ManifestFile],
    world: World,
    reads: Reads | None = None,
) -> None:
    """Run the join phase over rows: keys first, a body only where it must be."""
    library = Library(files, settings.limits)
    rows = {row.resource(library): row for row in tally.rows}
    definitions = {resource: row.custom for resource, row in rows.items() if row.custom is not None}
    snapshot = Snapshot.of(rows, plan.kinds, world, definitions)
    if snapshot.kinds is plan.kinds:
        pairs = [(resource, rows[resource]) for resource in snapshot.resources]
    else:
        # Some have another key now, and are other objects.
        by_place = {(row.path, row.document, row.pointer, row.scope): row for row in tally.rows}
        pairs = [(r, by_place[r.path, r.document, r.pointer, r.scope]) for r in snapshot.resources]
    changed = changed_scopes(snapshot.kinds, plan.kinds)
    anew: list[Resource] = []
    if changed:
        pairs, anew = _filed_anew(plan, settings, snapshot, pairs, changed)
    filed: list[list[tuple[Resource, Any]]] = [[] for _ in relations_of(plan)]
    for resource, row in pairs:
        for relation_number, entries in row.filed:
            filed[relation_number].append((resource, entries))
    for number, relation in enumerate(relations_of(plan)):
        if tally.relations is not None and number not in tally.relations:
            # Nothing that is open asks for it.
            continue
        index = RelationIndex.from_entries(relation, filed[number], in_order=True)
        snapshot.adopt(relation, index)
    bits = {resource: row.bits for resource, row in pairs if row.bits}
    evaluator = JoinEvaluator(plan, settings, snapshot, bits=bits, reads=reads)
    from kpolicy.engine.workers import settle_in_two

    placer = Placer(dict(files), tally.plain)
    settle_in_two(evaluator, [pair for pair in pairs if evaluator.is_open(*pair)], placer, tally)
    if anew:
        _evaluate_anew(evaluator, anew, placer, tally)


def _filed_anew(
    plan: Plan,
    settings: Settings,
    snapshot: Snapshot,
    pairs: Sequence[tuple[Resource, Row]],
    changed: frozenset[tuple[str, str]],
) -> tuple[list[tuple[Resource, Row]], list[Resource]]:
    """Return resources with their rows, and those whose rows were made anew and leave nothing open.

    The workers filed these, which go by the scope of a changed kind, under a namespace.
    """
    maker = RowMaker(replace(plan, kinds=snapshot.kinds), settings.everything)
    made, anew = [], []
    for resource, row in pairs:
        if row.is_affected(changed):
            row = maker.row(resource, ())
            anew.append(resource)
        made.append((resource, row))
    return made, anew


def _evaluate_anew(
    evaluator: JoinEvaluator, resources: Sequence[Resource], placer: Placer, tally: Tally
) -> None:
    """Evaluate all join policies on resources of which the workers may have said what is wrong."""
    joins = {unit.compiled.id for unit in evaluator.plan.units if unit.compiled.joins}
    places = {(r.path, r.document, r.pointer, r.scope) for r in resources}
    tally.findings = [
        raw
        for raw in tally.findings
        if raw.policy not in joins or (raw.path, raw.document, raw.within, raw.scope) not in places
    ]
    counted = tally.evaluations
    for resource in resources:
        evaluator.run(resource, placer, tally)
    tally.evaluations = counted  # the workers counted them


def changed_scopes(kinds: Kinds, base: Kinds) -> frozenset[tuple[str, str]]:
    """Return the kinds that definitions in the input give another scope than was known."""
    return frozenset(
        (custom.group, custom.kind)
        for custom in kinds.custom.values()
        if base.namespaced(custom.group, custom.kind) != custom.namespaced
    )
