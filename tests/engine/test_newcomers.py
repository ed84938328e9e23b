"""A scan holds policies that it sees for the first time to the schemas of their kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

import kpolicy

POLICY = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: p}
spec:
  match: {kinds: [Deployment]}
  validations: [{expression: "%s"}]
"""
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 3}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch place with one Deployment, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "web.yaml").write_text(MANIFEST)
    return tmp_path


def _scan(root: Path, expression: str) -> kpolicy.Report:
    (root / "p.policy.yaml").write_text(POLICY % expression)
    return kpolicy.scan(
        root / "web.yaml", policies=root / "p.policy.yaml", builtin=False, isolated=True, all=True
    )


def test_mistyped_field_is_a_problem_of_the_policy(root: Path) -> None:
    """The policy does not run, and the problem names the right field."""
    report = _scan(root, "object.spec.replica > 1")
    assert report.findings == ()
    (problem,) = report.problems
    assert "undefined field 'replica' in DeploymentSpec" in problem.message
    assert "did you mean `replicas`?" in problem.hint


def test_absent_field_is_an_evaluation_error(root: Path) -> None:
    """A field that is like none of the kind's is legal to read, and fails when it is read."""
    report = _scan(root, "object.spec.nowhere > 1")
    assert report.problems == ()
    (finding,) = report.findings
    assert finding.outcome == "error"


def test_right_policy_is_checked_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scan has accepted comes from the cache the next time, without another check."""
    assert _scan(root, "object.spec.replicas > 3").problems == ()

    def refuse(*_: object) -> None:
        raise AssertionError("checked again")

    monkeypatch.setattr("kpolicy.policy.schema_check.SchemaChecker.check", refuse)
    assert len(_scan(root, "object.spec.replicas > 3").findings) == 1
