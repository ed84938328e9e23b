"""A scan on a Dask cluster of two worker processes reports what one process does."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kpolicy.engine import ScanRequest, cluster, scan
from kpolicy.errors import UsageError
from kpolicy.findings import Report
from kpolicy.plugins.manager import make_toolbox

distributed = pytest.importorskip("distributed")
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


@pytest.fixture(scope="module")
def address() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as started:
        yield started


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Services and workloads that find each other across shards, or do not."""
    for n in range(60):
        (tmp_path / f"w{n}.yaml").write_text(WORKLOAD.format(n=n, other=n * 3))
        (tmp_path / f"z{59 - n}.yaml").write_text(SERVICE.format(n=n, other=n * 2))
    return tmp_path


def run(*targets: Path, **options: Any) -> Report:
    request = ScanRequest(targets=tuple(map(str, targets)), isolated=True, cache=False, jobs=1)
    report = scan(replace(request, **options), make_toolbox((), False))
    return replace(report, timings={})


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SHARD_BYTES", 2_000)


def test_the_report_is_that_of_one_process(address: Any, tree: Path) -> None:
    for targets in ((EXAMPLES,), (tree,)):
        alone = run(*targets)
        assert alone.findings
        assert run(*targets, cluster=address.scheduler_address) == alone


def test_policies_of_files_run_there_too(address: Any, tree: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tree)
    Path("policy.yml").write_text(
        "apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata: {name: named}\n"
        "spec:\n  severity: error\n  validations: [{expression: object.metadata.name != 'app-7'}]\n"
    )
    options: dict[str, Any] = {"policy_paths": ("policy.yml",), "builtin": False}
    found = run(Path(), cluster=address.scheduler_address, **options)
    assert [finding.policy for finding in found.findings] == ["named", "named"]
    assert found == run(Path(), **options)


def test_a_worker_that_is_killed_costs_nothing_but_time(
    address: Any, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker dies while shards are out; they are run again."""
    killed = []

    def kill() -> None:
        pids = [worker.process.pid for worker in address.workers.values() if worker.process]
        os.kill(pids[0], signal.SIGKILL)
        killed.append(pids[0])

    sent = cluster._with_bytes

    def slowly(*arguments: Any) -> Any:
        if not killed:
            threading.Thread(target=kill).start()
            time.sleep(0.05)
        return sent(*arguments)

    alone = run(tree)
    monkeypatch.setattr(cluster, "_with_bytes", slowly)
    assert run(tree, cluster=address.scheduler_address) == alone
    assert killed


def test_no_scheduler_is_a_mistake_that_is_told_soon(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 1)
    with pytest.raises(UsageError, match="no Dask scheduler at tcp:"):
        run(tree, cluster="tcp://127.0.0.1:1")


def test_workers_must_have_the_same_versions(
    address: Any, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {**cluster.versions(), "plugin acme": "1.0"}
    theirs = cluster.versions
    monkeypatch.setattr(cluster, "versions", lambda: mine)
    client = distributed.Client(address.scheduler_address, set_as_default=False)
    try:
        monkeypatch.setattr(client, "run", lambda _: {"tcp://w:1": theirs()})
        with pytest.raises(UsageError, match="has plugin acme not installed, but here it is 1"):
            cluster._check_workers(client, "tcp://s:1")
    finally:
        client.close()
