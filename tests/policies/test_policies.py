"""Every policy that ships is tested by the file beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kpolicy.plugins.manager import make_toolbox
from kpolicy.policy.catalogue import Catalogue, build, read_pack
from kpolicy.testing import Case, PolicyTester, TestFile, load_tests

ROOT = Path(__file__).parents[2] / "policies"


def _test_files() -> list[TestFile]:
    paths = sorted(ROOT.rglob("*_test.yaml"))
    return [load_tests(str(p), p.read_text(encoding="utf-8")) for p in paths]


FILES = _test_files()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """All built-in policies."""
    toolbox = make_toolbox(entry_points=False)
    files = [file for pack in toolbox.packs for file in read_pack(pack)]
    return build(files, toolbox.policies, toolbox.formats)


@pytest.fixture(scope="module")
def tester(catalogue: Catalogue) -> Iterator[PolicyTester]:
    """A runner over all built-in policies."""
    toolbox = make_toolbox(entry_points=False)
    yield PolicyTester(toolbox, catalogue.policies.values(), catalogue.texts)


def _cases() -> list[object]:
    return [
        pytest.param(tests, case, id=f"{tests.policy}: {case.name}")
        for tests in FILES
        for case in tests.cases
    ]


@pytest.mark.parametrize(("tests", "case"), _cases())
def test_case(tester: PolicyTester, tests: TestFile, case: Case) -> None:
    """A case in a policy's test file holds."""
    result = tester.run_case(tests.policy, case, Path(tests.path).parent)
    assert result.passed, "\n".join((f"{case.location}", *result.problems))


@pytest.mark.parametrize("tests", FILES, ids=lambda t: str(t.policy))
def test_coverage(tester: PolicyTester, tests: TestFile) -> None:
    """Every validation of a policy is seen to fail and to hold, and every branch is taken."""
    (coverage,) = tester.coverage(list(tester.run(tests)), [tests])
    assert not coverage.gaps, "\n".join((tests.policy, *coverage.gaps))


def test_every_policy_has_tests(catalogue: Catalogue) -> None:
    """No policy ships untested, and no test file names a policy that is not there."""
    tested = {tests.policy for tests in FILES}
    assert set(catalogue.policies) - tested == set()
    assert tested - set(catalogue.policies) == set()


def test_every_policy_is_documented(catalogue: Catalogue) -> None:
    """Each policy has a title, a category, a description, a remediation and a reference."""
    bare = [
        policy.id
        for policy in catalogue.policies.values()
        if not (
            policy.title
            and policy.category
            and policy.description
            and policy.remediation
            and policy.references
        )
    ]
    assert bare == []
