"""What Argo CD would run for an Application: no program is needed to know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scan_kit import write

from kpolicy.manifests.model import Limits, ManifestFile
from kpolicy.rendering.gitops.following import follow
from kpolicy.rendering.gitops.model import Followed
from kpolicy.rendering.gitops.repository import Repository
from kpolicy.rendering.jobs import DirectoryJob, HelmJob, KustomizeJob
from kpolicy.rendering.settings import RenderSettings
from kpolicy.rendering.tree import DiskTree

HERE = "https://git.example/acme/config"
TREE = {
    "charts/web/Chart.yaml": "name: web\n",
    "charts/web/values-prod.yaml": "a: 1\n",
    "values/common.yaml": "a: 1\n",
    "overlays/prod/kustomization.yaml": "images: [{name: nginx, newTag: '1'}]\n",
    "plain/a.yaml": "a: 1\n",
}


def application(source: str, namespace: str = "shop") -> str:
    lines = "\n".join(f"    {line}" for line in source.strip("\n").split("\n"))
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: web
  namespace: argocd
spec:
  project: default
  source:
    repoURL: {HERE}.git
    targetRevision: main
{lines}
  destination: {{namespace: {namespace}}}
"""


def followed(root: Path, text: str, files: dict[str, str] | None = None) -> Followed:
    """Return what the controllers' resources in `text` come to, in a repository of `files`."""
    write(root, TREE if files is None else files)
    data = text.encode()
    file = ManifestFile("apps.yaml", "", len(data), data)
    tree = DiskTree(str(root))
    here = Repository.of([HERE])
    return follow([file], [file], tree, here, RenderSettings(), Limits())


def only(root: Path, text: str) -> Any:
    found = followed(root, text)
    assert found.problems == []
    (job,) = found.jobs
    return job


def test_a_chart_gets_the_applications_values_and_names(tmp_path: Path) -> None:
    job = only(
        tmp_path,
        application("""
path: charts/web
helm:
  releaseName: front
  valueFiles: [values-prod.yaml, /values/common.yaml, ../../values/common.yaml]
  valuesObject: {replicas: 3}
  parameters:
  - {name: image.tag, value: v1}
  - {name: list, value: "a,b"}
  - {name: port, value: "80", forceString: true}
  - {name: app, value: "$ARGOCD_APP_NAME-${ARGOCD_APP_NAMESPACE}-$$x"}
  fileParameters: [{name: config, path: values-prod.yaml}]
  skipCrds: true
  kubeVersion: "1.30"
"""),
    )
    assert isinstance(job, HelmJob)
    assert (job.chart, job.release, job.namespace) == ("charts/web", "front", "shop")
    assert job.values == (
        "charts/web/values-prod.yaml", "values/common.yaml", "values/common.yaml",
    )  # fmt: skip
    assert job.inline == ('{"replicas": 3}',)
    assert job.parameters == (
        ("--set", "image.tag=v1"),
        ("--set", r"list=a\,b"),
        ("--set-string", "port=80"),
        ("--set", "app=web-shop-$x"),
        ("--set-file", "config=charts/web/values-prod.yaml"),
    )
    assert (job.skip_crds, job.kube_version) == (True, "1.30")


def test_a_chart_without_options_is_released_as_the_application(tmp_path: Path) -> None:
    job = only(tmp_path, application("path: charts/web"))
    assert (job.release, job.namespace, job.label) == ("web", "shop", "Application web")


def test_an_overlay_gets_what_kustomize_edit_would_set(tmp_path: Path) -> None:
    job = only(
        tmp_path,
        application("""
path: overlays/prod
kustomize:
  namePrefix: prod-
  namespace: live
  images: ["nginx=reg.example:5000/nginx:2", "redis:7", "busybox@sha256:abc"]
  replicas: [{name: web, count: 4}]
  commonLabels: {app: $ARGOCD_APP_NAME}
  commonAnnotations: {a: b}
  patches: [{target: {kind: Deployment}, patch: "[]"}]
  components: [../../component]
"""),
    )
    assert isinstance(job, KustomizeJob)
    assert (job.directory, job.namespace) == ("overlays/prod", "shop")
    assert job.changes == {
        "namePrefix": "prod-",
        "namespace": "live",
        "images": [
            {"name": "nginx", "newName": "reg.example:5000/nginx", "newTag": "2"},
            {"name": "redis", "newTag": "7"},
            {"name": "busybox", "digest": "sha256:abc"},
        ],
        "replicas": [{"name": "web", "count": 4}],
        "commonLabels": {"app": "web"},
        "commonAnnotations": {"a": "b"},
        "patches": [{"target": {"kind": "Deployment"}, "patch": "[]"}],
        "components": ["../../component"],
    }


