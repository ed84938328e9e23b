"""`kpolicy relations`: what a resource is related to, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: a}]}
"""


@pytest.fixture
def shop(repository: Path) -> Path:
    """A Service and its Pod."""
    folder = repository / "shop"
    folder.mkdir()
    (folder / "web.yaml").write_text(SERVICE)
    return folder


def test_text_names_the_relation_the_other_and_the_reason(run: Run, shop: Path) -> None:
    result = run("relations", "Service/shop/web", "shop")
    assert result.exit_code == 0
    assert "Service shop/web  shop/web.yaml:1:1" in result.stdout
    assert "selects" in result.stdout
    assert "Pod shop/web  shop/web.yaml:6:1" in result.stdout
    assert "app=web" in result.stdout


def test_json_is_data(run: Run, shop: Path) -> None:
    data = json.loads(run("relations", "service/web", "shop", "--format", "json").stdout)
    assert data["resource"]["name"] == "web"
    assert "selects" in [link["name"] for link in data["relations"]]


@pytest.mark.parametrize(("format_", "start"), [("mermaid", "flowchart"), ("dot", "digraph")])
def test_graphs(format_: str, start: str, run: Run, shop: Path) -> None:
    text = run("relations", "Pod/web", "shop", "--format", format_).stdout
    assert text.startswith(start)
    assert "Service shop/web" in text


def test_one_relation_can_be_asked_for_by_either_name(run: Run, shop: Path) -> None:
    for name in ("selects", "selected-by"):
        data = json.loads(
            run("relations", "Pod/web", "shop", "--relation", name, "--format", "json").stdout
        )
        assert {link["name"] for link in data["relations"]} == {"selected-by"}


def test_mistakes_get_suggestions(run: Run, shop: Path) -> None:
    unknown = run("relations", "Pod/wbe", "shop")
    assert unknown.exit_code == 2
    assert 'did you mean "Pod/shop/web"?' in unknown.stderr
    unknown = run("relations", "Pod/web", "shop", "--relation", "selcts")
    assert unknown.exit_code == 2
    assert 'did you mean "selects"?' in unknown.stderr
    assert run("relations", "web", "shop").exit_code == 2
    assert run("relations", "Pod/web", "nowhere").exit_code == 2


def test_a_name_that_fits_several_is_told_with_their_places(run: Run, shop: Path) -> None:
    (shop / "copy.yaml").write_text(SERVICE)
    result = run("relations", "Pod/shop/web", "shop")
    assert result.exit_code == 2
    assert "names 2 resources" in result.stderr
    assert "shop/copy.yaml:6:1" in result.stderr
