"""ApplicationSets are expanded as the examples of Argo CD's own documentation say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scan_kit import write

from kpolicy.rendering.gitops.application_sets import NotKnown, applications_of
from kpolicy.rendering.gitops.globs import matches
from kpolicy.rendering.gitops.repository import Repository
from kpolicy.rendering.reading import mappings
from kpolicy.rendering.tree import DiskTree

HERE = "https://git.example/acme/config.git"


def expand(root: Path, spec: str, files: tuple[str, ...] | dict[str, str] = ()) -> list[Any]:
    """Return (name, path, namespace) of the Applications of a set with this `spec`."""
    texts = files if isinstance(files, dict) else dict.fromkeys(files, "a: 1\n")
    write(root, {".git/config": "", **texts})
    text = f"kind: ApplicationSet\nmetadata: {{name: set, namespace: argocd}}\nspec:\n{spec}"
    (body,) = mappings(text.encode())
    found = applications_of(body, DiskTree(str(root)), Repository.of([HERE]))
    assert all(a["metadata"]["namespace"] == "argocd" for a in found)
    return [
        (
            a["metadata"]["name"],
            a["spec"]["source"]["path"],
            a["spec"]["destination"].get("namespace"),
        )
        for a in found
    ]


def template(name: str, path: str, namespace: str = "guestbook") -> str:
    return f"""
  template:
    metadata: {{name: '{name}'}}
    spec:
      source: {{repoURL: "{HERE}", path: '{path}'}}
      destination: {{namespace: '{namespace}'}}
"""


LIST = """
  generators:
  - list:
      elements:
      - {cluster: engineering-dev, url: "https://kubernetes.default.svc"}
      - {cluster: engineering-prod, url: "https://kubernetes.default.svc", nameSuffix: -x}
"""
DIRECTORIES = f"""
  generators:
  - git:
      repoURL: {HERE}
      directories:
      - path: addons/*
      - path: addons/exclude-*
        exclude: true
"""
ADDONS = (
    "addons/argo-workflows/kustomization.yaml", "addons/prometheus_operator/Chart.yaml",
    "addons/exclude-guestbook/a.yaml", "addons/argo-workflows/deeper/a.yaml", "addons/README.md",
    "addons/.hidden/a.yaml", "other/a/b.yaml",
)  # fmt: skip


def test_a_list_with_plain_templates(tmp_path: Path) -> None:
    spec = LIST + template("{{cluster}}-guestbook", "guestbook/{{ cluster }}")
    assert expand(tmp_path, spec) == [
        ("engineering-dev-guestbook", "guestbook/engineering-dev", "guestbook"),
        ("engineering-prod-guestbook", "guestbook/engineering-prod", "guestbook"),
    ]


def test_a_generator_may_have_a_template_of_its_own(tmp_path: Path) -> None:
    """What it leaves out is taken from the template of the set."""
    spec = LIST.replace(
        "  - list:", "  - list:\n      template: {spec: {source: {path: 'own/{{cluster}}'}}}"
    )
    spec += """
  - list:
      elements: [{cluster: other}]
"""
    spec += template("{{cluster}}", "shared/{{cluster}}")
    assert expand(tmp_path, spec) == [
        ("engineering-dev", "own/engineering-dev", "guestbook"),
        ("engineering-prod", "own/engineering-prod", "guestbook"),
        ("other", "shared/other", "guestbook"),
    ]


def test_a_list_with_go_templates(tmp_path: Path) -> None:
    go = '\n  goTemplate: true\n  goTemplateOptions: ["missingkey=error"]'
    spec = go + LIST + template('{{.cluster}}{{dig "nameSuffix" "" .}}', "guestbook/{{.cluster}}")
    assert [name for name, _, _ in expand(tmp_path, spec)] == [
        "engineering-dev", "engineering-prod-x",
    ]  # fmt: skip


@pytest.mark.parametrize("go", [True, False])
def test_git_directories(tmp_path: Path, go: bool) -> None:
    dot, index = (".", "{{index .path.segments 0}}") if go else ("", "{{path[0]}}")
    path = "{{.path.path}}" if go else "{{path}}"
    name = "{{" + dot + "path.basenameNormalized}}"
    spec = (f"\n  goTemplate: {str(go).lower()}" + DIRECTORIES) + template(name, path, index)
    assert expand(tmp_path, spec, ADDONS) == [
        ("argo-workflows", "addons/argo-workflows", "addons"),
        ("prometheus-operator", "addons/prometheus_operator", "addons"),
    ]


def test_the_root_of_the_repository(tmp_path: Path) -> None:
    spec = DIRECTORIES.replace("addons/*", "'*'").replace("addons/exclude-*", "other")
    assert expand(tmp_path, spec + template("{{path}}", "{{path.path}}"), ADDONS) == [
        ("addons", "addons", "guestbook"),
    ]  # fmt: skip


CONFIGS = {
    "cluster-config/engineering/dev/config.json": '{"cluster": {"name": "engineering-dev"}}',
    "cluster-config/engineering/prod/config.json": '{"cluster": {"name": "engineering-prod"}}',
    "cluster-config/other.json": "{}",
}
FILES = f"""
  generators:
  - git:
      repoURL: {HERE}
      files:
      - path: "cluster-config/**/config.json"
