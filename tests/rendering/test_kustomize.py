"""Overlays that are built by Kustomize itself."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from render_kit import needs, places, scan
from scan_kit import policy, told

BASE = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    spec:
      containers:
        - name: side
          image: side:1
        - name: web
          image: nginx:latest
"""
FILES = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": BASE,
    "prod/kustomization.yaml": "namePrefix: prod-\nresources: [../base]\n",
}
LATEST = policy(
    "latest",
    """
    title: The tag latest
    severity: warning
    match: {kinds: [Deployment]}
    validations:
      - forEach: {var: c, in: object.containers()}
        expression: "!c.image.endsWith(':latest')"
        messageExpression: "object.metadata.name + ' ' + c.image"
    """,
)
REPLICAS = policy(
    "replicas",
    """
    title: Replicas
    severity: warning
    match: {kinds: [Deployment]}
    validations:
      - expression: "object.spec.replicas > 100"
        messageExpression: "string(object.spec.replicas)"
        at: object.spec.replicas
    """,
)
NO_ANNOTATIONS = policy(
    "annotations",
    """
    title: Annotations
    severity: warning
    match: {kinds: [Deployment]}
    validations: [{expression: "!has(object.metadata.annotations)", message: annotated}]
    """,
)
pytestmark = needs("kustomize")


def test_an_overlay_is_built_and_its_base_is_not_scanned_twice(tmp_path: Path) -> None:
    root = tmp_path / "r"
    report = scan(root, FILES, LATEST)
    assert told(report) == ["prod-web nginx:latest"]
    assert places(report, root) == ["base/web.yaml:12"]
    assert dict(report.summary.skipped) == {"rendered": 3}
    assert report.notes == ()


def test_two_overlays_are_two_renderings(tmp_path: Path) -> None:
    files = {**FILES, "dev/kustomization.yaml": "resources: [../base]\n"}
    report = scan(tmp_path / "r", files, LATEST)
    assert sorted(told(report)) == ["prod-web nginx:latest", "web nginx:latest"]
    assert len({f.fingerprint for f in report.findings}) == 2


def test_policies_see_no_origins(tmp_path: Path) -> None:
    assert told(scan(tmp_path / "r", FILES, NO_ANNOTATIONS)) == []


@pytest.mark.parametrize(
    ("overlay", "patch", "place"),
    [
        ("resources: [../base]\n", "", "base/web.yaml:6"),
        (
            "resources: [../base]\npatches: [{path: p.yaml}]\n",
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: web}\nspec:\n  replicas: 7\n",
            "prod/p.yaml:5",
        ),
        (
            "resources: [../base]\npatches:\n- path: p.yaml\n  target: {kind: Deployment}\n",
            "- op: test\n  path: /kind\n  value: Deployment\n"
            "- op: replace\n  path: /spec/replicas\n  value: 7\n",
            "prod/p.yaml:4",
        ),
        (
            "resources: [../base]\npatches:\n- target: {kind: Deployment}\n  patch: |-\n"
            "    - op: replace\n      path: /spec/replicas\n      value: 7\n",
            "",
            "prod/kustomization.yaml:4",
        ),
        (
            "resources: [../base]\nreplicas:\n- name: web\n  count: 7\n",
            "",
            "prod/kustomization.yaml:4",
        ),
    ],
)
def test_a_field_is_traced_to_who_wrote_it(
    tmp_path: Path, overlay: str, patch: str, place: str
) -> None:
    root = tmp_path / "r"
    files = {**FILES, "prod/kustomization.yaml": overlay}
    if patch:
        files["prod/p.yaml"] = patch
    report = scan(root, files, REPLICAS)
    assert places(report, root) == [place]
    assert report.invalid == ()


def test_a_comment_in_the_base_suppresses(tmp_path: Path) -> None:
    base = BASE.replace("        - name: web", "        - name: web # kpolicy:ignore latest known")
    report = scan(tmp_path / "r", {**FILES, "base/web.yaml": base}, LATEST)
    assert told(report) == []
    assert len(report.suppressed) == 1


def test_a_failing_overlay_is_invalid_and_its_files_are_scanned_as_they_are(tmp_path: Path) -> None:
    root = tmp_path / "r"
    overlay = "resources: [../base]\nnamePrefx: x\n"
    report = scan(root, {**FILES, "prod/kustomization.yaml": overlay}, LATEST)
    (invalid,) = report.invalid
    assert Path(invalid.location.path) == root / "prod/kustomization.yaml"
    assert 'unknown field "namePrefx"' in invalid.message
    assert "kpolicy-render" not in invalid.message
    assert told(report) == ["web nginx:latest"]


def test_a_file_outside_the_overlay_is_read_only_when_that_is_allowed(tmp_path: Path) -> None:
    from render_kit import settings

    files = {
        "web.yaml": BASE,
        "prod/kustomization.yaml": "resources: [../web.yaml]\n",
    }
    report = scan(tmp_path / "r", files, LATEST)
    assert "security; file" in report.invalid[0].message
    report = scan(tmp_path / "r", files, LATEST, settings=settings(unrestricted=True))
    assert (told(report), report.invalid) == (["web nginx:latest"], ())


def test_an_edit_is_offered_only_where_the_field_is_written(tmp_path: Path) -> None:
    step = """fix: [{op: replace, path: /image, value: "'nginx:1'"}]"""
    fixed = LATEST.replace("messageExpression", f"{step}\n      messageExpression")
    report = scan(tmp_path / "r", FILES, fixed)
    (finding,) = report.findings
    assert finding.fix is not None
    assert (finding.fix.document, finding.fix.edits[0].pointer) == (
        0, "/spec/template/spec/containers/1/image",
    )  # fmt: skip
    images = "images: [{name: nginx, newTag: latest, newName: other}]\n"
    overlay = FILES["prod/kustomization.yaml"] + images
    report = scan(tmp_path / "s", {**FILES, "prod/kustomization.yaml": overlay}, fixed)
    (finding,) = report.findings
    assert finding.fix is None
    assert "unfixed" in finding.details


def test_kubectl_stands_in_for_kustomize(tmp_path: Path) -> None:
    from render_kit import program, settings

    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(
        dedent(f"""\
        #!/bin/sh
        [ "$1" = kustomize ] && exec {program("kustomize")} build "$2"
        """)
    )
    kubectl.chmod(0o755)
    report = scan(tmp_path / "r", FILES, LATEST, settings=settings(kustomize=str(kubectl)))
    assert told(report) == ["prod-web nginx:latest"]
