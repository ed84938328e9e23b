"""`kpolicy test`: policies' own tests from the command line."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

TESTS = """\
policy: no-latest
cases:
  - name: a tag that moves
    manifests: |
      apiVersion: v1
      kind: Pod
      metadata: {name: a}
      spec: {containers: [{name: app, image: "app:latest"}]}
    findings:
      - {resource: Pod/a, message: "container app uses app:latest", line: 4}
  - name: a version
    manifests: |
      apiVersion: v1
      kind: Pod
      metadata: {name: a}
      spec: {containers: [{name: app, image: "app:1.0"}]}
    findings: 0
"""


@pytest.fixture
def test(run: Run, repository: Path) -> Run:
    """Run the tests in the repository's policies."""
    (repository / "policies" / "no-latest_test.yaml").write_text(TESTS)

    def do(*arguments: str) -> Result:
        return run("test", "--no-builtin", *(arguments or ("policies",)))

    return do


def changed(repository: Path, old: str, new: str) -> None:
    """Change the test file."""
    path = repository / "policies" / "no-latest_test.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_cases_that_pass(test: Run) -> None:
    result = test()
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "2 cases passed (1 policy).\n"
        "Coverage: 2 of 2 outcomes of validations, 3 of 4 branches.\n"
        "`--coverage` names what is missing.\n"
    )
    verbose = test("policies", "--verbose").stdout
    assert "policies/no-latest_test.yaml:3:5: no-latest: a tag that moves: passed" in verbose


def test_a_case_that_fails_says_what_differs(test: Run, repository: Path) -> None:
    changed(repository, "line: 4", "line: 9")
    result = test()
    assert result.exit_code == 1
    assert "policies/no-latest_test.yaml:3:5: no-latest: a tag that moves: failed" in result.stdout
    assert "line 9" in result.stdout
    assert "1 case passed, 1 failed (1 policy)." in result.stdout.splitlines()


def test_a_case_that_tests_nothing_fails(test: Run, repository: Path) -> None:
    changed(repository, 'spec: {containers: [{name: app, image: "app:1.0"}]}', "")
    changed(
        repository,
        "      kind: Pod\n      metadata: {name: a}\n      \n",
        "      kind: Service\n      metadata: {name: a}\n",
    )
    result = test()
    assert result.exit_code == 1
    assert "met no resource" in result.stdout


def test_a_part_of_the_cases_can_be_run(test: Run) -> None:
    # The total would say nothing of the tests: it is left out.
    assert test("policies", "-k", "version").stdout == "1 case passed (1 policy).\n"
    nothing = test("policies", "-k", "nothing")
    assert nothing.exit_code == 2
    assert "there are no cases to run" in nothing.stderr


def test_coverage_names_gaps_and_fails(test: Run, repository: Path) -> None:
    result = test("policies", "--coverage")
    assert result.exit_code == 1
    assert result.stdout == (
        "policies/no-latest.yaml:14:29: no-latest: validation 1, forEach:"
        " `object.containers()` is never empty\n"
        "2 cases passed, 1 policy with gaps (1 policy).\n"
        "Coverage: 2 of 2 outcomes of validations, 3 of 4 branches.\n"
    )
    result = test("policies", "--coverage", "-k", "a version")
    assert result.exit_code == 1
    assert "no-latest: validation 1 never fails" in result.stdout
    assert (
        'policies/no-latest.yaml:15:21: no-latest: validation 1: `c.image.endsWith(":" + params.tag'
        ")` is never true" in result.stdout
    )


def marked(repository: Path, mark: str) -> None:
    """Say in the test file that a branch is unreachable."""
    path = repository / "policies" / "no-latest_test.yaml"
    path.write_text(f"{TESTS}unreachable:\n  - {mark}\n")


EMPTY = (
    '{in: "validation 1, forEach", expression: object.containers(), never: empty,'
    " reason: the API server refuses a pod without containers}"
)


def test_a_branch_that_is_marked_unreachable_is_no_gap(test: Run, repository: Path) -> None:
    marked(repository, EMPTY)
    result = test("policies", "--coverage")
    assert result.exit_code == 0
    total = "Coverage: 2 of 2 outcomes of validations, 3 of 3 branches, 1 marked unreachable."
    assert result.stdout.splitlines()[-1] == total


