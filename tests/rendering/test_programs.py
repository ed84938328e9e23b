"""Without the programs, and without leave to run them: what a scan says then."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from render_kit import scan
from scan_kit import policy

from kpolicy.errors import ConfigError
from kpolicy.rendering.programs import Failed, Found, Programs, environment, find_programs
from kpolicy.rendering.settings import RenderSettings

FILES = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/templates/a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Release.Name }}}\n",
}
PODS = policy(
    "pods",
    """
    title: A pod
    severity: warning
    match: {kinds: [Pod]}
    validations: [{expression: "false", message: a pod}]
    """,
)
NOWHERE = RenderSettings(helm="/nowhere/helm", kustomize="/nowhere/kustomize")


def test_a_missing_program_is_said_once_and_is_no_failure(tmp_path: Path) -> None:
    files = {**FILES, **{k.replace("web/", "db/"): v for k, v in FILES.items()}}
    report = scan(tmp_path / "r", files, PODS, settings=NOWHERE)
    assert report.invalid == ()
    (note,) = report.notes
    assert note.message.startswith("2 charts not rendered")
    assert "helm was not found" in note.message
    assert report.summary.skipped["helm-template"] == 2


def test_where_rendering_is_demanded_a_missing_program_is_one(tmp_path: Path) -> None:
    report = scan(tmp_path / "r", FILES, PODS, settings=NOWHERE, render="always")
    assert [i.message for i in report.invalid] == ["not rendered: helm was not found"]


def test_never_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    helm = tmp_path / "helm"
    helm.write_text(f"#!/bin/sh\n: > {marker}\n")
    helm.chmod(0o755)
    settings = RenderSettings(helm=str(helm), kustomize=str(helm))
    scan(tmp_path / "r", FILES, PODS, settings=settings, render="never")
    assert not marker.exists()
    scan(tmp_path / "r", FILES, PODS, settings=settings)
    assert marker.exists()


def test_a_program_in_a_relative_entry_of_path_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "helm").write_text("#!/bin/sh\n")
    (tmp_path / "helm").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".")
    assert find_programs(RenderSettings()).helm == ""
    assert find_programs(RenderSettings(helm="./helm")).helm == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_programs(RenderSettings()).helm == str(tmp_path / "helm")


def test_the_scanned_tree_names_no_program(tmp_path: Path) -> None:
    from kpolicy.engine import ScanRequest, Toolbox
    from kpolicy.engine.settings import effective_config

    (tmp_path / ".git").mkdir()
    file = tmp_path / ".kpolicy.yaml"
    file.write_text("render:\n  helm: {program: ./helm}\n")
    with pytest.raises(ConfigError, match=r"render\.helm\.program counts only"):
        effective_config(ScanRequest(targets=(str(tmp_path),)), Toolbox())
    given = effective_config(
        ScanRequest(targets=(str(tmp_path),), config_path=str(file)), Toolbox()
    )
    assert given.render.helm == "./helm"


def run(code: str, tmp_path: Path, seconds: float = 20) -> bytes:
    programs = Programs(Found(), seconds)
    return programs.run([sys.executable, "-c", code], tmp_path, tmp_path)


def test_a_program_sees_no_environment_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    out = run("import os; print(sorted(os.environ), os.environ['HOME'])", tmp_path).decode()
    assert "AWS_SECRET_ACCESS_KEY" not in out
    assert str(tmp_path) in out
    assert environment(tmp_path)["PATH"] == ""


def test_a_program_that_writes_without_end_is_ended(tmp_path: Path) -> None:
    code = "import sys\nwhile True: sys.stdout.write('x' * 1_000_000)"
    with pytest.raises(Failed, match="wrote more than 128 MiB"):
        run(code, tmp_path, 60)


def test_what_a_program_started_does_not_outlive_it(tmp_path: Path) -> None:
    marker = tmp_path / "late"
    code = (
        "import os, time\n"
        f"if not os.fork():\n  time.sleep(1)\n  open({str(marker)!r}, 'w')\n"
        "else: time.sleep(30)"
    )
    with pytest.raises(Failed, match="took longer"):
        run(code, tmp_path, 0.5)
    import time

    time.sleep(1)
    assert not marker.exists()


def test_a_failure_is_told_in_the_programs_words(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="it is broken"):
        run("import sys; sys.exit('it is broken')", tmp_path)
