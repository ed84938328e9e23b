"""The built-in policies that a wheel holds compiled are those that a checkout reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kpolicy.config.model import Config
from kpolicy.engine.plan import make_plan
from kpolicy.engine.request import ScanRequest, Selection
from kpolicy.engine.shipped import compile_shipped, load_shipped
from kpolicy.plugins.manager import make_plugin_manager
from kpolicy.policy.catalogue import build, read_pack


@pytest.fixture(scope="module")
def toolbox():
    """Return the built-in toolbox."""
    return make_plugin_manager(entry_points=False).toolbox()


@pytest.fixture(scope="module")
def files(toolbox):
    """Return all built-in policy files."""
    return [file for pack in toolbox.packs for file in read_pack(pack)]


@pytest.fixture(scope="module")
def compiled(toolbox, tmp_path_factory):
    """Return the file that a wheel would hold."""
    file = tmp_path_factory.mktemp("wheel") / "compiled.bin"
    file.write_bytes(compile_shipped(toolbox))
    return file


def test_the_policies_are_those_of_the_files_with_the_places_of_this_machine(
    toolbox, files, compiled
):
    read = build(files, toolbox.policies, toolbox.formats)
    shipped = load_shipped(files, toolbox.policies, compiled)
    assert dict(shipped.policies) == dict(read.policies)
    assert set(shipped.stored) == {id_ for id_, p in read.policies.items() if p.check is None}
    assert shipped.texts == read.texts


def test_a_plan_of_all_of_them_compiles_nothing(toolbox, files, compiled, monkeypatch):
    def refuse(policy, context):
        assert policy.check is not None, f"{policy.id} was compiled again"
        return compile_native(policy, context)

    from kpolicy.engine import plan

    compile_native = plan.compile_policy
    monkeypatch.setattr(plan, "compile_policy", refuse)
    shipped = load_shipped(files, toolbox.policies, compiled)
    made = make_plan(toolbox, ScanRequest(selection=Selection(all=True)), Config(), shipped)
    assert len(made.units) == len(shipped.policies)


def test_it_counts_for_the_very_texts(toolbox, files, compiled):
    changed = [replace(files[0], text=files[0].text + "\n"), *files[1:]]
    assert load_shipped(changed, (), compiled) is None
    assert load_shipped(files[1:], (), compiled) is None
    own = replace(files[0], defaults=replace(files[0].defaults, plugin="acme"))
    assert load_shipped([*files[1:], own], (), compiled) is None


def test_another_version_and_damage_are_passed_over(files, compiled, tmp_path, monkeypatch):
    content = compiled.read_bytes()
    for number, data in enumerate((b"", content[:-9], b"\xc1" + content)):
        damaged = tmp_path / f"{number}.bin"
        damaged.write_bytes(data)
        assert load_shipped(files, (), damaged) is None
    assert load_shipped(files, (), tmp_path / "absent.bin") is None
    monkeypatch.setattr("kpolicy.engine.shipped.__version__", "0.0.0")
    assert load_shipped(files, (), compiled) is None
