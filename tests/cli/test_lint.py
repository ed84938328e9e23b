"""`kpolicy lint`: kube-linter's command line, output and statuses."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from render_kit import needs, program

from kpolicy.cli.main import main

Run = Callable[..., Result]

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: true
      containers:
        - name: app
          image: registry.example/app:1.0
          ports: [{containerPort: 22}]
"""


@pytest.fixture
def lint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs `kpolicy lint` in a directory with one Deployment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)

    def run(*args: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, ["lint", *args], prog_name="kpolicy", input=stdin)

    return run


def reports(result: Result) -> list[tuple[str, str]]:
    """Return (check, object's name) of each report of a JSON output."""
    found: list[dict[str, Any]] = json.loads(result.stdout)["Reports"] or []
    return [(r["Check"], r["Object"]["K8sObject"]["Name"]) for r in found]


def test_the_json_has_kube_linters_shape(lint: Run, tmp_path: Path) -> None:
    result = lint(
        "--do-not-auto-add-defaults", "--include", "host-network", "--format", "json", "."
    )
    assert result.exit_code == 1
    assert "found 1 lint errors" in result.stderr
    data = json.loads(result.stdout)
    assert [c["name"] for c in data["Checks"]] == ["host-network"]
    assert data["Checks"][0]["template"] == "host-network"
    assert data["Checks"][0]["scope"] == {"objectKinds": ["DeploymentLike"]}
    (report,) = data["Reports"]
    assert report["Check"] == "host-network"
    assert report["Diagnostic"]["Message"]
    assert report["Remediation"] == data["Checks"][0]["remediation"]
    assert report["Object"] == {
        "Metadata": {"FilePath": str(tmp_path / "web.yaml")},
        "K8sObject": {
            "Namespace": "shop",
            "Name": "web",
            "GroupVersionKind": {"Group": "apps", "Version": "v1", "Kind": "Deployment"},
        },
    }
    assert data["Summary"]["ChecksStatus"] == "Failed"
    assert data["Summary"]["CheckEndTime"].endswith("Z")
    assert "kpolicy" in data["Summary"]["KubeLinterVersion"]


def test_a_clean_run_has_null_reports_and_ends_with_0(lint: Run) -> None:
    result = lint(
        "--do-not-auto-add-defaults", "--include", "host-pid", "--format=json", "web.yaml"
    )
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["Reports"] is None
    assert data["Summary"]["ChecksStatus"] == "Passed"


def test_the_plain_text_names_object_check_and_remediation(lint: Run, tmp_path: Path) -> None:
    result = lint("--do-not-auto-add-defaults", "--include=ssh-port", "web.yaml")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("KubeLinter ")
    start = f"{tmp_path}/web.yaml: (object: shop/web apps/v1, Kind=Deployment) container app opens"
    assert lines[2].startswith(start)
    assert "(check: ssh-port, remediation: " in lines[2]
    clean = lint("--do-not-auto-add-defaults", "--include=host-pid", "web.yaml")
    assert "No lint errors found!" in clean.stdout


def test_with_color_forces_colour(lint: Run) -> None:
    args = ("--do-not-auto-add-defaults", "--include=ssh-port", "web.yaml")
    assert "\x1b[1m" not in lint(*args).stdout
    assert "\x1b[1m" in lint(*args, "--with-color").stdout


def test_kube_linters_own_words_are_taken(lint: Run) -> None:
    """`alias kube-linter='kpolicy lint'` works, with global flags before the command."""
    args = ("--do-not-auto-add-defaults", "--include", "host-network", "--format", "json", ".")
    assert reports(lint("lint", *args)) == [("host-network", "web")]
    assert reports(lint("--with-color", "lint", *args)) == [("host-network", "web")]


def test_a_directory_called_lint_is_a_path(lint: Run, tmp_path: Path) -> None:
    (tmp_path / "lint").mkdir()
    (tmp_path / "lint" / "a.yaml").write_text(DEPLOYMENT.replace("web", "a"))
    result = lint("lint", "--format=json")
    assert result.exit_code == 1
    assert "no such file" in result.stderr or "name at least one" in result.stderr
    assert ("host-network", "a") in reports(lint("./lint", "--format=json"))


