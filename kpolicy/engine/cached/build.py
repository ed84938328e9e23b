"""From what a scan yielded to what is kept of it."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from kpolicy.engine.cached.compare import NO_DIGEST, Columns
from kpolicy.engine.cached.marks import held_by_file
from kpolicy.engine.cached.reads import Reads
from kpolicy.engine.cached.state import Had, Head, Names, Pairs, Sets, State, row_of
from kpolicy.engine.cached.stats import WIDTH, stats_of
from kpolicy.engine.plan import Plan
from kpolicy.engine.rows import relations_of
from kpolicy.engine.tally import Seen, Tally
from kpolicy.manifests.model import Discovery, Note
from kpolicy.records import dataclass
from kpolicy.snapshot.kinds import CustomKind
from kpolicy.snapshot.resource import Resource, ResourceKey
from kpolicy.snapshot.world import World

DEFINITIONS = "CustomResourceDefinition"


@dataclass(frozen=True, slots=True)
class Whole:
    """What is the scan's, and no file's."""

    plan: Plan
    world: World | None
    copies: Note | None


def state_of(whole: Whole, tally: Tally, reads: Reads | None, now: Columns) -> State | None:
    """Return what is kept of a scan that evaluated all files.

    `reads` is what its joins looked at, None where the plan has none. None for a tally that does
    not tell about each file.
    """
    seen = {each.path: each for each in tally.seen}
    paths = [file.path for file in now.files]
    if len(seen) != len(paths) or not all(path in seen for path in paths):
        return None
    if any(n.location is None and n != whole.copies for n in tally.notes):
        placed = {*now.found.notes, whole.copies}
        if any(n.location is None and n not in placed for n in tally.notes):
            return None
    ordered = [seen[path] for path in paths]
    if reads is not None and reads.evaluations:
        more = reads.evaluations
        ordered = [s._replace(evaluations=s.evaluations + more[s.path]) for s in ordered]
    told = Told(
        bytearray().join(each.digest or NO_DIGEST for each in ordered),
        bytearray().join(map(counts_of, ordered)),
        bytearray(each.commented for each in ordered),
    )
    had = had_by_file(tally, joined_ids(whole.plan), now.found)
    numbered = Numbered(array("I", range(len(paths))), len(paths), 0)
    definers: list[int] = []
    kinds: list[CustomKind] = []
    snapshot = None if reads is None else reads.snapshot
    if snapshot is not None:
        defining = {r.path for r in snapshot.resources if r.kind == DEFINITIONS}
        definers = [n for n, path in enumerate(paths) if path in defining]
        kinds = list(snapshot.kinds.custom.values())
    digest = tally.digested()
    state = State(
        head_of(whole, now, told, numbered, definers, kinds, digest, range(len(paths))),
        {position: had[path] for position, path in enumerate(paths) if path in had},
        [each.prints for each in ordered],
    )
    if reads is not None and snapshot is not None:
        held = held_by_file(snapshot, relations_of(whole.plan), reads.marks)
        read = reads.by_file()
        found = named(tally)
        state.names = [found.get(path, []) for path in paths]
        state.held = Sets([row_of(held.get(path, ())) for path in paths])
        state.read = Sets([row_of(read.get(path, ())) for path in paths])
        state.holders = Pairs.of(state.held, numbered.numbers)
        state.readers = Pairs.of(state.read, numbered.numbers)
    return state


class Told(NamedTuple):
    """The columns of `Head` that say what files had."""

    digests: bytearray
    counts: bytearray
    commented: bytearray


class Numbered(NamedTuple):
    """The numbers of files, and what the maps made of them need."""

    numbers: array[int]
    next_number: int
    stale: int


def counts_of(seen: Seen) -> bytes:
    """Return the counts of one file as `Head.counts` has them."""
    return array("I", (seen.documents, seen.resources, seen.evaluations)).tobytes()


def head_of(
    whole: Whole,
    now: Columns,
    told: Told,
    numbered: Numbered,
    definers: list[int],
    kinds: list[CustomKind],
    digest: str,
    read: Iterable[int],
) -> Head:
    """Return the head of a state.

    The files at the positions `read` were read in this scan. One that has changed since it was
    looked up counts as changed when it is looked up again, whatever was read of it.
    """
    files, before = now.files, now.stats.numbers
    for position in read:
        file = files[position]
        if file.data is None:
            at = position * WIDTH
            if stats_of((file.filename,)).numbers != before[at : at + WIDTH]:
                told.digests[position * 16 : position * 16 + 16] = NO_DIGEST
    return Head(
        paths=now.paths,
        filenames=now.filenames,
        scopes=now.scopes,
        stats=before.tobytes(),
        taken=now.stats.taken,
        digests=bytes(told.digests),
        counts=bytes(told.counts),
        commented=bytes(told.commented),
        numbers=numbered.numbers.tobytes(),
        next_number=numbered.next_number,
        stale=numbered.stale,
        extras=now.extras,
        world=digest_of_world(whole.world),
        joins=whole.plan.joins,
        definers=definers,
        kinds=kinds,
        policies=list(whole.plan.infos()),
        late=[Note(text) for text in whole.plan.catalogue.notes],
        copies=whole.copies,
        digest=digest,
    )


def digest_of_world(world: World | None) -> bytes:
    """Return what stands for all that lies outside the input."""
    if world is None:
        return b""
    text = repr((world.outside, world.unread)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()


def joined_ids(plan: Plan) -> frozenset[str]:
    """Return the policies that look at other resources."""
    return frozenset(unit.compiled.id for unit in plan.units if unit.compiled.joins)


def had_by_file(
    tally: Tally, joined: Collection[str], discovery: Discovery | None = None
) -> dict[str, Had]:
    """Return what each file yielded; files that yielded nothing to be told are not there.

    What was told of files when they were found (`discovery`: a chart that could not be rendered)
    they did not yield, and it is told anew each time.
    """
    found: dict[str, Had] = {}
    known = {
        id(told)
        for each in ((discovery.invalid, discovery.skipped, discovery.notes) if discovery else ())
        for told in each
    }

    def of(path: str) -> Had:
        each = found.get(path)
        if each is None:
            each = found[path] = Had([], [], [], [], [], [])
        return each

    for raw in tally.findings:
        each = of(raw.path)
        (each.joined if raw.policy in joined else each.local).append(raw)
    for anchor, annotated in tally.annotated.items():
        of(anchor[0]).annotated.append((anchor, annotated))
    for invalid in tally.invalid:
        if id(invalid) in known:
            continue
        of(invalid.location.path).invalid.append(invalid)
    for skipped in tally.skipped:
        if id(skipped) in known:
            continue
        of(skipped.path).skipped.append(skipped)
    for note in tally.notes:
        if note.location is not None and id(note) not in known:
            of(note.location.path).notes.append(note)
    return found


def named(tally: Tally) -> dict[str, Names]:
    """Return (group, kind, namespace, name) of each file's named resources."""
    found: dict[str, Names] = {}
    places = [(r.path, r.key) for r in tally.resources]
    places += [(row.path, row.key) for row in tally.rows]
    for path, key in places:
        if key.name:
            found.setdefault(path, []).append((key.group, key.kind, key.namespace, key.name))
    return found


def named_in(names: Sequence[Names], now: Columns) -> Iterable[tuple[ResourceKey, str, str]]:
    """Yield (key, path, scope) of every named resource."""
    for file, each in zip(now.files, names, strict=True):
        for name in each:
            yield ResourceKey(*name), file.path, file.scope


def defines_kinds(resources: Iterable[Resource]) -> bool:
    """Return whether one of the resources defines a kind."""
    return any(resource.kind == DEFINITIONS for resource in resources)
