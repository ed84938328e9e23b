"""Acme's plugin, as it is installed: what it adds to a scan."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import kpolicy
import pytest
from click.testing import CliRunner
from kpolicy.cli.main import main
from kpolicy.config.model import Config
from kpolicy.engine.plan import catalogue_of
from kpolicy.engine.request import ScanRequest
from kpolicy.plugins import make_toolbox
from kpolicy.testing import PolicyTester, load_tests

pytest.importorskip("kpolicy_acme", reason="the plugin is not installed")

from kpolicy_acme.teams import team

SHOP = """\
apiVersion: acme.example/v1
kind: WebApp
metadata:
  name: web
  labels: {acme.example/team: Shop}
  annotations: {acme.example/runbook: nowhere}
spec:
  pod: {spec: {containers: [{name: app, image: "registry.example/web:latest"}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: lost}
spec: {containers: [{name: app, image: "registry.example/app:1.0"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-app}
---
apiVersion: v1
kind: Service
metadata: {name: webapp}
"""
OURS = ["acme-*", "latest-tag"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A file with a WebApp, a Pod and two Services."""
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP)
    return path


def test_policies_functions_relation_kind_and_labels_work_in_a_scan(shop: Path) -> None:
    report = kpolicy.scan(shop, select=OURS, isolated=True, cache=False)
    found = {(f.policy, f.resource.name, f.labels.get("team", "")) for f in report.findings}
    assert found == {
        ("acme-runbook", "web", "shop"),
        ("latest-tag", "web", "shop"),
        ("acme-team-label", "lost", ""),
        ("acme-confusable-service", "webapp", ""),
    }


def test_the_python_policy_names_the_other_service(shop: Path) -> None:
    report = kpolicy.scan(shop, select=["acme-confusable-service"], isolated=True, cache=False)
    (finding,) = report.findings
    assert finding.message == "the name webapp reads like web-app"
    assert [str(related.resource) for related in finding.related] == ["Service/web-app"]


def test_the_report_counts_by_team(shop: Path) -> None:
    arguments = ["scan", str(shop), "--isolated", "--no-cache", "--format", "acme-teams"]
    for policy in OURS:
        arguments += ["--select", policy]
    result = CliRunner().invoke(main, arguments)
    assert result.stdout == "(no team): 2\nshop: 2\n"


def test_plugin_list_names_what_it_provides() -> None:
    result = CliRunner().invoke(main, ["plugin", "list", "--format", "json"])
    assert result.exit_code == 0
    (acme,) = [row for row in json.loads(result.stdout) if row["name"] == "acme"]
    assert acme["status"] == "active"
    assert acme["provides"]["packs"] == ["acme"]
    assert acme["provides"]["relations"] == ["acme-runbook"]
    assert acme["provides"]["CEL libraries"] == ["acme"]
    assert acme["provides"]["workload kinds"] == ["acme.example/WebApp"]


def test_it_can_be_left_out(shop: Path) -> None:
    report = kpolicy.scan(shop, isolated=True, cache=False, disable_plugins=["acme"])
    assert not [f for f in report.findings if f.policy.startswith("acme-") or f.labels]


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"acme.example/team": "Shop"}, "shop"),
        ({"acme.example/team": ""}, "none"),
        ({"acme.example/team": 7}, "none"),
        ({}, "none"),
    ],
)
def test_team_is_total(labels: dict[str, object], name: str) -> None:
    assert team(labels, "none") == name


TESTS = sorted(p.name for p in (files("kpolicy_acme") / "policies").iterdir() if "_test" in p.name)


@pytest.mark.parametrize("name", TESTS)
def test_policies_pass_their_own_tests(name: str) -> None:
    """The cases stand beside the policies; `kpolicy test` runs the same."""
    path = Path(str(files("kpolicy_acme") / "policies" / name))
    toolbox = make_toolbox()
    catalogue = catalogue_of(toolbox, ScanRequest(), Config())
    tester = PolicyTester(toolbox, catalogue.policies.values(), catalogue.texts)
    tests = load_tests(str(path), path.read_text())
    results = list(tester.run(tests))
    assert results
    assert [(result.case.name, result.problems) for result in results if result.problems] == []
    (coverage,) = tester.coverage(results, [tests])
    assert coverage.gaps == ()
