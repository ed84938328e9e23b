"""plugins/kpolicy-kubepattern as a user has it, from its sources beside these tests.

Its own tests run where it is installed (.ci/plugins); this is the main path on the command line.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kpolicy.cli.main import main

PACKAGE = Path(__file__).parents[2] / "plugins" / "kpolicy-kubepattern"
POD = """\
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {app}}}}}
spec:
  containers: [{{name: c, image: "busybox:1.36"}}]
  volumes:
    - {{name: v, persistentVolumeClaim: {{claimName: shared}}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a definition and two pods, where the plugin counts as installed."""
    if importlib.util.find_spec("kpolicy_kubepattern") is None:
        info = tmp_path / "site" / "kpolicy_kubepattern-0.1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Name: kpolicy-kubepattern\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(
            "[kpolicy]\nkubepattern = kpolicy_kubepattern.plugin\n"
        )
        monkeypatch.syspath_prepend(str(PACKAGE / "src"))
        monkeypatch.syspath_prepend(str(info.parent))
        importlib.invalidate_caches()
    (tmp_path / "manifests").mkdir()
    pods = POD.format(name="shop", app="backend") + POD.format(name="ship", app="logger")
    (tmp_path / "manifests" / "pods.yaml").write_text(pods)
    (tmp_path / "sidecar.json").write_text(json.dumps(definition(), indent=2))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("kpolicy_kubepattern")]:
        del sys.modules[name]


def definition() -> dict[str, object]:
    """An application and a helper by their label `app`, with a claim in common."""
    resources = [
        {
            "resource": "Pod",
            "id": id_,
            "leader": id_ == "main",
            "filters": {
                "matchAny": [{"key": ".metadata.labels.app", "operator": "EQUALS", "values": [app]}]
            },
        }
        for id_, app in (("main", "backend"), ("side", "logger"))
    ]
    shared = {"type": "MOUNTS", "required": True, "shared": True, "resourceIds": ["main", "side"]}
    return {
        "version": "kubepattern.it/v1",
        "kind": "Pattern",
        "metadata": {"name": "apart", "displayName": "Apart", "severity": "WARNING"},
        "spec": {
            "message": "{{main.name}} is apart from {{side.name}}",
            "topology": "LEADER_FOLLOWER",
            "resources": resources,
            "actors": ["main", "side"],
            "commonRelationships": [shared],
        },
    }


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_definition_and_split_sidecar_find_the_same_pair(folder: Path) -> None:
    result = run(
        "scan", "-p", "sidecar.json", "manifests", "--isolated", "--no-cache", "--format", "json",
        "--select", "apart", "--select", "split-sidecar",
    )  # fmt: skip
    assert result.exit_code == 1, result.output
    findings = json.loads(result.stdout)["findings"]
    assert {f["policy"] for f in findings} == {"apart", "split-sidecar"}
    assert {f["resource"]["name"] for f in findings} == {"shop"}
    assert {f["related"][0]["resource"]["name"] for f in findings} == {"ship"}
    assert {f["location"]["line"] for f in findings} == {8}


def test_what_is_not_supported_ends_the_scan_before_it_begins(folder: Path) -> None:
    text = (folder / "sidecar.json").read_text().replace("MOUNTS", "SAME_NETWORK")
    (folder / "sidecar.json").write_text(text)
    line = 1 + text[: text.index("SAME_NETWORK")].count("\n")
    result = run("scan", "-p", "sidecar.json", "manifests", "--isolated", "--no-cache")
    assert result.exit_code == 2
    assert f"sidecar.json:{line}:" in result.output
    assert "SAME_NETWORK is not supported" in result.output


def test_the_plugin_is_listed_with_its_formats(folder: Path) -> None:
    rows = json.loads(run("plugin", "list", "--format", "json").stdout)
    (row,) = [row for row in rows if row["name"] == "kubepattern"]
    assert row["status"] == "active"
    assert row["provides"]["policy formats"] == ["kubepattern-registry", "kubepattern"]
