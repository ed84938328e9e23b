"""What the built-in policies say of the example shop, and that they can judge what others wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpolicy.engine import ScanRequest, Selection, scan
from kpolicy.findings import Report
from kpolicy.plugins.manager import make_toolbox

ROOT = Path(__file__).parents[2]
REAL = ROOT / ".." / "shared" / "real-manifests"
SIDECAR_SHAPES = ("storefront.yaml", "nightly-report.yaml")


def scanned(target: Path, selection: Selection) -> Report:
    """Scan a directory in this process."""
    request = ScanRequest(
        targets=(str(target),), selection=selection, isolated=True, jobs=1, cache=False
    )
    return scan(request, make_toolbox(entry_points=False))


def test_the_shop_has_one_split_sidecar_and_one_service_left_behind() -> None:
    """The default set finds the split sidecar once, with both places, and little else."""
    report = scanned(ROOT / "examples", Selection())
    split, dangling = report.findings
    assert split.policy == "split-sidecar"
    assert str(split.resource) == "Deployment/shop/orders"
    assert split.place.location.path.endswith("examples/shop/orders.yaml")
    lines = (ROOT / "examples/shop/orders.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[split.place.location.line - 1].strip() == "- name: logs"
    assert [str(r.resource) for r in split.related] == [
        "StatefulSet/shop/order-logs",
        "PersistentVolumeClaim/shop/order-logs",
    ]
    helper = split.related[0].place.location
    assert helper.path.endswith("examples/shop/order-logs.yaml")
    lines = (ROOT / "examples/shop/order-logs.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[helper.line - 1].strip() == "- name: order-logs"
    assert (dangling.policy, str(dangling.resource)) == (
        "dangling-service",
        "Service/shop/checkout",
    )


def test_the_correct_shapes_have_no_finding_of_the_sidecar_pack() -> None:
    """Native log shippers and the Envoy are as the pack wants them, hints included."""
    report = scanned(ROOT / "examples", Selection(packs=("sidecar",)))
    of_pack = [f for f in report.findings if f.pack == "sidecar"]
    assert [f.policy for f in of_pack if f.place.location.path.endswith(SIDECAR_SHAPES)] == []
    assert [f.policy for f in of_pack] == ["split-sidecar"]


@pytest.mark.parametrize(
    "target",
    [
        ROOT / "examples",
        pytest.param(
            REAL, marks=pytest.mark.skipif(not REAL.is_dir(), reason="no real manifests here")
        ),
    ],
    ids=["examples", "real"],
)
def test_no_policy_fails_to_evaluate(target: Path) -> None:
    """Every policy can judge every manifest: no evaluation error, no message left unmade."""
    report = scanned(target, Selection(all=True))
    assert [f for f in report.findings if f.outcome == "error"] == []
    assert [f for f in report.findings if f.message.startswith("failed expression")] == []