def test_the_default_set_is_kube_linters(lint: Run) -> None:
    data = json.loads(lint("web.yaml", "--format=json").stdout)
    names = [c["name"] for c in data["Checks"]]
    assert len(names) == 31
    assert "host-network" in names
    assert "minimum-three-replicas" not in names


def test_all_built_in_checks_and_exclude(lint: Run) -> None:
    data = json.loads(
        lint("web.yaml", "--add-all-built-in", "--exclude", "sorted-keys,ssh-port",
             "--format=json").stdout
    )  # fmt: skip
    names = {c["name"] for c in data["Checks"]}
    assert "minimum-three-replicas" in names
    assert not names & {"sorted-keys", "ssh-port"}
    assert len(names) == 61


def test_an_unknown_check_is_named_with_a_suggestion(lint: Run) -> None:
    result = lint("web.yaml", "--include", "host-netwrk")
    assert result.exit_code == 1
    assert 'there is no check "host-netwrk"' in result.stderr
    assert 'did you mean "host-network"' in result.stderr


def test_without_checks_a_warning_and_0(lint: Run) -> None:
    result = lint("web.yaml", "--do-not-auto-add-defaults")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no checks enabled" in result.stderr


def test_what_is_no_object_is_passed_over_unless_said_otherwise(lint: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    result = lint("empty.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no valid objects found" in result.stderr
    failing = lint("empty.yaml", "--fail-if-no-objects-found")
    assert failing.exit_code == 1
    assert "no valid objects found" in failing.stderr


def test_what_cannot_be_loaded_is_reported_on_request(lint: Run, tmp_path: Path) -> None:
    bad = DEPLOYMENT.replace("spec:\n  selector", "spec:\n  replicas: many\n  selector")
    (tmp_path / "bad.yaml").write_text(bad)
    quiet = lint("bad.yaml", "--format=json")
    assert (quiet.exit_code, quiet.stdout) == (0, "")
    assert "failed to load object" in lint("bad.yaml", "--verbose").stderr
    result = lint("bad.yaml", "--format=json", "--fail-on-invalid-resource")
    assert result.exit_code == 1
    assert reports(result) == [("failed-to-load-object", "")]


def test_broken_yaml_is_reported_on_request_and_the_rest_is_linted(
    lint: Run, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text("a: [\n")
    args = ("--do-not-auto-add-defaults", "--include=host-network", "--format=json", ".")
    assert reports(lint(*args)) == [("host-network", "web")]
    found = reports(lint(*args, "--fail-on-invalid-resource"))
    assert found == [("host-network", "web"), ("failed-to-load-object", "")]


def test_standard_input(lint: Run) -> None:
    result = lint("-", "--do-not-auto-add-defaults", "--include=host-network", "--format=json",
                  stdin=DEPLOYMENT)  # fmt: skip
    data = json.loads(result.stdout)
    assert data["Reports"][0]["Object"]["Metadata"]["FilePath"] == "<standard input>"


def test_several_formats_go_to_their_files(lint: Run, tmp_path: Path) -> None:
    result = lint("web.yaml", "--format", "json", "--output", "a.json", "--format", "sarif",
                  "--output", "b.sarif", "--format", "plain", "--output", "c.txt")  # fmt: skip
    assert result.exit_code == 1
    assert result.stdout == ""
    assert json.loads((tmp_path / "a.json").read_text())["Reports"]
    assert json.loads((tmp_path / "b.sarif").read_text())["version"] == "2.1.0"
    assert (tmp_path / "c.txt").read_text().startswith("KubeLinter ")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--format", "json,plain"), "need an --output each"),
        (("--format", "json", "--output", "a", "--output", "b"), "each --format needs its"),
        (("--format=json,plain", "--output=a,a"), "one file"),
        (("--format", "xml"), "allowed values"),
        (("--bogus",), "No such option"),
    ],
)
def test_a_wrong_use_ends_with_1(lint: Run, args: tuple[str, ...], said: str) -> None:
    result = lint("web.yaml", *args)
    assert result.exit_code == 1
    assert said in result.stderr


def test_a_path_that_is_not_there_ends_with_1(lint: Run) -> None:
    result = lint("nowhere")
    assert result.exit_code == 1
    assert "nowhere: no such file or directory" in result.stderr


def test_each_directory_is_linted_by_itself(lint: Run, tmp_path: Path) -> None:
    """A Service in one directory does not find the workload in another."""
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
    service += "spec: {selector: {app: web}}\n"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "service.yaml").write_text(service)
    args = ("--do-not-auto-add-defaults", "--include=dangling-service", "--format=json", ".")
    assert reports(lint(*args)) == [("dangling-service", "web")]
    (tmp_path / "service.yaml").write_text(service)
    assert len(reports(lint(*args))) == 1


