"""What a worker sends back of a resource: its key, its entries in indexes, what is still open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.cel.errors import CelError
from kpolicy.engine.evaluate import Unit, evaluate
from kpolicy.engine.lazy import LazyBody, Library
from kpolicy.engine.plan import Plan
from kpolicy.engine.speculate import Asked, GuessContext, Unguessable
from kpolicy.frozen import FrozenDict
from kpolicy.manifests.model import DocumentProblem
from kpolicy.relations.filed import Filed
from kpolicy.relations.index import Filers, Filter
from kpolicy.snapshot.kinds import CustomKind, DoubtingKinds, custom_kind_of
from kpolicy.snapshot.resource import Resource, ResourceKey

if TYPE_CHECKING:
    from kpolicy.engine.evaluate import Verdict
    from kpolicy.relations.model import Relation


class Guess(NamedTuple):
    """Answers under which a policy has nothing to report; `passed` = it met the resource at all."""

    asked: tuple[Asked, ...]
    passed: bool


class Pending(NamedTuple):
    """A join policy that a worker could not decide for good."""

    unit: int
    guesses: tuple[Guess, ...] = ()
    """If none is borne out, the policy is evaluated in full."""


class Row(NamedTuple):
    """A resource without its body. Picklable and small."""

    api_version: str
    kind: str
    namespace: str
    name: str
    key: ResourceKey
    path: str
    document: int
    pointer: str
    scope: str
    mark: int
    problems: tuple[DocumentProblem, ...]
    filed: tuple[tuple[int, Filed], ...]
    """Entries by the number of the relation in `relations_of(plan)`."""
    bits: frozenset[tuple[str, str]]
    """The filters (policy, name) that let this resource through."""
    pending: tuple[Pending, ...]
    body: FrozenDict | None = None
    """Kept where the row is not sent anywhere and the join phase may well look at it."""
    custom: CustomKind | None = None
    """The kind that this resource defines."""
    doubts: frozenset[tuple[str, str]] = frozenset()
    """Kinds, as (group, kind), by whose scope the entries and the guesses go, and that a definition
    elsewhere in the input may decide otherwise."""

    def is_affected(self, changed: Collection[tuple[str, str]]) -> bool:
        """Return whether it has to be filed anew when these kinds have another scope."""
        return (self.key.group, self.kind) in changed or not self.doubts.isdisjoint(changed)

    def resource(self, library: Library) -> Resource:
        """Return the resource, its body still away."""
        body = self.body
        if body is None:
            body = LazyBody.of(self.mark, lambda: self._fetched(library))
        return Resource(
            self.api_version,
            self.kind,
            self.namespace,
            self.name,
            self.key,
            body,
            self.path,
            self.document,
            self.pointer,
            self.scope,
            self.problems,
        )

    def _fetched(self, library: Library) -> Mapping[str, Any]:
        """Return the body, read again."""
        found = library.body(self.path, self.document, self.pointer, self.namespace)
        if found is not None:
            return found
        # The file changed since it was read: this is known for sure.
        metadata = {"name": self.name, "namespace": self.namespace}
        known = FrozenDict({k: v for k, v in metadata.items() if v})
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": known}


def relations_of(plan: Plan) -> tuple[Relation, ...]:
    """Return the relations that some policy of the plan asks for, in a fixed order."""
    names = sorted({question.relation for question in plan.questions})
    found = {id(plan.relations[n].relation): plan.relations[n].relation for n in names}
    return tuple(found.values())


def filters_of(unit: Unit, context: Any) -> Mapping[str, Filter]:
    """Return the filters of a policy, evaluated on bodies."""
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
    return made


_NO_DOUBTS: frozenset[tuple[str, str]] = frozenset()


class _Either:
    """How often a policy that was satisfied by one answer was satisfied by the other one as well.

    Seldom: most policies turn on the answer. After some tries the other guess is left out then; an
    answer that was not guessed costs an evaluation in the join phase, and changes nothing.
    """

    __slots__ = ("both", "tried")

    def __init__(self) -> None:
        self.tried = self.both = 0

    @property
    def is_likely(self) -> bool:
        """Whether the other answer is worth a guess."""
        return self.tried < 20 or self.both * 10 > self.tried

    def note(self, both: bool) -> None:
        """Note what a second guess gave."""
        self.tried += 1
        self.both += both


class RowMaker:
    """Makes rows: files resources in the relations asked for, and guesses at join policies."""

    def __init__(self, plan: Plan, everything: bool, at_hand: bool = False) -> None:
        self.plan = plan
        self.at_hand = at_hand
        """Whether the rows stay in this process."""
        self._full = tuple(Pending(unit.number) for unit in plan.units)
        self._either = tuple(_Either() for _ in plan.units)
        self.everything = everything
        self.relations = relations_of(plan)
        self.kinds = DoubtingKinds.over(plan.kinds)
        self.filers = Filers(self.relations, self.kinds)
        self.context = GuessContext.of(self.kinds, plan.relations)
        self.filters = {u.number: filters_of(u, self.context) for u in plan.units}
        numbers = {id(relation): number for number, relation in enumerate(self.relations)}
        self._wanted: dict[int, dict[tuple[str, str], Filter]] = {}
        for unit in plan.units:
            for question in unit.compiled.questions:
                if question.filter:
                    number = numbers[id(plan.relations[question.relation].relation)]
                    chosen = self.filters[unit.number][question.filter]
                    key = (unit.compiled.id, question.filter)
                    self._wanted.setdefault(number, {})[key] = chosen

    def row(self, resource: Resource, pending: Sequence[Pending]) -> Row:
        """Return the row of a resource."""
        bits: set[tuple[str, str]] = set()
        self.context.begin(resource, {}, True)
        filed = self.filers.file(resource)
        for number, _ in filed:
            for key, chosen in self._wanted.get(number, {}).items():
                if key not in bits and chosen.predicate(resource):
                    bits.add(key)
        doubts = self.kinds.doubts
        custom = None
        if resource.kind == "CustomResourceDefinition":
            custom = custom_kind_of(resource.body)
        row = Row(
            resource.api_version,
            resource.kind,
            resource.namespace,
            resource.name,
            resource.key,
            resource.path,
            resource.document,
            resource.pointer,
            resource.scope,
            resource.body.mark,
            resource.problems,
            tuple(filed),
            frozenset(bits),
            tuple(pending),
            resource.body if self.at_hand and any(p.guesses for p in pending) else None,
            custom,
            frozenset(doubts) if doubts else _NO_DOUBTS,
        )
        doubts.clear()
        return row

    def guess(
        self, unit: Unit, resource: Resource, bindings: dict[str, Any]
    ) -> tuple[Sequence[Verdict], Pending | None]:
        """Return the final verdicts of a join policy, or what is still open."""
        compiled = unit.compiled
        full = self._full[unit.number]
        if compiled.policy.check is not None or unit.admission is not None:
            return (), full
        if "namespaceObject" in compiled.references:
            bindings = _Open({k: v for k, v in bindings.items() if k != "namespaceObject"})
        context = self.context
        either = self._either[unit.number]
        guesses: list[Guess] = []
        for guess in (True, False):
            if guesses and not either.is_likely:
                break
            context.begin(resource, self.filters[unit.number], guess)
            try:
                verdicts = evaluate(unit, resource, bindings, context, None, self.everything)
            except Unguessable:
                continue
            asked = tuple(dict.fromkeys(context.asked))
            if not asked:
                # Decided by the resource alone, unless the finding would name others.
                if verdicts and any(v.related is not None for v in compiled.validations):
                    return (), full
                return verdicts, None
            passes = all(verdict.outcome == "pass" for verdict in verdicts)
            if guesses:
                either.note(passes)
            if passes:
                guesses.append(Guess(asked, bool(verdicts)))
            if not any(question.kind in ("any", "count") for question in asked):
                # Nothing asked depends on the guess: the other one would go the same way.
                break
        return (), Pending(unit.number, tuple(guesses))


class _Open(dict[str, Any]):
    """Bindings in which one name cannot be answered here: reading it ends the guess."""

    __slots__ = ()

    def __missing__(self, name: str) -> Any:
        raise Unguessable(name)
