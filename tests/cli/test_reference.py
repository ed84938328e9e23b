"""The committed reference of the built-in policies is the one that the policies make."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpolicy.cli.reference import pages
from kpolicy.plugins.manager import make_toolbox
from kpolicy.policy.catalogue import build, read_pack

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The pages as they should be."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        toolbox = make_toolbox(entry_points=False)
        files = [file for pack in toolbox.packs for file in read_pack(pack)]
        catalogue = build(files, toolbox.policies, toolbox.formats)
        return pages(catalogue.policies.values(), toolbox.packs)
    finally:
        os.chdir(before)


def test_the_reference_is_not_stale(made: dict[str, str]) -> None:
    """`kpolicy policies docs --output docs/reference` brings it up to date."""
    there = {path.name: path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md")}
    assert sorted(there) == sorted(made)
    stale = [name for name in made if there[name] != made[name]]
    assert stale == []


def test_every_policy_has_an_anchor_and_an_example(made: dict[str, str]) -> None:
    """What a finding links to is there, and shows what the policy means."""
    sidecar = made["sidecar.md"]
    assert '<a id="split-sidecar"></a>' in sidecar
    assert "### Example with a finding" in sidecar
    assert "### Example without" in sidecar