def test_hidden_files_are_read_and_others_than_yaml_only_when_named(
    lint: Run, tmp_path: Path
) -> None:
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / ".b.YML").write_text(DEPLOYMENT.replace("web", "b"))
    (tmp_path / "c.json").write_text(DEPLOYMENT.replace("web", "c"))
    args = ("--do-not-auto-add-defaults", "--include=host-network", "--format=json")
    assert reports(lint(*args, ".")) == [("host-network", "web"), ("host-network", "b")]
    assert reports(lint(*args, "c.json")) == [("host-network", "c")]


def test_the_configuration_of_this_directory_is_read(lint: Run, tmp_path: Path) -> None:
    (tmp_path / ".kube-linter.yaml").write_text(
        "checks: {doNotAutoAddDefaults: true, include: [host-network, ssh-port]}\n"
    )
    assert [c for c, _ in reports(lint(".", "--format=json"))] == ["host-network", "ssh-port"]
    # A flag takes the place of what the file says.
    assert [c for c, _ in reports(lint(".", "--format=json", "--include=host-network"))] == [
        "host-network"
    ]


def test_false_flags_overrule_the_configuration(lint: Run, tmp_path: Path) -> None:
    (tmp_path / ".kube-linter.yml").write_text("checks: {doNotAutoAddDefaults: true}\n")
    assert "no checks enabled" in lint(".").stderr
    data = json.loads(lint(".", "--do-not-auto-add-defaults=false", "--format=json").stdout)
    assert len(data["Checks"]) == 31


def test_custom_checks_run(lint: Run, tmp_path: Path) -> None:
    (tmp_path / "cfg.yaml").write_text("""\
customChecks:
  - name: Team_label
    template: required-label
    description: Say whose it is.
    remediation: Add the label team.
    scope: {objectKinds: [DeploymentLike]}
    params: {key: "^team$"}
checks: {doNotAutoAddDefaults: true}
""")
    result = lint(".", "--config", "cfg.yaml", "--format=json")
    data = json.loads(result.stdout)
    assert reports(result) == [("Team_label", "web")]
    assert data["Reports"][0]["Remediation"] == "Add the label team."
    assert data["Checks"] == [
        {
            "name": "Team_label",
            "description": "Say whose it is.",
            "remediation": "Add the label team.",
            "scope": {"objectKinds": ["DeploymentLike"]},
            "template": "required-label",
            "params": {"key": "^team$"},
        }
    ]


def test_mistakes_in_custom_checks_have_places(lint: Run, tmp_path: Path) -> None:
    (tmp_path / "cfg.yaml").write_text("""\
customChecks:
  - name: a
    template: required-lable
  - name: b
    template: required-label
    params: {kee: x}
""")
    result = lint(".", "--config", "cfg.yaml")
    assert result.exit_code == 1
    assert 'cfg.yaml:3:15: there is no template "required-lable"' in result.stderr
    assert 'cfg.yaml:6:19: template "required-label" has no parameter "kee"' in result.stderr
    assert 'needs the parameter "key"' in result.stderr


def test_ignored_paths(lint: Run, tmp_path: Path) -> None:
    (tmp_path / "vendor" / "x").mkdir(parents=True)
    (tmp_path / "vendor" / "x" / "a.yaml").write_text(DEPLOYMENT.replace("web", "a"))
    args = ("--do-not-auto-add-defaults", "--include=host-network", "--format=json", ".")
    assert len(reports(lint(*args))) == 2
    assert reports(lint(*args, "--ignore-paths", "vendor/**")) == [("host-network", "web")]
    assert reports(lint(*args, "--ignore-paths", "**/x/*.yaml")) == [("host-network", "web")]
    # A directory's own name does not stand for what is in it, as in kube-linter.
    assert len(reports(lint(*args, "--ignore-paths", "vendor"))) == 2


