"""The shapes of the sidecar pattern: right ones pass, defective twins are found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from kpolicy.location import SourceLocation
from kpolicy.plugins.manager import make_toolbox
from kpolicy.policy.catalogue import build, read_pack
from kpolicy.testing import Case, PolicyTester

HERE = Path(__file__)
SHAPES = yaml.safe_load((HERE.parent / "sidecar_shapes.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tester() -> PolicyTester:
    """A runner over the built-in policies."""
    toolbox = make_toolbox(entry_points=False)
    files = [file for pack in toolbox.packs for file in read_pack(pack)]
    catalogue = build(files, toolbox.policies, toolbox.formats)
    return PolicyTester(toolbox, catalogue.policies.values(), catalogue.texts)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape["name"]))
def test_shape(tester: PolicyTester, shape: dict[str, Any]) -> None:
    """The whole pack, and the check for unpinned tags, say just what the shape deserves."""
    case = Case(shape["name"], SourceLocation(str(HERE)), manifests=shape["manifests"])
    found: Counter[str] = Counter()
    for policy in tester.policies.values():
        if policy.pack == "sidecar" or policy.id == "latest-tag":
            result = tester.run_case(policy.id, case)
            assert [f for f in result.findings if f.outcome == "error"] == []
            found[policy.id] += len(result.findings)
    assert +found == Counter(shape["findings"])
