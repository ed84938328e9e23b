"""Both engines, compiled CEL and cel-python, come to the same findings."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import kpolicy
from kpolicy.findings import Report

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
REAL = ROOT.parent / "shared" / "real-manifests"


@pytest.fixture(autouse=True)
def _quiet_celpy() -> Iterator[None]:
    """cel-python logs each error that it meets."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


def _both(paths: list[Path]) -> tuple[Report, Report]:
    compiled = kpolicy.scan(paths, isolated=True, all=True, cache=False)
    reference = kpolicy.scan(paths, isolated=True, all=True, cache=False, engine="reference")
    return compiled, reference


def test_examples() -> None:
    """Every policy finds the same in the examples by either engine."""
    compiled, reference = _both([EXAMPLES])
    assert compiled.findings == reference.findings
    assert len(compiled.findings) > 50


@pytest.mark.skipif(not REAL.exists(), reason="the shared manifests are not here")
def test_real_manifests() -> None:
    """Every policy finds the same in twenty files that others wrote, drawn with a seed."""
    files = sorted(path for path in REAL.rglob("*") if path.suffix in (".yaml", ".yml", ".json"))
    compiled, reference = _both(random.Random(20).sample(files, 20))
    assert compiled.findings == reference.findings
    assert compiled.findings
