"""A cached scan reports what a scan of everything does, whatever was edited in between."""

from __future__ import annotations

import pytest
from cache_kit import Tree

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
    print(rescans)
