"""What a scan reads: discovered files, less those left out, each in its scope."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from kpolicy.config.model import Config
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.engine.scopes import scoped
from kpolicy.manifests.model import (
    Discovery,
    ManifestFile,
    Skipped,
    SourceOptions,
)
from kpolicy.manifests.paths import KUSTOMIZATIONS, tree_root_of
from kpolicy.suppress.apply import path_glob


def relative_to(root: str) -> Callable[[str], str]:
    """Return what makes a shown path relative to the configuration's directory."""
    if not root:
        return str
    base = root.rstrip("/") + "/"
    cwd = os.getcwd().rstrip("/") + "/"  # noqa: PTH109

    def relative(path: str) -> str:
        absolute = path if path.startswith("/") else cwd + path
        if "/../" in absolute or "/./" in absolute:
            absolute = os.path.normpath(absolute)
        return absolute[len(base) :] if absolute.startswith(base) else path

    return relative


def options_of(request: ScanRequest, config: Config) -> SourceOptions:
    """Return what sources are told.

    The globs of the configuration start at its directory. A source starts at its target: it is told
    them where both are the same, so that it need not walk what is left out.
    """
    same = all(os.path.realpath(t) == os.path.realpath(config.root) for t in request.targets)
    return SourceOptions(
        limits=request.limits,
        exclude=excluded_paths(config) if config.root and same else (),
        keep_templates=True,
    )


def excluded_paths(config: Config) -> tuple[str, ...]:
    """Return the globs of what is not read.

    Against policies that plugins enforce a tree excludes nothing: then all is read, and what the
    other policies say of those paths is left out of the report.
    """
    return config.paths_exclude if config.trusted else ()


def intake(request: ScanRequest, toolbox: Toolbox, config: Config) -> Discovery:
    """Return the files of a scan."""
    from kpolicy.manifests import discover

    found = discover(request.targets, toolbox.sources or None, options_of(request, config))
    found = _without_excluded(found, request, config)
    told: frozenset[str] = frozenset()
    if _is_to_render(found.files, request, config):
        from kpolicy.engine.rendering import render_head

        told = _charts_among(found.files)
        found = render_head(found, request, config)
    return _arranged(found, request, config, os.path.isfile, told)


def intake_of_base(request: ScanRequest, toolbox: Toolbox, config: Config) -> Discovery:
    """Return the files of the base that a scan compares with. Raises as `discover_base`."""
    from kpolicy.engine.base import discover_base

    found = discover_base(request, toolbox, options_of(request, config))
    found = _without_excluded(found, request, config)
    there = {file.filename for file in found.files}
    told: frozenset[str] = frozenset()
    if _is_to_render(found.files, request, config):
        from kpolicy.engine.rendering import render_base

        told = _charts_among(found.files)
        found = render_base(found, request, config)
    return _arranged(found, request, config, there.__contains__, told)


def _charts_among(files: Sequence[ManifestFile]) -> frozenset[str]:
    """Return the directories of charts among files, as shown."""
    paths = (file.path for file in files if file.path.endswith("Chart.yaml"))
    return frozenset(path.rpartition("/")[0] or "." for path in paths)


#: File names that begin something that is rendered.
_BEGINNINGS = ("Chart.yaml", *KUSTOMIZATIONS)


def _is_to_render(files: Sequence[ManifestFile], request: ScanRequest, config: Config) -> bool:
    """Return whether there may be something to render among files: little is read to know."""
    if (request.render or config.render.mode) == "never":
        return False
    if any(file.path.endswith(_BEGINNINGS) for file in files):
        return True
    if not config.render.repositories and not any(map(_is_in_repository, request.targets)):
        return False
    from kpolicy.rendering.marks import is_marked

    return any(is_marked(file, request.limits) for file in files)


def _is_in_repository(target: str) -> bool:
    return target != "-" and os.path.lexists(os.path.join(tree_root_of(target), ".git"))  # noqa: PTH118


def _arranged(
    found: Discovery,
    request: ScanRequest,
    config: Config,
    exists: Callable[[str], bool],
    told: Collection[str],
) -> Discovery:
    """Return a discovery without the templates of charts that were not rendered, in its scopes.

    Of the charts in the directories `told` it is said elsewhere why they were not.
    """
    from kpolicy.manifests.charts import set_templates_aside

    files, skipped, notes = set_templates_aside(found.files, request.limits, exists)
    notes = tuple(n for n in notes if n.location is None or n.location.path not in told)
    scopes = (request.scope,) if request.scope else config.scopes
    return replace(
        found,
        files=scoped(files, scopes, relative_to(config.root)),
        skipped=(*found.skipped, *skipped),
        notes=(*found.notes, *notes),
    )


def _without_excluded(found: Discovery, request: ScanRequest, config: Config) -> Discovery:
    """Return a discovery without what the configuration leaves out, before any is rendered."""
    files, skipped = _kept(found.files, request, config, relative_to(config.root))
    return replace(found, files=tuple(files), skipped=(*found.skipped, *skipped))


def _kept(
    files: Sequence[ManifestFile],
    request: ScanRequest,
    config: Config,
    relative: Callable[[str], str],
) -> tuple[Sequence[ManifestFile], list[Skipped]]:
    """Leave out what the configuration excludes, and policies that were named as such."""
    excluded = excludes(excluded_paths(config))
    root = config.root or "."
    given = tuple(map(os.path.realpath, request.policy_paths))
    own = tuple(os.path.realpath(os.path.join(root, p)) for p in config.policies)  # noqa: PTH118
    if excluded is None and not given and not own:
        return files, []
    kept, skipped = [], []
    for file in files:
        if excluded is not None and excluded(relative(file.path), file.filename):
            continue
        if (given or own) and file.filename and _is_policy(file.filename, given, own):
            skipped.append(Skipped(file.path, "policy"))
            continue
        kept.append(file)
    return kept, skipped


def _is_policy(filename: str, given: Sequence[str], own: Sequence[str]) -> bool:
    """Return whether a file is not scanned since it belongs to policies.

    That is all that `-p` names (`given`). Of a directory that the configuration names (`own`) it
    is what is read as policies: the tree's author could hide the rest there.
    """
    from kpolicy.policy.packs import is_policy_path

    real = os.path.realpath(filename)
    if any(real == path or real.startswith(path + os.sep) for path in given):
        return True
    return any(
        real == path
        or (real.startswith(path + os.sep) and is_policy_path(Path(real[len(path) + 1 :]).parts))
        for path in own
    )


def excludes(globs: Sequence[str]) -> Callable[[str, str], bool] | None:
    """Return what says whether a path is excluded.

    A glob is held against the path from the configuration's directory; one that begins with `~` or
    `/`, as kube-linter's `ignorePaths` do, against the absolute path too.
    """
    if not globs:
        return None
    inside = re.compile("|".join(path_glob(glob) for glob in globs))
    outright = [str(Path(g).expanduser()) for g in globs if g.startswith(("~", "/"))]
    absolute = re.compile("|".join(path_glob(g) for g in outright)) if outright else None

    def excluded(path: str, filename: str) -> bool:
        if inside.match(path):
            return True
        if absolute is None or not filename:
            return False
        return absolute.match(os.path.abspath(filename).lstrip("/")) is not None  # noqa: PTH100

    return excluded
