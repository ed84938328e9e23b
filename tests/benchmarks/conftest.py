"""The scripts of benchmarks/ import each other by name, as they do when they are run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _scripts_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    for name in ("generate", "plot", "peers", "results", "scan", "store", "tools"):
        monkeypatch.delitem(sys.modules, name, raising=False)
