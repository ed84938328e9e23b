# ruff: noqa: E501 -- the texts read better whole
"""`--base`: only what a change introduces, wherever it shows."""

from __future__ import annotations

import subprocess

import pytest
from scan_kit import deployment, policy, run, service, told, write

from kpolicy.errors import UsageError

BAD = policy(
    "bad",
    """
    match: {kinds: [workloads]}
    validations:
      - forEach: {var: c, in: object.containers()}
        expression: c.name != 'bad'
        message: a bad container
    """,
)
SELECTS = policy(
    "selects",
    """
    match: {kinds: [Service]}
    validations: [{expression: "object.isRelated('selects')", message: selects nothing}]
    """,
)


def git(root, *arguments):
    """Run git quietly."""
    subprocess.run(
        ["git", "-c", "user.email=a@b", "-c", "user.name=n", *arguments],
        cwd=root, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture
def repo(tmp_path):
    """Return a function that commits files and returns the repository."""
    root = tmp_path / "repo"

    def commit(files):
        write(root, files)
        if not (root / ".git").exists():
            git(root, "init", "-q")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "x")
        return root

    return commit


def test_a_finding_that_was_there_is_not_reported(repo):
    root = repo({"a.yaml": deployment("web", "bad")})
    assert len(run(root, BAD).findings) == 1
    assert run(root, BAD, base="HEAD").findings == ()


def test_a_finding_that_moved_is_not_new(repo):
    root = repo({"a.yaml": deployment("web", "bad"), "keep.yaml": deployment("api", "good")})
    (root / "a.yaml").unlink()
    write(root, {"deep/b.yaml": "# moved\n\n" + deployment("web", "first", "bad")})
    assert run(root, BAD, base="HEAD").findings == ()


def test_a_new_finding_is_reported_once(repo):
    root = repo({"a.yaml": deployment("web", "bad")})
    write(root, {"a.yaml": deployment("web", "bad", "good", "bad")})
    (finding,) = run(root, BAD, base="HEAD").findings
    assert finding.place.location.line == 12


def test_deleting_the_only_workload_shows_at_the_untouched_service(repo):
    root = repo({"app.yaml": deployment("web", "a"), "svc.yaml": service("web", "web")})
    (root / "app.yaml").unlink()
    (finding,) = run(root, SELECTS, base="HEAD").findings
    assert finding.place.location.path.endswith("svc.yaml")
    assert "app.yaml changed" in finding.message
    assert [r.place.location.path.rpartition("/")[2] for r in finding.related] == ["app.yaml"]


def test_changing_a_label_shows_at_the_untouched_service(repo):
    root = repo({"app.yaml": deployment("web", "a"), "svc.yaml": service("web", "web")})
    write(root, {"app.yaml": deployment("other", "a")})
    (finding,) = run(root, SELECTS, base="HEAD").findings
    assert "app.yaml changed" in finding.message


def test_the_old_object_and_the_operation_reach_policies(repo):
    spec = """
        validations:
          - expression: "false"
            messageExpression: >-
              request.operation + ' ' + object.metadata.name + ' ' +
              (oldObject == null ? 'new' : oldObject.spec.template.spec.containers[0].name)
    """
    root = repo({"a.yaml": deployment("web", "before")})
    write(root, {"a.yaml": deployment("web", "after"), "b.yaml": deployment("api", "x")})
    transitions = policy(
        "t",
        "matchConditions: [{name: c, expression: 'object != oldObject && request.operation != \"\"'}]"
        + spec.replace("\n        ", "\n"),
    )
    messages = told(run(root, transitions, base="HEAD"))
    # The base run sees web too (as new), so only what that run did not say is introduced: see below.
    assert "CREATE api new" in messages


def test_a_transition_rule_fires_only_on_the_change(repo):
    spec = """
        match: {kinds: [Deployment]}
        validations:
          - expression: oldObject == null || oldObject.spec.selector == object.spec.selector
            messageExpression: request.operation + ' changes the selector of ' + object.metadata.name
    """
    root = repo({"a.yaml": deployment("web", "a"), "b.yaml": deployment("api", "a")})
    text = deployment("web", "a").replace("matchLabels: {app: web}", "matchLabels: {app: new}")
    write(root, {"moved/a.yaml": text})
    (root / "a.yaml").unlink()
    assert told(run(root, policy("p", spec), base="HEAD")) == ["UPDATE changes the selector of web"]
    assert run(root, policy("p", spec)).findings == ()


def test_a_deletion_is_judged_by_policies_that_ask_for_it(repo):
    spec = """
        matchConstraints:
          resourceRules:
            - {apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [DELETE]}
        validations:
          - expression: object != null
            messageExpression: request.operation + ' of ' + oldObject.metadata.name
    """
    root = repo({"a.yaml": deployment("web", "a"), "b.yaml": deployment("api", "a")})
    (root / "a.yaml").unlink()
    report = run(root, policy("p", spec), base="HEAD")
    assert told(report) == ["DELETE of web"]
    assert report.findings[0].place.location.path.endswith("a.yaml")