def test_plain_manifests_are_a_directory(tmp_path: Path) -> None:
    job = only(tmp_path, application("path: plain\ndirectory: {recurse: true, exclude: 'x*'}"))
    assert job == DirectoryJob("plain", "Application web", job.at, "shop", True, "", "x*")
    assert (job.at.path, job.at.line) == ("apps.yaml", 11)


def test_what_the_application_says_wins_over_what_is_there(tmp_path: Path) -> None:
    assert isinstance(only(tmp_path, application("path: charts/web\ndirectory: {}")), DirectoryJob)


@pytest.mark.parametrize(
    ("source", "why", "line"),
    [
        ("path: nowhere", 'the path "nowhere" of Application web is not there', 11),
        ("path: ../elsewhere", "is not there", 11),
        ("path: plain\nhelm: {}", "renders a chart that is none", 11),
        ("path: plain\nkustomize: {namePrefix: a}", "has no kustomization", 11),
        ("path: charts/web\nhelm:\n  valueFiles:\n  - none.yaml", '"none.yaml"', 14),
        ("path: charts/web\nhelm:\n  fileParameters:\n  - {name: a, path: no.txt}", "no file", 14),
        (
            "path: charts/web\nhelm:\n  fileParameters:\n"
            "  - {name: 'a=/etc/passwd,b', path: values-prod.yaml}",
            "leads to no file",
            14,
        ),
        ("path: charts/web\nhelm:\n  valueFiles:\n  - ../../../../x.yaml", "is not there", 14),
    ],
)
def test_what_is_not_there_is_invalid_at_its_line(
    tmp_path: Path, source: str, why: str, line: int
) -> None:
    found = followed(tmp_path, application(source))
    (problem,) = found.problems
    assert why in problem.message
    assert problem.location.line == line
    assert found.jobs == []


def test_a_missing_values_file_may_be_missing(tmp_path: Path) -> None:
    options = "path: charts/web\nhelm: {valueFiles: [none.yaml], ignoreMissingValueFiles: true}"
    assert only(tmp_path, application(options)).values == ()


def test_sources_elsewhere_are_left(tmp_path: Path) -> None:
    text = application("path: charts/web").replace("acme", "other")
    found = followed(tmp_path, text)
    assert (found.jobs, found.problems, found.notes) == ([], [], [])
    assert "its source is https://git.example/other/config.git" in found.left[0].message


def test_values_of_this_repository_by_a_reference(tmp_path: Path) -> None:
    text = f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: web}}
spec:
  sources:
  - {{repoURL: "{HERE}", ref: values}}
  - {{repoURL: "{HERE}", path: charts/web, helm: {{valueFiles: [$values/values/common.yaml]}}}}
  - {{repoURL: "https://charts.example", chart: redis}}
"""
    found = followed(tmp_path, text)
    assert [job.values for job in found.jobs if isinstance(job, HelmJob)] == [
        ("values/common.yaml",)
    ]
    assert ["chart redis of" in note.message for note in found.left] == [True]


def test_a_set_points_at_its_template(tmp_path: Path) -> None:
    text = f"""\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {{name: set}}
spec:
  generators: [{{list: {{elements: [{{x: plain}}, {{x: none}}]}}}}]
  template:
    metadata: {{name: 'a-{{{{x}}}}'}}
    spec:
      source:
        repoURL: {HERE}
        path: '{{{{x}}}}'
"""
    found = followed(tmp_path, text)
    assert [job.label for job in found.jobs] == ["Application a-plain"]
    assert [(p.location.line, p.message) for p in found.problems] == [
        (11, 'the path "none" of Application a-none is not there')
    ]


def test_what_asks_a_cluster_is_a_note(tmp_path: Path) -> None:
    text = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: set}
spec: {generators: [{clusters: {}}], template: {spec: {}}}
"""
    (note,) = followed(tmp_path, text).notes
    assert note.message.startswith("ApplicationSet set is not followed: the generator clusters")