def test_a_mark_that_is_wrong_fails_with_its_place(test: Run, repository: Path) -> None:
    for wrong, said in (
        (EMPTY.replace("containers()", "podSpec()"), "names no branch"),
        (EMPTY.replace("validation 1", "validation 2"), "names no branch"),
        (EMPTY.replace("empty", "non-empty"), "is reached"),
    ):
        marked(repository, wrong)
        for result in (test("policies"), test("policies", "--coverage")):
            assert result.exit_code == 1
            assert "policies/no-latest_test.yaml:19:5: unreachable: validation" in result.stderr
            assert said in result.stderr


def test_a_junit_report(test: Run, repository: Path) -> None:
    changed(repository, "line: 4", "line: 9")
    result = test("policies", "--junit", "junit.xml")
    assert result.exit_code == 1
    root = ElementTree.parse(repository / "junit.xml").getroot()
    (suite,) = root
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("no-latest", "2", "1")
    assert [len(case) for case in suite] == [1, 0]


def test_a_junit_report_tells_gaps_in_coverage(test: Run, repository: Path) -> None:
    assert test("policies", "--coverage", "--junit", "junit.xml").exit_code == 1
    (suite,) = ElementTree.parse(repository / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    *cases, last = suite
    assert [len(case) for case in cases] == [0, 0]
    assert last.get("name") == "coverage"
    assert "`object.containers()` is never empty" in last[0].text
    test("policies", "--junit", "junit.xml")
    (suite,) = ElementTree.parse(repository / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")


def test_processes_give_the_same(test: Run, repository: Path) -> None:
    policies = repository / "policies"
    for name in ("second", "third"):
        for end in (".yaml", "_test.yaml"):
            text = (policies / f"no-latest{end}").read_text()
            text = text.replace("name: no-latest", f"name: {name}")
            text = text.replace("policy: no-latest", f"policy: {name}")
            (policies / f"{name}{end}").write_text(text)
    changed(repository, "line: 4", "line: 9")
    one, two = test("policies"), test("policies", "--jobs", "2")
    assert one.stdout == two.stdout
    assert one.exit_code == two.exit_code == 1
    said = one.stdout.splitlines()
    assert said[-3] == "5 cases passed, 1 failed (3 policies)."
    assert said[-2] == "Coverage: 6 of 6 outcomes of validations, 9 of 12 branches."


def test_what_cannot_be_run_ends_with_2(test: Run, repository: Path) -> None:
    changed(repository, "policy: no-latest", "policy: no-latst")
    result = test()
    assert result.exit_code == 2
    assert 'did you mean "no-latest"?' in result.stdout
    assert test("nowhere").exit_code == 2


def test_a_test_file_that_is_wrong_is_told_with_its_place(test: Run, repository: Path) -> None:
    changed(repository, "policy: no-latest", "polcy: no-latest")
    result = test()
    assert result.exit_code == 2
    assert "policies/no-latest_test.yaml:1:1" in result.stderr


def test_every_built_in_policy_passes_its_tests(run: Run) -> None:
    from kpolicy.plugins.builtin import policies_directory

    folder = policies_directory()
    assert folder is not None
    result = run("test", str(folder / "sidecar"))
    assert result.exit_code == 0, result.output


def test_update_rewrites_what_failing_cases_expect(test: Run, repository: Path) -> None:
    path = repository / "policies" / "no-latest_test.yaml"
    changed(repository, "line: 4", "line: 9")
    result = test("policies", "--update")
    assert result.exit_code == 0
    assert result.stderr == "policies/no-latest_test.yaml: 1 updated\n"
    assert path.read_text() == TESTS
    assert test("policies", "--update").stderr == ""


def test_update_leaves_a_case_that_tests_nothing(test: Run, repository: Path) -> None:
    path = repository / "policies" / "no-latest_test.yaml"
    path.write_text(TESTS.replace("kind: Pod", "kind: Service"))
    before = path.read_text()
    assert test("policies", "--update").exit_code == 1
    assert path.read_text() == before