def test_the_base_may_be_a_directory(tmp_path):
    base = write(tmp_path / "base", {"x/a.yaml": deployment("web", "bad")})
    head = write(tmp_path / "head", {"x/a.yaml": deployment("web", "bad"),
                                     "x/b.yaml": deployment("api", "bad")})  # fmt: skip
    (finding,) = run(head, BAD, base=str(base)).findings
    assert finding.resource.name == "api"


def test_an_unknown_revision_is_a_usage_error(repo):
    root = repo({"a.yaml": deployment("web", "a")})
    with pytest.raises(UsageError, match="no revision"):
        run(root, BAD, base="nowhere")


def test_the_work_tree_is_left_alone(repo):
    root = repo({"a.yaml": deployment("web", "a")})
    write(root, {"a.yaml": deployment("web", "bad")})
    before = (root / "a.yaml").read_text()
    run(root, BAD, base="HEAD")
    assert (root / "a.yaml").read_text() == before
    done = subprocess.run(
        ["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True
    )
    assert done.stdout == " M a.yaml\n"


def scanned(root, *policies, **request):
    """Scan with the discovered configuration."""
    from scan_kit import toolbox

    from kpolicy.engine import ScanRequest, scan

    folder = write(root.parent / "policies", {f"p{n}.yaml": p for n, p in enumerate(policies)})
    return scan(
        ScanRequest(targets=(str(root),), policy_paths=(str(folder),), builtin=False, **request),
        toolbox(),
    )


def test_the_configuration_is_the_bases_and_its_change_is_noted(repo):
    """The author of a violation also writes the tree's configuration."""
    root = repo({".kpolicy.yaml": "severity: {bad: error}\n", "a.yaml": deployment("web", "x")})
    write(root, {".kpolicy.yaml": "exclude: [bad]\n", "a.yaml": deployment("web", "bad")})
    assert scanned(root, BAD).findings == ()
    report = scanned(root, BAD, base="HEAD")
    assert [f.severity for f in report.findings] == ["error"]
    assert ["is not in effect" in note.message for note in report.notes] == [True]


def test_a_configuration_that_the_change_adds_is_not_in_effect(repo):
    root = repo({"a.yaml": deployment("web", "x")})
    write(root, {".kpolicy.yaml": "exclude: [bad]\n", "a.yaml": deployment("web", "bad")})
    report = scanned(root, BAD, base="HEAD")
    assert len(report.findings) == 1
    assert "is not in effect" in report.notes[0].message
    trusted = scanned(root, BAD, base="HEAD", config_path=str(root / ".kpolicy.yaml"))
    assert trusted.findings == ()


def test_an_unchanged_configuration_is_no_note(repo):
    root = repo({".kpolicy.yaml": "severity: {bad: error}\n", "a.yaml": deployment("web", "x")})
    write(root, {"a.yaml": deployment("web", "bad")})
    report = scanned(root, BAD, base="HEAD")
    assert ([f.severity for f in report.findings], report.notes) == (["error"], ())


def test_a_configuration_that_the_change_removes_stays_in_effect(repo):
    root = repo({".kpolicy.yaml": "severity: {bad: error}\n", "a.yaml": deployment("web", "x")})
    (root / ".kpolicy.yaml").unlink()
    write(root, {"a.yaml": deployment("web", "bad")})
    report = scanned(root, BAD, base="HEAD")
    assert [f.severity for f in report.findings] == ["error"]
    assert len(report.notes) == 1


def test_a_committed_baseline_is_the_bases(repo):
    root = repo({"a.yaml": deployment("web", "x")})
    file = root / "baseline.json"
    run(root, BAD, write_baseline=str(file))
    repo({})
    write(root, {"a.yaml": deployment("web", "bad")})
    run(root, BAD, write_baseline=str(file))
    report = run(root, BAD, base="HEAD", baseline=str(file))
    assert len(report.findings) == 1
    assert "baseline.json is not in effect" in report.notes[0].message


def test_a_baseline_that_the_base_does_not_have_counts(repo):
    root = repo({"a.yaml": deployment("web", "x")})
    write(root, {"a.yaml": deployment("web", "bad")})
    run(root, BAD, write_baseline=str(root / "baseline.json"))
    report = run(root, BAD, base="HEAD", baseline=str(root / "baseline.json"))
    assert report.findings == ()
    assert len(report.suppressed) == 1
    (note,) = report.notes
    assert "baseline.json is new, HEAD has none" in note.message


def test_a_baseline_that_is_no_part_of_the_change_counts_without_a_word(repo, tmp_path):
    root = repo({"a.yaml": deployment("web", "x")})
    write(root, {"a.yaml": deployment("web", "bad")})
    elsewhere = tmp_path / "elsewhere" / "baseline.json"
    elsewhere.parent.mkdir()
    run(root, BAD, write_baseline=str(elsewhere))
    report = run(root, BAD, base="HEAD", baseline=str(elsewhere))
    assert report.findings == () and report.notes == ()


def test_the_configuration_of_a_base_directory_counts(tmp_path):
    base = write(tmp_path / "base", {".kpolicy.yaml": "severity: {bad: info}\n"})
    head = write(tmp_path / "head", {".kpolicy.yaml": "exclude: [bad]\n",
                                     "a.yaml": deployment("web", "bad")})  # fmt: skip
    report = scanned(head, BAD, base=str(base))
    assert [f.severity for f in report.findings] == ["info"]
    assert len(report.notes) == 1
