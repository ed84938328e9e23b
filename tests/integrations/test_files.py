"""The files of the integrations are what their systems take."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import kpolicy

CHECKOUT = Path(__file__).parents[2]
STARTER = CHECKOUT / "kpolicy" / "cli" / "starter"


def tool(name: str) -> str:
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    return str(path)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.gitlab-ci", "integrations/gitlab/kpolicy.gitlab-ci.yml"),
        ("vendor.github-workflows", "kpolicy/cli/starter/github.yml.tmpl"),
        ("vendor.gitlab-ci", "kpolicy/cli/starter/gitlab.yml.tmpl"),
    ],
)
def test_they_fit_the_public_schemas(schema: str, path: str, tmp_path: Path) -> None:
    text = (CHECKOUT / path).read_text()
    if path.endswith(".tmpl"):
        from string import Template

        text = Template(text).substitute(version="0.1.0", branch="main")
    copy = tmp_path / "file.yml"
    copy.write_text(text)
    command = [tool("check-jsonschema"), "--builtin-schema", schema, str(copy)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_is_clean() -> None:
    command = [tool("hadolint"), str(CHECKOUT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_built_from_what_is_there() -> None:
    text = (CHECKOUT / "Dockerfile").read_text()
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M)
        for name in line.split()[:-1]
    ]
    assert copied
    assert all((CHECKOUT / name).exists() for name in copied)
    kept = (CHECKOUT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(kept)
    assert "USER 65532:65532" in text


def test_versions_are_this_one() -> None:
    """What names an image or a release names the one that it is shipped with."""
    named = [
        CHECKOUT / "integrations" / "tekton" / "task.yaml",
        CHECKOUT / "integrations" / "gitlab" / "kpolicy.gitlab-ci.yml",
        CHECKOUT / "integrations" / "jenkins" / "Jenkinsfile",
        STARTER / "argocd" / "presync.yaml",
    ]
    for path in named:
        assert kpolicy.__version__ in path.read_text(), path


def test_hooks_of_pre_commit_name_commands() -> None:
    hooks = yaml.safe_load((CHECKOUT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["kpolicy", "kpolicy-fix", "kpolicy-test"]
    assert all(hook["language"] == "python" and not hook["pass_filenames"] for hook in hooks)


@pytest.mark.parametrize("folder", ["kpolicy/cli/starter/argocd", "integrations/tekton"])
def test_manifests_pass_our_own_packs(folder: str) -> None:
    report = kpolicy.scan(
        CHECKOUT / folder,
        packs=["pss-baseline", "pss-restricted", "schema", "reliability"],
        isolated=True,
        cache=False,
    )
    assert [f"{f.policy}: {f.message}" for f in report.findings] == []
    assert report.summary.resources
