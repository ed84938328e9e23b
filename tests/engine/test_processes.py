"""Every built-in policy finds the same in one process and in several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scan_kit import toolbox

from kpolicy.engine import ScanRequest, Selection, cores, scan, workers

GENERATOR = Path(__file__).parents[2] / "benchmarks" / "generate.py"


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Return a directory with realistic manifests, split sidecars among them."""
    root = tmp_path_factory.mktemp("generated")
    command = [sys.executable, str(GENERATOR), "160", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    return root


@pytest.mark.parametrize("everything", [False, True])
def test_all_policies_agree(generated, monkeypatch, everything):
    """Bodies stay in the workers, answers are guessed there: nobody can tell from the report."""
    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    box = toolbox()

    def report(jobs):
        request = ScanRequest(
            targets=(str(generated),), jobs=jobs, selection=Selection(all=True),
            results_all=everything, isolated=True,
        )  # fmt: skip
        return scan(request, box)

    alone, together = report(1), report(3)
    assert len(alone.findings) > 500
    assert {"split-sidecar", "dangling-ingress"} & {f.policy for f in alone.findings}
    assert together.findings == alone.findings
    assert together.summary == alone.summary
    assert together.notes == alone.notes
    outcomes = {"fail", "pass", "skip"} if everything else {"fail"}
    assert {f.outcome for f in alone.findings} == outcomes


@pytest.mark.parametrize("dies", [False, True])
def test_open_rows_settled_in_two_processes_give_the_same(generated, monkeypatch, dies):
    """What one process would find of them is found, even where the other one dies."""
    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1)
    box = toolbox()
    forked = []
    launch, settle_there = workers._launch, workers._settle_there

    def noted(method, target, *args):
        forked.append(target)
        return launch(method, target, *args)

    def report(least):
        monkeypatch.setattr(workers, "_WORTH_A_FORK", least)
        return scan(ScanRequest(targets=(str(generated),), jobs=2, isolated=True), box)

    there = (lambda *_: os._exit(1)) if dies else settle_there
    monkeypatch.setattr(workers, "_launch", noted)
    monkeypatch.setattr(workers, "_settle_there", there)
    alone = report(10**9)
    assert there not in forked
    together = report(2)
    assert there in forked
    assert together.findings == alone.findings
    assert together.summary == alone.summary
