"""What is to be rendered, and what came of it: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any

from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid, Rendered
from kpolicy.records import dataclass

__all__ = ["DirectoryJob", "Failure", "HelmJob", "KustomizeJob", "Output", "RenderJob"]


@dataclass(frozen=True, slots=True)
class HelmJob:
    """One `helm template`. Names are relative to the tree."""

    chart: str
    label: str
    """What tells it from other renderings of the chart: a set of values, an Application; or ""."""
    at: SourceLocation
    """Where a failure is reported."""
    release: str = ""
    namespace: str = ""
    """"" = Helm's `default`; objects that name none get it only when it is given."""
    values: tuple[str, ...] = ()
    """Values files, in order."""
    inline: tuple[str, ...] = ()
    """Values as YAML texts; they win over the files."""
    parameters: tuple[tuple[str, str], ...] = ()
    """(flag, `name=value`) of `--set` and its kin; they win over all."""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    skip_crds: bool = False
    skip_tests: bool = False


@dataclass(frozen=True, slots=True)
class KustomizeJob:
    """One `kustomize build`. Names are relative to the tree."""

    directory: str
    label: str
    at: SourceLocation
    namespace: str = ""
    """What objects that name none are applied to; "" = unknown."""
    changes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Fields that a controller sets in the kustomization before it builds."""
    generated: bool = False
    """Whether a directory without a kustomization gets one of all its manifests (Flux)."""
    substitute: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Variables that are replaced in the output (Flux)."""
    substitutes: bool = False
    """Whether anything is replaced at all."""
    substitutes_all: bool = True
    """Whether all variables are known; else one without a value stays as it is."""


@dataclass(frozen=True, slots=True)
class DirectoryJob:
    """Plain manifests that a controller applies as they are. Names are relative to the tree."""

    directory: str
    label: str
    at: SourceLocation
    namespace: str = ""
    recurse: bool = False
    include: str = ""
    """A glob; "" = all manifests."""
    exclude: str = ""


RenderJob = HelmJob | KustomizeJob | DirectoryJob


@dataclass(frozen=True, slots=True)
class Output:
    """What a program wrote, and how it is traced back."""

    data: bytes
    rendered: Rendered
    taken: frozenset[str] = frozenset()
    """Files of the tree that went into it, which are not scanned for themselves then."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A rendering that did not come about, and why."""

    problems: tuple[Invalid, ...]

    @classmethod
    def at(cls, location: SourceLocation, message: str) -> Failure:
        """Return a failure with one reason."""
        return cls((Invalid(location, message),))
