"""Which files kube-linter reads: directories walked its way, `ignorePaths` matched its way.

Source: kube-linter's documentation of `ignorePaths` (doublestar patterns over absolute paths) and
its behaviour: `.yaml` and `.yml` files of directories, hidden ones included, and any file that is
named; nothing above 10 MiB.
"""

# pathlib costs too much for tens of thousands of files.
# ruff: noqa: PTH100, PTH111, PTH112, PTH118, PTH208

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from kpolicy.errors import Problem, UsageError
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Discovery, ManifestFile, Note
from kpolicy.rendering.settings import ChartSettings, RenderSettings

if TYPE_CHECKING:
    from kpolicy.manifests.model import Source, SourceOptions

#: kube-linter passes over larger files without a word.
MAX_BYTES = 10 * 1024 * 1024
_SUFFIXES = (".yaml", ".yml")
#: A directory with one of these is rendered as a whole, where kpolicy renders.
_RENDERED = ("Chart.yaml", "kustomization.yaml", "kustomization.yml")

#: kube-linter renders each chart and each overlay that it meets, by its own libraries.
LINT_RENDERING = RenderSettings(alone=True, charts=(ChartSettings("**", release="test-release"),))


def absolute(path: str) -> str:
    """Return a path as kube-linter shows it: absolute, `~` expanded, links as they are."""
    return os.path.abspath(os.path.expanduser(path))


def ignoring(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return whether one of the `ignorePaths` matches an absolute path.

    Raises `UsageError` for a pattern with an open bracket or brace.
    """
    compiled = [re.compile(_translated(_anchored(pattern))) for pattern in patterns if pattern]
    return lambda path: any(regex.fullmatch(path) for regex in compiled)


def _anchored(pattern: str) -> str:
    expanded = os.path.expanduser(pattern)
    return os.path.normpath(os.path.join(os.getcwd(), expanded))  # noqa: PTH109


def _translated(pattern: str) -> str:
    """Return a doublestar pattern as a regular expression."""
    parts = pattern.split("/")
    out: list[str] = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            # `a/**` is a and all below it; `a/**/b` may have nothing between.
            if last:
                if out:
                    out[-1] = out[-1].removesuffix("/")
                    out.append("(?:/.*)?" if number else ".*")
                else:
                    out.append(".*")
            else:
                out.append("(?:.*/)?")
        else:
            out.append(_part(part, pattern) + ("" if last else "/"))
    return "(?s:" + "".join(out) + ")"


def _part(part: str, pattern: str) -> str:
    out: list[str] = []
    at = 0
    braces = 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "\\" and at < len(part):
            out.append(re.escape(part[at]))
            at += 1
        elif char == "[":
            end = part.find("]", at + 1)
            if end < 0:
                raise UsageError(Problem(f'ignore path "{pattern}": "[" is never closed'))
            inside = part[at:end].replace("\\", "\\\\").replace("[", "\\[")
            if inside[0] in "!^":
                inside = "^" + inside[1:]
            out.append(f"[{inside}]")
            at = end + 1
        elif char == "{":
            braces += 1
            out.append("(?:")
        elif char == "}" and braces:
            braces -= 1
            out.append(")")
        elif char == "," and braces:
            out.append("|")
        else:
            out.append(re.escape(char))
    if braces:
        raise UsageError(Problem(f'ignore path "{pattern}": "{{" is never closed'))
    return "".join(out)


class LintSource:
    """Reads what kube-linter reads; what has to be rendered is left to the other sources."""

    name = "kube-linter"

    def __init__(self, others: Sequence[Source], ignored: Callable[[str], bool]) -> None:
        self._others = tuple(others)
        self._ignored = ignored

    def accepts(self, target: str) -> bool:
        """Take every path that is there; standard input and what is none goes to the others."""
        return target != "-" and os.path.lexists(target)

    def discover(self, target: str, options: SourceOptions) -> Discovery:
        """Return the files below `target`."""
        path = absolute(target)
        if self._ignored(path):
            return Discovery()
        files: list[ManifestFile] = []
        notes: list[Note] = []
        whole: list[Discovery] = []
        for kind, name in self._walk(path):
            if kind == "directory":
                whole.append(self._delegated(name, options))
                continue
            size = os.lstat(name).st_size
            if size > MAX_BYTES:
                notes.append(Note("larger than 10 MiB: not linted", SourceLocation(name)))
                continue
            files.append(ManifestFile(name, name, size))
        return Discovery(
            (*files, *(f for found in whole for f in found.files if not self._ignored(f.filename))),
            tuple(item for found in whole for item in found.invalid),
            tuple(item for found in whole for item in found.skipped),
            (*notes, *(item for found in whole for item in found.notes)),
        )

    def _delegated(self, path: str, options: SourceOptions) -> Discovery:
        for source in self._others:
            if source.accepts(path):
                return source.discover(path, options)
        return Discovery()

    def _walk(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield files and directories to be rendered, in the order of names."""
        if not os.path.isdir(path):
            yield "file", path
            return
        pending = [path]
        while pending:
            here = pending.pop()
            if os.path.isdir(here) and not os.path.islink(here):  # noqa: PTH114
                if not self._ignored(here) and _is_rendered(here):
                    yield "directory", here
                    continue
                try:
                    names = sorted(os.listdir(here), reverse=True)
                except OSError:
                    continue
                pending.extend(os.path.join(here, name) for name in names)
            elif here.lower().endswith(_SUFFIXES) and not self._ignored(here):
                yield "file", here


def _is_rendered(path: str) -> bool:
    return any(os.path.isfile(os.path.join(path, name)) for name in _RENDERED)  # noqa: PTH113