"""


@pytest.mark.parametrize("go", [True, False])
def test_git_files(tmp_path: Path, go: bool) -> None:
    dot = "." if go else ""
    names = template("{{" + dot + "cluster.name}}-guestbook", "{{" + dot + "path.basename}}")
    spec = f"\n  goTemplate: {str(go).lower()}" + FILES + names
    assert expand(tmp_path, spec, CONFIGS) == [
        ("engineering-dev-guestbook", "dev", "guestbook"),
        ("engineering-prod-guestbook", "prod", "guestbook"),
    ]


MATRIX = f"""
  goTemplate: true
  goTemplateOptions: ["missingkey=error"]
  generators:
  - matrix:
      generators:
      - git:
          repoURL: {HERE}
          directories: [{{path: addons/*}}]
          values: {{short: '{{{{ .path.basename | trunc 4 }}}}'}}
      - list:
          elements: [{{cluster: staging}}, {{cluster: production}}]
"""


def test_a_matrix_of_directories_and_a_list(tmp_path: Path) -> None:
    spec = MATRIX + template(
        "{{.path.basename}}-{{.cluster}}", "{{.path.path}}", "{{.values.short}}"
    )
    assert expand(tmp_path, spec, ("addons/argo/a.yaml", "addons/prom/a.yaml")) == [
        ("argo-staging", "addons/argo", "argo"),
        ("argo-production", "addons/argo", "argo"),
        ("prom-staging", "addons/prom", "prom"),
        ("prom-production", "addons/prom", "prom"),
    ]


def test_a_matrix_of_two_git_generators_with_prefixes(tmp_path: Path) -> None:
    files = {
        "apps/app-one.json": '{"appName": "app-one"}',
        "apps/app-two.json": '{"appName": "app-two"}',
        "targets/app-one/east-cluster-one.json": '{"region": "east"}',
        "targets/app-two/west-cluster-three.json": '{"region": "west"}',
    }
    spec = f"""
  goTemplate: true
  generators:
  - matrix:
      generators:
      - git: {{repoURL: "{HERE}", files: [{{path: "apps/*.json"}}], pathParamPrefix: app}}
      - git:
          repoURL: {HERE}
          files: [{{path: "targets/{{{{.appName}}}}/*.json"}}]
          pathParamPrefix: target
"""
    names = template("{{.appName}}-{{.region}}", "{{.app.path.filename}}", "{{.target.path.path}}")
    assert expand(tmp_path, spec + names, files) == [
        ("app-one-east", "app-one.json", "targets/app-one"),
        ("app-two-west", "app-two.json", "targets/app-two"),
    ]


def test_the_first_generator_of_a_matrix_overrides_the_second(tmp_path: Path) -> None:
    files = {
        "test/stage.values.yaml": "stageName: test\ncpuRequest: 100m\n",
        "staging/stage.values.yaml": "stageName: staging\n",
        "global.values.yaml": "cpuRequest: 200m\n",
    }
    spec = f"""
  goTemplate: true
  generators:
  - matrix:
      generators:
      - git: {{repoURL: "{HERE}", files: [{{path: "**/stage.values.yaml"}}]}}
      - git: {{repoURL: "{HERE}", files: [{{path: global.values.yaml}}]}}
"""
    found = expand(tmp_path, spec + template("{{.stageName}}", "{{.cpuRequest}}"), files)
    assert [(name, cpu) for name, cpu, _ in found] == [("staging", "200m"), ("test", "100m")]


def test_a_merge_takes_what_has_the_same_keys(tmp_path: Path) -> None:
    spec = """
  goTemplate: true
  generators:
  - merge:
      mergeKeys: [cluster]
      generators:
      - list: {elements: [{cluster: a, size: small}, {cluster: b, size: small}]}
      - list: {elements: [{cluster: b, size: large}, {cluster: c, size: large}]}
"""
    found = expand(tmp_path, spec + template("{{.cluster}}", "{{.size}}"))
    assert [(name, size) for name, size, _ in found] == [("a", "small"), ("b", "large")]


def test_a_post_selector_chooses(tmp_path: Path) -> None:
    spec = LIST.rstrip() + "\n    selector: {matchLabels: {cluster: engineering-prod}}\n"
    found = expand(tmp_path, spec + template("{{cluster}}", "p"))
    assert [name for name, _, _ in found] == ["engineering-prod"]


def test_a_template_patch_comes_on_top(tmp_path: Path) -> None:
    patch = """
  templatePatch: |
    {{- if eq .cluster "engineering-prod" }}
    spec: {destination: {namespace: live}}
    {{- end }}
"""
    spec = "\n  goTemplate: true" + LIST + template("{{.cluster}}", "p") + patch
    assert [ns for _, _, ns in expand(tmp_path, spec)] == ["guestbook", "live"]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("\n  generators: [{clusters: {}}]" + template("a", "b"), "clusters asks what is outside"),
        (DIRECTORIES.replace("acme", "other") + template("a", "b"), "reads another repository"),
        ("\n  goTemplate: true" + LIST + template("{{ nope }}", "p"), 'function "nope"'),
        (LIST, "no template"),
        (FILES + template("a", "b"), "cannot be read"),
    ],
)
def test_what_the_repository_does_not_tell_is_said(tmp_path: Path, spec: str, why: str) -> None:
    with pytest.raises(NotKnown, match=why):
        expand(tmp_path, spec, {"cluster-config/x/config.json": "{"})


@pytest.mark.parametrize(
    ("glob", "path", "options", "expected"),
    [
        ("/d/*", "d/e", {}, True),
        ("d/*", "d/e/f", {}, False),
        ("d/[f|g]", "d/g", {}, True),
        ("d/[^f]", "d/f", {}, False),
        ("*", "d", {}, True),
        ("**/x.json", "x.json", {"stars": True}, True),
        ("a/**/x.json", "a/b/c/x.json", {"stars": True}, True),
        ("a/*/x.json", "a/b/c/x.json", {"stars": True}, False),
        ("a/*/x.json", "a/b/c/x.json", {"crossing": True}, True),
        ("{a,b}/*.yaml", "b/c.yaml", {}, True),
        ("a.b", "axb", {}, False),
    ],
)
def test_globs(glob: str, path: str, options: dict[str, bool], expected: bool) -> None:
    assert matches(glob, path, **options) == expected
