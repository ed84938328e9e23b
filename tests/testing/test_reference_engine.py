"""The policies' own tests, by cel-python: the same outcome as by compiled code."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from scan_kit import toolbox

from kpolicy.config.model import Config
from kpolicy.engine.plan import catalogue_of
from kpolicy.engine.request import ScanRequest
from kpolicy.testing.loader import load_tests
from kpolicy.testing.runner import PolicyTester

POLICIES = Path(__file__).parents[2] / "policies"
FILES = sorted(POLICIES.glob("*/*_test.yaml"))


@pytest.fixture(autouse=True)
def _quiet_celpy() -> Iterator[None]:
    """cel-python logs each error that it meets."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


@pytest.fixture(scope="module")
def tester() -> PolicyTester:
    """All built-in policies, evaluated by cel-python."""
    box = toolbox()
    catalogue = catalogue_of(box, ScanRequest(isolated=True), Config())
    return PolicyTester(box, catalogue.policies.values(), catalogue.texts, engine="reference")


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_policy_tests_pass(tester: PolicyTester, path: Path) -> None:
    """Each case of a policy gives the expected findings by cel-python, too."""
    for result in tester.run(load_tests(str(path), path.read_text())):
        assert result.problems == (), result.case
