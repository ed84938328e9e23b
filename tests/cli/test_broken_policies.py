"""A broken policy is reported in full; the rest of the scan goes on, and the exit status tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kpolicy.cli.main import main

BROKEN = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: broken}
spec:
  severity: warnin
  defualt: true
  match: {kinds: [workloads]}
  validations:
    - expression: "objct.spec.replicas > foo(1)"
"""

SOUND = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: sound}
spec:
  match: {kinds: [ConfigMap]}
  validations:
    - {expression: "false", message: found}
"""

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a manifest and two policies, one of them broken."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "broken.yaml").write_text(BROKEN)
    (tmp_path / "policies" / "sound.yaml").write_text(SOUND)
    (tmp_path / "a.yaml").write_text(MANIFEST)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scan(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["scan", "a.yaml", "-p", "policies", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_others_still_run(tree: Path) -> None:
    """The report is written in full, with what is wrong, and the exit status is 2."""
    status, out, _ = scan("--no-builtin", "--format", "json")
    report = json.loads(out)
    assert status == 2
    assert [f["policy"] for f in report["findings"]] == ["sound"]
    assert {p["path"] for p in report["problems"]} == {"policies/broken.yaml"}


def test_everything_wrong_is_said_at_once(tree: Path) -> None:
    """Mistakes of form and of CEL are told together, each with its place and a suggestion."""
    _, out, err = scan("--no-builtin")
    for expected in (
        'policies/broken.yaml:6:3: unknown key "defualt" in spec',
        'did you mean "default"?',
        "policies/broken.yaml:5:13: spec.severity must be error, warning or info",
        "policies/broken.yaml:9:20: validation 1: undeclared reference to 'objct'",
        "policies/broken.yaml:9:45: validation 1: undeclared reference to function 'foo'",
    ):
        assert expected in err
    assert "4 problems" in out.splitlines()[-1]


def test_selecting_the_broken_policy_tells_what_is_wrong_with_it(tree: Path) -> None:
    """It is not taken for an unknown id."""
    status, out, err = scan("--select", "broken")
    assert status == 2
    assert 'unknown key "defualt"' in err
    assert "no policy" not in err
    assert "No findings in 1 resource, 0 policies" in out