def test_checks_and_templates_are_listed(lint: Run) -> None:
    checks = json.loads(lint("checks", "list", "--format", "json").stdout)
    assert len(checks) == 63
    assert {"name", "description", "remediation", "scope", "template"} <= set(checks[0])
    plain = lint("checks", "list").stdout
    assert "Name: ssh-port\n" in plain
    assert "Parameters: map[port:22 protocol:TCP]\n" in plain
    assert "## ssh-port" in lint("checks", "list", "--format=markdown").stdout
    templates = json.loads(lint("templates", "list", "--format", "json").stdout)
    by_key = {t["Key"]: t for t in templates}
    assert by_key["required-label"]["Parameters"][0]["Name"] == "key"
    assert by_key["required-label"]["Parameters"][0]["Required"] is True
    assert "Key: ports\n" in lint("templates", "list").stdout
    assert "**Key**: `ports`" in lint("templates", "list", "--format=markdown").stdout


def test_reports_come_by_object_also_where_two_are_called_alike(lint: Run, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(f"{DEPLOYMENT}---\n{DEPLOYMENT}")
    args = ("--do-not-auto-add-defaults", "--include=ssh-port,host-network", "--format=json")
    assert [c for c, _ in reports(lint("two.yaml", *args))] == [
        "host-network", "ssh-port", "host-network", "ssh-port",
    ]  # fmt: skip


def test_schema_validation_reports_an_object_once(lint: Run, tmp_path: Path) -> None:
    bad = DEPLOYMENT.replace("      hostNetwork: true", "      hostNetwrk: 1\n      hostPd: 2")
    (tmp_path / "bad.yaml").write_text(bad)
    args = ("--do-not-auto-add-defaults", "--include=schema-validation", "--format=json")
    assert reports(lint("bad.yaml", *args)) == [("schema-validation", "web")]


def on_path(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PATH", str(Path(program(name)).parent), prepend=os.pathsep)


@needs("helm")
def test_a_chart_is_rendered_as_kube_linter_renders_it(
    lint: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(monkeypatch, "helm")
    chart = tmp_path / "charts" / "web"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (chart / "values.yaml").write_text("{}\n")
    (chart / "templates" / "web.yaml").write_text(
        DEPLOYMENT.replace("name: web,", 'name: "{{ .Release.Name }}-web",')
    )
    (chart / "beside.yaml").write_text(DEPLOYMENT)
    result = lint("charts", "--format", "json", "--include", "host-network")
    found = [r for r in json.loads(result.stdout)["Reports"] if r["Check"] == "host-network"]
    (found,) = (r["Object"] for r in found)
    assert found["K8sObject"]["Name"] == "test-release-web"
    assert found["Metadata"]["FilePath"] == str(chart / "templates" / "web.yaml")


@needs("kustomize")
def test_bases_and_overlays_are_built_each_for_itself(
    lint: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(monkeypatch, "kustomize")
    for name, text in (
        ("base", "resources: [web.yaml]\n"),
        ("prod", "resources: [../base]\nnamePrefix: prod-\n"),
    ):
        (tmp_path / "k" / name).mkdir(parents=True)
        (tmp_path / "k" / name / "kustomization.yaml").write_text(text)
    (tmp_path / "k" / "base" / "web.yaml").write_text(DEPLOYMENT)
    (tmp_path / "k" / "prod" / "unused").mkdir()
    (tmp_path / "k" / "prod" / "unused" / "web.yaml").write_text(DEPLOYMENT)
    result = lint("k", "--format", "json", "--do-not-auto-add-defaults", "--include", "ssh-port")
    assert reports(result) == [("ssh-port", "prod-web"), ("ssh-port", "web")]


def test_what_a_plugin_enforces_is_enforced_among_the_checks(
    lint: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kpolicy.plugins.manager import PluginHost

    monkeypatch.setattr(PluginHost, "enforced_policies", lambda _: ("host-*", "latest-tag"))
    ignored = "annotations: {kube-linter.io/ignore-all: why}, name: web,"
    (tmp_path / "web.yaml").write_text(DEPLOYMENT.replace("name: web,", ignored))
    result = lint("web.yaml", "--format", "json", "--include", "ssh-port,host-network")
    assert result.exit_code == 1, result.output
    assert reports(result) == [("host-network", "web")]
