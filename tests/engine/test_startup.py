"""What a scan imports: start-up is counted in milliseconds, and each module costs some."""

from __future__ import annotations

import json
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

PROGRAM = """
import json, sys
from kpolicy.engine import ScanRequest, scan
from kpolicy.plugins.manager import make_toolbox
report = scan(ScanRequest(targets=(sys.argv[1],)), make_toolbox())
print(json.dumps([len(report.findings), sorted(sys.modules)]))
"""


def modules(root):
    """Return the number of findings and the modules that a scan in a fresh process imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root)], capture_output=True, text=True, check=True
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
