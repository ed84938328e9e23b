"""`kpolicy scan --live`: the same policies on what runs."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("kubernetes", reason="the extra kpolicy[live] is not installed")

from cluster_kit import FakeCluster, kubeconfig, serving

from kpolicy.cli.main import main

POLICIES = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: no-latest}
spec:
  title: Image with the tag latest
  severity: warning
  match: {kinds: [workloads]}
  validations:
    - forEach: {var: c, in: object.containers()}
      expression: "!c.image.endsWith(':latest')"
      messageExpression: "'container ' + c.name + ' uses ' + c.image"
---
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: crash-loop}
spec:
  title: Container in a crash loop
  severity: error
  match: {kinds: [core/Pod]}
  validations:
    - expression: "!object.?status.?crashing.orValue(false)"
      message: it crashes
---
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: missing-role}
spec:
  title: Role that is not there
  severity: warning
  match: {kinds: [RoleBinding]}
  validations:
    - forEach: {var: m, in: object.missing('binds-role')}
      expression: "false"
      messageExpression: "'no ' + m.kind + ' ' + m.name"
---
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: missing-account}
spec:
  title: Account that is not there
  severity: warning
  match: {kinds: [RoleBinding]}
  validations:
    - forEach: {var: m, in: object.missing('binds-subject')}
      expression: "false"
      messageExpression: "'no account ' + m.namespace + '/' + m.name"
"""

Scan = Callable[..., Result]


@pytest.fixture
def fake() -> Iterator[FakeCluster]:
    """A cluster that is served."""
    cluster = FakeCluster()
    with serving(cluster) as cluster.address:
        yield cluster


