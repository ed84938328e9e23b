"""What Flux would run for its Kustomizations and HelmReleases: no program is needed to know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scan_kit import write

from kpolicy.manifests.model import Limits, ManifestFile
from kpolicy.rendering.gitops.following import follow
from kpolicy.rendering.gitops.model import Followed
from kpolicy.rendering.gitops.repository import Repository
from kpolicy.rendering.gitops.substitution import substituted
from kpolicy.rendering.kustomize import generated_body
from kpolicy.rendering.settings import RenderSettings
from kpolicy.rendering.tree import DiskTree

HERE = "https://git.example/acme/config"
TREE = {
    "charts/web/Chart.yaml": "name: web\n",
    "charts/web/prod.yaml": "a: 1\n",
    "apps/kustomization.yaml": "resources: []\n",
    "plain/a.yaml": "apiVersion: v1\nkind: Pod\n",
}
SOURCE = f"""\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: config, namespace: flux-system}}
spec: {{url: "ssh://git@git.example/acme/config"}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: other, namespace: flux-system}}
spec: {{url: "{HERE}-other"}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, namespace: flux-system}}
data: {{region: eu, values.yaml: "replicas: 3"}}
---
"""


def kustomization(spec: str, source: str = "config") -> str:
    return f"""{SOURCE}
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: apps, namespace: flux-system}}
spec:
  sourceRef: {{kind: GitRepository, name: {source}}}
{spec}
"""


def release(spec: str, source: str = "config") -> str:
    return f"""{SOURCE}
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: web, namespace: flux-system}}
spec:
  chart: {{spec: {{chart: ./charts/web, sourceRef: {{kind: GitRepository, name: {source}}}}}}}
{spec}
"""


def followed(root: Path, text: str) -> Followed:
    write(root, TREE)
    data = text.encode()
    file = ManifestFile("flux.yaml", "", len(data), data)
    tree = DiskTree(str(root))
    return follow([file], [file], tree, Repository.of([HERE]), RenderSettings(), Limits())


def only(root: Path, text: str) -> Any:
    found = followed(root, text)
    assert found.problems == []
    (job,) = found.jobs
    return job


def test_a_kustomization_changes_what_it_builds(tmp_path: Path) -> None:
    job = only(
        tmp_path,
        kustomization("""
  path: ./apps
  targetNamespace: live
  namePrefix: eu-
  images: [{name: nginx, newTag: "2"}]
  patches: [{patch: "[]", target: {kind: Deployment}}]
  commonMetadata: {labels: {team: red}, annotations: {a: b}}
"""),
    )
    assert (job.directory, job.label, job.generated) == ("apps", "Kustomization apps", False)
    assert job.changes == {
        "namespace": "live",
        "namePrefix": "eu-",
        "images": [{"name": "nginx", "newTag": "2"}],
        "patches": [{"patch": "[]", "target": {"kind": "Deployment"}}],
        "labels": [{"pairs": {"team": "red"}, "includeSelectors": False}],
        "commonAnnotations": {"a": "b"},
    }


def test_variables_come_from_the_resource_and_from_config_maps(tmp_path: Path) -> None:
    job = only(
        tmp_path,
        kustomization("""
  path: apps
  postBuild:
    substitute: {name: web}
    substituteFrom: [{kind: ConfigMap, name: settings}]
