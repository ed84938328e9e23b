"""pytest collects policies' own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
POLICY = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: named}
spec:
  title: Named
  severity: warning
  match: {kinds: [Pod]}
  validations: [{expression: "object.metadata.name != 'bad'", message: the name is bad}]
"""
TESTS = """\
policy: named
cases:
  - name: a bad name
    manifests: "{apiVersion: v1, kind: Pod, metadata: {name: bad}}"
    findings: [{resource: Pod/bad, message: the name is bad}]
  - name: a good name
    manifests: "{apiVersion: v1, kind: Pod, metadata: {name: good}}"
    findings: 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy with its tests, and a file of another tool's that is named alike."""
    (tmp_path / "named.yaml").write_text(POLICY)
    (tmp_path / "named_test.yaml").write_text(TESTS)
    (tmp_path / "other_test.yaml").write_text("suite: another tool\ntests: []\n")
    return tmp_path


def run(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a directory, with the plugin as if it were installed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error"]
    if "kpolicy" not in _installed():
        command += ["-p", "kpolicy.testing.pytest_plugin"]
    return subprocess.run(
        [*command, *flags], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip


def _installed() -> set[str]:
    from importlib.metadata import entry_points

    return {point.name for point in entry_points(group="pytest11")}


def test_every_case_is_a_test(folder: Path) -> None:
    done = run(folder, "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "named_test.yaml::a bad name PASSED" in done.stdout
    assert "2 passed" in done.stdout


def test_a_case_that_fails_shows_the_difference_and_no_traceback(folder: Path) -> None:
    tests = folder / "named_test.yaml"
    tests.write_text(tests.read_text().replace("the name is bad}]", "another message}]"))
    done = run(folder)
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "another message" in done.stdout
    assert "named_test.yaml:3:5: named: a bad name" in done.stdout
    assert "Traceback" not in done.stdout
    assert "run_case" not in done.stdout


def test_a_file_that_is_wrong_is_an_error_of_collection(folder: Path) -> None:
    tests = folder / "named_test.yaml"
    tests.write_text(tests.read_text().replace("findings: 0", "findngs: 0"))
    done = run(folder)
    assert done.returncode == 2
    assert 'unknown key "findngs"' in done.stdout


def test_a_policy_that_is_broken_is_told_at_its_place(folder: Path) -> None:
    policy = folder / "named.yaml"
    policy.write_text(policy.read_text().replace("object.metadata", "objct.metadata"))
    done = run(folder)
    assert done.returncode == 1
    assert "named.yaml:8:" in done.stdout
    assert "objct" in done.stdout


def test_a_built_in_policy_can_be_tested_too(folder: Path) -> None:
    (folder / "named.yaml").unlink()
    tests = folder / "named_test.yaml"
    tests.write_text(
        "policy: host-network\ncases:\n  - name: not asked for\n"
        '    manifests: "{apiVersion: v1, kind: Pod, metadata: {name: a}}"\n    findings: 0\n'
    )
    done = run(folder)
    assert "1 passed" in done.stdout, done.stdout
