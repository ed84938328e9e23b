"""The join phase on a Dask cluster: mail between shards and owners of keys (see `shuffle`).

Here come: of each resource its key and place, what is still open, and entries in the relations that
what is open asks for. The rest stays on the workers.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kpolicy.engine.cluster import gathered, plan_of
from kpolicy.engine.join import changed_scopes
from kpolicy.engine.outside import world_of
from kpolicy.engine.phases import Work
from kpolicy.engine.plan import Plan
from kpolicy.engine.rows import Pending, relations_of
from kpolicy.engine.shuffle import Answers, Mail, Shuffle, answer
from kpolicy.engine.tally import Tally
from kpolicy.relations.filed import Filed
from kpolicy.snapshot.world import World

if TYPE_CHECKING:
    from distributed import Client

#: More owners than this would make more tasks than they save work: each shard writes to each.
_MOST_OWNERS = 16


def shuffled(client: Client, work: Work, parcel: Any, locals_: Sequence[Any]) -> Tally:
    """Return the tally of all shards, with the guesses settled among the workers.

    `parcel` and `locals_` are futures: what workers make the plan from, and the shards' tallies.
    """
    owners = max(1, min(_MOST_OWNERS, len(client.scheduler_info(n_workers=-1)["workers"])))
    whole, counts = Tally(), []
    for tally in gathered(client, _submit(client, _without_rows, locals_), work, "scanning"):
        counts.append(len(tally.rows))
        whole.add(tally)
    plan = work.plan
    answers: list[list[Answers]] = [[] for _ in locals_]
    if not _new_scopes(work, whole):
        world = _world(work, whole)
        mails = [
            client.submit(_mail, parcel, future, number, owners, pure=False)
            for number, future in enumerate(locals_)
        ]
        owned = []
        for owner in range(owners):
            parts = [client.submit(_part, mail, owner, pure=False) for mail in mails]
            owned.append(client.submit(_answer, parcel, world, parts, pure=False))
        for by_shard in gathered(client, owned, work):
            for number, some in by_shard.items():
                answers[number].append(some)
    left = [
        client.submit(_open, parcel, future, owners, answers[number], pure=False)
        for number, future in enumerate(locals_)
    ]
    start = 0
    wanted: set[int] = set()
    for count, pending in zip(counts, gathered(client, left, work), strict=True):
        for number, some in pending.items():
            whole.rows[start + number] = whole.rows[start + number]._replace(pending=some)
            wanted |= _relations(plan, some)
        start += count
    numbers = tuple(sorted(wanted))
    filed = [client.submit(_filed, future, numbers, pure=False) for future in locals_]
    start = 0
    for count, entries in zip(counts, gathered(client, filed, work), strict=True):
        for number, some in entries.items():
            whole.rows[start + number] = whole.rows[start + number]._replace(filed=some)
        start += count
    whole.relations = frozenset(numbers)
    return whole


def _submit(client: Client, function: Any, futures: Sequence[Any]) -> list[Any]:
    return [client.submit(function, future, pure=False) for future in futures]


def _world(work: Work, tally: Tally) -> tuple[Any, Any]:
    """Return what the world of the join phase is made of: what is outside, what is unread."""
    discovery = work.discovery
    known = replace(
        tally,
        invalid=[*discovery.invalid, *tally.invalid],
        skipped=[*discovery.skipped, *tally.skipped],
    )
    files = {file.path: file for file in discovery.files}
    world = world_of(work.config, known, work.plan.kinds, files)
    return world.outside, world.unread


def _new_scopes(work: Work, tally: Tally) -> bool:
    """Return whether definitions in the input make workers' keys wrong."""
    kinds = work.plan.kinds
    customs = [row.custom for row in tally.rows if row.custom is not None]
    return bool(changed_scopes(kinds.with_custom(customs), kinds))


def _relations(plan: Plan, pending: Sequence[Pending]) -> set[int]:
    """Return the numbers of the relations that open policies may ask for."""
    relations = relations_of(plan)
    numbers = {id(relation): number for number, relation in enumerate(relations)}
    found: set[int] = set()
    for item in pending:
        compiled = plan.units[item.unit].compiled
        if compiled.policy.metadata.get("copies"):
            # It looks at keys alone.
            continue
        if compiled.policy.check is not None:
            return set(range(len(relations)))
        found |= {numbers[id(plan.relations[q.relation].relation)] for q in compiled.questions}
    return found


# What workers do


def _without_rows(tally: bytes) -> bytes:
    whole: Tally = pickle.loads(tally)
    whole.rows = [row._replace(filed=(), pending=()) for row in whole.rows]
    return pickle.dumps(whole, -1)


def _mail(parcel: bytes, tally: bytes, shard: int, owners: int) -> tuple[bytes, ...]:
    plan, _ = plan_of(parcel)
    mails = Shuffle(plan, pickle.loads(tally).rows, owners).mail(shard)
    return tuple(pickle.dumps(mail, -1) for mail in mails)


def _part(mails: tuple[bytes, ...], owner: int) -> bytes:
    return mails[owner]


def _answer(parcel: bytes, world: tuple[Any, Any], parts: Sequence[bytes]) -> bytes:
    plan, _ = plan_of(parcel)
    mails: list[Mail] = [pickle.loads(part) for part in parts]
    return pickle.dumps(answer(plan, mails, World(*world, plan.kinds)), -1)


def _open(parcel: bytes, tally: bytes, owners: int, answers: Sequence[Answers]) -> bytes:
    plan, _ = plan_of(parcel)
    return pickle.dumps(Shuffle(plan, pickle.loads(tally).rows, owners).open(answers), -1)


def _filed(tally: bytes, wanted: Sequence[int]) -> bytes:
    found: Mapping[int, tuple[tuple[int, Filed], ...]] = {
        number: some
        for number, row in enumerate(pickle.loads(tally).rows)
        if (some := tuple(pair for pair in row.filed if pair[0] in wanted))
    }
    return pickle.dumps(found, -1)
