"""What building an overlay reads, and which overlays are built: no program is needed to know."""

from __future__ import annotations

from pathlib import Path

import pytest
from scan_kit import write

from kpolicy.rendering.kustomizations import closure_of, overlays_among
from kpolicy.rendering.kustomize import with_origins
from kpolicy.rendering.origins import Origin, take_origins
from kpolicy.rendering.reading import mappings
from kpolicy.rendering.tree import DiskTree


def tree_of(root: Path, files: dict[str, str]) -> DiskTree:
    (root / ".git").mkdir(parents=True)
    return DiskTree(str(write(root, files)))


def overlays(root: Path, files: dict[str, str]) -> list[str]:
    return overlays_among(tree_of(root, files), files)


def test_a_base_that_is_taken_in_is_not_built_for_itself(tmp_path: Path) -> None:
    files = {
        "base/kustomization.yaml": "resources: [a.yaml]\n",
        "prod/kustomization.yml": "resources: [../base]\n",
        "dev/Kustomization": "bases: [../base]\n",
        "alone/kustomization.yaml": "resources: [b.yaml]\n",
    }
    assert overlays(tmp_path / "r", files) == ["prod", "dev", "alone"]


def test_a_component_is_never_built_for_itself(tmp_path: Path) -> None:
    files = {
        "mesh/kustomization.yaml": "kind: Component\npatches: [{path: p.yaml}]\n",
        "prod/kustomization.yaml": "components: [../mesh]\n",
    }
    assert overlays(tmp_path / "r", files) == ["prod"]


def test_of_overlays_that_take_each_other_in_one_is_built(tmp_path: Path) -> None:
    files = {
        "a/kustomization.yaml": "resources: [../b]\n",
        "b/kustomization.yaml": "resources: [../a]\n",
    }
    assert overlays(tmp_path / "r", files) == ["a"]


def test_a_resource_of_flux_in_a_file_of_that_name_is_no_overlay(tmp_path: Path) -> None:
    text = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
    assert overlays(tmp_path / "r", {"a/kustomization.yaml": text}) == []


def test_all_that_is_read_is_known(tmp_path: Path) -> None:
    files = {
        "o/kustomization.yaml": """\
            resources: [../base, own.yaml]
            components: [../c]
            patches: [{path: p.yaml}, {patch: "kind: A"}]
            patchesStrategicMerge: [s.yaml, "kind: B\\nmetadata: {name: x}"]
            patchesJson6902: [{path: j.yaml, target: {kind: A}}]
            replacements: [{path: r.yaml}]
            configMapGenerator: [{name: a, files: [one.txt, two=2.txt], envs: [e.env]}]
            secretGenerator: [{name: a, env: f.env}]
            transformers: [t.yaml]
            configurations: [c.yaml]
            openapi: {path: openapi.json}
            """,
        "o/t.yaml": "kind: PatchTransformer\npath: tp.yaml\n",
        "base/kustomization.yaml": "resources: [b.yaml]\n",
        "c/kustomization.yaml": "kind: Component\npatches: [{path: cp.yaml}]\n",
    }
    plain = (
        "o/own.yaml", "o/p.yaml", "o/s.yaml", "o/j.yaml", "o/r.yaml", "o/one.txt", "o/2.txt",
        "o/e.env", "o/f.env", "o/tp.yaml", "o/c.yaml", "o/openapi.json", "base/b.yaml", "c/cp.yaml",
    )  # fmt: skip
    closure = closure_of(tree_of(tmp_path / "r", {**files, **dict.fromkeys(plain, "a: 1\n")}), "o")
    assert set(closure.read) == {*files, *plain}
    assert set(closure.read) - closure.taken == {"o/c.yaml", "o/openapi.json"}
    assert closure.patches == [
        "o/s.yaml", "o/p.yaml", "o/j.yaml", "o/kustomization.yaml", "base/kustomization.yaml",
        "c/cp.yaml", "c/kustomization.yaml",
    ]  # fmt: skip
    assert closure.problems == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('resources: ["https://example.com/a.yaml"]', "nothing is downloaded"),
        ("resources: [github.com/acme/config//base?ref=v1]", "nothing is downloaded"),
        ('resources: ["git@example.com:acme/config.git"]', "nothing is downloaded"),
        ("bases: [example.com/acme/config]", "nothing is downloaded"),
        ('patches: [{path: "https://example.com/p.yaml"}]', "nothing is downloaded"),
        ('configMapGenerator: [{name: a, files: ["https://example.com/x"]}]', "downloaded"),
        ("resources: [a.yaml]", "which is not there"),
        ("resources: [../../elsewhere]", "leaves the scanned tree"),
        ("resources: [/etc]", "leaves the scanned tree"),
        ("helmCharts: [{name: a}]", "helmCharts is not rendered"),
    ],
)
def test_what_must_not_be_followed_is_known_before_anything_runs(
    tmp_path: Path, text: str, why: str
) -> None:
    files = {"o/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": text}
    (problem,) = closure_of(tree_of(tmp_path / "r", files), "o").problems
    assert why in problem.message
    assert problem.location.path.endswith("base/kustomization.yaml")


