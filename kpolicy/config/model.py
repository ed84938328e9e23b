"""The configuration of a scan as a value, and where each part of it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal

from kpolicy.location import SourceLocation
from kpolicy.records import dataclass
from kpolicy.rendering.settings import RenderSettings

Severity = Literal["error", "warning", "info"]
FailOn = Literal["error", "warning", "info", "never"]

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OutsideRule:
    """Resources that exist although the scanned input does not hold them.

    Each field is a list of globs. A resource is outside when every field that is not
    empty matches it.
    """

    kinds: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    """Not a glob, and in no file: what is in these namespaces, or in none, is not meant."""


@dataclass(frozen=True, slots=True)
class ConfigSuppression:
    """Findings that the configuration silences. Each field is a list of globs; empty = any."""

    policies: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    reason: str = ""
    until: str = ""
    """The last day (YYYY-MM-DD) on which it holds; "" = for ever."""
    location: SourceLocation | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """What differs for files under some paths (a monorepo's teams)."""

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=lambda: _EMPTY)
    location: SourceLocation | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All settings that can be written down. The built-in defaults are `Config()`."""

    path: str = ""
    """The file it was read from, as shown to the user; "" for the built-in defaults."""
    root: str = ""
    """Absolute directory that relative paths and globs in it start from."""
    defaults: bool = True
    """Whether the default set of policies is the starting point."""
    all: bool = False
    packs: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    enforced: tuple[str, ...] = ()
    """Policies, by id or glob, that nothing in the scanned tree excludes, lowers or silences."""
    enforced_by_plugins: tuple[str, ...] = ()
    """The same, as plugins say."""
    trusted: bool = True
    """False where it was found in the tree and plugins enforce policies: against these it does not
    count (see `guards`)."""
    severity: Mapping[str, Severity] = field(default_factory=lambda: _EMPTY)
    """Severity by policy id or glob; the last match wins."""
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _EMPTY)
    """Parameter values by policy id."""
    policies: tuple[str, ...] = ()
    """Files, directories and archives of further policies, relative to `root`."""
    policy_pins: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    """The sha256 of entries of `policies` that are pinned; archives always are."""
    paths_exclude: tuple[str, ...] = ()
    outside: tuple[OutsideRule, ...] = ()
    scopes: tuple[str, ...] = ()
    """Globs of directories, each match a scope of its own; or one of tree, directory, file."""
    suppressions: tuple[ConfigSuppression, ...] = ()
    overrides: tuple[Override, ...] = ()
    fail_on: FailOn = "warning"
    require_reasons: bool = False
    plugins: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    """Plugins that must be installed, with a version specifier ("" = any)."""
    render: RenderSettings = field(default_factory=RenderSettings)
    checks: tuple[Mapping[str, Any], ...] = ()
    """`customChecks` of a `.kube-linter.yaml`, as written."""
    notes: tuple[str, ...] = ()
    """What the user should know of how it was found."""
    origins: Mapping[str, SourceLocation] = field(default_factory=lambda: _EMPTY)
    """Where each setting was written, by dotted key (`params.split-sidecar.roles`, `include.0`)."""

    def enforces(self, policy: str) -> bool:
        """Return whether nothing in the scanned tree silences or downgrades a policy."""
        return _means((*self.enforced, *self.enforced_by_plugins), policy)

    def guards(self, policy: str) -> bool:
        """Return whether a policy is enforced against this configuration too."""
        return not self.trusted and _means(self.enforced_by_plugins, policy)


def _means(patterns: Sequence[str], policy: str) -> bool:
    return any(pattern == policy or fnmatchcase(policy, pattern) for pattern in patterns)
