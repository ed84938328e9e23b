"""The scan of the GitHub action, in a scratch repository with a pull request."""

from __future__ import annotations

from pathlib import Path

from integration_kit import POD, Script, run_git

SCRIPT = "integrations/github/scan.sh"


def pull_request(repository: Path, tmp_path: Path) -> Path:
    """A clone on a branch that adds a bad pod, as a runner has it."""
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    run_git(clone, "checkout", "--quiet", "-b", "change")
    (clone / "bad.yaml").write_text(POD % ("bad", "true"))
    run_git(clone, "add", "-A")
    run_git(clone, "commit", "--quiet", "-m", "add")
    return clone


def test_a_pull_request_is_annotated_with_what_it_adds(
    repository: Path, tmp_path: Path, script: Script
) -> None:
    (repository / "old.yaml").write_text(POD % ("old", "true"))
    run_git(repository, "add", "-A")
    run_git(repository, "commit", "--quiet", "-m", "a finding that was there before")
    clone = pull_request(repository, tmp_path)
    outputs = tmp_path / "outputs"
    done = script(
        SCRIPT, clone, shell="bash", GITHUB_BASE_REF="main", GITHUB_OUTPUT=str(outputs),
        KPOLICY_SARIF="kpolicy.sarif",
    )  # fmt: skip
    annotations = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert len(annotations) == 1, done.stdout + done.stderr
    assert "file=bad.yaml,line=6" in annotations[0]
    assert done.returncode == 1
    assert outputs.read_text() == "status=1\n"
    assert (clone / "kpolicy.sarif").exists()


def test_inputs_are_lines_and_never_run(repository: Path, tmp_path: Path, script: Script) -> None:
    spaced = repository / "a b"
    spaced.mkdir()
    (spaced / "pod.yaml").write_text(POD % ("spaced", "true"))
    done = script(
        SCRIPT, repository, shell="bash", KPOLICY_PATHS="a b\n", KPOLICY_BASE="none",
        KPOLICY_ARGS="--fail-on\nnever\n--exclude\n$(touch owned)",
    )  # fmt: skip
    assert done.returncode == 2
    assert not (repository / "owned").exists()
    done = script(SCRIPT, repository, shell="bash", KPOLICY_PATHS="a b\n", KPOLICY_FAIL_ON="never")
    assert done.returncode == 0
    assert "file=a b/pod.yaml" in done.stdout
