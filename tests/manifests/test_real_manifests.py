"""What becomes of 368 files that others wrote: every outcome can be explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpolicy.manifests import discover, load

REAL = Path(__file__).parents[2] / ".." / "shared" / "real-manifests"

pytestmark = pytest.mark.skipif(
    not REAL.exists(), reason="the real manifests are not beside the checkout"
)


def test_every_real_file_has_an_outcome_that_can_be_explained() -> None:
    """All are objects but one kustomization; five write a key twice, each at its line."""
    found = discover([str(REAL)])
    loaded = [load(file) for file in found.files]
    assert (len(loaded), found.invalid, found.notes) == (368, (), ())
    assert [invalid for file in loaded for invalid in file.invalid] == []
    assert sum(len(file.documents) for file in loaded) == 443
    skipped = [(Path(s.path).name, s.reason) for file in loaded for s in file.skipped]
    assert skipped == [("kustomization.yaml", "kustomization")]
    problems = {
        (Path(file.path).name, problem.line, problem.pointer)
        for file in loaded
        for document in file.documents
        for problem in document.problems
    }
    assert problems == {
        ("etcd-controller.yaml", 12, "/spec/selector"),
        ("etcd-discovery-controller.yaml", 12, "/spec/selector"),
        ("openshift-controller.yaml", 12, "/spec/selector"),
        ("quobyte-admin-secret.yaml", 9, "/type"),
        ("sc-pvc.yaml", 12, "/spec/storageClassName"),
    }