"""),
    )
    assert (job.substitute["name"], job.substitute["region"]) == ("web", "eu")
    assert (job.substitutes, job.substitutes_all) == (True, True)


def test_a_secret_keeps_variables_unknown(tmp_path: Path) -> None:
    spec = "  path: apps\n  postBuild: {substituteFrom: [{kind: Secret, name: s}]}"
    assert only(tmp_path, kustomization(spec)).substitutes_all is False


def test_a_directory_without_a_kustomization_gets_one(tmp_path: Path) -> None:
    assert only(tmp_path, kustomization("  path: plain")).generated is True
    files = {
        "p/a.yaml": "apiVersion: v1\nkind: Pod\n",
        "p/values.yaml": "a: 1\n",
        "p/deep/b.yml": "apiVersion: v1\nkind: Pod\n",
        "p/overlay/kustomization.yaml": "resources: [c.yaml]\n",
        "p/overlay/c.yaml": "apiVersion: v1\nkind: Pod\n",
        "p/.hidden/d.yaml": "apiVersion: v1\nkind: Pod\n",
    }
    tree = DiskTree(str(write(tmp_path / "t", files)))
    assert generated_body(tree, "p") == {"resources": ["a.yaml", "deep/b.yml", "overlay"]}


@pytest.mark.parametrize(
    ("source", "count"), [("config", 1), ("other", 0), ("unknown", 0), ("flux-system", 1)]
)
def test_the_source_tells_whether_it_is_followed(tmp_path: Path, source: str, count: int) -> None:
    found = followed(tmp_path, kustomization("  path: apps", source))
    assert (len(found.jobs), len(found.left)) == (count, 1 - count)


def test_a_path_that_is_not_there_is_invalid_at_its_line(tmp_path: Path) -> None:
    (problem,) = followed(tmp_path, kustomization("  path: ./none")).problems
    assert 'the path "./none" of Kustomization apps is not there' in problem.message
    assert problem.location.line == kustomization("  path: ./none").split("\n").index(
        "  path: ./none"
    ) + 1  # fmt: skip


def test_a_release_gets_its_names_and_values_in_order(tmp_path: Path) -> None:
    spec = """
  targetNamespace: live
  valuesFrom:
  - {kind: ConfigMap, name: settings}
  - {kind: ConfigMap, name: settings, valuesKey: region, targetPath: global.region}
  values: {replicas: 5}
"""
    text = release(spec).replace(
        "chart: ./charts/web,", "chart: ./charts/web, valuesFiles: [charts/web/prod.yaml],"
    )
    job = only(tmp_path, text)
    assert (job.chart, job.release, job.namespace) == ("charts/web", "live-web", "live")
    assert job.values == ("charts/web/prod.yaml",)
    assert job.inline == ("replicas: 3", '{"replicas": 5}')
    assert job.parameters == (("--set", "global.region=eu"),)


def test_a_release_has_a_name_of_its_own(tmp_path: Path) -> None:
    job = only(tmp_path, release("  releaseName: front"))
    assert (job.release, job.namespace) == ("front", "flux-system")


def test_values_that_are_not_here_are_noted(tmp_path: Path) -> None:
    found = followed(tmp_path, release("  valuesFrom: [{kind: Secret, name: s}]"))
    assert [n.message for n in found.notes] == [
        "HelmRelease web is rendered without values that are not here (Secret s, values.yaml)"
    ]
    assert followed(
        tmp_path, release("  valuesFrom: [{kind: Secret, name: s, optional: true}]")
    ).notes == []  # fmt: skip


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a: ${name}", "a: web"),
        ("a: ${none:=b}", "a: b"),
        ("a: ${none:-b}", "a: b"),
        ("a: ${name:=b}", "a: web"),
        ("a: ${empty:=b} ${empty=b}", "a: b "),
        ("a: $${name}", "a: ${name}"),
        ("a: ${none}", "a: "),
        ("a: $name $(name) ${1x}", "a: $name $(name) ${1x}"),
        ("x: ${name}\n---\na: ${name}\nkustomize.toolkit.fluxcd.io/substitute: disabled",
         "x: web\n---\na: ${name}\nkustomize.toolkit.fluxcd.io/substitute: disabled"),
    ],
)  # fmt: skip
def test_variables_are_replaced(text: str, made: str) -> None:
    assert substituted(text, {"name": "web", "empty": ""}, all_known=True) == made


def test_an_unknown_variable_stays_where_not_all_are_known() -> None:
    assert substituted("${none} ${x:=y}", {}, all_known=False) == "${none} y"
