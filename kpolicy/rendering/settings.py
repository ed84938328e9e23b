"""What can be set about rendering."""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from kpolicy.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

Mode = Literal["auto", "never", "always"]
MODES = ("auto", "never", "always")

#: Settings that say which program runs and what it may do; no scanned tree decides them.
TRUSTED = ("render.seconds", "render.helm.program", "render.kustomize.program",
           "render.kustomize.loadRestrictor")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChartSettings:
    """How the charts that a glob matches are rendered; the first that matches decides."""

    path: str
    """A glob of chart directories, from the configuration's directory."""
    release: str = ""
    """"" = the chart's name."""
    namespace: str = ""
    values: tuple[str, ...] = ()
    """Values files for every rendering, relative to the chart."""
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Further values files by the name of the set; each set is a rendering of its own."""


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """The `render` section of the configuration."""

    mode: Mode = "auto"
    """auto = where the programs are there; always = their absence is an error; never."""
    seconds: float = 30.0
    """How long one rendering may take."""
    helm: str = ""
    """The program; "" = the one on PATH."""
    kustomize: str = ""
    """The program, `kubectl` too; "" = kustomize on PATH, or kubectl."""
    unrestricted: bool = False
    """Whether an overlay may read files outside its own directory (not outside the tree)."""
    kube_version: str = ""
    """What charts see as the cluster's version; "" = Helm's own."""
    api_versions: tuple[str, ...] = ()
    """What charts see as the cluster's API versions, besides Helm's own."""
    charts: tuple[ChartSettings, ...] = ()
    alone: bool = False
    """Whether each outermost chart and overlay stands for its directory, and nothing else in it
    does: bases are built for themselves, controllers are not followed (as kube-linter does)."""
    repositories: tuple[str, ...] = ()
    """URLs under which controllers know this repository, besides those of git's remotes."""
