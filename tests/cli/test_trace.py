"""`kpolicy trace` and `kpolicy eval --trace`: why something was decided."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
OWN = ("--no-builtin", "-p", "policies")

PEERS = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: peers}
spec:
  title: Has a Service
  severity: warning
  match: {kinds: [Pod]}
  matchConditions: [{name: not-skipped, expression: "object.metadata.name != 'skipped'"}]
  variables: [{name: services, expression: "object.related('selected-by')"}]
  validations:
    - expression: "variables.services.size() > 0"
      message: no Service
"""
SHOP = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: shop, labels: {app: other}}
spec: {containers: [{name: app, image: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: skipped, namespace: shop}
spec: {containers: [{name: app, image: a}]}
"""


@pytest.fixture
def trace(run: Run, repository: Path) -> Run:
    """Trace the repository's policies in `shop.yaml`."""
    (repository / "policies" / "peers.yaml").write_text(PEERS)
    (repository / "shop.yaml").write_text(SHOP)

    def do(policy: str, resource: str, *arguments: str) -> Result:
        return run("trace", policy, "shop.yaml", "--resource", resource, *OWN, *arguments)

    return do


def test_a_join_is_shown_with_its_look_up_and_the_key(trace: Run) -> None:
    result = trace("peers", "Pod/web")
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == "peers on Pod shop/web  shop.yaml:6:1"
    assert 'object.metadata.name != "skipped" => true' in lines
    assert "variables.services.size() > 0 => true" in lines
    assert 'object.related("selected-by") => [Service shop/web]' in lines
    at = lines.index("Pod shop/web.related('selected-by')")
    assert lines[at + 1].startswith("-> Service shop/web  shop.yaml:1:1  (key ")
    assert lines[-1] == "=> pass"


def test_a_join_that_found_nothing_shows_the_keys_it_tried(trace: Run) -> None:
    text = trace("peers", "Pod/alone").stdout
    assert "-> nothing (keys " in text
    assert text.rstrip().endswith("=> fail: no Service")


def test_a_condition_that_does_not_hold_ends_the_trace(trace: Run) -> None:
    text = trace("peers", "Pod/skipped").stdout
    assert 'match condition "not-skipped"' in text
    assert "validation" not in text
    assert "=> skip: " in text.splitlines()[-1]
    assert '"not-skipped" is false' in text


def test_a_resource_that_the_policy_does_not_look_at(trace: Run) -> None:
    text = trace("peers", "Service/web").stdout
    assert "not met: the policy does not look at v1 Service" in text


def test_every_item_of_a_for_each_is_traced(run: Run) -> None:
    result = run("trace", "no-latest", "apps", "--resource", "Pod/bad", *OWN)
    assert "validation 1, forEach c in" in result.stdout
    assert "validation 1, c = item 0 (app)" in result.stdout
    assert 'c.image => "registry.example/app:latest"' in result.stdout
    last = result.stdout.splitlines()[-1]
    assert last.startswith("  => fail at /spec/containers/0: container app uses")


def test_parameters_can_be_set(run: Run) -> None:
    flags = ("--param", "no-latest.tag=1.3.x")
    result = run("trace", "no-latest", "apps", "--resource", "Pod/bad", *OWN, *flags)
    assert result.stdout.rstrip().endswith("=> pass")


def test_full_shows_more_than_what_decided(trace: Run) -> None:
    assert len(trace("peers", "Pod/web", "--full").stdout) >= len(trace("peers", "Pod/web").stdout)


def test_json_is_data(trace: Run) -> None:
    data = json.loads(trace("peers", "Pod/alone", "--format", "json").stdout)
    assert data["policy"] == "peers"
    assert data["matched"] is True
    assert [step["title"] for step in data["steps"]] == [
        'match condition "not-skipped"',
        "validation 1",
        "variables.services",
    ]
    (lookup,) = data["lookups"]
    assert lookup["relation"] == "selected-by"
    assert lookup["hits"] == []
    assert lookup["keys"]
    assert data["verdicts"] == [{"outcome": "fail", "message": "no Service", "pointer": ""}]


def test_mistakes_get_suggestions(trace: Run, run: Run) -> None:
    assert 'did you mean "peers"?' in trace("pers", "Pod/web").stderr
    assert 'did you mean "Pod/shop/web"?' in trace("peers", "Pod/shop/wbe").stderr
    assert run("trace", "no-latest", "apps", *OWN).exit_code == 2


def test_an_expression_can_be_traced(run: Run) -> None:
    text = run("eval", "--trace", "[1, 2, 3].exists(x, x > 2)").stdout
    assert text.splitlines()[0] == "[1, 2, 3].exists(x, x > 2) => true"
    assert "[x = 3] x > 2 => true" in text
    assert "x = 1" not in text, "a turn that did not decide is left out"
    assert run("eval", "--trace", "false").stdout == "false => false\n"


def test_a_failing_expression_is_traced_to_its_error(run: Run) -> None:
    text = run("eval", "--trace", "object.metadata.missing == 1", "-f", "apps/bad.yaml").stdout
    assert "object.metadata.missing => error: 1:16: no such key: missing" in text
