"""Scratch repositories, and the scripts of integrations run as their systems run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from integration_kit import CHECKOUT, POD, Script, run_git


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a CI system that has installed kpolicy."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "KPOLICY_", "CI"))}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    kept["KPOLICY_CACHE_DIR"] = ""
    return kept


@pytest.fixture
def script(environment: dict[str, str]) -> Script:
    """Run a script with further variables."""

    def run(
        path: str, cwd: Path, *arguments: str, shell: str = "sh", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [shell, str(CHECKOUT / path), *arguments],
            cwd=cwd, env={**environment, **variables}, capture_output=True, text=True,
        )  # fmt: skip

    return run


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on main: a sound pod, whose findings are few and known."""
    root = tmp_path / "repository"
    root.mkdir()
    run_git(root, "init", "--quiet")
    (root / ".kpolicy.yaml").write_text("defaults: false\ninclude: [privileged-container]\n")
    (root / "good.yaml").write_text(POD % ("good", "false"))
    run_git(root, "add", "-A")
    run_git(root, "commit", "--quiet", "-m", "begin")
    return root
