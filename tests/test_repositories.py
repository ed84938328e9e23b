"""Many repositories in one report: each as by itself, nothing joined across two."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kpolicy.engine import ScanRequest
from kpolicy.engine.digest import digest_of_digests
from kpolicy.errors import UsageError
from kpolicy.plugins.manager import make_toolbox
from kpolicy.repositories import (
    Repository,
    Scanned,
    one_by_one,
    read_list,
    scan_repositories,
    side_by_side,
)
from tests.support.dask_cluster import DaskCluster, dask_cluster, restarted_a_worker

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: app}]}
"""
#: A worker dies when the third repository is sent out.
KILL = """\
import os, signal
from distributed import Client
submit, sent = Client.submit, []
def killing(*arguments, **more):
    sent.append(submit(*arguments, **more))
    if len(sent) == 3:
        os.kill({pid}, signal.SIGKILL)
    return sent[-1]
Client.submit = killing
from kpolicy.cli.main import run
run()
"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three repositories; what the Service of one selects is in another one."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("one", SERVICE), ("two", WORKLOAD), ("three", SERVICE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(text)
    (tmp_path / "three" / ".kpolicy.yaml").write_text("exclude: [dangling-service]\n")
    (tmp_path / "list").write_text("# ours\none\ntwo\n\nthree\n")
    return tmp_path


def command(*arguments: str, given: str = "") -> tuple[int, Any, str]:
    words = [sys.executable, "-m", "kpolicy", "scan", "--format", "json", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, input=given, check=False)
    report = json.loads(done.stdout) if done.stdout.startswith("{") else None
    return done.returncode, report, done.stderr


def found(report: Any) -> set[tuple[str, str]]:
    return {(f["location"]["path"], f["policy"]) for f in report["findings"]}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_each_repository_is_a_world_of_its_own(fleet: Path, jobs: str) -> None:
    status, report, _ = command("--repositories", "list", "--jobs", jobs)
    assert status == 1
    assert ("one/a.yaml", "dangling-service") in found(report)
    assert ("three/a.yaml", "dangling-service") not in found(report), "its own configuration"
    assert report["summary"]["resources"] == 3
    alone = [command(name)[1] for name in ("one", "two", "three")]
    assert found(report) == set().union(*map(found, alone))
    digests = [each["summary"]["digest"] for each in alone]
    assert digests[0] == digests[2] != digests[1]
    assert report["summary"]["digest"] == digest_of_digests(reversed(digests))


def test_processes_and_one_report_the_same(fleet: Path) -> None:
    repositories = read_list("list", (fleet / "list").read_text())
    request, toolbox = ScanRequest(cache=False, jobs=1), make_toolbox((), False)
    alone = scan_repositories(repositories, one_by_one(request, toolbox), None)
    together = scan_repositories(repositories, side_by_side(request, toolbox, 2), None)
    assert alone.report.findings == together.report.findings
    assert alone.report.summary == together.report.summary
    assert alone.status == together.status == 1


def test_the_list_may_come_from_standard_input(fleet: Path) -> None:
    status, report, _ = command("--repositories", "-", given="three\n")
    assert (status, found(report)) == (0, set())


def test_a_repository_with_mistakes_is_told_and_the_others_are_scanned(fleet: Path) -> None:
    (fleet / "two" / ".kpolicy.yaml").write_text("exlude: []\n")
    (fleet / "list").write_text("one\ntwo\ngone\n")
    status, report, said = command("--repositories", "list")
    assert status == 2
    assert ("one/a.yaml", "dangling-service") in found(report)
    assert [(i["path"], i["line"], i["message"]) for i in report["invalid"]] == [
        ("list", 3, 'the repository "gone" is no directory')
    ]
    assert 'two/.kpolicy.yaml:1:1: unknown key "exlude"' in said


def test_the_gravest_status_counts_each_by_its_own_threshold(fleet: Path) -> None:
    (fleet / "one" / ".kpolicy.yaml").write_text("failOn: never\n")
    assert command("--repositories", "-", given="one\nthree\n")[0] == 0
    assert command("--repositories", "-", "--fail-on", "info", given="one\nthree\n")[0] == 1
    assert command("--repositories", "-", given="one\ntwo\n")[0] == 1


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a\nb\n./a\n", 'the repository "./a" is named twice', 3),
        ("\n# nothing\n", "no repository is named", 0),
    ],
)
def test_a_list_with_mistakes(text: str, message: str, line: int) -> None:
    with pytest.raises(UsageError) as caught:
        read_list("list", text)
    (problem,) = caught.value.problems
    assert problem.message == message
    assert problem.location is not None
    assert problem.location.line == line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--repositories", "list", "one"], "leave out PATH"),
        (["--repositories", "list", "--base", "main"], "does not go with --base"),
        (["--repositories", "list", "--fix"], "does not go with --fix"),
        (["--repositories", "none"], "none: the list of repositories cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused(fleet: Path, arguments: list[str], said: str) -> None:
    status, _, error = command(*arguments)
    assert status == 2
    assert said in error
    assert "Traceback" not in error


def test_a_process_that_dies_is_a_problem_of_its_repository(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kpolicy import repositories

    monkeypatch.setattr(repositories, "_scan_in_pool", _die)
    listed = read_list("list", "one\n")
    scanner = side_by_side(ScanRequest(), make_toolbox((), False), 1)
    scanned = scan_repositories(listed, scanner, None)
    assert scanned.status == 2
    (problem,) = scanned.report.problems
    assert problem.message.startswith('the repository "one" was not scanned: ')
    assert str(problem.location) == "list:1:1"


def _die(_path: str) -> bytes:
    import os

    os._exit(7)


def test_progress_counts_repositories(fleet: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    def scanner(repositories: Sequence[Repository]) -> Iterator[tuple[Repository, Scanned]]:
        inner = one_by_one(ScanRequest(cache=False), make_toolbox((), False))
        yield from inner(repositories)

    listed = read_list("list", "one\ntwo\n")
    scan_repositories(listed, scanner, lambda *told: seen.append(told))
    assert seen == [("repositories", 1, 2), ("repositories", 2, 2)]


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    pytest.importorskip("distributed")
    with dask_cluster(tmp_path_factory.mktemp("dask")) as started:
        yield started


def test_on_a_cluster_each_repository_is_a_task(fleet: Path, dask: DaskCluster) -> None:
    (fleet / "list").write_text("one\ntwo\nthree\ngone\n")
    status, report, _ = command("--repositories", "list", "--cluster", dask.address)
    assert (status, report) == command("--repositories", "list", "--jobs", "1")[:2]
    assert status == 2
    assert len(report["findings"]) > 3


def test_a_worker_that_is_killed_costs_nothing_but_time(fleet: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    folder = tmp_path / "dask"
    folder.mkdir()
    names = [f"r{number}" for number in range(24)]
    for name in names:
        (fleet / name).mkdir()
        (fleet / name / "a.yaml").write_text(WORKLOAD)
    (fleet / "list").write_text("\n".join(names))
    alone = command("--repositories", "list", "--jobs", "1", "--no-cache")
    with dask_cluster(folder) as dask:
        code = KILL.format(pid=dask.workers[0])
        words = [sys.executable, "-c", code, "scan", "--format", "json", "--no-cache"]
        words += ["--repositories", "list", "--cluster", dask.address]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        assert (done.returncode, json.loads(done.stdout)) == alone[:2], done.stderr
        assert restarted_a_worker(folder)
