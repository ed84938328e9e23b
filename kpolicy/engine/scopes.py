"""Scopes: which files belong together, and the note about copies that nobody has told apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from kpolicy.manifests.model import ManifestFile, Note
from kpolicy.suppress.apply import path_glob

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import ResourceKey

WORDS = ("tree", "directory", "file")


def scoped(
    files: Sequence[ManifestFile], scopes: Sequence[str], relative: Callable[[str], str]
) -> tuple[ManifestFile, ...]:
    """Return the files with the scopes that `scopes` give them.

    `scopes` is one of `tree`, `directory`, `file`, or globs of directories, each match a scope of
    its own; what no glob matches stays in the scope of the whole input. `relative` makes a shown
    path relative to the configuration's directory, which globs start from. A file that came with a
    scope (rendered from a chart or an overlay) keeps it.
    """
    word = scopes[0] if len(scopes) == 1 and scopes[0] in WORDS else ""
    if not scopes or word == "tree":
        return tuple(files)
    patterns = [] if word else [re.compile(path_glob(g.rstrip("/"))) for g in scopes]
    made = []
    for file in files:
        if file.scope:
            made.append(file)
            continue
        if word == "file":
            scope = file.path
        elif word == "directory":
            scope = file.path.rpartition("/")[0]
        else:
            scope = _matched(relative(file.path), patterns)
        made.append(replace(file, scope=scope) if scope else file)
    return tuple(made)


def _matched(path: str, patterns: Sequence[re.Pattern[str]]) -> str:
    """Return the outermost directory of `path` that a glob matches, or ""."""
    parents = [str(p) for p in PurePosixPath(path).parents if str(p) != "."]
    for directory in reversed(parents):
        if any(pattern.match(directory) for pattern in patterns):
            return directory
    return ""


def copies_note(named: Iterable[tuple[ResourceKey, str, str]]) -> Note | None:
    """Return the note about resources that several directories of one scope define, or None.

    `named` = (key, path, scope) of every named resource.
    """
    first: dict[tuple[ResourceKey, str], str] = {}
    found: dict[tuple[ResourceKey, str], tuple[str, str]] = {}
    for key, path, scope in named:
        known = first.setdefault((key, scope), path)
        if known is not path and known.rpartition("/")[0] != path.rpartition("/")[0]:
            found.setdefault((key, scope), (known, path))
    if not found:
        return None
    (key, _), (one, other) = next(iter(found.items()))
    name = f"{key.kind} {key.name}"
    count = f"{len(found)} resources are" if len(found) > 1 else "1 resource is"
    return Note(
        f"{count} defined in several directories ({name} in {one} and {other}); where these are "
        "separate environments, say so with `scopes:` in the configuration or --scope directory, "
        "so that they are not joined with each other"
    )
