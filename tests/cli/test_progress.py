"""Progress: told by the engine, shown on a terminal only, and never where it is not wanted."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from kpolicy.cli.progress import Progress
from kpolicy.config.model import Config
from kpolicy.engine import ScanRequest, scan
from kpolicy.plugins import make_toolbox

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_engine_tells_how_far_it_is(jobs: int, repository: Path) -> None:
    text = (repository / "apps" / "good.yaml").read_text()
    for number in range(200):
        (repository / "apps" / f"g{number}.yaml").write_text(text + "#" * 9000)
    told: list[tuple[str, int, int]] = []
    request = ScanRequest(
        targets=("apps",), config=Config(), policy_paths=("policies",), builtin=False, jobs=jobs,
        cache=False, progress=lambda *args: told.append(args),
    )  # fmt: skip
    scan(request, make_toolbox((), False))
    assert {stage for stage, _, _ in told} == {"scanning"}, "no policy joins, so nothing is joined"
    assert all(0 <= done <= total for _, done, total in told)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_a_bar_that_is_off_or_not_due_loads_nothing() -> None:
    """rich is for bars that are seen."""
    code = (
        "import sys\nfrom kpolicy.cli.progress import Progress\n"
        "with Progress(False) as off: off('scanning', 1, 2)\n"
        "with Progress(True) as soon: soon('scanning', 1, 2)\n"
        "print('rich' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_bar_appears_when_a_scan_takes_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kpolicy.cli.progress.PATIENCE", 0)
    with Progress(True) as progress:
        progress("scanning", 1, 2)
        assert progress._bar is not None
        assert [task.completed for task in progress._bar.tasks] == [1]
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_colour_and_a_pipe_does_not(repository: Path) -> None:
    """Run under a pseudo-terminal, as a person would."""
    command = [sys.executable, "-m", "kpolicy", "scan", "apps", "--no-builtin", "-p", "policies"]
    environment = {
        **os.environ, "PYTHONPATH": str(CHECKOUT), "TERM": "xterm-256color", "COLUMNS": "80",
    }  # fmt: skip
    controller, terminal = pty.openpty()
    done = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    seen = b""
    try:
        while chunk := os.read(controller, 65536):
            seen += chunk
    except OSError:
        pass  # Linux ends a pseudo-terminal's output with EIO.
    finally:
        os.close(controller)
    assert done.wait(timeout=30) == 1
    assert b"\x1b[1;33mwarning\x1b[0m" in seen
    piped = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert b"\x1b" not in piped.stdout + piped.stderr
