"""Working a change into kept results: only what the change can concern is evaluated again.

The local policies are evaluated on the changed files alone. The joins of a file are evaluated again
where it has changed, or where they looked at a key that a changed file holds or held. They are
evaluated over a part of the snapshot: beginning with those files, files are added that hold what
was looked at, until nothing is missing. Whatever an evaluation asks is then answered as the whole
snapshot would answer it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from kpolicy.config.model import Config
from kpolicy.engine.cached.build import (
    Whole,
    defines_kinds,
    digest_of_world,
    had_by_file,
    joined_ids,
    named,
    named_in,
)
from kpolicy.engine.cached.marks import EVERYTHING, WORLD, Marks, held_by_file
from kpolicy.engine.cached.memory import Recalled
from kpolicy.engine.cached.reads import Reads
from kpolicy.engine.cached.shift import Fresh, Shift, shifted
from kpolicy.engine.cached.state import NOTHING, Had, Names, State
from kpolicy.engine.findings import Placer, Raw
from kpolicy.engine.join import JoinEvaluator
from kpolicy.engine.local import Settings, local_phase
from kpolicy.engine.outside import world_of
from kpolicy.engine.plan import Plan
from kpolicy.engine.rows import relations_of
from kpolicy.engine.scopes import copies_note
from kpolicy.engine.tally import Tally
from kpolicy.manifests.model import Note
from kpolicy.records import dataclass
from kpolicy.snapshot.kinds import Kinds
from kpolicy.snapshot.resource import Resource, key_of, resource_from
from kpolicy.snapshot.snapshot import Snapshot
from kpolicy.snapshot.world import World

#: More files than this, or than this part of all, are scanned as a whole sooner.
_MOST = 400
_PART = 4


def rescan(plan: Plan, settings: Settings, config: Config, known: Recalled) -> State | None:
    """Return the state after a change, or None where a whole scan is the quicker way to it."""
    if known.state.head.joins != plan.joins:
        return None
    work = _Work(plan, settings, config, known)
    if len(work.shift.changed) > work.most or not known.whole():
        return None
    return work.run()


@dataclass(frozen=True, slots=True)
class _Joined:
    """What the joins of some files found, at the positions of these."""

    raws: Mapping[int, list[Raw]]
    held: Mapping[int, set[int]]
    """Of the changed files."""
    read: Mapping[int, set[int]]
    evaluations: Mapping[str, int]
    loaded: Collection[int]


class _Work:
    """One change of a tree."""

    def __init__(self, plan: Plan, settings: Settings, config: Config, known: Recalled) -> None:
        self.plan, self.config = plan, config
        self.settings = replace(settings, remember=True)
        self.state, self.now = known.state, known.now
        self.world_changed = known.changes.world
        self.head = self.state.head
        self.shift = Shift.of(self.head, self.now, known.changes)
        self.paths = [file.path for file in self.now.files]
        self.most = min(_MOST, len(self.paths) // _PART + 1)
        self.kinds = plan.kinds
        if self.head.kinds:
            workloads = plan.kinds.workloads.values()
            self.kinds = Kinds.of(workloads, (*plan.kinds.given, *self.head.kinds))

    def run(self) -> State | None:
        """Return the state that follows, None where too much would have to be evaluated."""
        changed = self.shift.changed
        files = [self.now.files[n] for n in changed]
        own = local_phase(self.plan, self.settings, files, keep_bodies=True)
        had = {
            n: each
            for n, origin in enumerate(self.shift.origins)
            if (each := self.state.had.get(origin))
        }
        found = had_by_file(own, joined_ids(self.plan))
        had.update({n: found[self.paths[n]] for n in changed if self.paths[n] in found})
        if not self.plan.joins:
            return shifted(
                self.state, self.now, self.shift, Whole(self.plan, None, None), had, Fresh(own.seen)
            )
        if defines_kinds(own.resources) or self.defined_kinds():
            return None
        world = self.world(had)
        joined = self.joins(own.resources, world)
        if joined is None:
            return None
        for n, raws in joined.raws.items():
            each = had.get(n, NOTHING)
            if raws or each.joined:
                had[n] = Had(
                    each.local, raws, each.annotated, each.invalid, each.skipped, each.notes
                )
        names = self.names(own)
        whole = Whole(self.plan, world, self.copies(names))
        seen = [
            s._replace(evaluations=s.evaluations + joined.evaluations[s.path]) for s in own.seen
        ]
        fresh = Fresh(seen, joined.held, joined.read, names, joined.loaded)
        return shifted(self.state, self.now, self.shift, whole, had, fresh)

    def defined_kinds(self) -> bool:
        """Return whether a file that has changed or gone defined a kind."""
        gone = set(self.shift.removed)
        return any(position in gone for position in self.head.definers)

    def world(self, had: Mapping[int, Had]) -> World:
        """Return what lies outside the input: what could not be read is part of it."""
        found = self.now.found
        tally = Tally(invalid=list(found.invalid), skipped=list(found.skipped))
        for n in sorted(had):
            tally.invalid += had[n].invalid
            tally.skipped += had[n].skipped
        return world_of(self.config, tally, self.plan.kinds, {f.path: f for f in self.now.files})

    def joins(self, own: Sequence[Resource], world: World) -> _Joined | None:
        """Evaluate the joins that the change can concern."""
        state, shift = self.state, self.shift
        assert state.held is not None and state.readers is not None and state.holders is not None
        marks = Marks()
        loaded: dict[int, list[Resource]] = {n: [] for n in shift.changed}
        places = {self.paths[n]: n for n in shift.changed}
        for resource in own:
            loaded[places[resource.path]].append(self.known_as(resource))
        relations = relations_of(self.plan)
        fresh = Snapshot.of((r for rs in loaded.values() for r in rs), self.kinds, world)
        held = held_by_file(fresh, relations, marks)
        touched = {marks.of(EVERYTHING, "", "")}
        if self.world_changed or digest_of_world(world) != self.head.world:
            touched.add(marks.of(WORLD, "", ""))
        for position in shift.removed:
            touched.update(state.held.of(position))
        for each in held.values():
            touched.update(each)
        again = shift.places(state.readers.files(touched)) | set(shift.changed)
        todo = again - loaded.keys()
        before = self.looked_at_before(again)
        if len(loaded.keys() | todo | before) <= self.most:
            todo |= before - loaded.keys()
        while True:
            if len(loaded) + len(todo) > self.most:
                return None
            for n in sorted(todo):
                loaded[n] = self.load(n)
            resources = [r for n in sorted(loaded) for r in loaded[n]]
            snapshot = Snapshot.of(resources, self.kinds, world)
            found, noted = self.evaluate(snapshot, again, marks)
            asked = noted.by_file()
            everything = {mark for each in asked.values() for mark in each}
            if marks.of(EVERYTHING, "", "") in everything:
                return None
            todo = shift.places(state.holders.files(everything)) - loaded.keys()
            if not todo:
                break
        raws: dict[int, list[Raw]] = {n: [] for n in again}
        places = {self.paths[n]: n for n in again}
        for raw in found.findings:
            raws[places[raw.path]].append(raw)
        return _Joined(
            raws,
            {n: held.get(self.paths[n], set()) for n in shift.changed},
            {n: asked.get(self.paths[n], set()) for n in again},
            noted.evaluations,
            loaded.keys(),
        )

    def looked_at_before(self, again: Iterable[int]) -> set[int]:
        """Return the files that hold what the joins of some files looked at in the last scan.

        They will look at much the same: one evaluation is saved for each time that a file is found
        to be missing.
        """
        state, shift = self.state, self.shift
        assert state.read is not None and state.holders is not None
        marks: set[int] = set()
        for position in (*shift.removed, *(shift.origins[n] for n in again)):
            if position >= 0:
                marks.update(state.read.of(position))
        return shift.places(state.holders.files(marks))

    def evaluate(
        self, snapshot: Snapshot, again: Iterable[int], marks: Marks
    ) -> tuple[Tally, Reads]:
        """Evaluate the joins of the files at the positions `again`."""
        reads = Reads(marks)
        evaluator = JoinEvaluator(self.plan, self.settings, snapshot, reads=reads)
        placer = Placer({file.path: file for file in self.now.files})
        tally = Tally()
        for path in sorted(self.paths[n] for n in again):
            before = tally.evaluations
            for resource in snapshot.files.get(path, ()):
                evaluator.run(resource, placer, tally)
            reads.evaluations[path] += tally.evaluations - before
        return tally, reads

    def load(self, position: int) -> list[Resource]:
        """Return the resources of a file that has not changed."""
        from kpolicy.manifests import load

        loaded = load(self.now.files[position], self.settings.limits)
        return [resource_from(document, self.kinds) for document in loaded.documents]

    def known_as(self, resource: Resource) -> Resource:
        """Return a resource with the key that definitions in the input give it."""
        r = resource
        key = key_of(self.kinds, r.api_version, r.kind, r.namespace, r.name)
        return r if key == r.key else replace(r, key=key)

    def names(self, own: Tally) -> list[Names]:
        """Return the names of the resources of all files."""
        found = named(own)
        kept = self.state.names
        return [
            kept[origin] if origin >= 0 else found.get(self.paths[n], [])
            for n, origin in enumerate(self.shift.origins)
        ]

    def copies(self, names: Sequence[Names]) -> Note | None:
        """Return the note about resources that several directories define."""
        shift = self.shift
        if shift.in_place and all(names[n] == self.state.names[n] for n in shift.changed):
            return self.head.copies
        return copies_note(named_in(names, self.now))
