"""`kpolicy init`: what it writes, and that it overwrites nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from kpolicy.cli.starting import forge_of

Run = Callable[..., Result]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "empty"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet", "-b", "trunk", str(root)], check=True)
    monkeypatch.chdir(root)
    return root


def written(root: Path) -> list[str]:
    found = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return sorted(path.relative_to(root).as_posix() for path in found)


def test_it_writes_for_the_chosen_ci(run: Run, empty: Path) -> None:
    result = run("init", "--ci", "github")
    assert result.exit_code == 0, result.stderr
    assert written(empty) == [
        ".github/workflows/kpolicy.yml", ".kpolicy.yaml", ".pre-commit-config.yaml",
    ]  # fmt: skip
    workflow = yaml.safe_load((empty / ".github/workflows/kpolicy.yml").read_text())
    assert workflow[True]["push"]["branches"] == ["trunk"]
    assert run("scan", ".").exit_code == 0
    assert run("config", "show").exit_code == 0


def test_it_sees_the_forge_in_the_repository(run: Run, empty: Path) -> None:
    (empty / ".gitlab-ci.yml").write_text("stages: [test]\n")
    result = run("init", "--no-pre-commit")
    assert "kpolicy.gitlab-ci.yml" in written(empty)
    assert (empty / ".gitlab-ci.yml").read_text() == "stages: [test]\n"
    assert "left   .gitlab-ci.yml: it exists" in result.stdout
    assert "- local: kpolicy.gitlab-ci.yml" in result.stdout


def test_nothing_is_overwritten(run: Run, empty: Path) -> None:
    run("init", "--ci", "gitlab", "--argocd")
    before = {name: (empty / name).read_bytes() for name in written(empty)}
    result = run("init", "--ci", "gitlab", "--argocd")
    assert result.exit_code == 0
    assert "wrote" not in result.stdout
    assert {name: (empty / name).read_bytes() for name in written(empty)} == before


def test_a_dry_run_writes_nothing(run: Run, empty: Path) -> None:
    result = run("init", "--ci", "github", "--dry-run")
    assert "would write .kpolicy.yaml" in result.stdout
    assert written(empty) == []


def test_kube_linter_s_configuration_stays_in_force(run: Run, empty: Path) -> None:
    (empty / ".kube-linter.yaml").write_text("checks: {}\n")
    result = run("init", "--ci", "none")
    assert ".kpolicy.yaml" not in written(empty)
    assert ".kube-linter.yaml is read" in result.stdout


def test_a_directory_that_is_none(run: Run, empty: Path) -> None:
    result = run("init", "-d", "absent")
    assert result.exit_code == 2
    assert "absent is no directory" in result.stderr


@pytest.mark.parametrize(
    ("paths", "remote", "forge"),
    [
        ((".github",), "", "github"),
        ((".gitlab-ci.yml",), "https://github.example/x", "gitlab"),
        ((), "git@gitlab.example.org:a/b.git", "gitlab"),
        ((), "https://code.gitlab.example.org/a/b", "gitlab"),
        ((), "https://example.org/github/b", None),
        ((), "", None),
    ],
)
def test_what_tells_of_a_forge(paths: tuple[str, ...], remote: str, forge: str | None) -> None:
    assert forge_of(frozenset(paths), remote) == forge
