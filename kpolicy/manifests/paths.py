"""Paths as people see them, and globs in the manner of gitignore."""

# pathlib costs too much for tens of thousands of entries.
# ruff: noqa: PTH117, PTH118, PTH120

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["Excludes", "printable", "shown_path", "tree_root"]


def printable(path: str) -> str:
    """Return `path` with `/` separators; bytes of its name that are no UTF-8 appear as `\\xff`."""
    if os.sep != "/":
        path = path.replace(os.sep, "/")
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return path


def shown_path(path: str, cwd: str) -> str:
    """Return `path` for display: relative to `cwd` where below it, else as given (normalised)."""
    normal = os.path.normpath(path)
    if os.path.isabs(normal):
        base = cwd.rstrip(os.sep) + os.sep
        if normal.startswith(base):
            normal = normal[len(base) :]
        elif normal == cwd:
            normal = "."
    elif normal.startswith(".."):
        # `../here/a.yaml`, seen from `here`, is below the working directory all the same.
        absolute = os.path.normpath(os.path.join(cwd, normal))
        base = cwd.rstrip(os.sep) + os.sep
        if absolute.startswith(base):
            normal = absolute[len(base) :]
    return printable(normal)


def tree_root(directory: str) -> str:
    """Return the real path that no symbolic link below `directory` may leave.

    That is the root of the git repository around it; without one, `directory` itself.
    """
    real = os.path.realpath(directory)
    here = real
    while True:
        if os.path.lexists(os.path.join(here, ".git")):
            return here
        parent = os.path.dirname(here)
        if parent == here:
            return real
        here = parent


def _translate(glob: str) -> str:
    """Return the regular expression of a gitignore glob without its `!` and outer slashes."""
    out: list[str] = []
    at = 0
    while at < len(glob):
        char = glob[at]
        if glob.startswith("**/", at) and (at == 0 or glob[at - 1] == "/"):
            out.append("(?:[^/]+/)*")
            at += 3
        elif glob.startswith("/**", at) and at + 3 == len(glob):
            out.append("/.+")
            at += 3
        elif char == "*":
            out.append("[^/]*")
            while glob.startswith("*", at):
                at += 1
        elif char == "?":
            out.append("[^/]")
            at += 1
        elif char == "[" and (end := glob.find("]", at + 2)) > 0:
            inside = glob[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            negated = inside[0] in "!^"
            out.append(f"(?!/)[{'^' if negated else ''}{inside[1:] if negated else inside}]")
            at = end + 1
        elif char == "\\" and at + 1 < len(glob):
            out.append(re.escape(glob[at + 1]))
            at += 2
        else:
            out.append(re.escape(char))
            at += 1
    return "".join(out)


class Excludes:
    """Which paths are left out: globs with gitignore's meaning, the last that matches decides.

    `*` stops at `/`, `**` does not; a glob with a `/` before its end is anchored at the target; one
    that ends in `/` names directories; `!` takes a path back in.
    """

    __slots__ = ("_rules",)

    def __init__(self, globs: Sequence[str]) -> None:
        self._rules: list[tuple[bool, bool, re.Pattern[str]]] = []
        for glob in globs:
            pattern = glob.strip()
            keep = pattern.startswith("!")
            pattern = pattern[1:] if keep else pattern
            directories = pattern.endswith("/")
            pattern = pattern.rstrip("/")
            while pattern.startswith("./"):
                pattern = pattern[2:]
            if not pattern:
                continue
            anchored = "/" in pattern
            regex = _translate(pattern.lstrip("/"))
            if not anchored:
                regex = f"(?:.*/)?{regex}"
            try:
                compiled = re.compile(regex, re.DOTALL)
            except re.error:
                compiled = re.compile(re.escape(pattern))
            self._rules.append((keep, directories, compiled))

    def __bool__(self) -> bool:
        return bool(self._rules)

    def __call__(self, path: str, is_directory: bool) -> bool:
        """Return whether `path` (relative to the target, with `/`) itself is left out."""
        for keep, directories, pattern in reversed(self._rules):
            if (is_directory or not directories) and pattern.fullmatch(path):
                return not keep
        return False

    def covers(self, path: str) -> bool:
        """Return whether the file `path` or a directory above it is left out."""
        parts = path.split("/")
        for end in range(1, len(parts)):
            if self("/".join(parts[:end]), True):
                return True
        return self(path, False)


@lru_cache(maxsize=32)
def excludes(globs: tuple[str, ...]) -> Excludes:
    """Return the compiled form of `globs`."""
    return Excludes(globs)
