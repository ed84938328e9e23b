"""What to read: targets of the command line to files, by the first source that accepts each."""

# pathlib costs too much for tens of thousands of files.
# ruff: noqa: PTH114

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from kpolicy.manifests.model import Discovery, ManifestFile, Source, SourceOptions

__all__ = ["builtin_sources", "discover"]


def builtin_sources() -> tuple[Source, ...]:
    """Return the sources that ship with kpolicy, in the order in which they are asked."""
    from kpolicy.manifests.files import FileSource
    from kpolicy.manifests.stdin import StdinSource

    return (StdinSource(), FileSource())


def discover(
    targets: Sequence[str],
    sources: Sequence[Source] | None = None,
    options: SourceOptions | None = None,
) -> Discovery:
    """Return the files to read for `targets`, each once, in the order of the targets.

    `sources` default to the built-in ones. Never raises for what it finds: an input that cannot be
    read is in `invalid`.
    """
    began = time.time_ns()
    sources = builtin_sources() if sources is None else sources
    options = options or SourceOptions()
    found = []
    asked: set[str] = set()
    for target in targets:
        if target in asked:
            continue
        asked.add(target)
        for source in sources:
            if source.accepts(target):
                found.append(source.discover(target, options))
                break
    if len(found) == 1:
        return replace(found[0], began=began)
    return Discovery(
        _once([file for discovery in found for file in discovery.files]),
        tuple(dict.fromkeys(item for discovery in found for item in discovery.invalid)),
        tuple(dict.fromkeys(item for discovery in found for item in discovery.skipped)),
        tuple(dict.fromkeys(item for discovery in found for item in discovery.notes)),
        began,
    )


def _once(files: list[ManifestFile]) -> tuple[ManifestFile, ...]:
    """Return `files` without those that stand for a file seen before."""
    seen: set[str] = set()
    directories: dict[str, str] = {}
    kept = []
    for file in files:
        key = file.path if file.data is not None else _real(file.filename, directories)
        if key not in seen:
            seen.add(key)
            kept.append(file)
    return tuple(kept)


def _real(name: str, directories: dict[str, str]) -> str:
    """Return the real path of a file; `directories` keeps those of the directories met."""
    if os.path.islink(name):
        return os.path.realpath(name)
    directory, base = os.path.split(name)
    if directory not in directories:
        directories[directory] = os.path.realpath(directory)
    return f"{directories[directory]}{os.sep}{base}"
