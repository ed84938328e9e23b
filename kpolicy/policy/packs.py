"""A pack: a named set of policies, and where their files are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kpolicy.records import dataclass

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True)
class PolicyPack:
    """A named directory of policy files (`NAME.yaml`; `NAME_test.yaml` beside it is left out).

    `directory` is a path or a `Traversable` (a plugin's package data:
    `importlib.resources.files("my_plugin") / "policies"`). A policy without `spec.pack` belongs to
    `name`. `plugin` names the distribution that brought it, for messages.
    """

    name: str
    directory: Path | Traversable
    doc: str = ""
    plugin: str = ""


#: Policy files end in one of these; `NAME_test.yaml` beside a policy holds its tests.
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a policy file's surroundings decide: the pack, and whether policies run by default."""

    pack: str = ""
    default: bool = False
    plugin: str = ""


#: What stands beside policies in repositories: how Artifact Hub shows, and kubectl applies them.
_BESIDE = frozenset(("artifacthub-pkg", "artifacthub-repo", "kustomization"))


def is_policy_file(name: str) -> bool:
    """Return whether a file of this name holds policies (tests and hidden files do not)."""
    return _is_named_as_one(name) and name.rpartition(".")[0] not in _BESIDE


def is_policy_folder(name: str) -> bool:
    """Return whether policies are looked for in a folder of this name."""
    return not name.startswith((".", "__"))


def is_policy_path(parts: Sequence[str]) -> bool:
    """Return whether a file below a folder of policies belongs to them: it is read as policies, or
    says how they are shown and applied."""
    *folders, name = parts
    return all(map(is_policy_folder, folders)) and _is_named_as_one(name)


def _is_named_as_one(name: str) -> bool:
    stem, dot, suffix = name.rpartition(".")
    return f"{dot}{suffix}" in SUFFIXES and not stem.endswith("_test") and not name.startswith(".")
