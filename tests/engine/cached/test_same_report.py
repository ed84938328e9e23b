"""A cached scan reports what a scan of everything does, whatever was edited in between."""

from __future__ import annotations

import pytest
from cache_kit import Tree

from kpolicy.engine import cores, workers
from kpolicy.engine.cached import rescan


@pytest.mark.parametrize("seed", range(24))
def test_after_random_edits(tmp_path, monkeypatch, rescans, seed):
    """Files, links, charts, policies, parameters, configuration; several edits between scans."""
    monkeypatch.setattr(rescan, "_PART", 1)
    tree = Tree(tmp_path / "tree", seed)
    tree.scan(cached=True)
    told = []
    for _ in range(8):
        told.append(tree.edit())
        if tree.chance.often():
            cached = tree.scan(cached=True)
            assert cached == tree.scan(cached=False), told
    assert sum(rescans) >= len(rescans) / 2


@pytest.mark.parametrize("seed", range(4))
def test_after_a_scan_in_two_processes(tmp_path, monkeypatch, seed):
    """What the joins looked at comes together from both; what is kept serves any number of them."""
    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(workers, "_WORTH_A_FORK", 2)
    monkeypatch.setattr(rescan, "_PART", 1)
    tree = Tree(tmp_path / "tree", 50 + seed)
    for number in range(20):
        tree.write(f"more/{number}.yaml")
    tree.jobs = 2
    forked = []
    launch = workers._launch
    monkeypatch.setattr(workers, "_launch", lambda *a: forked.append(a[1]) or launch(*a))
    tree.scan(cached=True)
    assert forked == [workers._work, workers._settle_there]
    tree.jobs = 1
    for _ in range(4):
        told = tree.edit()
        assert tree.scan(cached=True) == tree.scan(cached=False), told
