"""Comparing two revisions of what is rendered: `--base`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from render_kit import needs, places, scan
from scan_kit import policy, told, write

from kpolicy.manifests.git import files_of_revision
from kpolicy.rendering.revision_tree import RevisionTree
from kpolicy.rendering.tree import DiskTree, below

OVERLAYS = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: one}\n",
    "prod/kustomization.yaml": "namePrefix: prod-\nresources: [../base]\n",
    "dev/kustomization.yaml": "namePrefix: dev-\nresources: [../base]\n",
}
CHART = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/values.yaml": "a: one\n",
    "web/templates/a.yaml": OVERLAYS["base/web.yaml"].replace("one", "{{ .Values.a }}"),
}
TWO = policy(
    "two",
    """
    title: Two
    severity: warning
    match: {kinds: [ConfigMap]}
    validations:
      - expression: "object.data.a != 'two'"
        messageExpression: object.metadata.name
        at: object.data.a
    """,
)


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t.example")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def commit(root: Path, files: dict[str, str]) -> Path:
    root.mkdir()
    git(root, "init", "-q")
    write(root, files)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


@needs("kustomize")
def test_what_a_patch_breaks_in_one_overlay_is_found_there_alone(tmp_path: Path) -> None:
    root = commit(tmp_path / "r", OVERLAYS)
    patch = """\
patches:
- patch: '{kind: ConfigMap, apiVersion: v1, metadata: {name: web}, data: {a: two}}'
"""
    changed = {"prod/kustomization.yaml": OVERLAYS["prod/kustomization.yaml"] + patch}
    report = scan(root, changed, TWO, base="HEAD")
    assert told(report) == ["prod-web"]
    assert places(report, root) == ["prod/kustomization.yaml:4"]


@needs("kustomize")
def test_what_the_base_had_already_is_not_reported(tmp_path: Path) -> None:
    base = {**OVERLAYS, "base/web.yaml": OVERLAYS["base/web.yaml"].replace("one", "two")}
    root = commit(tmp_path / "r", base)
    assert told(scan(root, {}, TWO, base="HEAD")) == []
    assert len(told(scan(root, {}, TWO))) == 2


@needs("helm")
def test_a_changed_value_is_compared_through_the_template(tmp_path: Path) -> None:
    root = commit(tmp_path / "r", CHART)
    report = scan(root, {"web/values.yaml": "a: two\n"}, TWO, base="HEAD")
    assert told(report) == ["web"]
    assert places(report, root) == ["web/templates/a.yaml:4"]
    git(root, "commit", "-qam", "second")
    assert told(scan(root, {}, TWO, base="HEAD")) == []
    assert told(scan(root, {}, TWO, base="HEAD~1")) == ["web"]


@needs("helm")
def test_a_directory_serves_as_base(tmp_path: Path) -> None:
    write(tmp_path / "before", CHART)
    root = tmp_path / "r"
    report = scan(
        root, {**CHART, "web/values.yaml": "a: two\n"}, TWO, base=str(tmp_path / "before")
    )
    assert told(report) == ["web"]
    assert told(scan(root, CHART, TWO, base=str(tmp_path / "before"))) == []


def test_a_revision_is_the_same_tree_as_the_disk(tmp_path: Path) -> None:
    root = commit(tmp_path / "r", OVERLAYS)
    (root / "link").symlink_to("base")
    (root / "prod" / "one.yaml").symlink_to("../link/web.yaml")
    (root / "away").symlink_to("../elsewhere")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "links")
    disk, revision = DiskTree(str(root)), RevisionTree(files_of_revision(str(root), "HEAD"), {})
    names = [
        "prod/one.yaml",
        "link/web.yaml",
        "link",
        "base",
        "",
        "nothing",
        "base/nothing",
        "away",
    ]
    for name in names[:-1]:
        assert (name, revision.kind(name)) == (name, disk.kind(name))
        assert revision.identity(name) == disk.identity(name)
    for name in names[:2]:
        assert revision.read(name) == disk.read(name)
    assert list(below(revision, "prod")) == list(below(disk, "prod"))
    assert revision.names_in("base") == disk.names_in("base")
    assert revision.shown("base/web.yaml") == disk.shown("base/web.yaml")
