"""A Dask cluster of two worker processes, and scans on it, each in a process of its own.

Dask starts threads that outlive a test, and a process with threads must not be forked (other tests
do that): nothing of it may run in the process of pytest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kpolicy.records import dataclass

_CLUSTER = """
import json, sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        workers = [worker.process.pid for worker in cluster.workers.values()]
        print(json.dumps([cluster.scheduler_address, workers]), flush=True)
        sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class DaskCluster:
    """Where the scheduler listens, and the process ids of its first workers."""

    address: str
    workers: tuple[int, ...]


@contextmanager
def dask_cluster(folder: Path) -> Iterator[DaskCluster]:
    """Run a cluster, with its script and what it says in a folder, until the block ends."""
    script = folder / "cluster.py"
    script.write_text(_CLUSTER)
    with (folder / "stderr").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            if not first:
                raise RuntimeError((folder / "stderr").read_text())
            address, workers = json.loads(first)
            yield DaskCluster(address, tuple(workers))
        finally:
            process.communicate(timeout=60)


def restarted_a_worker(folder: Path) -> bool:
    """Return whether the cluster of a folder says, within some seconds, that it did so."""
    for _ in range(200):
        if "Restarting worker" in (folder / "stderr").read_text():
            return True
        time.sleep(0.1)
    return False


def run_scan(
    *arguments: object, cwd: Path | None = None, first: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `kpolicy scan` in a process of its own, and before it some lines of Python."""
    code = f"{first}\nfrom kpolicy.cli.main import run\nrun()\n"
    words = [sys.executable, "-c", code, "scan", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, check=False, timeout=120)


def report_of(*arguments: object, cwd: Path | None = None, first: str = "") -> dict[str, Any]:
    """Return the JSON report of such a scan."""
    options = ("--isolated", "--no-cache", "--jobs", "1", "--fail-on", "info", "--format", "json")
    done = run_scan(*arguments, *options, cwd=cwd, first=first)
    assert done.returncode == 1, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
