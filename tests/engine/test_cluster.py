"""A scan on a Dask cluster of two worker processes reports what one process does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kpolicy.engine import cluster
from kpolicy.errors import UsageError
from tests.support.dask_cluster import (
    DaskCluster,
    dask_cluster,
    report_of,
    restarted_a_worker,
    run_scan,
)

pytest.importorskip("distributed")
EXAMPLES = Path(__file__).parents[2] / "examples"

WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app-{n}, namespace: team}}
spec:
  selector: {{matchLabels: {{app: app-{n}}}}}
  template:
    metadata: {{labels: {{app: app-{n}}}}}
    spec:
      containers: [{{name: app, image: app}}]
      volumes: [{{name: v, configMap: {{name: settings-{other}}}}}]
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: app-{n}, namespace: team}}
spec: {{selector: {{app: app-{other}}}, ports: [{{port: 80}}]}}
"""
POLICY = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: named}
spec:
  severity: error
  validations: [{expression: object.metadata.name != 'app-7'}]
"""
SMALL_SHARDS = """\
from kpolicy.engine import cluster
cluster._SHARD_BYTES = 2_000
"""
#: The workers join too, whatever the size of the input.
SHUFFLED = SMALL_SHARDS + "cluster._SHUFFLED_BYTES = 0\n"
#: While keys' owners answer, the worker dies that alone has what all tasks make their plan of (Dask
#: drops further copies of a result after some seconds): it is worked out again, as the shards are.
KILL_AN_OWNER = """\
import os, signal, time
from kpolicy.engine import cluster_shuffle
settled, world = cluster_shuffle.shuffled, cluster_shuffle._world
def shuffled(client, work, parcel, locals_):
    def kill(*arguments):
        while len(workers := client.who_has([parcel])[parcel.key]) != 1:
            time.sleep(0.1)
        os.kill(client.run(os.getpid, workers=workers)[workers[0]], signal.SIGKILL)
        return world(*arguments)
    cluster_shuffle._world = kill
    return settled(client, work, parcel, locals_)
cluster_shuffle.shuffled = shuffled
"""
#: Each worker dies of what it is given.
DEADLY = """\
import os
from kpolicy.engine import cluster
cluster.evaluate_shard = lambda *_: os._exit(1)
"""
#: One worker dies while shards are sent out.
KILL = """\
import os, signal, threading, time
sent, killed = cluster._with_bytes, []
def slowly(*arguments):
    if not killed:
        killed.append(True)
        threading.Timer(0.01, os.kill, ({pid}, signal.SIGKILL)).start()
        time.sleep(0.05)
    return sent(*arguments)
cluster._with_bytes = slowly
"""


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as started:
        yield started


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Services and workloads that find each other across shards, or do not."""
    for n in range(60):
        (tmp_path / f"w{n}.yaml").write_text(WORKLOAD.format(n=n, other=n * 3))
        (tmp_path / f"z{59 - n}.yaml").write_text(SERVICE.format(n=n, other=n * 2))
    return tmp_path


def test_the_report_is_that_of_one_process(dask: DaskCluster, tree: Path) -> None:
    for target in (EXAMPLES, tree):
        alone = report_of(target)
        assert alone["findings"]
        for first in (SMALL_SHARDS, SHUFFLED):
            assert report_of(target, "--cluster", dask.address, first=first) == alone


def test_what_passed_is_the_same_too(dask: DaskCluster, tree: Path) -> None:
    alone = report_of(tree, "--results", "all")
    options = ("--results", "all", "--cluster", dask.address)
    assert report_of(tree, *options, first=SHUFFLED) == alone


def test_policies_of_files_run_there_too(dask: DaskCluster, tree: Path) -> None:
    (tree / "policy.yml").write_text(POLICY)
    options = (".", "-p", "policy.yml", "--no-builtin")
    found = report_of(*options, "--cluster", dask.address, cwd=tree, first=SMALL_SHARDS)
    assert [finding["policy"] for finding in found["findings"]] == ["named", "named"]
    assert found == report_of(*options, cwd=tree)


def test_a_worker_that_is_killed_costs_nothing_but_time(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dask"
    folder.mkdir()
    with dask_cluster(folder) as dask:
        pid = dask.workers[0]
        alone = report_of(tree)
        first = SMALL_SHARDS + KILL.format(pid=pid)
        assert report_of(tree, "--cluster", dask.address, first=first) == alone
        assert restarted_a_worker(folder)


def test_an_owner_of_keys_that_is_killed_costs_nothing_but_time(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dask"
    folder.mkdir()
    with dask_cluster(folder) as dask:
        alone = report_of(tree)
        first = SHUFFLED + KILL_AN_OWNER
        assert report_of(tree, "--cluster", dask.address, first=first) == alone
        assert restarted_a_worker(folder)


def test_a_cluster_that_gives_up_says_so(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dask"
    folder.mkdir()
    with dask_cluster(folder) as dask:
        done = run_scan(tree, "--cluster", dask.address, first=DEADLY)
    assert done.returncode == 2
    assert f"--cluster: {dask.address} gave up: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


def test_no_scheduler_is_a_mistake_that_is_told_soon(tree: Path) -> None:
    soon = f"{SMALL_SHARDS}cluster._PATIENCE = 1\n"
    done = run_scan(tree, "--cluster", "tcp://127.0.0.1:1", first=soon)
    assert done.returncode == 2
    assert "no Dask scheduler at tcp://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


class Workers:
    """What a client says of a cluster with one worker, which has these versions."""

    def __init__(self, versions: dict[str, str] | None) -> None:
        self.versions = versions

    def run(self, function: Callable[[], Any]) -> dict[str, Any]:
        assert function is cluster.versions
        return {} if self.versions is None else {"tcp://w:1": self.versions}


def test_workers_must_have_the_same_versions() -> None:
    mine = cluster.versions()
    cluster._check_workers(Workers(mine), "tcp://s:1")  # type: ignore[arg-type]
    for theirs, said in (
        (
            mine | {"kpolicy": "9"},
            f"worker tcp://w:1 has kpolicy 9, but here it is {mine['kpolicy']}",
        ),
        (mine | {"plugin acme": "1"}, "has plugin acme 1, but here it is not installed"),
        (None, "tcp://s:1 has no workers"),
    ):
        with pytest.raises(UsageError, match=said):
            cluster._check_workers(Workers(theirs), "tcp://s:1")  # type: ignore[arg-type]
