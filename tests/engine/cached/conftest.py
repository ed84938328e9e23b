"""A cache of its own for each test, used for trees of any size."""

from __future__ import annotations

import pytest
from cache_kit import counting

from kpolicy.engine.cached import memory


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return the cache directory of a test."""
    directory = tmp_path / "cache"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("KPOLICY_CACHE_DIR", str(directory))
    monkeypatch.setenv("KPOLICY_CACHE_SIZE", "64M")
    monkeypatch.setattr(memory, "SMALLEST", 0)
    return directory


@pytest.fixture
def rescans(monkeypatch):
    """Note of each rescan whether it worked the change in."""
    yield from counting(monkeypatch)
