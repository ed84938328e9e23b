"""Reading a cluster: discovery, pages, expired tokens, refusals; against a server over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kubernetes", reason="the extra kpolicy[live] is not installed")

from cluster_kit import TOKEN, FakeCluster, kubeconfig, serving

from kpolicy.errors import UsageError
from kpolicy.live import Cluster, ClusterError, LiveInput, connect, read
from kpolicy.manifests import load
from kpolicy.manifests.model import Limits


def thing(name: str, namespace: str = "shop", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, **rest.pop("metadata", {})}
    return {"metadata": {k: v for k, v in metadata.items() if v}, **rest}


def owned(name: str, kind: str, owner: str, **rest: Any) -> dict[str, Any]:
    owners = [{"apiVersion": "apps/v1", "kind": kind, "name": owner, "controller": True}]
    return thing(name, metadata={"ownerReferences": owners}, **rest)


@pytest.fixture
def fake() -> Iterator[FakeCluster]:
    """A cluster that is served."""
    cluster = FakeCluster()
    with serving(cluster) as cluster.address:
        yield cluster


@pytest.fixture
def cluster(fake: FakeCluster, tmp_path: Path) -> Cluster:
    """What reads it."""
    return connect(str(kubeconfig(tmp_path / "config", fake.address)))


def paths(given: LiveInput) -> list[str]:
    return [file.path for file in given.files]


def body(given: LiveInput, path: str) -> dict[str, Any]:
    (file,) = [file for file in given.files if file.path == path]
    (document,) = load(file, Limits()).documents
    return plain(document.body)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list) else value


def test_each_object_is_a_file_with_its_kind(fake: FakeCluster, cluster: Cluster) -> None:
    fake.add("", "namespaces", thing("shop", ""))
    fake.add("apps", "deployments", thing("web", spec={"replicas": 2}))
    given = read(cluster)
    assert paths(given) == ["live:Namespace/shop", "live:Deployment/shop/web"]
    assert body(given, "live:Deployment/shop/web") == {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": 2},
    }  # fmt: skip
    assert given.invalid == given.notes == ()
    assert set(fake.authorization) == {f"Bearer {TOKEN}"}


def test_what_nobody_writes_is_not_asked_for(fake: FakeCluster, cluster: Cluster) -> None:
    fake.add("", "events", thing("e"))
    assert paths(read(cluster)) == []
    asked = {request.partition("?")[0] for request in fake.requests}
    assert "/api/v1/events" not in asked
    assert not [path for path in asked if "metrics.k8s.io" in path]
    assert not [path for path in asked if path.endswith(("status", "tokenreviews"))]


def test_what_the_server_adds_and_what_is_secret_is_left_out(
    fake: FakeCluster, cluster: Cluster
) -> None:
    noise = {
        "managedFields": [{"manager": "kubectl"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"},
    }
    fake.add("", "secrets", thing("s", metadata=noise, data={"password": "aHVudGVyMg=="}, type="x"))
    given = read(cluster)
    assert body(given, "live:Secret/shop/s") == {
        "apiVersion": "v1", "kind": "Secret", "data": {"password": ""}, "type": "x",
        "metadata": {"name": "s", "namespace": "shop", "annotations": {"a": "b"}},
    }  # fmt: skip


def test_a_kind_of_two_groups_says_its_group(fake: FakeCluster, cluster: Cluster) -> None:
    fake.kinds["example.com"] = {"v2": [("services", "Service", True)], "v1": []}
    fake.add("", "services", thing("a"))
    fake.add("example.com", "services", thing("a"))
    assert paths(read(cluster)) == ["live:Service/shop/a", "live:Service.example.com/shop/a"]


def test_each_resource_comes_in_its_preferred_version(fake: FakeCluster, cluster: Cluster) -> None:
    fake.kinds["example.com"] = {
        "v2": [("farms", "Farm", True)],
        "v1": [("farms", "Farm", True), ("barns", "Barn", True)],
    }
    fake.add("example.com", "farms", thing("f"))
    fake.add("example.com", "barns", thing("b"))
    given = read(cluster)
    assert body(given, "live:Farm/shop/f")["apiVersion"] == "example.com/v2"
    assert body(given, "live:Barn/shop/b")["apiVersion"] == "example.com/v1"
    assert len(given.files) == 2


def many(fake: FakeCluster, count: int = 25) -> list[str]:
    fake.add("", "pods", *(thing(f"p{number:02}") for number in range(count)))
    return [f"p{number:02}" for number in range(count)]


def names(cluster: Cluster) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.items("/api/v1/pods", page=10)]


def test_a_long_list_comes_in_pages(fake: FakeCluster, cluster: Cluster) -> None:
    expected = many(fake)
    assert names(cluster) == expected
    assert [r.partition("?")[2] for r in fake.requests] == [
        "limit=10", "limit=10&continue=10", "limit=10&continue=20",
    ]  # fmt: skip


@pytest.mark.parametrize("offers", [True, False])
@pytest.mark.parametrize("after", [1, 2])
def test_an_expired_token_costs_no_object_and_doubles_none(
    after: int, offers: bool, fake: FakeCluster, cluster: Cluster
) -> None:
    expected = many(fake)
    fake.expire_after, fake.offers_token = after, offers
    assert names(cluster) == expected
    begun = [r for r in fake.requests if "continue" not in r]
    assert len(begun) == (1 if offers else 2)


def test_a_list_that_expires_for_ever_is_given_up(fake: FakeCluster, cluster: Cluster) -> None:
    many(fake)
    real = fake._paged

    def expired(found: list[dict[str, Any]], query: dict[str, list[str]]) -> tuple[int, Any]:
        if "continue" in query:
            return 410, {"message": "too old"}
        return real(found, query)

    fake._paged = expired  # type: ignore[method-assign]
    with pytest.raises(ClusterError, match="too old"):
        names(cluster)
    assert len(fake.requests) == 8


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_kind_that_cannot_be_listed_is_invalid_input(
    status: int, fake: FakeCluster, cluster: Cluster
) -> None:
    fake.add("", "services", thing("s"))
    fake.answers["/api/v1/secrets"] = (status, "secrets is forbidden: not for you")
    given = read(cluster)
    assert paths(given) == ["live:Service/shop/s"]
    (invalid,) = given.invalid
    assert str(invalid.location.path) == "live:Secret"
    assert invalid.message == "cannot be listed: secrets is forbidden: not for you"
    assert invalid.kinds == ("Secret",)


def test_a_kind_that_is_gone_is_none(fake: FakeCluster, cluster: Cluster) -> None:
    fake.answers["/api/v1/services"] = (404, "not found")
    assert read(cluster).invalid == ()


def test_a_group_that_does_not_answer_is_told(fake: FakeCluster, cluster: Cluster) -> None:
    fake.answers["/apis/apps/v1"] = (503, "the server is currently unable to handle the request")
    (invalid,) = read(cluster).invalid
    assert invalid.location.path == "live:apps/v1"
    assert "the kinds of apps cannot be asked for: the server is currently" in invalid.message


def test_one_namespace_is_read_alone(fake: FakeCluster, cluster: Cluster) -> None:
    fake.add("", "namespaces", thing("shop", ""), thing("other", ""))
    fake.add("apps", "deployments", thing("web"), thing("web", "other"))
    fake.answers["/apis/rbac.authorization.k8s.io/v1/clusterroles"] = (403, "forbidden")
    given = read(cluster, ["shop"])
    assert paths(given) == [
        "live:Namespace/shop", "live:Namespace/other", "live:Deployment/shop/web",
    ]  # fmt: skip
    assert given.invalid == ()
    assert given.not_listed == ("rbac.authorization.k8s.io/ClusterRole",)
    (note,) = given.notes
    assert note.message == "ClusterRole: not read, and taken to be there (forbidden)"


def test_controllers_are_known_and_history_is_left_out(fake: FakeCluster, cluster: Cluster) -> None:
    fake.add("apps", "deployments", thing("web"))
    fake.add(
        "apps", "replicasets",
        owned("web-2", "Deployment", "web", spec={"replicas": 1}),
        owned("web-1", "Deployment", "web", spec={"replicas": 0}),
        owned("alone", "Deployment", "gone", spec={"replicas": 1}),
    )  # fmt: skip
    fake.add(
        "", "pods",
        owned("web-2-x", "ReplicaSet", "web-2"),
        owned("done", "ReplicaSet", "web-2", status={"phase": "Succeeded"}),
        thing("mine", status={"phase": "Succeeded"}),
    )  # fmt: skip
    given = read(cluster)
    assert paths(given) == [
        "live:Pod/shop/web-2-x", "live:Pod/shop/mine", "live:Deployment/shop/web",
        "live:ReplicaSet/shop/web-2", "live:ReplicaSet/shop/alone",
    ]  # fmt: skip
    assert dict(given.controllers) == {
        ("Pod", "shop", "web-2-x"): ("ReplicaSet", "shop", "web-2"),
        ("ReplicaSet", "shop", "web-2"): ("Deployment", "shop", "web"),
    }


def test_a_server_that_refuses_everything_is_one_error(fake: FakeCluster, cluster: Cluster) -> None:
    fake.answers["/api/v1"] = (401, "Unauthorized")
    with pytest.raises(UsageError, match=r"the cluster at http://.* cannot be read: Unauthorized"):
        read(cluster)


def test_a_server_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "config", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"cannot be read: .*refused"):
        read(connect(str(config)))


@pytest.mark.parametrize("text", ["", "{", "[]", "clusters: 1", "a: !x b"])
def test_a_kubeconfig_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(UsageError, match="no cluster to read"):
        connect(str(tmp_path / "config"))


def test_what_the_client_complained_of_is_told_with_the_refusal(
    fake: FakeCluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = kubeconfig(tmp_path / "config", fake.address)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-program"}
    data = json.loads(config.read_text())
    data["users"][0]["user"] = {"exec": {**plugin, "interactiveMode": "Never"}}
    config.write_text(json.dumps(data))
    fake.answers["/api/v1"] = (403, "forbidden: anonymous")
    with pytest.raises(UsageError, match="no-such-program"):
        read(connect(str(config)))
    assert capfd.readouterr() == ("", "")


def test_a_context_that_is_not_there(fake: FakeCluster, tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "config", fake.address)
    with pytest.raises(UsageError, match="--context absent: no cluster to read"):
        connect(str(config), "absent")
    assert connect(str(config), "test").host == fake.address


def test_no_kubeconfig_and_no_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "absent")
    )
    with pytest.raises(UsageError, match=r"no cluster to read: .* And this is no pod of a cluster"):
        connect()
