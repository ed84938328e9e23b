"""A scratch repository with policies of its own, and ways to run the program in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

CHECKOUT = Path(__file__).parents[2]

POLICY = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata:
  name: no-latest
spec:
  title: Image with the tag latest
  severity: {severity}
  description: A tag that moves is no version.
  remediation: Name a version.
  params:
    tag: {{type: string, default: latest, description: The tag that is refused.}}
  match: {{kinds: [workloads]}}
  validations:
    - forEach: {{var: c, in: object.containers()}}
      expression: "!c.image.endsWith(':' + params.tag)"
      messageExpression: "'container ' + c.name + ' uses ' + c.image"
"""
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  containers:
    - name: app
      image: registry.example/app:{tag}
"""

Run = Callable[..., Result]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with `policies/no-latest.yaml` and two pods, one of them bad."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    (root / "policies").mkdir()
    (root / "policies" / "no-latest.yaml").write_text(POLICY.format(severity="warning"))
    (root / "apps").mkdir()
    (root / "apps" / "good.yaml").write_text(POD.format(name="good", tag="1.2"))
    (root / "apps" / "bad.yaml").write_text(POD.format(name="bad", tag="latest"))
    monkeypatch.chdir(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("NO_COLOR", "FORCE_COLOR", "KPOLICY_DEBUG", "KPOLICY_TRACE_HOOKS"):
        monkeypatch.delenv(name, raising=False)
    return root


@pytest.fixture
def run(repository: Path) -> Run:
    """Run the program in this process, in the repository."""
    from kpolicy.cli.main import main

    def do(*arguments: str, input: str | None = None) -> Result:
        result = CliRunner().invoke(main, list(arguments), input=input, prog_name="kpolicy")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return do


@pytest.fixture
def scan(run: Run) -> Run:
    """Run `kpolicy scan` with the repository's own policies alone."""

    def do(*arguments: str, input: str | None = None) -> Result:
        own = ["--no-builtin", "-p", "policies", "--jobs", "1", "--no-cache"]
        return run("scan", *own, *arguments, input=input)

    return do


@pytest.fixture
def process(repository: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program as a process of its own, in the repository."""

    def do(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        import os

        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "error"}
        return subprocess.run(
            [sys.executable, "-m", "kpolicy", *arguments],
            capture_output=True, text=True, timeout=60, env=environment, check=False,
            **options,  # type: ignore[call-overload]
        )  # fmt: skip

    return do
