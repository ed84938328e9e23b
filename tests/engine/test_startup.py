"""What a scan imports: start-up is counted in milliseconds, and each module costs some."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from scan_kit import deployment, write

#: Heavy, or of no use to a warm scan of a few files.
UNWANTED = (
    "asyncio", "celpy", "cel", "lark", "rich", "jsonschema", "hypothesis", "http.client",
    "multiprocessing", "platformdirs", "watchfiles", "anyio", "unittest", "pytest",
    "pyrsistent", "tempfile",
    "kpolicy.policy.loader", "kpolicy.policy.native", "kpolicy.policy.compiling",
    "kpolicy.cel.checker", "kpolicy.cel.codegen", "kpolicy.cel.reference", "kpolicy.engine.workers",
    "kpolicy.engine.base", "kpolicy.suppress.baseline", "kpolicy.testing", "kpolicy.config.loader",
)  # fmt: skip

#: What evaluates policies; of no use either where all results are kept ones.
EVALUATING = (
    "re2", "kpolicy.engine.local", "kpolicy.engine.evaluate", "kpolicy.engine.plan",
    "kpolicy.engine.join", "kpolicy.engine.phases", "kpolicy.policy.compiled",
    "kpolicy.snapshot.snapshot", "kpolicy.snapshot.resource", "kpolicy.relations.index",
    "kpolicy.cel.nodes", "kpolicy.cel.values", "kpolicy.cel.library.standard",
)  # fmt: skip

PROGRAM = """
import json, sys
from kpolicy.engine import ScanRequest, scan
from kpolicy.plugins.manager import make_toolbox
report = scan(ScanRequest(targets=(sys.argv[1],)), make_toolbox())
print(json.dumps([len(report.findings), sorted(sys.modules)]))
"""


def modules(root, **environment):
    """Return the number of findings and the modules that a scan in a fresh process imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Return what a warm scan of one file imports; the first run fills the cache."""
    root = write(tmp_path_factory.mktemp("start") / "in", {"a.yaml": deployment("web", "a")})
    cold, _ = modules(root)
    warm, names = modules(root)
    assert cold == warm > 0
    return set(names)


@pytest.mark.parametrize("name", UNWANTED)
def test_a_warm_scan_does_without(scanned, name):
    assert not {m for m in scanned if m == name or m.startswith(f"{name}.")}


@pytest.fixture(scope="module")
def recalled(tmp_path_factory):
    """Return what a scan imports whose results are kept: of a tree that is large enough for it."""
    files = {f"{n}.yaml": deployment(f"web-{n}", "a") for n in range(30)}
    root = write(tmp_path_factory.mktemp("kept") / "in", files)
    cold, evaluated = modules(root, KPOLICY_CACHE_SIZE="10M")
    warm, names = modules(root, KPOLICY_CACHE_SIZE="10M")
    assert cold == warm > 0
    assert set(evaluated) >= set(EVALUATING)
    return set(names)


@pytest.mark.parametrize("name", (*UNWANTED, *EVALUATING))
def test_a_scan_whose_results_are_kept_does_without(recalled, name):
    assert not {m for m in recalled if m == name or m.startswith(f"{name}.")}
