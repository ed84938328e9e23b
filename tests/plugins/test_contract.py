"""The contract with plugins: documented, and changed only on purpose."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from importlib import import_module
from pathlib import Path

import pytest

from kpolicy.hookspecs import API_VERSION, Hooks

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
SNAPSHOT = Path(__file__).parent / "api.txt"
HOOKS = [name for name in vars(Hooks) if name.startswith("kpolicy_")]

#: What a plugin builds or receives.
PUBLIC = (
    "kpolicy:scan",
    "kpolicy:exit_status",
    "kpolicy.cel.declarations:Function",
    "kpolicy.cel.declarations:Library",
    "kpolicy.cel.declarations:Macro",
    "kpolicy.cel.declarations:Overload",
    "kpolicy.cel.errors:CelError",
    "kpolicy.errors:Problem",
    "kpolicy.findings:Finding",
    "kpolicy.findings:Place",
    "kpolicy.findings:PolicyInfo",
    "kpolicy.findings:Related",
    "kpolicy.findings:Report",
    "kpolicy.findings:ResourceRef",
    "kpolicy.findings:Summary",
    "kpolicy.findings:Suppression",
    "kpolicy.location:SourceLocation",
    "kpolicy.manifests.model:Discovery",
    "kpolicy.manifests.model:Invalid",
    "kpolicy.manifests.model:ManifestFile",
    "kpolicy.manifests.model:Note",
    "kpolicy.manifests.model:Skipped",
    "kpolicy.manifests.model:SourceOptions",
    "kpolicy.policy.formats:Loaded",
    "kpolicy.policy.formats:PolicyFormat",
    "kpolicy.policy.model:Match",
    "kpolicy.policy.model:Param",
    "kpolicy.policy.model:Policy",
    "kpolicy.policy.model:Validation",
    "kpolicy.policy.model:Violation",
    "kpolicy.policy.packs:PolicyPack",
    "kpolicy.relations.model:Entry",
    "kpolicy.relations.model:Relation",
    "kpolicy.relations.model:Side",
    "kpolicy.reporters.model:ReportContext",
    "kpolicy.reporters.model:Reporter",
    "kpolicy.snapshot.kinds:WorkloadKind",
    "kpolicy.snapshot.resource:Resource",
    "kpolicy.snapshot.resource:ResourceKey",
)


def signature(hook: str) -> str:
    """Return a hook's signature as the page writes it, without `self`."""
    found = inspect.signature(getattr(Hooks, hook))
    parameters = [p for name, p in found.parameters.items() if name != "self"]
    return f"{hook}{found.replace(parameters=parameters)}".replace("'", "")


def described(target: str) -> list[str]:
    """Return the lines of the snapshot for one public thing."""
    module, _, name = target.partition(":")
    thing = getattr(import_module(module), name)
    if dataclasses.is_dataclass(thing):
        fields = [
            f"    {f.name}: {f.type}{'' if _required(f) else ' = …'}"
            for f in dataclasses.fields(thing)
        ]
        return [f"{module}.{name}", *fields]
    if isinstance(thing, type) and hasattr(thing, "_fields"):
        defaults = thing._field_defaults
        return [f"{module}.{name}"] + [
            f"    {field}{' = …' if field in defaults else ''}" for field in thing._fields
        ]
    target_ = thing.__init__ if isinstance(thing, type) else thing
    parameters = [
        f"    {p.name}{'' if p.default is p.empty else ' = …'}"
        for p in inspect.signature(target_).parameters.values()
        if p.name != "self"
    ]
    return [f"{module}.{name}", *parameters]


def _required(field: dataclasses.Field[object]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def test_every_hook_is_documented_with_its_signature_and_in_order() -> None:
    headings = re.findall(r"^### `(.+)`$", PAGE.read_text("utf-8"), re.M)
    assert headings == [signature(hook) for hook in HOOKS]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_when_it_is_called(hook: str) -> None:
    assert "Called" in (getattr(Hooks, hook).__doc__ or "")


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_exercised(hook: str) -> None:
    assert f'"{hook}"' in (Path(__file__).parent / "test_manager.py").read_text("utf-8")


def test_the_page_names_the_current_version() -> None:
    assert f"kpolicy_api = {API_VERSION}" in PAGE.read_text("utf-8")


def test_the_api_is_as_it_was_committed() -> None:
    """A change here is one for every plugin; `KPOLICY_UPDATE_GOLDEN=1` says it is meant."""
    lines = [f"plugin API {API_VERSION}", ""]
    lines += [signature(hook) for hook in HOOKS]
    for target in PUBLIC:
        lines += ["", *described(target)]
    text = "\n".join(lines) + "\n"
    if os.environ.get("KPOLICY_UPDATE_GOLDEN"):
        SNAPSHOT.write_text(text, "utf-8")
    assert text == SNAPSHOT.read_text("utf-8")
