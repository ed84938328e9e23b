"""`kpolicy plugin new` and `kpolicy policies new`: what is written works as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from kpolicy.plugins.scaffold import PARTS, plugin_files

CHECKOUT = Path(__file__).parents[2]
Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("flags", "resource"),
    [
        ([], "Pod"),
        (["--kind", "Service", "--severity", "error"], "Service"),
        (["--kind", "Deployment", "--title", "It's: a title"], "Deployment"),
        (["--kind", "acme.dev/App"], "App"),
        (["--kind", "batch/v1/CronJob"], "CronJob"),
    ],
)
def test_a_new_policy_is_sound_and_passes_its_test(
    flags: list[str], resource: str, run: Run, repository: Path
) -> None:
    from kpolicy.config.model import Config
    from kpolicy.engine.plan import catalogue_of
    from kpolicy.engine.request import ScanRequest
    from kpolicy.plugins import make_toolbox
    from kpolicy.testing import PolicyTester, load_tests

    result = run("policies", "new", "my-policy", "--directory", "mine", *flags)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[:2] == ["mine/my-policy.yaml", "mine/my-policy_test.yaml"]
    assert run("policies", "check", "mine", "--no-builtin").exit_code == 0
    toolbox = make_toolbox((), False)
    request = ScanRequest(policy_paths=("mine",), builtin=False)
    catalogue = catalogue_of(toolbox, request, Config())
    path = repository / "mine" / "my-policy_test.yaml"
    tests = load_tests(str(path), path.read_text())
    results = list(PolicyTester(toolbox, catalogue.policies.values()).run(tests))
    assert [(r.case.name, r.problems) for r in results] == [("bad", ()), ("good", ())]
    assert str(results[0].findings[0].resource) == f"{resource}/bad"


def test_a_new_policy_overwrites_nothing(run: Run, repository: Path) -> None:
    (repository / "mine").mkdir()
    (repository / "mine" / "my-policy_test.yaml").write_text("precious")
    result = run("policies", "new", "my-policy", "-d", "mine")
    assert result.exit_code == 2
    assert "mine/my-policy_test.yaml: exists already" in result.stderr
    assert not (repository / "mine" / "my-policy.yaml").exists()
    assert (repository / "mine" / "my-policy_test.yaml").read_text() == "precious"


def test_a_bad_id_is_refused(run: Run) -> None:
    result = run("policies", "new", "My_Policy")
    assert result.exit_code == 2
    assert "cannot be the id of a policy" in result.stderr


def test_a_new_plugin_is_built_installed_and_passes_its_tests(
    run: Run, repository: Path, tmp_path: Path
) -> None:
    """Exactly what its own CI does, but for the network."""
    result = run("plugin", "new", "acme-pay", "--with", ",".join(PARTS))
    assert result.exit_code == 0, result.stderr
    package = repository / "kpolicy-acme-pay"
    site = tmp_path / "site"
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", str(site), str(package)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(CHECKOUT)])}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=package, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert f"{len(PARTS) + 1} passed" in tested.stdout
    listed = subprocess.run(
        [sys.executable, "-m", "kpolicy", "plugin", "list"],
        cwd=repository, env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "acme-pay 0.1.0 (kpolicy-acme-pay)" in listed.stdout
    for check in (["ruff", "check", "--no-cache", "."], ["ruff", "format", "--diff", "."]):
        done = subprocess.run(
            [sys.executable, "-m", *check], cwd=package, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_part_stands_alone(tmp_path: Path) -> None:
    """Whatever is chosen, the linter and the formatter have nothing to say."""
    for part in PARTS:
        for path, text in plugin_files("acme", (part,)).items():
            assert "$" not in text
            file = tmp_path / part / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    for check in (["ruff", "check", "-q", "--no-cache", "."], ["ruff", "format", "--diff", "."]):
        done = subprocess.run(
            [sys.executable, "-m", *check],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[:2000] + done.stderr[:500]


def test_a_new_plugin_overwrites_nothing(run: Run, repository: Path) -> None:
    (repository / "kpolicy-acme").mkdir()
    (repository / "kpolicy-acme" / "README.md").write_text("precious")
    result = run("plugin", "new", "acme")
    assert result.exit_code == 2
    assert "kpolicy-acme/README.md: exists already" in result.stderr
    assert [p.name for p in (repository / "kpolicy-acme").iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Acme"], "cannot be the name of a plugin"),
        (["kpolicy-acme"], 'leave "kpolicy" out of the name'),
        (["acme", "--with", "relations"], 'did you mean "relation"?'),
        ([], "Missing argument"),
    ],
)
def test_mistakes_are_told(arguments: list[str], said: str, run: Run) -> None:
    result = run("plugin", "new", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
