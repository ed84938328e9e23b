"""The programs that rendering runs, for tests that need them, and scans that use them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from scan_kit import run, write

from kpolicy.config.model import Config
from kpolicy.findings import Report
from kpolicy.rendering.settings import RenderSettings

#: Where `.ci/programs` puts them.
_BUILT = Path(__file__).parents[2] / "build" / "bin"


def program(name: str) -> str:
    """Return the path of `helm` or `kustomize`, "" where it is not there."""
    places = os.pathsep.join([str(_BUILT), os.environ.get("PATH", "")])
    return shutil.which(name, path=places) or ""


def needs(name: str) -> pytest.MarkDecorator:
    """Return the mark of a test that runs a program."""
    return pytest.mark.skipif(not program(name), reason=f"{name} is not installed (.ci/programs)")


def settings(**fields: Any) -> RenderSettings:
    """Return settings that name the programs."""
    known = {"helm": program("helm"), "kustomize": program("kustomize")}
    return RenderSettings(**{**known, **fields})


def scan(root: Path, files: dict[str, str], *policies: str, **request: Any) -> Report:
    """Write `files` into a repository at `root`, and scan it with these policies alone."""
    (root / ".git").mkdir(parents=True, exist_ok=True)
    write(root, files)
    render = request.pop("settings", settings())
    config = Config(root=str(root), render=render)
    return run(root, *policies, config=config, **request)


def places(report: Report, root: Path) -> list[str]:
    """Return `path:line` of a report's findings, from `root`."""
    return [
        f"{Path(f.place.location.path).relative_to(root)}:{f.place.location.line}"
        for f in report.findings
    ]
