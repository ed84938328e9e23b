"""A pack: a named set of policies, and where their files are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path


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