@pytest.fixture
def scan(fake: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scan:
    """Return what runs `kpolicy scan --live` on it, with the policies above."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "policies.yaml").write_text(POLICIES)
    config = kubeconfig(tmp_path / "config", fake.address)

    def run(*arguments: str) -> Result:
        given = ["scan", "--live", "--kubeconfig", str(config), "--no-builtin"]
        return CliRunner().invoke(main, [*given, "-p", "policies.yaml", *arguments])

    return run


def workload(
    kind: str, name: str, *images: str, owner: tuple[str, str] | None = None, **rest: Any
) -> dict[str, Any]:
    """Return a workload whose containers are called after their images."""
    metadata: dict[str, Any] = {"name": name, "namespace": "shop"}
    if owner is not None:
        metadata["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    spec = {"containers": [{"name": i.partition(":")[0], "image": i} for i in images]}
    if kind == "Pod":
        return {"metadata": metadata, "spec": spec, **rest}
    return {"metadata": metadata, "spec": {"replicas": 1, "template": {"spec": spec}}, **rest}


def found(result: Result) -> list[tuple[str, str, str]]:
    """Return (policy, path, message) of the findings."""
    findings = json.loads(result.stdout)["findings"]
    return [(f["policy"], f["location"]["path"], f["message"]) for f in findings]


def test_findings_stand_at_the_object_with_an_excerpt(fake: FakeCluster, scan: Scan) -> None:
    fake.add("apps", "deployments", workload("Deployment", "web", "app:latest"))
    result = scan("--color", "never")
    assert result.exit_code == 1, result.output
    assert "live:Deployment/shop/web:11:9" in result.stdout
    assert "- name: app" in result.stdout
    assert "container app uses app:latest" in result.stdout


def test_a_template_is_reported_once_where_it_is_written(fake: FakeCluster, scan: Scan) -> None:
    fake.add("apps", "deployments", workload("Deployment", "web", "app:latest"))
    owner = ("Deployment", "web")
    fake.add("apps", "replicasets", workload("ReplicaSet", "web-1", "app:latest", owner=owner))
    for name in ("web-1-a", "web-1-b"):
        pod = workload("Pod", name, "app:latest", owner=("ReplicaSet", "web-1"))
        fake.add("", "pods", pod)
    result = scan("-f", "json")
    message = "container app uses app:latest"
    assert found(result) == [("no-latest", "live:Deployment/shop/web", message)]


def test_what_only_the_pods_show_is_reported_once_for_them(fake: FakeCluster, scan: Scan) -> None:
    """A container that an admission webhook added, and a state: the template has neither."""
    fake.add("apps", "deployments", workload("Deployment", "web", "app:1"))
    owner = ("Deployment", "web")
    fake.add("apps", "replicasets", workload("ReplicaSet", "web-1", "app:1", owner=owner))
    for name in ("web-1-a", "web-1-b"):
        owner = ("ReplicaSet", "web-1")
        pod = workload("Pod", name, "app:1", "mesh:latest", owner=owner, status={"crashing": True})
        fake.add("", "pods", pod)
    fake.add("", "pods", workload("Pod", "alone", "app:latest"))
    assert found(scan("-f", "json")) == [
        ("no-latest", "live:Pod/shop/alone", "container app uses app:latest"),
        ("crash-loop", "live:Pod/shop/web-1-a", "it crashes"),
        ("no-latest", "live:Pod/shop/web-1-a", "container mesh uses mesh:latest"),
    ]


def test_a_kind_that_may_not_be_read_makes_the_scan_incomplete(
    fake: FakeCluster, scan: Scan
) -> None:
    fake.add("", "services", {"metadata": {"name": "s", "namespace": "shop"}})
    fake.answers["/api/v1/secrets"] = (403, "secrets is forbidden")
    result = scan()
    assert result.exit_code == 2
    assert "live:Secret" in result.output
    assert "cannot be listed: secrets is forbidden" in result.output
    assert scan("--skip-invalid").exit_code == 0
    assert "Traceback" not in result.output


BINDING = {
    "metadata": {"name": "b", "namespace": "shop"},
    "roleRef": {"kind": "ClusterRole", "name": "reader"},
    "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "other"}],
}


def test_what_could_not_be_read_may_be_there(fake: FakeCluster, scan: Scan) -> None:
    fake.add("rbac.authorization.k8s.io", "rolebindings", BINDING)
    result = scan("-f", "json", "--select", "missing-role")
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["certainty"] == "absent"
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    fake.answers[path] = (403, "forbidden")
    result = scan("-f", "json", "--select", "missing-role")
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["certainty"] == "unknowable"


def test_other_namespaces_are_not_taken_to_be_empty(fake: FakeCluster, scan: Scan) -> None:
    fake.add("rbac.authorization.k8s.io", "rolebindings", BINDING)
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    fake.answers[path] = (403, "forbidden")
    whole = scan("-f", "json", "--select", "missing-*")
    assert [policy for policy, _, _ in found(whole)] == ["missing-role", "missing-account"]
    shop = scan("-f", "json", "--select", "missing-*", "--live-namespace", "shop")
    assert found(shop) == []
    assert shop.exit_code == 0
    assert "ClusterRole: not read, and taken to be there" in shop.stderr


def test_an_empty_cluster(scan: Scan) -> None:
    assert scan().exit_code == 0
    assert scan("--fail-if-nothing-scanned").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--live", "apps"], "--live reads a cluster: it takes no PATH."),
        (["--live", "--base", "main"], "--base does not go with --live."),
        (["--live", "--fix"], "--fix does not go with --live."),
        (["--live", "--scope", "file"], "--scope does not go with --live."),
        (["--context", "a"], "--context goes with --live only."),
        (["--live-namespace", "a"], "--live-namespace goes with --live only."),
        (["--live", "--kubeconfig", "absent"], "--kubeconfig absent: no cluster to read"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["scan", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_the_client_it_says_what_to_install(
    scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **rest: Any) -> Any:
        if name.partition(".")[0] == "kubernetes":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **rest)

    monkeypatch.setattr(builtins, "__import__", without)
    result = scan()
    assert result.exit_code == 2
    assert "pip install 'kpolicy[live]'" in result.stderr
