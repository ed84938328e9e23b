"""Who owns the gate: what a scanned tree can do against policies that it does not own."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from scan_kit import policy, toolbox, write

from kpolicy.engine import ScanRequest, scan
from kpolicy.engine.outcome import exit_status
from kpolicy.engine.settings import effective_config
from kpolicy.findings import Report
from kpolicy.policy.packs import PolicyPack

RULE = """
    match: {kinds: [ConfigMap]}
    severity: warning
    default: true
    params: {limit: {type: integer, default: 0}}
    validations: [{expression: "params.limit > 3", message: bad}]
"""
THING = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: shop}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one violation of each of two policies."""
    root = write(tmp_path / "repo", {"apps/a.yaml": THING})
    (root / ".git").mkdir()
    write(tmp_path / "acme", {"owned.yaml": policy("acme-owned", RULE),
                              "free.yaml": policy("free", RULE)})  # fmt: skip
    return root


def gate(tree: Path, enforced: tuple[str, ...] = ("acme-*",), **request: object) -> Report:
    """Scan the tree as where a plugin has two policies and enforces some."""
    pack = PolicyPack("acme", tree.parent / "acme", plugin="acme")
    box = replace(toolbox(), packs=(pack,), enforced=enforced)
    asked = ScanRequest(targets=(str(tree),), jobs=1, cache=False, **request)  # type: ignore[arg-type]
    return scan(replace(asked, config=effective_config(asked, box)), box)


def told(report: Report) -> set[str]:
    return {f"{f.policy} {f.severity}" for f in report.findings}


def notes(report: Report) -> str:
    return "\n".join(str(note) for note in report.notes)


