"""`kpolicy scan --watch` as a process: files are saved, and reports appear."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from kpolicy.cli.changes import changes, look_at

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec: {containers: [{name: app, image: "r.example/app:%s"}]}
"""
#: Far more than a report takes; a test that waits so long has failed.
PATIENCE = 30.0


class Watching:
    """A watching process and the report that it writes."""

    def __init__(self, root: Path, *arguments: str, **environment: str) -> None:
        self.report = root.parent / "report.json"
        self.told: list[str] = []
        command = [sys.executable, "-m", "kpolicy", "scan", "--watch", "-o", str(self.report)]
        self.process = subprocess.Popen(
            [*command, "-p", "policies", *arguments],
            cwd=root,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.until("Ctrl-C ends")
        # The watch has begun when it has looked once more.
        time.sleep(1)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.told.extend(line for line in self.process.stderr)

    def until(self, text: str) -> None:
        """Wait until something is said."""
        self.wait(lambda: any(text in line for line in self.told))

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until something is so."""
        ends = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < ends, "".join(self.told)
            assert self.process.poll() is None, "".join(self.told)
            time.sleep(0.01)

    def names(self) -> set[str]:
        """Return the resources with findings, as of the last report."""
        try:
            data: dict[str, Any] = json.loads(self.report.read_text())
        except (OSError, ValueError):
            return {"nothing yet"}
        return {finding["resource"]["name"] for finding in data["findings"]}

    def reports(self, *names: str) -> None:
        """Wait for a report on just these resources."""
        self.wait(lambda: self.names() == set(names))

    def end(self) -> int:
        """Press Ctrl-C when the last report is done; return the exit status."""
        # It is announced after it is written.
        time.sleep(0.5)
        self.wait(lambda: self._count("Written: ") == self._count("Ctrl-C ends"))
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(PATIENCE)
        self._listener.join()
        return status

    def _count(self, text: str) -> int:
        return sum(text in line for line in self.told)

    def close(self) -> None:
        """End the process, if it has not ended."""
        self.process.kill()
        self.process.wait()
        self._listener.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture(params=["told", "polling"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Both ways to learn of changes."""
    if request.param == "told":
        pytest.importorskip("watchfiles")
        return {}
    return {"KPOLICY_WATCH_POLLING": "1"}


@pytest.fixture
def watching(repository: Path, environment: dict[str, str]) -> Iterator[Watching]:
    """A watch of a repository with one finding."""
    watch = Watching(repository, "--no-builtin", **environment)
    yield watch
    watch.close()


def test_saves_of_every_kind(repository: Path, watching: Watching) -> None:
    """Written, renamed over, removed, broken in the middle of an edit and mended."""
    watching.reports("bad")
    apps = repository / "apps"
    (apps / "good.yaml").write_text(POD % ("good", "latest"))
    watching.reports("bad", "good")
    (apps / ".bad.yaml.swp").write_text(POD % ("bad", "1.2"))
    (apps / ".bad.yaml.swp").rename(apps / "bad.yaml")
    watching.reports("good")
    (apps / "new").mkdir()
    (apps / "new" / "more.yaml").write_text(POD % ("more", "latest"))
    watching.reports("good", "more")
    (apps / "good.yaml").write_text("kind: [Pod")
    watching.reports("more")
    (apps / "good.yaml").write_text(POD % ("good", "latest"))
    watching.reports("good", "more")
    (apps / "new" / "more.yaml").unlink()
    (apps / "new").rmdir()
    watching.reports("good")
    assert watching.end() == 1
    assert not any("Traceback" in line for line in watching.told)


def test_settings_and_policies(repository: Path, watching: Watching) -> None:
    """A configuration appears, is broken, is mended; a policy changes."""
    watching.reports("bad")
    config = repository / ".kpolicy.yaml"
    config.write_text("exclude: [no-latest]\n")
    watching.reports()
    config.write_text("exclude: [no-latest\n")
    watching.until("waiting for a change")
    config.write_text("failOn: error\n")
    watching.reports("bad")
    policy = repository / "policies" / "no-latest.yaml"
    policy.write_text(policy.read_text().replace("default: latest", "default: '1.2'"))
    watching.reports("good")
    assert watching.end() == 0


def test_the_last_report_decides_the_status(repository: Path, watching: Watching) -> None:
    watching.reports("bad")
    (repository / "apps" / "bad.yaml").write_text(POD % ("bad", "1"))
    watching.reports()
    assert watching.end() == 0
    assert watching.told[-1] == "kpolicy: watch: ended\n"


def test_what_watching_does_not_go_with(run: Callable[..., Result], repository: Path) -> None:
    assert "does not go with --fix" in run("scan", "--watch", "--fix").stderr
    found = run("scan", "--watch", "nowhere")
    assert found.exit_code == 2
    assert "nowhere does not exist" in found.stderr
    assert run("scan", "--watch", "-").exit_code == 2


def test_looking_finds_what_was_written_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without watchfiles; hidden files and those that are no manifests do not count."""
    monkeypatch.setenv("KPOLICY_WATCH_POLLING", "1")
    told: list[str] = []
    (tmp_path / "a.yaml").write_text("a")
    found = changes([str(tmp_path)], list, told.append)
    assert next(found) is None
    assert told == ["KPOLICY_WATCH_POLLING is set; they are looked at every 0.25 s or so"]
    (tmp_path / "a.yaml").write_text("b")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "b.yaml").write_text("b")
    (tmp_path / "notes.txt").write_text("b")
    assert next(found) == {str(tmp_path / "a.yaml")}
    (tmp_path / "a.yaml").unlink()
    assert next(found) == {str(tmp_path / "a.yaml")}


def test_a_root_that_is_a_link(tmp_path: Path) -> None:
    """The system may tell names as they really are; reports know them as they were given."""
    pytest.importorskip("watchfiles")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = changes([str(tmp_path / "link")], list, lambda _text: None)
    assert next(found) is None
    (tmp_path / "real" / "a.yaml").write_text("a")
    assert next(found) == {str(tmp_path / "link" / "a.yaml")}


def test_what_is_not_there_can_be_looked_at(tmp_path: Path) -> None:
    assert look_at([str(tmp_path / "gone"), "nul\0name"]) == {}
