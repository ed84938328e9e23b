"""What all tests share: nothing is read from or written to the user's own cache."""

from __future__ import annotations

import os

import pytest


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
