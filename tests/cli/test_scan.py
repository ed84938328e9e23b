"""`kpolicy scan`: what it prints where, and its exit status."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


def test_a_finding_is_shown_with_its_line_and_ends_with_1(scan: Run) -> None:
    result = scan("apps")
    assert result.exit_code == 1
    assert "apps/bad.yaml:7:7  Pod bad" in result.stdout
    assert "7 │     - name: app" in result.stdout
    assert "warning[no-latest] container app uses registry.example/app:latest" in result.stdout
    assert "fix: Name a version." in result.stdout
    assert "good.yaml" not in result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 warning in 2 resources, 1 policy, ")


def test_a_clean_scan_ends_with_0(scan: Run) -> None:
    result = scan("apps/good.yaml")
    assert result.exit_code == 0
    assert result.stdout.startswith("No findings in 1 resource, 1 policy")
    assert result.stderr == ""


def test_without_a_path_this_directory_is_scanned(scan: Run) -> None:
    data = json.loads(scan("--format", "json").stdout)
    assert data["summary"]["resources"] == 2
    assert [f["location"]["path"] for f in data["findings"]] == ["apps/bad.yaml"]


def test_what_p_names_is_not_scanned(scan: Run) -> None:
    assert "policies/" not in scan(".", "--format", "json").stdout


@pytest.mark.parametrize(
    ("severity", "fail_on", "status"),
    [
        ("warning", None, 1),
        ("warning", "error", 0),
        ("warning", "warning", 1),
        ("warning", "info", 1),
        ("warning", "never", 0),
        ("error", "error", 1),
        ("info", None, 0),
        ("info", "info", 1),
    ],
)
def test_fail_on_decides_the_status(
    severity: str, fail_on: str | None, status: int, scan: Run, repository: Path
) -> None:
    policy = repository / "policies" / "no-latest.yaml"
    policy.write_text(policy.read_text().replace("severity: warning", f"severity: {severity}"))
    flags = ["--fail-on", fail_on] if fail_on else []
    assert scan("apps", *flags).exit_code == status


def test_the_configuration_sets_fail_on_and_the_flag_wins(scan: Run, repository: Path) -> None:
    (repository / ".kpolicy.yaml").write_text("failOn: never\n")
    assert scan("apps").exit_code == 0
    assert scan("apps", "--fail-on", "warning").exit_code == 1
    assert scan("apps", "--isolated").exit_code == 1


def test_a_broken_file_is_explained_and_ends_with_2(scan: Run, repository: Path) -> None:
    (repository / "apps" / "broken.yaml").write_text("kind: Pod\nmetadata: [\n")
    result = scan("apps")
    assert result.exit_code == 2
    assert "apps/broken.yaml:" in result.stdout
    assert "1 invalid" in result.stdout.splitlines()[-1]
    assert "no-latest" in result.stdout, "the rest of the scan goes on"


@pytest.mark.parametrize(("path", "status"), [("apps", 1), ("apps/good.yaml", 0)])
def test_skip_invalid_lists_but_does_not_raise(
    path: str, status: int, scan: Run, repository: Path
) -> None:
    (repository / "broken.yaml").write_text("kind: Pod\nmetadata: [\n")
    result = scan(path, "broken.yaml", "--skip-invalid", "--format", "json")
    assert result.exit_code == status
    assert json.loads(result.stdout)["summary"]["invalid"] == 1


def test_nothing_scanned_is_said_and_can_be_a_failure(scan: Run, repository: Path) -> None:
    (repository / "empty").mkdir()
    result = scan("empty")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("Nothing was scanned")
    assert scan("empty", "--fail-if-nothing-scanned").exit_code == 2
    assert scan("apps/good.yaml", "--fail-if-nothing-scanned").exit_code == 0


def test_a_path_that_is_not_there_ends_with_2(scan: Run) -> None:
    result = scan("no/such/path")
    assert result.exit_code == 2
    assert "no/such/path" in result.output


def test_stdin_is_scanned_and_shown(scan: Run, repository: Path) -> None:
    text = (repository / "apps" / "bad.yaml").read_text()
    result = scan("-", input=text)
    assert result.exit_code == 1
    assert "<stdin>:7:7" in result.stdout
    assert "│     - name: app" in result.stdout


@pytest.mark.parametrize("flag", ["--select", "--include", "--exclude"])
def test_an_unknown_policy_is_a_usage_error_with_a_suggestion(flag: str, scan: Run) -> None:
    result = scan("apps", flag, "no-latst")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert 'no policy "no-latst"' in result.stderr
    assert 'did you mean "no-latest"?' in result.stderr


def test_an_unknown_pack_is_a_usage_error(scan: Run) -> None:
    result = scan("apps", "--pack", "nothing")
    assert result.exit_code == 2
    assert 'no pack "nothing"' in result.stderr


def test_selection_is_repeatable_and_comma_separated(scan: Run, repository: Path) -> None:
    policy = (repository / "policies" / "no-latest.yaml").read_text()
    for name in ("second", "third"):
        text = policy.replace("name: no-latest", f"name: {name}")
        (repository / "policies" / f"{name}.yaml").write_text(text)

    def policies(*flags: str) -> list[str]:
        found = json.loads(scan("apps", "--format", "json", *flags).stdout)["findings"]
        return [f["policy"] for f in found]

    assert policies() == ["no-latest", "second", "third"]
    assert policies("--select", "second,third") == ["second", "third"]
    assert policies("--select", "second", "--select", "third") == ["second", "third"]
    assert policies("--exclude", "second", "--exclude", "*latest") == ["third"]
    assert policies("--select", "second,third", "--exclude", "third") == ["second"]


def test_an_empty_name_is_a_usage_error(scan: Run) -> None:
    result = scan("apps", "--select", "a,,b")
    assert result.exit_code == 2
    assert "has an empty name" in result.stderr


def test_a_parameter_can_be_set(scan: Run) -> None:
    found = json.loads(scan("apps", "--param", "no-latest.tag='1.2'", "--format", "json").stdout)[
        "findings"
    ]
    assert [f["resource"]["name"] for f in found] == ["good"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("tag=1", "cannot read"),
        ("no-latest.tag", "cannot read"),
        ("no-latest.tag=[", "no YAML value"),
        ("no-latest.tagg=x", "tagg"),
        ("no-latst.tag=x", "no-latst"),
    ],
)
def test_a_wrong_parameter_is_a_usage_error(word: str, said: str, scan: Run) -> None:
    result = scan("apps", "--param", word)
    assert result.exit_code == 2
    assert said in result.stderr


def test_machine_output_is_alone_on_stdout(scan: Run) -> None:
    result = scan("apps", "--format", "json", "--stats", "--verbose")
    assert json.loads(result.stdout)["version"]
    assert "resources/s" in result.stderr
    assert "configuration: none" in result.stderr


def test_several_formats_go_to_their_files(scan: Run, repository: Path) -> None:
    result = scan(
        "apps", "--format", "json", "--output", "out.json", "--format", "sarif",
        "--output", "out.sarif", "--format", "text",
    )  # fmt: skip
    assert result.exit_code == 1
    assert json.loads((repository / "out.json").read_text())["findings"]
    assert json.loads((repository / "out.sarif").read_text())["version"] == "2.1.0"
    assert result.stdout.startswith("apps/bad.yaml")


def test_a_dash_as_output_is_stdout(scan: Run, repository: Path) -> None:
    result = scan("apps", "-f", "json", "-o", "-", "-f", "text", "-o", "report.txt")
    assert json.loads(result.stdout)
    assert (repository / "report.txt").read_text().startswith("apps/bad.yaml")


@pytest.mark.parametrize(
    ("name", "start"), [("r.json", "{"), ("r.sarif", "{"), ("r.txt", "apps/"), ("r", "apps/")]
)
def test_a_file_without_a_format_gets_the_one_of_its_name(
    name: str, start: str, scan: Run, repository: Path
) -> None:
    result = scan("apps", "--output", name)
    assert result.stdout == ""
    assert (repository / name).read_text().startswith(start)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--format", "jsn"], 'did you mean "json"?'),
        (["--format", "json", "--format", "text"], "several formats would go to standard output"),
        (["-f", "json", "-o", "x", "-f", "text", "-o", "./x"], "two reports would go to"),
        (["--output", "nowhere/x"], "nowhere/x: cannot write the output: the directory"),
        (["--output", "apps"], "apps: cannot write the output: it is a directory"),
        (["--write-baseline", "nowhere/x"], "nowhere/x: cannot write the output"),
        (["--quiet", "--verbose"], "contradict"),
        (["--jobs", "many"], "many"),
        (["--fail-on", "fatal"], "fatal"),
        (["--no-such-flag"], "--no-such-flag"),
    ],
)
def test_usage_errors_come_before_the_scan_and_end_with_2(
    flags: list[str], said: str, scan: Run
) -> None:
    result = scan("apps", *flags)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_output_files_are_replaced_whole_and_keep_their_mode(scan: Run, repository: Path) -> None:
    target = repository / "report.json"
    target.write_text("old")
    target.chmod(0o640)
    scan("apps", "--output", "report.json")
    assert json.loads(target.read_text())
    assert target.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in repository.iterdir() if p.name.startswith(".report")] == []


def test_output_through_a_symbolic_link_writes_its_target(scan: Run, repository: Path) -> None:
    (repository / "link.json").symlink_to("real.json")
    scan("apps", "--output", "link.json")
    assert (repository / "link.json").is_symlink()
    assert json.loads((repository / "real.json").read_text())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_and_not_a_traceback(scan: Run) -> None:
    result = scan("apps", "--format", "json", "--output", "/dev/full")
    assert result.exit_code == 2
    assert "/dev/full: cannot write the output: No space left on device" in result.stderr


def test_a_bad_policy_is_an_error_with_its_place(scan: Run, repository: Path) -> None:
    policy = repository / "policies" / "no-latest.yaml"
    policy.write_text(policy.read_text().replace("c.image", "d.image"))
    result = scan("apps")
    assert result.exit_code == 2
    assert "; 2 problems" in result.stdout
    assert "policies/no-latest.yaml:15:" in result.stderr
    assert "^" in result.stderr


def test_all_mistakes_of_a_configuration_are_told_at_once(scan: Run, repository: Path) -> None:
    (repository / ".kpolicy.yaml").write_text("inclde: []\nfailOn: soon\n")
    result = scan("apps")
    assert result.exit_code == 2
    assert ".kpolicy.yaml:1:1:" in result.stderr
    assert ".kpolicy.yaml:2:9:" in result.stderr
    assert "1 | inclde: []" in result.stderr


def test_a_named_configuration_that_is_not_there_is_an_error(scan: Run) -> None:
    result = scan("apps", "-c", "missing.yaml")
    assert result.exit_code == 2
    assert "missing.yaml" in result.stderr


def test_results_all_lists_passes(scan: Run) -> None:
    data = json.loads(scan("apps", "--format", "json", "--results", "all").stdout)
    assert {(f["resource"]["name"], f["outcome"]) for f in data["findings"]} == {
        ("bad", "fail"),
        ("good", "pass"),
    }
    assert data["summary"]["findings"] == {"error": 0, "warning": 1, "info": 0}


def test_a_baseline_silences_what_it_holds_and_nothing_else(scan: Run, repository: Path) -> None:
    written = scan("apps", "--write-baseline", "baseline.json")
    assert written.exit_code == 0, "writing a baseline accepts what was found"
    assert "Written: baseline.json; --baseline baseline.json passes over these" in written.stderr
    result = scan("apps", "--baseline", "baseline.json")
    assert result.exit_code == 0
    assert "1 suppressed" in result.stdout
    bad = (repository / "apps" / "bad.yaml").read_text()
    (repository / "apps" / "new.yaml").write_text(bad.replace("name: bad", "name: new"))
    result = scan("apps", "--baseline", "baseline.json")
    assert result.exit_code == 1
    assert "apps/new.yaml" in result.stdout
    assert "apps/bad.yaml" not in result.stdout


def test_a_baseline_that_is_none_is_an_error(scan: Run, repository: Path) -> None:
    (repository / "baseline.json").write_text("[]")
    result = scan("apps", "--baseline", "baseline.json")
    assert result.exit_code == 2
    assert "is no baseline" in result.stderr


def test_suppressions_can_be_turned_off(scan: Run, repository: Path) -> None:
    bad = repository / "apps" / "bad.yaml"
    note = '  annotations: {kpolicy.dev/ignore: "no-latest"}\nspec:'
    bad.write_text(bad.read_text().replace("spec:", note))
    assert scan("apps").exit_code == 0
    assert scan("apps", "--no-suppressions").exit_code == 1


def test_unused_suppressions_are_named_on_request(scan: Run, repository: Path) -> None:
    good = repository / "apps" / "good.yaml"
    note = '  annotations: {kpolicy.dev/ignore: "no-latest"}\nspec:'
    good.write_text(good.read_text().replace("spec:", note))
    assert "note:" not in scan("apps").stderr
    result = scan("apps", "--unused-suppressions")
    assert "note: apps/good.yaml:" in result.stderr
    assert "kpolicy.dev/ignore" in result.stderr


def test_colour_is_for_terminals_and_on_request(scan: Run) -> None:
    assert "\x1b[" not in scan("apps").stdout
    assert "\x1b[" in scan("apps", "--color", "always").stdout
    assert "\x1b[" not in scan("apps", "--color", "never").stdout


def test_no_color_wins_over_force_color(scan: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in scan("apps").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in scan("apps").stdout


def test_both_engines_find_the_same(scan: Run) -> None:
    compiled = scan("apps", "--format", "json")
    reference = scan("apps", "--format", "json", "--engine", "reference")
    assert compiled.stdout == reference.stdout
    assert compiled.exit_code == reference.exit_code == 1


def test_output_is_the_same_however_many_workers(scan: Run) -> None:
    one = scan("apps", "--format", "json", "--jobs", "1")
    two = scan("apps", "--format", "json", "--jobs", "2")
    assert one.stdout == two.stdout


def test_an_operation_reaches_the_policies(scan: Run, repository: Path) -> None:
    policy = repository / "policies" / "no-latest.yaml"
    policy.write_text(
        policy.read_text().replace(
            "  match:", "  matchConditions: [{name: on, expression: request.operation == 'UPDATE'}]"
            "\n  match:",
        )
    )  # fmt: skip
    assert scan("apps").exit_code == 0
    assert scan("apps", "--operation", "UPDATE").exit_code == 1


def test_an_internal_error_asks_for_a_report(scan: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("what now")

    monkeypatch.setattr("kpolicy.engine.scan", broken, raising=False)
    result = scan("apps")
    assert result.exit_code == 2
    assert "internal error: RuntimeError: what now" in result.stderr
    assert "KPOLICY_DEBUG=1" in result.stderr
    assert "Traceback" not in result.stderr
    monkeypatch.setenv("KPOLICY_DEBUG", "1")
    assert "Traceback" in scan("apps").stderr


def test_ctrl_c_ends_with_130_and_leaves_written_output(
    scan: Run, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    (repository / "report.json").write_text("before")

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kpolicy.engine.scan", interrupted, raising=False)
    result = scan("apps", "--output", "report.json")
    assert result.exit_code == 130
    assert result.stderr.strip() == "kpolicy: interrupted"
    assert (repository / "report.json").read_text() == "before"


def test_a_user_reaches_the_policies(scan: Run, repository: Path) -> None:
    policy = repository / "policies" / "no-latest.yaml"
    condition = (
        "  matchConditions: [{name: a, expression: \"'admins' in request.userInfo.groups\"}]"
    )
    policy.write_text(policy.read_text().replace("  match:", condition + "\n  match:"))
    (repository / "user.yml").write_text("username: ann\ngroups: [admins]\nextra: {scopes: [a]}\n")
    assert scan("apps").exit_code == 0
    assert scan("apps", "--user", "user.yml").exit_code == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("usernam: ann\n", 'user.yml:1:1: unknown key "usernam"'),
        ("username: [a]\n", "user.yml:1:11: "),
        ("groups: a\n", "user.yml:1:9: "),
        ("a: [\n", "user.yml:"),
        ("", "user.yml: a user is one document"),
    ],
)
def test_a_bad_user_is_an_error_with_its_place(
    text: str, said: str, scan: Run, repository: Path
) -> None:
    (repository / "user.yml").write_text(text)
    result = scan("apps", "--user", "user.yml")
    assert result.exit_code == 2
    assert said in result.stderr
    assert scan("apps", "--user", "missing.yml").exit_code == 2


def _git(*arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        check=True, capture_output=True,
    )  # fmt: skip


def test_base_reports_what_a_change_introduces(scan: Run, repository: Path) -> None:
    (repository / ".git").rmdir()
    _git("init", "-q", "-b", "main")
    _git("add", ".")
    _git("commit", "-q", "-m", "first")
    assert scan("apps", "--base", "main").exit_code == 0
    bad = (repository / "apps" / "bad.yaml").read_text()
    (repository / "apps" / "new.yaml").write_text(bad.replace("name: bad", "name: new"))
    result = scan("apps", "--base", "main", "--format", "github")
    assert result.exit_code == 1
    (annotation, _) = result.stdout.splitlines()
    assert annotation.startswith("::warning file=apps/new.yaml,line=7,col=7,title=no-latest")
    unknown = scan("apps", "--base", "no-such-revision")
    assert unknown.exit_code == 2
    assert "no-such-revision" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def test_a_template_of_one_s_own(scan: Run, repository: Path) -> None:
    (repository / "my.j2").write_text(
        "{{ findings | length }} in {{ findings[0].location.path }}\n"
    )
    result = scan("apps", "--format", "template", "--template", "my.j2")
    assert result.stdout == "1 in apps/bad.yaml\n"
    assert scan("apps", "--format", "template").exit_code == 2
    assert scan("apps", "--template", "my.j2").exit_code == 2
    assert scan("apps", "--format", "template", "--template", "none.j2").exit_code == 2
    (repository / "my.j2").write_text("{{ nothing }}")
    result = scan("apps", "--format", "template", "--template", "my.j2")
    assert result.exit_code == 2
    assert "my.j2:1: UndefinedError" in result.stderr


def test_what_was_found_is_said_where_every_report_goes_to_a_file(scan: Run) -> None:
    result = scan("apps", "-o", "report.json")
    assert result.stdout == ""
    first, last = result.stderr.splitlines()
    assert first.startswith("1 warning in 2 resources")
    assert last == "Written: report.json"
    assert scan("apps", "-o", "report.json", "--quiet").stderr == ""
    assert "Written" not in scan("apps", "-f", "json").stderr
