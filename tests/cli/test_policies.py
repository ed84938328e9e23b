"""`kpolicy policies` and `kpolicy explain`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
OWN = ("--no-builtin", "-p", "policies")


def test_list_marks_the_default_set(run: Run) -> None:
    result = run("policies", "list", *OWN)
    assert result.exit_code == 0
    assert "  * no-latest  warning  Image with the tag latest" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 policy, 1 in the default set (*)"


def test_list_holds_every_built_in_policy(run: Run) -> None:
    listed = {p["id"]: p for p in json.loads(run("policies", "list", "--format", "json").stdout)}
    assert listed["latest-tag"]["default"] is True
    assert listed["split-sidecar"]["pack"] == "sidecar"
    assert listed["exposed-services"]["default"] is False


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        (["--select", "latest-tag"], ["latest-tag"]),
        (["--select", "host-*", "--exclude", "host-pid"], ["host-ipc", "host-network"]),
    ],
)
def test_list_takes_the_selection_of_a_scan(flags: list[str], ids: list[str], run: Run) -> None:
    listed = json.loads(run("policies", "list", "--format", "json", *flags).stdout)
    assert [policy["id"] for policy in listed] == ids


def test_list_of_a_pack_is_that_pack(run: Run) -> None:
    listed = json.loads(run("policies", "list", "--format", "json", "--pack", "sidecar").stdout)
    assert {policy["pack"] for policy in listed} == {"sidecar"}
    assert "split-sidecar" in [policy["id"] for policy in listed]


def test_list_of_what_a_scan_would_run_hears_the_configuration(run: Run, repository: Path) -> None:
    (repository / ".kpolicy.yaml").write_text("exclude: [no-latest]\n")
    assert json.loads(run("policies", "list", *OWN, "--selected", "--format", "json").stdout) == []


def test_list_as_markdown_is_a_table(run: Run) -> None:
    rows = run("policies", "list", *OWN, "--format", "markdown").stdout.splitlines()
    assert rows[2] == "| `no-latest` | warning |  | yes | Image with the tag latest |"


def test_show_prints_the_policy_as_written(run: Run, repository: Path) -> None:
    written = (repository / "policies" / "no-latest.yaml").read_text()
    result = run("policies", "show", *OWN, "no-latest")
    assert result.stdout == f"# policies/no-latest.yaml\n{written}"


def test_show_prints_one_document_of_several(run: Run, repository: Path) -> None:
    policy = repository / "policies" / "no-latest.yaml"
    one = policy.read_text()
    policy.write_text(one + "---\n" + one.replace("name: no-latest", "name: second"))
    first = run("policies", "show", *OWN, "no-latest").stdout
    second = run("policies", "show", *OWN, "second").stdout
    assert "second" not in first
    assert "name: second" in second
    assert "name: no-latest" not in second
    assert run("policies", "show", *OWN, "no-latest", "second").stdout.count("\n---\n") == 1


def test_show_as_json(run: Run) -> None:
    data = json.loads(run("policies", "show", *OWN, "no-latest", "--format", "json").stdout)
    assert data["id"] == "no-latest"
    assert data["params"] == [
        {
            "name": "tag", "type": "string", "default": "latest",
            "description": "The tag that is refused.",
        }
    ]  # fmt: skip


@pytest.mark.parametrize("command", [["policies", "show"], ["explain"], ["policies", "docs"]])
def test_an_unknown_id_is_told_with_a_suggestion(command: list[str], run: Run) -> None:
    result = run(*command, *OWN, "no-latst")
    assert result.exit_code == 2
    assert 'no policy "no-latst"' in result.stderr
    assert 'did you mean "no-latest"?' in result.stderr


def test_explain_says_what_why_and_what_to_do(run: Run) -> None:
    text = run("explain", *OWN, "no-latest").stdout
    for part in (
        "no-latest: Image with the tag latest",
        "A tag that moves is no version.",
        "What to do: Name a version.",
        'tag (string) = "latest"',
        "The tag that is refused.",
        "Looks at: workloads",
        'annotation ignore.kpolicy.dev/no-latest: "why"',
    ):
        assert part in text


def test_docs_are_pages_in_markdown(run: Run, repository: Path) -> None:
    page = run("policies", "docs", *OWN, "no-latest").stdout
    assert page.startswith("# no-latest\n\n**Image with the tag latest**\n")
    assert '| `tag` | string | `"latest"` | The tag that is refused. |' in page
    result = run("policies", "docs", *OWN, "--output", "site")
    assert result.exit_code == 0
    (of_pack,) = (p for p in (repository / "site").glob("*.md") if p.name != "README.md")
    assert '<a id="no-latest"></a>' in of_pack.read_text()
    index = (repository / "site" / "README.md").read_text()
    assert f"[`no-latest`]({of_pack.name}#no-latest) | warning |" in index


def test_check_of_sound_policies(run: Run) -> None:
    result = run("policies", "check", "policies", "--no-builtin")
    assert result.exit_code == 0
    assert result.stdout == "1 policy checked, no mistakes.\n"


def test_check_of_every_built_in_policy(run: Run) -> None:
    result = run("policies", "check")
    assert result.exit_code == 0, result.stderr


def test_check_tells_all_mistakes_of_all_files(run: Run, repository: Path) -> None:
    folder = repository / "policies"
    good = (folder / "no-latest.yaml").read_text()
    (folder / "cel.yaml").write_text(
        good.replace("name: no-latest", "name: cel").replace("c.image.ends", "d.image.ends")
    )
    (folder / "shape.yaml").write_text(
        good.replace("name: no-latest", "name: shape").replace("severity: warning", "severity: bad")
    )
    result = run("policies", "check", "--no-builtin", "policies")
    assert result.exit_code == 2
    assert "policies/cel.yaml:15:" in result.stderr
    assert "policies/shape.yaml:7:" in result.stderr
    assert result.stderr.rstrip().endswith("2 mistakes in 2 policies.")


def test_check_of_a_pack_that_is_loaded_anyway_finds_no_duplicates(run: Run) -> None:
    from kpolicy.plugins.builtin import policies_directory

    result = run("policies", "check", str(policies_directory()))
    assert result.exit_code == 0, result.stderr
