"""Questions that owners of keys answer leave open no less than what is to be found."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from relation_worlds import Seeded, world
from scan_kit import toolbox, write

from kpolicy.engine import ScanRequest, Selection, cluster, cluster_shuffle, scan
from kpolicy.engine.local import local_phase
from kpolicy.engine.phases import Work
from kpolicy.engine.shuffle import is_keyed
from kpolicy.engine.tally import Tally
from kpolicy.engine.workers import shards_of
from kpolicy.relations.builtin import relations


class Here:
    """A cluster that runs each task when it is submitted."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        return {"workers": dict.fromkeys(range(self._workers))}

    def submit(self, function: Any, *arguments: Any, pure: bool) -> Any:
        assert not pure
        return function(*arguments)


class Shuffled:
    """Runs the phase of a cluster in this process, and counts what was open before and is after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
        self.before = self.after = 0
        self._client: Any = Here(workers)
        self._patch = monkeypatch
        monkeypatch.setattr(cluster, "cluster_phase", self._phase)
        monkeypatch.setattr(cluster_shuffle, "gathered", _gathered)

    def _phase(self, work: Work) -> Tally:
        plan, settings = work.plan, work.settings
        self._patch.setattr(cluster_shuffle, "plan_of", lambda parcel: (plan, settings))
        shards = [
            pickle.dumps(local_phase(plan, settings, shard.files, keep_bodies=False))
            for shard in shards_of(work.discovery.files, 5)
        ]
        tally = cluster_shuffle.shuffled(self._client, work, b"", shards)
        self.before += sum(map(_open, map(pickle.loads, shards)))
        self.after += _open(tally)
        return tally


def _open(tally: Tally) -> int:
    return sum(len(row.pending) for row in tally.rows)


def _gathered(client: Any, futures: Any, work: Work, stage: str = "") -> list[Any]:
    return [pickle.loads(future) for future in futures]


def _both(root: Path) -> None:
    reports = [
        scan(
            ScanRequest(
                targets=(str(root),), jobs=1, isolated=True, cluster=address, cache=False,
                selection=Selection(all=True),
            ),
            toolbox(),
        )
        for address in ("", "tcp://here:1")
    ]  # fmt: skip
    alone, together = reports
    assert alone.findings
    assert together.findings == alone.findings
    assert together.summary == alone.summary
    assert together.notes == alone.notes


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_random_manifests_yield_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    shuffled = Shuffled(monkeypatch, workers)
    for seed in range(8):
        root = tmp_path / str(seed)
        for number, (body, path, _) in enumerate(world(Seeded(seed * 100 + workers))):
            write(root, {f"{path}-{number}.json": json.dumps(body)})
        _both(root)
    assert 0 < shuffled.after < shuffled.before


def test_where_equal_keys_relate_each_key_may_have_another_owner() -> None:
    keyed = {relation.name for relation in relations() if is_keyed(relation)}
    others = {relation.name for relation in relations()} - keyed
    assert keyed
    assert others
