"""Installs throw-away plugin distributions on the import path."""

from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_NUMBER = itertools.count()

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a plugin's code and gives its module's name."""
    modules: list[str] = []

    def do(code: str, name: str = "acme", version: str = "1.2.3") -> str:
        number = next(_NUMBER)
        module = f"plugin_under_test_{number}"
        site = tmp_path / f"site{number}"
        info = site / f"{name}_{number}-{version}.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(textwrap.dedent(code), encoding="utf-8")
        metadata = f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[kpolicy]\n{name} = {module}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        modules.append(module)
        return module

    yield do
    for module in modules:
        sys.modules.pop(module, None)
