"""The `render` section of the configuration."""

from __future__ import annotations

import pytest

from kpolicy.config.loader import parse
from kpolicy.errors import ConfigError
from kpolicy.rendering.settings import ChartSettings, RenderSettings

WHOLE = """\
render:
  mode: always
  seconds: 5
  helm: {program: /usr/bin/helm, kubeVersion: "1.34", apiVersions: [a/v1]}
  kustomize: {program: kubectl, loadRestrictor: none}
  charts:
    - path: charts/*
      release: shop
      namespace: live
      values: [common.yaml]
      sets: {prod: [prod.yaml], dev: []}
  repositories: [https://git.example/acme/config]
"""


def test_the_section_is_read_whole() -> None:
    found = parse("c.yaml", WHOLE)
    chart = ChartSettings(
        "charts/*", "shop", "live", ("common.yaml",), {"prod": ("prod.yaml",), "dev": ()}
    )
    assert found.render == RenderSettings(
        mode="always",
        seconds=5.0,
        helm="/usr/bin/helm",
        kustomize="kubectl",
        unrestricted=True,
        kube_version="1.34",
        api_versions=("a/v1",),
        charts=(chart,),
        repositories=("https://git.example/acme/config",),
    )
    assert found.origins["render.helm.program"].line == 4


def test_without_the_section_all_is_as_usual() -> None:
    assert parse("c.yaml", "all: true\n").render == RenderSettings()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("render: {moed: auto}", 'unknown key "moed" in render'),
        ("render: {mode: sometimes}", "render.mode"),
        ("render: {seconds: 0}", "render.seconds must be a number above 0, at most 3600"),
        ("render: {seconds: true}", "render.seconds must be a number"),
        ("render: {helm: {programm: x}}", 'unknown key "programm" in render.helm'),
        ("render: {kustomize: {loadRestrictor: off}}", "render.kustomize.loadRestrictor"),
        ("render: {charts: [{values: [a]}]}", r'render.charts\[0\] lacks "path"'),
        ("render: {charts: {path: a}}", "render.charts must be a list"),
        ("render: {charts: [{path: a, sets: [b]}]}", "sets must be a mapping"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse("c.yaml", f"{text}\n")
