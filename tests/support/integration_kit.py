"""Scratch repositories for the tests of integrations."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
Git = Callable[..., str]
Script = Callable[..., "subprocess.CompletedProcess[str]"]

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  containers:
    - name: app
      image: app:1.0
      securityContext: {privileged: %s}
"""


def run_git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c",
         "init.defaultBranch=main", *arguments],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()