ATTEMPTS = {
    "exclude: ['*']": set(),
    "exclude: [acme-owned, free]": set(),
    "severity: {'*': info}": {"free info"},
    "params: {acme-owned: {limit: 9}, free: {limit: 9}}": set(),
    "suppressions: [{names: ['*'], reason: no}]": set(),
    "overrides: [{paths: [apps], exclude: ['*']}]": set(),
    "overrides: [{paths: [apps], severity: {'*': info}}]": {"free info"},
    "paths: {exclude: [apps]}": set(),
    "defaults: false": set(),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_tree_s_configuration_weakens_only_what_is_the_tree_s(attempt: str, tree: Path) -> None:
    write(tree, {".kpolicy.yaml": attempt})
    report = gate(tree)
    assert told(report) == {"acme-owned warning"} | ATTEMPTS[attempt]
    if attempt != "defaults: false":
        key = attempt.partition(":")[0]
        assert ".kpolicy.yaml:1:" in notes(report)
        assert f'"acme-*" is enforced by a plugin: `{key}' in notes(report)
    assert not any(f.policy == "acme-owned" for f in gate(tree, ()).findings) or (
        "severity" in attempt
    ), "without the plugin's word the attempt succeeds"


@pytest.mark.parametrize("fail_on", ["error", "never"])
def test_the_exit_status_is_not_the_tree_s_either(fail_on: str, tree: Path) -> None:
    write(tree, {".kpolicy.yaml": f"failOn: {fail_on}"})
    report = gate(tree)
    box = replace(toolbox(), enforced=("acme-*",))
    guards = effective_config(ScanRequest(targets=(str(tree),)), box).guards
    assert exit_status(report, fail_on=fail_on, enforced=guards) == 1  # type: ignore[arg-type]
    assert "`failOn` does not count" in notes(report)
    free = replace(report, findings=tuple(f for f in report.findings if f.policy == "free"))
    assert exit_status(free, fail_on=fail_on, enforced=guards) == 0  # type: ignore[arg-type]


def test_absolute_paths_are_excluded_for_the_tree_s_own_policies(tree: Path) -> None:
    """As kube-linter's `ignorePaths` has them."""
    write(tree, {".kpolicy.yaml": f"paths: {{exclude: ['{tree}/apps/**']}}"})
    assert told(gate(tree)) == {"acme-owned warning"}


def test_broken_files_of_excluded_paths_stay_excluded(tree: Path) -> None:
    write(tree, {".kpolicy.yaml": "paths: {exclude: [vendor]}", "vendor/b.yaml": "kind: [\n"})
    assert gate(tree).invalid == ()


def test_a_raised_severity_is_no_attempt(tree: Path) -> None:
    write(tree, {".kpolicy.yaml": "severity: {acme-owned: error}"})
    assert gate(tree).notes == ()


def test_what_a_given_configuration_enforces_is_read_instead_of_the_tree_s(tree: Path) -> None:
    write(tree, {".kpolicy.yaml": "exclude: [acme-owned]"})
    owner = tree.parent / "owner.yaml"
    owner.write_text("enforced: ['acme-*']\n")
    report = gate(tree, (), config_path=str(owner))
    assert told(report) == {"acme-owned warning", "free warning"}
    assert '.kpolicy.yaml:1:11: "acme-*" is enforced: `exclude` does not count' in notes(report)


@pytest.mark.parametrize(
    "text",
    [
        THING.replace("{name: x", "{name: x, annotations: {kpolicy.dev/ignore: '*'}"),
        THING.replace("{name: x", "{name: x, annotations: {ignore.kpolicy.dev/acme-owned: no}"),
        "# kpolicy:ignore acme-owned no\n" + THING,
    ],
)
@pytest.mark.parametrize("by_plugin", [True, False])
def test_globs_enforce_against_annotations_and_comments(
    text: str, by_plugin: bool, tree: Path
) -> None:
    write(tree, {"apps/a.yaml": text})
    owner = tree.parent / "owner.yaml"
    owner.write_text("enforced: ['acme-*']\n")
    report = gate(tree) if by_plugin else gate(tree, (), config_path=str(owner))
    assert "acme-owned warning" in told(report)
    assert '"acme-owned" is enforced' in notes(report)


def test_a_baseline_of_the_tree_silences_no_enforced_policy(tree: Path) -> None:
    inside, outside = tree / "baseline.json", tree.parent / "baseline.json"
    for path in (inside, outside):
        gate(tree, (), write_baseline=str(path))
    assert told(gate(tree, baseline=str(outside))) == set()
    report = gate(tree, baseline=str(inside))
    assert told(report) == {"acme-owned warning"}
    assert '"acme-owned" is enforced; the baseline' in notes(report)


def test_a_baseline_that_the_base_has_was_agreed_on(tree: Path) -> None:
    (tree / ".git").rmdir()
    gate(tree, (), write_baseline=str(tree / "baseline.json"))

    def git(*words: str) -> None:
        person = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *person, *words], cwd=tree, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (tree / "apps" / "a.yaml").rename(tree / "a.yaml")
    (tree / "a.yaml").unlink()
    git("add", ".")
    git("commit", "-qm", "first")
    write(tree, {"apps/a.yaml": THING})
    assert told(gate(tree, baseline=str(tree / "baseline.json"), base="main")) == set()


def test_a_policy_that_there_is_not_cannot_be_enforced(tree: Path) -> None:
    (problem,) = gate(tree, ("acme-owend",)).problems
    assert 'a plugin enforces "acme-owend", but there is no such policy' in problem.message
    assert "acme-owned" in problem.hint


def test_what_lies_among_policies_and_is_none_is_scanned(tree: Path) -> None:
    """Naming a folder as one of policies hides nothing in it that is not read as a policy."""
    names = ("pol/thing_test.yaml", "pol/__more/thing.yaml")
    rules = {"pol/p.yaml": policy("own", RULE), "pol/kustomization.yaml": "resources: [p.yaml]\n"}
    write(tree, {".kpolicy.yaml": "policies: [pol]", **rules, **dict.fromkeys(names, THING)})
    report = gate(tree)
    found = {f.place.location.path.partition("/repo/")[2] for f in report.findings}
    assert found == {"apps/a.yaml", *names}
    assert report.problems == ()
    assert report.summary.skipped["policy"] == 2
