"""`kpolicy config show`: what is in effect, and where it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]

CONFIG = """\
failOn: error
include: [exposed-services]
severity: {latest-tag: error}
params:
  split-sidecar:
    roles: [fluentd]
paths: {exclude: [vendor/**]}
"""


def test_defaults_are_called_defaults(run: Run) -> None:
    text = run("config", "show").stdout
    assert text.startswith("configuration: none found; these are the defaults\n")
    assert "failOn: warning" in text
    assert all(line.endswith("# default") for line in text.splitlines()[1:])


def test_each_setting_says_where_it_was_written(run: Run, repository: Path) -> None:
    (repository / ".kpolicy.yaml").write_text(CONFIG)
    data = json.loads(run("config", "show", "apps", "--format", "json").stdout)
    assert data["path"] == ".kpolicy.yaml"
    settings = data["settings"]
    assert settings["failOn"] == {"value": "error", "origin": ".kpolicy.yaml:1:9"}
    assert settings["include.0"]["value"] == "exposed-services"
    assert settings["include.0"]["origin"].startswith(".kpolicy.yaml:2:")
    assert settings["severity.latest-tag"]["value"] == "error"
    assert settings["params.split-sidecar.roles"]["value"] == ["fluentd"]
    assert settings["params.split-sidecar.roles"]["origin"].startswith(".kpolicy.yaml:6:")
    assert settings["paths.exclude.0"]["value"] == "vendor/**"
    assert settings["packs"] == {"value": [], "origin": "default"}


def test_text_shows_the_same(run: Run, repository: Path) -> None:
    (repository / ".kpolicy.yaml").write_text(CONFIG)
    lines = run("config", "show").stdout.splitlines()
    assert lines[0] == "configuration: .kpolicy.yaml"
    assert any(line.startswith("failOn: error") and "# .kpolicy.yaml:1:9" in line for line in lines)


def test_a_file_can_be_named_and_the_tree_s_ignored(run: Run, repository: Path) -> None:
    (repository / ".kpolicy.yaml").write_text("failOn: never\n")
    (repository / "strict.yaml").write_text("failOn: info\n")
    named = json.loads(run("config", "show", "-c", "strict.yaml", "--format", "json").stdout)
    assert named["settings"]["failOn"]["value"] == "info"
    isolated = json.loads(run("config", "show", "--isolated", "--format", "json").stdout)
    assert isolated["settings"]["failOn"]["value"] == "warning"


def test_a_bad_configuration_is_an_error(run: Run, repository: Path) -> None:
    (repository / ".kpolicy.yaml").write_text("failon: never\n")
    result = run("config", "show")
    assert result.exit_code == 2
    assert '.kpolicy.yaml:1:1: unknown key "failon"' in result.stderr
