"""Paths as people see them, and globs in the manner of gitignore."""

# pathlib costs too much for tens of thousands of entries.
# ruff: noqa: PTH112, PTH117, PTH118, PTH120

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache

__all__ = [
    "KUSTOMIZATIONS",
    "Excludes",
    "is_kustomization",
    "printable",
    "shown_path",
    "tree_root",
    "tree_root_of",
]

#: The names that Kustomize gives its file, in the order in which it looks for them.
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def is_kustomization(path: str) -> bool:
    """Return whether a file's name makes it a kustomization, which needs no apiVersion and kind."""
    return path.rpartition("/")[2] in KUSTOMIZATIONS


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


def tree_root_of(target: str) -> str:
    """Return the root of the tree (see `tree_root`) that a target, a file or directory, is in."""
    return tree_root(target if os.path.isdir(target) else os.path.dirname(target) or ".")


def _characters(glob: str) -> list[str]:
    """Return a regular expression for each character of one path segment's glob; `*` stays."""
    out: list[str] = []
    at = 0
    while at < len(glob):
        char = glob[at]
        end = glob.find("]", at + (3 if glob[at + 1 : at + 2] in ("!", "^") else 2))
        if char == "*":
            if out[-1:] != ["*"]:
                out.append("*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[" and end > 0:
            inside = glob[at + 1 : end]
            negated = inside[0] in "!^"
            inside = inside[1:] if negated else inside
            escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside)
            out.append(f"[^/{escaped}]" if negated else f"[{escaped}]")
            at = end
        elif char == "\\" and at + 1 < len(glob):
            at += 1
            out.append(re.escape(glob[at]))
        else:
            out.append(re.escape(char))
        at += 1
    return out


def _segment(glob: str) -> str:
    """Return the regular expression of one path segment's glob.

    What stands between two stars is taken where it is first met, for good (`(?>`): any later place
    would do no better, and so no glob takes more than quadratic time.
    """
    characters = _characters(glob)
    if "*" not in characters:
        return "".join(characters)
    parts = [""]
    for character in characters:
        if character == "*":
            parts.append("")
        else:
            parts[-1] += character
    middle = "".join(f"(?>[^/]*?{part})" for part in parts[1:-1])
    return f"{parts[0]}{middle}[^/]*{parts[-1]}"


def _translate(glob: str) -> str:
    """Return the regular expression of a gitignore glob without its `!` and outer slashes."""
    runs: list[list[str]] = [[]]
    segments = glob.split("/")
    for number, segment in enumerate(segments):
        if segment == "**":
            if number == len(segments) - 1:
                # At the end it means everything inside, not the directory itself.
                runs[-1].append("[^/].*")
            elif runs[-1] or len(runs) == 1:
                runs.append([])
        else:
            runs[-1].append(_segment(segment))
    texts = ["/".join(run) for run in runs]
    between = "".join(f"(?>(?:[^/]+/)*?{text}/)" for text in texts[1:-1])
    first = f"{texts[0]}/" if texts[0] and len(texts) > 1 else texts[0]
    last = f"(?:[^/]+/)*{texts[-1]}" if len(texts) > 1 else ""
    return f"{first}{between}{last}"


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
