"""What a scan is asked to do, and what it has to do it with: two values that the caller makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from kpolicy.config.model import Config, FailOn
from kpolicy.manifests.model import Limits
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Library
    from kpolicy.engine.supervision import PluginCalls
    from kpolicy.findings import Finding
    from kpolicy.manifests.model import Source
    from kpolicy.policy.formats import PolicyFormat
    from kpolicy.policy.model import Policy
    from kpolicy.policy.packs import PolicyPack
    from kpolicy.relations.model import Relation
    from kpolicy.snapshot.kinds import WorkloadKind

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which policies run. Every entry is an id or a glob; an unknown one is a `UsageError`.

    `select` means exactly these: the default set and the configuration's choice do not count then.
    Otherwise the default set and the configuration's choice are the start, `packs`, `include` and
    `all` add, and `exclude` takes away and wins.
    """

    select: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    all: bool = False


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """One scan. Only `targets` has to be given."""

    targets: tuple[str, ...] = (".",)
    """Paths, `-` for standard input, or whatever a plugin's source accepts."""
    selection: Selection = field(default_factory=Selection)
    config: Config | None = None
    """A configuration made by the caller; None = `config_path`, or discovery."""
    config_path: str = ""
    isolated: bool = False
    """Ignore the scanned tree's configuration."""
    policy_paths: tuple[str, ...] = ()
    """Files and directories of further policies; they are not scanned themselves."""
    builtin: bool = True
    """Whether the packs and policies that ship with kpolicy take part."""
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    """Parameter values by policy id; they win over the configuration's."""
    param_paths: tuple[str, ...] = ()
    """Files with parameter resources for ValidatingAdmissionPolicies (`--params`)."""
    jobs: int = 0
    """Worker processes; 1 = in the calling process, 0 = as many as there are cores available."""
    engine: Literal["compiled", "reference"] = "compiled"
    cache: bool = True
    """Whether cached scan results may be read and written."""
    verify_cache: bool = False
    """Whether everything is done anew, and compared with what the cache has."""
    results_all: bool = False
    """Whether passes and skips are listed too."""
    skip_invalid: bool = False
    fail_on: FailOn | None = None
    """None = the configuration's."""
    fail_if_nothing_scanned: bool = False
    base: str = ""
    """A git revision or a directory; only what changed since is reported."""
    baseline: str = ""
    """A baseline file whose findings are suppressed."""
    write_baseline: str = ""
    suppressions: bool = True
    """False = annotations, comments and the configuration silence nothing (a security run)."""
    report_unused_suppressions: bool = False
    render: Literal["", "auto", "never", "always"] = ""
    """Whether charts and overlays are rendered; "" = the configuration's `render.mode`."""
    cluster: str = ""
    """The address of a Dask scheduler on whose workers the local phase runs."""
    expect_digest: str = ""
    """The digest that the input must have."""
    scope: str = ""
    """`tree`, `directory` or `file`; "" = the configuration's scopes."""
    operation: Operation | Literal[""] = ""
    user: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """`request.userInfo` as the policies see it."""
    limits: Limits = field(default_factory=Limits)
    progress: Callable[[str, int, int], None] | None = None
    """Called with (stage, done, total) in the calling process."""


@dataclass(frozen=True, slots=True)
class ToolboxFactory:
    """How a worker process makes its own toolbox: a module, a function in it and its arguments."""

    module: str
    function: str
    arguments: tuple[Any, ...] = ()

    def make(self) -> Toolbox:
        """Import and call it."""
        from importlib import import_module

        made: Toolbox = getattr(import_module(self.module), self.function)(*self.arguments)
        return made


class Means(NamedTuple):
    """What policies are read, compiled and evaluated with."""

    formats: tuple[PolicyFormat, ...] = ()
    relations: tuple[Relation, ...] = ()
    libraries: tuple[Library, ...] = ()
    """CEL libraries, standard and Kubernetes' and kpolicy's own included."""
    workload_kinds: tuple[WorkloadKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Everything that plugins (the built-in ones too) gave. Made by `kpolicy.plugins`.

    The engine reads it and never asks who gave what, except for messages.
    """

    packs: tuple[PolicyPack, ...] = ()
    policies: tuple[Policy, ...] = ()
    """Policies made in Python."""
    enforced: tuple[str, ...] = ()
    """Policies, by id or glob, that the scanned tree cannot weaken."""
    sources: tuple[Source, ...] = ()
    means: Callable[[], Means] = Means
    """Gives the same each time; a scan whose results are kept does not ask."""
    process_findings: Callable[[Sequence[Finding]], Sequence[Finding]] | None = None
    """Plugins' post-processing, called once after suppression."""
    digest: str = ""
    """Changes whenever a plugin, its version or (editable) its files change; part of cache keys."""
    repeatable: bool = True
    """Whether `digest` stands for all code that makes results; else none are kept."""
    calls: PluginCalls | None = None
    """The calls of plugins' code, which a scan supervises; None = none is a stranger's."""
    factory: ToolboxFactory | None = None
    """For worker processes that are not forked; None = such a scan stays in one process."""

    @property
    def formats(self) -> tuple[PolicyFormat, ...]:
        """The readers of policy documents."""
        return self.means().formats

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The relations between resources."""
        return self.means().relations

    @property
    def libraries(self) -> tuple[Library, ...]:
        """The CEL libraries."""
        return self.means().libraries

    @property
    def workload_kinds(self) -> tuple[WorkloadKind, ...]:
        """The kinds with a pod spec, and where it is."""
        return self.means().workload_kinds
