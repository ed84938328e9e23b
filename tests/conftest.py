"""What all tests share: the user's own cache is left alone, and no test leaves threads behind."""

from __future__ import annotations

import os
import threading
import time

import pytest

#: Seconds that a thread may take to end.
PATIENCE = 5


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep what the tests cache in a directory of their own."""
    directory = tmp_path_factory.mktemp("cache")
    directory.chmod(0o700)
    before = os.environ.get("KPOLICY_CACHE_DIR")
    os.environ["KPOLICY_CACHE_DIR"] = str(directory)
    # No test gets its results from another one; those of the cache ask for it.
    os.environ["KPOLICY_CACHE_SIZE"] = "0"
    yield directory
    os.environ.pop("KPOLICY_CACHE_SIZE", None)
    if before is None:
        os.environ.pop("KPOLICY_CACHE_DIR", None)
    else:
        os.environ["KPOLICY_CACHE_DIR"] = before


@pytest.fixture(scope="module", autouse=True)
def _no_thread_is_left():
    """A process with threads is not forked: the tests that come after would test something else."""
    before = set(threading.enumerate())
    yield
    ends = time.monotonic() + PATIENCE
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < ends, f"threads are left: {left}"
        time.sleep(0.01)
