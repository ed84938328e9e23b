"""Scans of repositories whose controllers say what is rendered, and how."""

from __future__ import annotations

from pathlib import Path

import pytest
from render_kit import needs, scan, settings
from scan_kit import policy, told

HERE = "https://git.example/acme/config"
SEEN = policy(
    "seen",
    """
    title: What is there
    severity: warning
    match: {kinds: [ConfigMap]}
    validations:
      - expression: "false"
        messageExpression: >-
          object.metadata.?namespace.orValue('-') + '/' + object.metadata.name + ' ' +
          object.data.?a.orValue('-')
    """,
)
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: one}\n"
CHART = {
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "charts/web/values.yaml": "a: one\n",
    "charts/web/templates/a.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"
        "data: {a: {{ .Values.a }}}\n"
    ),
}


def application(name: str, path: str, more: str = "", namespace: str = "shop") -> str:
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}, namespace: argocd}}
spec:
  source: {{repoURL: "{HERE}", path: {path}{more}}}
  destination: {{namespace: {namespace}}}
"""


def seen(root: Path, files: dict[str, str], **request: object) -> list[str]:
    report = scan(root, files, SEEN, settings=settings(repositories=(HERE,)), **request)
    assert report.invalid == ()
    return sorted(told(report))


def test_a_directory_is_applied_to_the_applications_namespace(tmp_path: Path) -> None:
    files = {
        "apps.yaml": application("one", "plain"),
        "plain/a.yaml": MAP,
        "plain/deep/b.yaml": MAP.replace("web", "deep"),
    }
    assert seen(tmp_path / "r", files) == ["-/deep one", "shop/web one"]


def test_two_applications_of_one_directory_are_two(tmp_path: Path) -> None:
    files = {
        "a.yaml": application("one", "plain"),
        "b.yaml": application("two", "plain", namespace="test"),
        "plain/a.yaml": MAP,
    }
    assert seen(tmp_path / "r", files) == ["shop/web one", "test/web one"]
    assert seen(tmp_path / "r", {}, jobs=2) == ["shop/web one", "test/web one"]


def test_a_repository_that_is_not_named_is_not_followed(tmp_path: Path) -> None:
    files = {"apps.yaml": application("one", "plain"), "plain/a.yaml": MAP}
    assert told(scan(tmp_path / "r", files, SEEN)) == ["-/web one"]


@needs("helm")
def test_a_chart_is_rendered_as_its_applications_say_and_not_otherwise(tmp_path: Path) -> None:
    more = ", helm: {parameters: [{name: a, value: two}]}"
    files = {
        **CHART,
        "apps/a.yaml": application("one", "charts/web"),
        "apps/b.yaml": application("two", "charts/web", more, "test"),
    }
    assert seen(tmp_path / "r", files) == ["shop/one one", "test/two two"]


@needs("helm")
def test_applications_that_a_chart_makes_are_followed(tmp_path: Path) -> None:
    root = application("{{ .Release.Name }}-{{ .Values.x }}", "plain", namespace="live")
    files = {
        "root/Chart.yaml": "apiVersion: v2\nname: root\nversion: 1.0.0\n",
        "root/values.yaml": "x: y\n",
        "root/templates/app.yaml": root,
        "plain/a.yaml": MAP,
    }
    assert seen(tmp_path / "r", files) == ["live/web one"]


@needs("kustomize")
def test_an_overlay_is_built_with_the_applications_options(tmp_path: Path) -> None:
    files = {
        "apps.yaml": application("one", "overlay", ", kustomize: {namePrefix: x-}"),
        "overlay/kustomization.yaml": "resources: [../base]\n",
        "base/kustomization.yaml": "resources: [a.yaml]\n",
        "base/a.yaml": MAP,
    }
    assert seen(tmp_path / "r", files) == ["shop/x-web one"]


@needs("kustomize")
@needs("helm")
def test_flux_is_followed_from_kustomization_to_release(tmp_path: Path) -> None:
    files = {
        **CHART,
        "cluster/apps.yaml": """\
            apiVersion: kustomize.toolkit.fluxcd.io/v1
            kind: Kustomization
            metadata: {name: apps, namespace: flux-system}
            spec:
              path: ./apps
              sourceRef: {kind: GitRepository, name: flux-system}
              targetNamespace: live
              postBuild: {substitute: {value: two}}
            """,
        "apps/release.yaml": """\
            apiVersion: helm.toolkit.fluxcd.io/v2
            kind: HelmRelease
            metadata: {name: front}
            spec:
              chart:
                spec:
                  chart: charts/web
                  sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}
              values: {a: "${value}"}
            """,
        "apps/map.yaml": MAP.replace("one", "'${value}'"),
    }
    assert seen(tmp_path / "r", files) == ["live/front two", "live/web two"]


@pytest.mark.parametrize("jobs", [1, 2])
@needs("helm")
def test_a_failure_stands_at_the_application(tmp_path: Path, jobs: int) -> None:
    more = ", helm: {parameters: [{name: 'a[', value: x}]}"
    files = {**CHART, "apps.yaml": application("one", "charts/web", more)}
    report = scan(tmp_path / "r", files, SEEN, settings=settings(repositories=(HERE,)), jobs=jobs)
    (invalid,) = report.invalid
    assert Path(invalid.location.path).name == "apps.yaml"
    assert invalid.location.line == 5
    assert "(Application one)" in invalid.message


def test_sources_elsewhere_are_said_to_who_asks(tmp_path: Path) -> None:
    files = {"apps.yaml": application("one", "plain").replace("acme", "other")}
    report = scan(tmp_path / "r", files, SEEN, settings=settings(repositories=(HERE,)))
    (note,) = report.notes
    assert note.detail
    assert note.message.startswith("Application one is not followed: its source is https://")


@needs("helm")
def test_never_follows_nothing(tmp_path: Path) -> None:
    files = {**CHART, "apps.yaml": application("one", "plain"), "plain/a.yaml": MAP}
    assert seen(tmp_path / "r", files, render="never") == ["-/web one"]
