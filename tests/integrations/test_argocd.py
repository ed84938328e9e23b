"""The PreSync hook and the config management plugin, against a git repository on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from integration_kit import CHECKOUT, POD, Script, run_git

PRESYNC = "kpolicy/cli/starter/argocd/presync.sh"
GENERATE = "integrations/argocd/plugin/generate.sh"


def hook(script: Script, tmp_path: Path, step: str, **variables: str):
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    variables = {"KPOLICY_SOURCE": str(source), "KPOLICY_GIT": str(tmp_path), **variables}
    return script(PRESYNC, tmp_path, step, **variables)


def test_the_hook_scans_the_revision_that_is_synced(
    repository: Path, tmp_path: Path, script: Script
) -> None:
    sound = run_git(repository, "rev-parse", "HEAD")
    (repository / "bad.yaml").write_text(POD % ("bad", "true"))
    run_git(repository, "add", "-A")
    run_git(repository, "commit", "--quiet", "-m", "break it")
    run_git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    address = f"file://{repository}"
    for revision, status in ((sound, 0), ("main", 1)):
        shutil.rmtree(tmp_path / "source", ignore_errors=True)
        done = hook(
            script, tmp_path, "checkout", KPOLICY_REPOSITORY=address, KPOLICY_REVISION=revision
        )
        assert done.returncode == 0, done.stderr
        done = hook(script, tmp_path, "scan")
        assert done.returncode == status, done.stdout + done.stderr
        assert ("privileged" in done.stdout) == bool(status)


def test_the_hook_refuses_what_the_gate_did_not_pass(
    repository: Path, tmp_path: Path, script: Script
) -> None:
    mounted = {"KPOLICY_SOURCE": str(repository)}
    done = hook(script, tmp_path, "scan", **mounted)
    digest = re.findall(r"sha256:[0-9a-f]{64}", done.stdout)[0]
    assert hook(script, tmp_path, "scan", KPOLICY_DIGEST=digest, **mounted).returncode == 0
    (repository / "good.yaml").write_text(POD % ("other", "false"))
    done = hook(script, tmp_path, "scan", KPOLICY_DIGEST=digest, **mounted)
    assert done.returncode == 2
    assert "these are not the resources that passed the gate" in done.stderr + done.stdout


def test_a_hook_that_was_told_nothing_says_what_to_tell_it(tmp_path: Path, script: Script) -> None:
    done = hook(script, tmp_path, "checkout")
    assert done.returncode == 2
    assert "kpolicy.dev/repository" in done.stderr


def test_what_the_hook_needs_comes_before_it() -> None:
    folder = CHECKOUT / "kpolicy" / "cli" / "starter" / "argocd"
    found = {
        body["kind"]: body for body in yaml.safe_load_all((folder / "presync.yaml").read_text())
    }
    component = yaml.safe_load((folder / "kustomization.yaml").read_text())
    options = component["configMapGenerator"][0]["options"]
    prefix = "argocd.argoproj.io"
    waves = [
        int(annotations[f"{prefix}/sync-wave"])
        for annotations in (
            options["annotations"],
            found["ServiceAccount"]["metadata"]["annotations"],
        )
    ]
    job = found["Job"]["metadata"]["annotations"]
    assert max(waves) < int(job[f"{prefix}/sync-wave"])
    assert job[f"{prefix}/hook"] == "PreSync"
    assert job[f"{prefix}/hook-delete-policy"] == "BeforeHookCreation"


def test_an_application_adds_one_line(tmp_path: Path) -> None:
    kustomize = shutil.which("kustomize")
    if kustomize is None:
        pytest.skip("kustomize is not on PATH")
    shutil.copytree(CHECKOUT / "kpolicy/cli/starter/argocd", tmp_path / "kpolicy-presync")
    (tmp_path / "pod.yaml").write_text(POD % ("web", "false"))
    (tmp_path / "kustomization.yaml").write_text(
        "resources: [pod.yaml]\ncomponents: [kpolicy-presync]\n"
        "commonAnnotations: {kpolicy.dev/revision: abc}\n"
    )
    built = subprocess.run([kustomize, "build", str(tmp_path)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    found = {body["kind"]: body for body in yaml.safe_load_all(built.stdout)}
    assert set(found) == {"Pod", "Job", "ServiceAccount", "ConfigMap"}
    template = found["Job"]["spec"]["template"]
    assert template["metadata"]["annotations"]["kpolicy.dev/revision"] == "abc"


def test_the_plugin_hands_manifests_on_unchanged(repository: Path, script: Script) -> None:
    (repository / ".kpolicy.yaml").unlink()
    done = script(GENERATE, repository, PARAM_FAIL_ON="error")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"---\n{POD % ('good', 'false')}\n"


def test_the_plugin_generates_nothing_when_the_gate_refuses(
    repository: Path, script: Script
) -> None:
    (repository / "good.yaml").write_text(POD % ("bad", "true"))
    done = script(GENERATE, repository)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "privileged-container" in done.stderr
