"""What a change may not decide about itself: configuration and baseline come from the base.

The author of a violation also writes the tree's `.kpolicy.yaml` and its baseline. With `--base`
both are read as they were before the change, and that the change touches them is a note.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kpolicy.config.discovery import KUBE_LINTER_NAMES, NAMES, discover
from kpolicy.config.loader import is_kube_linter, load, parse
from kpolicy.config.model import Config
from kpolicy.engine.request import ScanRequest
from kpolicy.errors import ConfigError, Problem
from kpolicy.location import SourceLocation
from kpolicy.policy.catalogue import shown


def starting_directory(request: ScanRequest) -> Path:
    """Return an existing directory in the tree that is scanned."""
    target = Path(request.targets[0]) if request.targets[0] != "-" else Path()
    start = target if target.is_dir() else target.absolute().parent
    while not start.is_dir():
        start = start.parent
    return start


def config_of_base(request: ScanRequest, found: Path | None) -> Config:
    """Return the configuration in the base, where `found` is the one discovered in the head.

    Raises `ConfigError` where the base's is bad, `UsageError` for an unknown revision.
    """
    if Path(request.base).is_dir():
        return _of_directory(request, found)
    from kpolicy.manifests.git import read_revision, repository_root

    start = str(starting_directory(request))
    root = Path(repository_root(start))
    if found is not None and root.resolve() not in found.resolve().parents:
        return load(found, shown(found))  # above the repository: not a part of the change
    for name in (*NAMES, *KUBE_LINTER_NAMES):
        data = read_revision(start, request.base, str(root / name))
        if data is not None:
            return _parsed(root / name, data, request.base)
    if found is None:
        return Config()
    return replace(Config(), notes=(_not_in_effect(found, request.base),))


def _of_directory(request: ScanRequest, found: Path | None) -> Config:
    head, base = starting_directory(request).resolve(), Path(request.base)
    if found is None:
        there = discover(str(base))
        inside = there is not None and base.resolve() in there.resolve().parents
        if there is None or not inside:
            return Config()
        return _parsed(head / there.name, there.read_bytes(), request.base)
    if head not in found.resolve().parents:
        return load(found, shown(found))
    counterpart = base / found.resolve().relative_to(head)
    if not counterpart.is_file():
        return replace(Config(), notes=(_not_in_effect(found, request.base),))
    return _parsed(found, counterpart.read_bytes(), request.base)


def _parsed(path: Path, data: bytes, base: str) -> Config:
    """Return the configuration in `data`, as if it stood at `path`."""
    name = shown(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = Problem(f"not UTF-8 text in {base}", SourceLocation(name))
        raise ConfigError(problem) from error
    config = parse(name, text, str(path.parent), kube_linter=is_kube_linter(path.name))
    try:
        same = path.read_bytes() == data
    except OSError:
        same = False
    return config if same else replace(config, notes=(_not_in_effect(path, base),))


def _not_in_effect(path: Path, base: str) -> str:
    return f"the change to {shown(path)} is not in effect: it is read from {base}"


def baseline_of_base(request: ScanRequest) -> tuple[bytes | None, str]:
    """Return the baseline as the base has it, and a note where the change touches it.

    None: the base has no such file, so that the one that was named counts; where it is part of the
    change, the note says so.
    """
    path = Path(request.baseline)
    inside = True
    if Path(request.base).is_dir():
        head = starting_directory(request).resolve()
        if head not in path.resolve().parents:
            return None, ""
        counterpart = Path(request.base) / path.resolve().relative_to(head)
        data = counterpart.read_bytes() if counterpart.is_file() else None
    else:
        from kpolicy.manifests.git import read_revision, repository_root

        start = str(starting_directory(request))
        data = read_revision(start, request.base, request.baseline)
        root = repository_root(start)
        inside = Path(root).resolve() in path.resolve().parents
    if data is None:
        new = f"{shown(path)} is new, {request.base} has none: what it silences was not agreed on"
        return None, new if inside and path.is_file() else ""
    try:
        same = path.read_bytes() == data
    except OSError:
        same = False
    return data, "" if same else _not_in_effect(path, request.base)
