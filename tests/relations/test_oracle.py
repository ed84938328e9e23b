"""Every relation against brute force, on random snapshots and after random edits."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import pytest
import relation_oracle as oracle
from hypothesis import HealthCheck, given, settings
from manifest_values import resource
from relation_worlds import Placed, Seeded, edit_sequences, edits, world, worlds

from kpolicy.relations import Filer, Filter, RelationIndex, directory, relations
from kpolicy.snapshot import Kinds, Resource, Snapshot

KINDS = Kinds.of()
NATIVE = {name: d for name, d in directory(relations()).items() if not name.startswith("kube-")}
FORWARD = {d.relation.name: d.relation for d in NATIVE.values()}

relaxed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def placed(items: list[Placed]) -> list[Resource]:
    """Return the resources of drawn bodies; each gets a document number of its own."""
    return [resource(b, p, s, index=i) for i, (b, p, s) in enumerate(items)]


def test_every_relation_has_an_oracle() -> None:
    """No relation is without its brute-force twin; key references are tested by table."""
    assert set(FORWARD) - set(oracle.RELATIONS) == {
        "uses-config-key",
        "names-object",
        "shows-widget",
    }


def check_against_brute_force(items: list[Placed]) -> Counter[str]:
    """Compare each resource, relation and direction; return how many hits each relation had."""
    snapshot = Snapshot.of(placed(items), KINDS)
    everything = [oracle.Thing(r.body, r.path, r.scope) for r in snapshot.resources]
    hits: Counter[str] = Counter()
    for name in oracle.RELATIONS:
        index = snapshot.index(FORWARD[name])
        for i, here in enumerate(snapshot.resources):
            for back in (False, True):
                found = oracle.answer(name, everything[i], everything, back)
                wanted = [snapshot.resources[p] for p in found]
                got = [h.resource for h in index.related(here, None, back)]
                assert got == wanted, (name, back, i)
                assert index.any(here, None, back) == bool(wanted), (name, back, i)
                assert index.count(here, None, back) == len(wanted), (name, back, i)
                assert index.count(here, None, back, 1) == min(1, len(wanted)), (name, back, i)
                hits[name] += len(wanted)
    return hits


def test_relations_equal_brute_force_on_many_worlds() -> None:
    """On 300 seeded worlds the index answers what nested loops find, and every relation occurs."""
    hits: Counter[str] = Counter()
    for seed in range(300):
        hits += check_against_brute_force(world(Seeded(seed)))
    assert {name for name in oracle.RELATIONS if hits[name] < 5} == set()


@given(worlds())
@relaxed
def test_relations_equal_brute_force(items: list[Placed]) -> None:
    """The same on worlds that Hypothesis makes, and shrinks when they fail."""
    check_against_brute_force(items)


@pytest.mark.parametrize("name", ["shared-volume-claim", "selects", "uses-config", "owned-by"])
def test_a_filter_keeps_what_it_lets_through(name: str) -> None:
    """A filtered question answers as the plain one does after filtering, and asks each item
    once."""
    relation = FORWARD[name]
    for seed in range(120):
        snapshot = Snapshot.of(placed(world(Seeded(seed))), KINDS)
        asked: list[Resource] = []

        def passes(r: Resource, asked: list[Resource] = asked) -> bool:
            asked.append(r)
            return r.document % 2 == 0

        chosen = Filter("even", passes)
        index = snapshot.index(relation)
        for r in snapshot.resources:
            for back in (False, True):
                plain = {
                    id(h.resource)
                    for h in index._walk(r, None, back)
                    if not h.resource.document % 2
                }
                got = index.related(r, chosen, back)
                assert index.any(r, chosen, back) == bool(plain)
                assert {id(h.resource) for h in got} <= plain
                assert index.count(r, chosen, back) == len(got)
                if not relation.nearest:
                    assert {id(h.resource) for h in got} == plain
        assert len(asked) == len({id(r) for r in asked})


def check_edits(items: list[Placed], changes: list[tuple[str, list[Any]]]) -> None:
    """Compare the indexes of each derived snapshot with those of one built afresh."""
    snapshot = Snapshot.of(placed(items), KINDS)
    even = Filter("even", lambda r: r.document % 2 == 0)
    for relation in FORWARD.values():
        for r in snapshot.resources:
            snapshot.index(relation).related(r, even)
    for path, bodies in changes:
        if bodies:
            new = [resource(b, path, s, index=i) for i, (b, s) in enumerate(bodies)]
            snapshot = snapshot.with_file(path, new)
        else:
            snapshot = snapshot.without_file(path)
        fresh = Snapshot.of(list(snapshot.resources), KINDS)
        pairs = list(zip(snapshot.resources, fresh.resources, strict=True))
        assert [r.key for r in fresh.resources] == [r.key for r in snapshot.resources]
        assert fresh.content_hash == snapshot.content_hash
        position = {id(r.body): i for i, r in enumerate(fresh.resources)}
        for mine, theirs in pairs:
            assert mine.body is theirs.body
            assert snapshot.resource_of(mine.body) is mine
            assert [id(c.body) for c in snapshot.copies(mine.key)] == [
                id(c.body) for c in fresh.copies(theirs.key)
            ]
        for name, relation in FORWARD.items():
            derived, built = snapshot.index(relation), fresh.index(relation)
            for mine, theirs in pairs:
                for back in (False, True):
                    for chosen in (None, even):
                        answers = [
                            sorted(
                                (position[id(h.resource.body)], h.here.pointer, h.there.pointer)
                                for h in index.hits(r, chosen, back)
                            )
                            for index, r in ((derived, mine), (built, theirs))
                        ]
                        assert answers[0] == answers[1], (name, back)
                    assert derived.count(mine, None, back) == built.count(theirs, None, back)


def test_derived_snapshots_equal_fresh_ones_on_many_worlds() -> None:
    """After seeded edits all indexes and look-ups answer as those of a snapshot built afresh."""
    for seed in range(80):
        chance = Seeded(seed)
        check_edits(world(chance), edits(chance))


@given(worlds(), edit_sequences())
@settings(relaxed, max_examples=30)
def test_a_derived_snapshot_equals_a_fresh_one(items: list[Any], changes: list[Any]) -> None:
    """The same for edits that Hypothesis makes."""
    check_edits(items, changes)


def test_an_index_from_shipped_entries_equals_one_from_bodies() -> None:
    """Entries pickled by a worker process build the same index, without any body."""
    for seed in range(60):
        snapshot = Snapshot.of(placed(world(Seeded(seed))), KINDS)
        for relation in FORWARD.values():
            filer = Filer(relation, snapshot.kinds)
            shipped = [(r, pickle.loads(pickle.dumps(filer.file(r)))) for r in snapshot.resources]
            index = RelationIndex.from_entries(relation, reversed(shipped))
            for r in snapshot.resources:
                for back in (False, True):
                    assert index.hits(r, None, back) == snapshot.index(relation).hits(r, None, back)


def test_indexes_made_together_equal_those_made_one_by_one() -> None:
    """Filing a resource in all relations at once gives what filing it in each gives."""
    for seed in range(40):
        snapshot = Snapshot.of(placed(world(Seeded(seed))), KINDS)
        for index in RelationIndex.several(relations(), snapshot):
            alone = RelationIndex.of(index.relation, snapshot)
            for r in snapshot.resources:
                for back in (False, True):
                    assert index.entries(r, back) == alone.entries(r, back)
                    assert index.hits(r, None, back) == alone.hits(r, None, back)
