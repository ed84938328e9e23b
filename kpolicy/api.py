"""`kpolicy.scan`: the main job for Python programs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from kpolicy.config.model import Config
    from kpolicy.findings import Report

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


class PluginWarning(UserWarning):
    """A plugin that failed; the scan went on without it."""


def scan(
    paths: Paths = ".",
    *,
    config: Config | str | os.PathLike[str] | None = None,
    isolated: bool = False,
    policies: Paths = (),
    builtin: bool = True,
    packs: Iterable[str] = (),
    select: Iterable[str] = (),
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    all: bool = False,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    stdin: bytes | None = None,
    suppressions: bool = True,
    results_all: bool = False,
    jobs: int = 1,
    cache: bool = True,
    engine: Literal["compiled", "reference"] = "compiled",
    disable_plugins: Iterable[str] = (),
) -> Report:
    """Scan manifests and return the report; the arguments are those of `kpolicy scan`.

    - `paths`: files and directories, one or several; `-` with `stdin` = these bytes.
    - `config`: a `Config`, or the path of a file; None = as discovered, unless `isolated`.
    - `params`: parameter values by policy id.
    - `jobs`: worker processes; 1 (the default here) = in the calling process, 0 = one a core.
    - `engine`: `reference` evaluates CEL by cel-python, to compare with; slow.

    Input that cannot be read stands in `Report.invalid`. Raises `UsageError`, `ConfigError` or
    `PolicyError` (all are `KpolicyError`) where a scan cannot begin. A plugin that fails gives a
    `PluginWarning`. `kpolicy.exit_status(report)` says what the command line would end with.
    """
    from kpolicy.compat import configured
    from kpolicy.engine import scan as run
    from kpolicy.engine.request import ScanRequest, Selection
    from kpolicy.plugins.manager import make_plugin_manager

    given = config if config is None or not isinstance(config, (str, os.PathLike)) else None
    request = ScanRequest(
        targets=_texts(paths) or (".",),
        selection=Selection(
            select=tuple(select),
            packs=tuple(packs),
            include=tuple(include),
            exclude=tuple(exclude),
            all=all,
        ),
        config=given,
        config_path="" if config is None or given is not None else os.fspath(config),  # type: ignore[arg-type]
        isolated=isolated,
        policy_paths=_texts(policies),
        builtin=builtin,
        params=params or {},
        suppressions=suppressions,
        results_all=results_all,
        jobs=jobs,
        cache=cache,
        engine=engine,
    )
    host = make_plugin_manager(tuple(disable_plugins))
    toolbox = host.toolbox()
    if stdin is not None:
        toolbox = replace(toolbox, sources=(_GivenStdin(stdin), *toolbox.sources))
    toolbox, effective = configured(request, toolbox)
    report = run(replace(request, config=effective), toolbox)
    for problem in host.problems:
        warnings.warn(str(problem), PluginWarning, stacklevel=2)
    return report


def _texts(paths: Paths) -> tuple[str, ...]:
    if isinstance(paths, (str, os.PathLike)):
        return (os.fspath(paths),)
    return tuple(os.fspath(path) for path in paths)


class _GivenStdin:
    """Standard input that the caller has read already."""

    name = "given-stdin"

    def __init__(self, data: bytes) -> None:
        self.data = data

    def accepts(self, target: str) -> bool:
        """Take `-` alone."""
        return target == "-"

    def discover(self, _target: str, _options: Any) -> Any:
        """Return the bytes as one file."""
        from kpolicy.manifests.model import Discovery, ManifestFile

        return Discovery((ManifestFile("<stdin>", size=len(self.data), data=self.data),))