def test_a_directory_that_looks_like_a_url_and_is_here_is_no_url(tmp_path: Path) -> None:
    files = {
        "o/kustomization.yaml": "resources: [github.com/acme]\n",
        "o/github.com/acme/kustomization.yaml": "resources: []\n",
    }
    assert closure_of(tree_of(tmp_path / "r", files), "o").problems == []


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    tree = tree_of(tmp_path / "r", {"o/kustomization.yaml": "resources: [link, l.yaml]\n"})
    (tmp_path / "r/o/link").symlink_to(tmp_path / "secret")
    (tmp_path / "r/o/l.yaml").symlink_to(tmp_path / "secret.yaml")
    (tmp_path / "secret.yaml").write_text("a: 1\n")
    problems = closure_of(tree, "o").problems
    assert ["leaves the scanned tree" in p.message for p in problems] == [True, True]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("resources: [a.yaml]\n", True),
        ("# A comment\n---\nresources:\n- a.yaml\n", True),
        ("{resources: [a.yaml]}\n", False),
        ("resources: [a.yaml]\nbuildMetadata: [managedByLabel]\n", False),
    ],
)
def test_origins_are_asked_for(text: str, kept: bool) -> None:
    data = text.encode()
    asked = with_origins(mappings(data)[0], data)
    (body,) = mappings(asked)
    assert body["buildMetadata"][-1] == "originAnnotations"
    assert body["resources"] == ["a.yaml"]
    assert asked.startswith(data.rstrip()) == kept


BUILT = """\
apiVersion: v1
data:
  config.kubernetes.io/origin: |
    path: a trap
kind: ConfigMap
metadata:
  annotations:
    config.kubernetes.io/origin: |
      configuredIn: ../base/kustomization.yaml
      configuredBy:
        apiVersion: builtin
        kind: ConfigMapGenerator
  name: cm
---
kind: Deployment
metadata:
  annotations:
    a: |
      config.kubernetes.io/origin: |
    config.kubernetes.io/origin: |
      path: ../base/d.yaml
    z: "1"
  name: web
---
kind: Service
metadata:
  name: web
spec:
  metadata:
"""


def test_origins_are_read_and_taken_out() -> None:
    text, origins = take_origins(BUILT.encode())
    assert origins == [
        Origin("../base/kustomization.yaml", "ConfigMapGenerator"), Origin("../base/d.yaml"),
        Origin(),
    ]  # fmt: skip
    config, deployment, service = mappings(text)
    assert config["data"] == {"config.kubernetes.io/origin": "path: a trap\n"}
    assert config["metadata"] == {"name": "cm"}
    assert deployment["metadata"]["annotations"] == {
        "a": "config.kubernetes.io/origin: |\n", "z": "1",
    }  # fmt: skip
    assert service["spec"] == {"metadata": None}
    assert take_origins(BUILT.encode(), keep=True)[0] == BUILT.encode()
