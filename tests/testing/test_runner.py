"""The runner of policies' own tests: what passes, what fails, and what it says about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kpolicy.errors import PolicyError
from kpolicy.plugins.manager import make_toolbox
from kpolicy.policy.catalogue import PolicyFile, build
from kpolicy.policy.loader import Defaults
from kpolicy.testing import CaseResult, PolicyTester, load_tests

POLICY = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: named}
spec:
  params: {name: {type: string, default: a}}
  match: {kinds: [core/Pod]}
  matchConditions: [{name: not-skipped, expression: "object.metadata.name != 'skip'"}]
  validations:
    - expression: object.metadata.name == params.name
      messageExpression: "'the name is ' + object.metadata.name"
    - expression: oldObject == null || oldObject.metadata.?labels == object.metadata.?labels
      message: the labels changed
    - expression: object.spec.hostname == 'x' || object.metadata.name != 'err'
      message: never said
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"

MARKED = "policy: a\ncases: [{{name: x, files: [a], findings: 0}}]\nunreachable: [{}]\n"

Run = Callable[[str], list[CaseResult]]


@pytest.fixture(scope="module")
def tester() -> PolicyTester:
    """A runner over one policy."""
    toolbox = make_toolbox(entry_points=False)
    file = PolicyFile("named.yaml", POLICY, Defaults())
    catalogue = build([file], (), toolbox.formats)
    assert not catalogue.problems
    return PolicyTester(toolbox, catalogue.policies.values(), catalogue.texts)


def case(manifests: str, rest: str, name: str = "one") -> str:
    """Return a test file with one case."""
    text = manifests.replace("\n", "\n      ")
    return f"policy: named\ncases:\n  - name: {name}\n    manifests: |\n      {text}\n    {rest}\n"


def problems(tester: PolicyTester, text: str) -> tuple[str, ...]:
    """Run a file with one case and return its problems."""
    (result,) = tester.run(load_tests("named_test.yaml", text))
    return result.problems


def test_exact_findings_pass(tester: PolicyTester) -> None:
    """Resource, message and line as expected: the case passes."""
    text = case(POD % "b", 'findings: [{resource: Pod/b, message: "the name is b", line: 1}]')
    assert problems(tester, text) == ()


def test_count_alone(tester: PolicyTester) -> None:
    """A number is compared with how many there are; they are shown when it differs."""
    assert problems(tester, case(POD % "b", "findings: 1")) == ()
    assert problems(tester, case(POD % "b", "findings: 0")) == (
        "expected 0 findings, got 1",
        'found: Pod/b line 1 "the name is b"',
    )


@pytest.mark.parametrize(
    "expected",
    [
        "{resource: Pod/c}",
        "{resource: Pod/b, message: other}",
        "{resource: Pod/b, line: 3}",
        "{resource: Pod/b, related: [Pod/x]}",
        "{resource: Pod/b, outcome: error}",
        "{resource: Pod/b, count: 2}",
        "{resource: Pod/b, item: c}",
        "{resource: Pod/b, path: other}",
    ],
)
def test_each_part_is_compared(tester: PolicyTester, expected: str) -> None:
    """A finding that differs in one part is missing, and the real one unexpected."""
    found = problems(tester, case(POD % "b", f"findings: [{expected}]"))
    assert found[0].startswith("missing: ")


def test_unexpected_finding(tester: PolicyTester) -> None:
    """A finding that no entry expects fails the case."""
    two = POD % "b" + "---\n" + POD % "c"
    found = problems(tester, case(two, "findings: [{resource: Pod/b}]"))
    assert found == ('unexpected: Pod/c line 5 "the name is c"',)


def test_the_more_exact_expectation_is_served_first(tester: PolicyTester) -> None:
    """A vague entry does not take the finding that an exact one needs."""
    two = POD % "b" + "---\n" + POD % "c"
    assert problems(tester, case(two, "findings: [{}, {resource: Pod/b}]")) == ()


def test_a_case_that_meets_nothing_fails(tester: PolicyTester) -> None:
    """No test passes by testing nothing: neither another kind nor a condition that is false."""
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
    for manifests in (service, POD % "skip"):
        (found,) = problems(tester, case(manifests, "findings: 0"))
        assert "met no resource" in found
        text = case(manifests, "findings: 0").replace("findings: 0", "findings: 0\n    matches: 0")
        assert problems(tester, text) == ()


def test_matches_is_exact(tester: PolicyTester) -> None:
    """A wrong number of matches fails the case."""
    text = case(POD % "a", "findings: 0\n    matches: 2")
    assert problems(tester, text) == ("expected to meet 2 resources, met 1",)


def test_params_reach_the_policy(tester: PolicyTester) -> None:
    """Given parameters replace the default; an unknown one fails the case with a hint."""
    assert problems(tester, case(POD % "b", "params: {name: b}\n    findings: 0")) == ()
    (found,) = problems(tester, case(POD % "b", "params: {nam: b}\n    findings: 0"))
    assert 'no parameter "nam"' in found and "name" in found


def test_base_becomes_old_object(tester: PolicyTester) -> None:
    """`base` gives the object before the change."""
    before = "apiVersion: v1\n      kind: Pod\n      metadata: {name: a, labels: {x: y}}"
    rest = f"base: |\n      {before}\n    findings: [{{message: the labels changed}}]"
    assert problems(tester, case(POD % "a", rest)) == ()


def test_an_error_is_not_counted_as_a_finding(tester: PolicyTester) -> None:
    """An evaluation error fails a case that gives a number; it can be expected by name."""
    found = problems(tester, case(POD % "err", "params: {name: err}\n    findings: 1"))
    assert any(p.startswith("unexpected error: Pod/err") for p in found)
    text = case(POD % "err", "params: {name: err}\n    findings: [{outcome: error}]")
    assert problems(tester, text) == ()


def test_broken_manifests_fail_the_case(tester: PolicyTester) -> None:
    """Manifests that cannot be read are a problem with a line, not an empty input."""
    found = problems(tester, case("apiVersion: v1\nkind: [", "findings: 0"))
    assert found and "<case>:" in found[0]


def test_objects_and_files(tester: PolicyTester, tmp_path: Path) -> None:
    """Manifests may be data, or stand in files beside the test."""
    (tmp_path / "pod.yaml").write_text(POD % "b")
    text = (
        "policy: named\ncases:\n  - name: both\n"
        "    manifests: [{apiVersion: v1, kind: Pod, metadata: {name: c}}]\n"
        "    files: [pod.yaml]\n"
        "    findings: [{resource: Pod/b, path: pod.yaml, line: 1}, {resource: Pod/c}]\n"
    )
    (result,) = tester.run(load_tests(str(tmp_path / "named_test.yaml"), text))
    assert result.problems == ()


def test_coverage_names_the_gaps(tester: PolicyTester) -> None:
    """A validation that no case saw fail, or hold, is a gap."""
    results = list(tester.run(load_tests("t", case(POD % "b", "findings: 1"))))
    (coverage,) = tester.coverage(results)
    assert coverage.validation_gaps == (
        "validation 1 never holds",
        "validation 2 never fails",
        "validation 3 never fails",
    )


def test_unknown_policy(tester: PolicyTester) -> None:
    """A test file for a policy that is not there says so, with the nearest name."""
    text = case(POD % "a", "findings: 0").replace("policy: named", "policy: nmaed")
    with pytest.raises(PolicyError, match=r'no policy is called "nmaed"'):
        list(tester.run(load_tests("t", text)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policy: a\n", 'has no "cases"|cases'),
        ("policy: a\ncases: []\n", "nothing would be tested"),
        ("policy: a\ncases: [{name: x, findings: 0}]\n", "neither manifests nor files"),
        ("policy: a\ncases: [{name: x, manifests: '', finding: 0}]\n", "finding"),
        ("policy: a\ncases: [{name: x, manifests: '', findings: -1}]\n", "number from 0 on"),
        ("policy: a\ncases: [{name: x, manifests: '', findings: true}]\n", "number from 0 on"),
        (
            "policy: a\ncases:\n"
            "  - {name: x, files: [a], findings: 0}\n  - {name: x, files: [a], findings: 0}\n",
            "two cases",
        ),
        ("policy: a\ncases: [{name: x, files: [a], findings: [{lines: 1}]}]\n", "lines"),
        ("policy: [\n", "t:"),
        (MARKED.format("{in: validation 1, expression: a, never: true}"), 'lacks "reason"'),
        (
            MARKED.format("{in: validation 1, expression: a, never: maybe, reason: x}"),
            "one of true, false, empty, non-empty, read",
        ),
        (
            MARKED.format("{in: validation 1, expression: a, never: true, reason: ' '}"),
            "reason is empty",
        ),
        ("a: b\n---\nc: d\n", "one document"),
    ],
)
def test_a_wrong_test_file_is_refused(text: str, message: str) -> None:
    """Whatever is wrong in a test file is an error with its place."""
    with pytest.raises(PolicyError, match=message):
        load_tests("t", text)
