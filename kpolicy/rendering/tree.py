"""The tree of files that is rendered from: a work tree, a directory, or a git revision.

Names are relative to the tree's root, with `/` between their parts; "" is the root.
"""

# The system's own paths, in trees of many thousand files.
# ruff: noqa: PTH100, PTH112, PTH118

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from posixpath import basename, dirname, normpath
from typing import Protocol

from kpolicy.manifests.files import LEAVES_THE_TREE
from kpolicy.manifests.paths import shown_path

__all__ = ["DiskTree", "FileTree", "ShownNames", "Unreadable", "below", "join", "name_below"]


class Unreadable(Exception):
    """A file of the tree cannot be handed to a program; the message says why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


class FileTree(Protocol):
    """What rendering asks of the files around the scanned ones."""

    @property
    def shown(self) -> Callable[[str], str]:
        """From a name to the path that the user sees."""
        ...

    def kind(self, name: str) -> str:
        """Return `file`, `directory`, or "" for what is not there; links are followed."""
        ...

    def names_in(self, directory: str) -> tuple[str, ...]:
        """Return the sorted names (without the directory) of a directory's entries."""
        ...

    def identity(self, name: str) -> str:
        """Return the name that a name leads to when links are followed. Raises `Unreadable`."""
        ...

    def fetch(self, names: Sequence[str]) -> None:
        """Make it cheap to read these files. Raises `Unreadable`."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises `Unreadable`."""
        ...


def name_below(root: str, filename: str) -> str | None:
    """Return the name in the tree at the real path `root` of a file given by its path.

    The file itself may be a link. None if it is elsewhere.
    """
    directory, base = os.path.split(os.path.abspath(filename))
    real = os.path.join(os.path.realpath(directory), base)
    prefix = root.rstrip(os.sep) + os.sep
    return real[len(prefix) :].replace(os.sep, "/") if real.startswith(prefix) else None


def join(directory: str, reference: str) -> str | None:
    """Return the name that `reference` means from `directory`; None if it leaves the tree."""
    if reference.startswith("/"):
        return None
    name = normpath(f"{directory}/{reference}" if directory else reference)
    if name == ".." or name.startswith("../"):
        return None
    return "" if name == "." else name


def below(tree: FileTree, directory: str) -> Iterator[str]:
    """Yield the names of all files at or below a directory, `.git` excepted.

    A link is followed; one that leads to a directory above itself ends there.
    """
    stack = [(directory, frozenset([tree.identity(directory)]))]
    while stack:
        here, seen = stack.pop()
        for entry in reversed(tree.names_in(here)):
            if entry == ".git":
                continue
            name = f"{here}/{entry}" if here else entry
            kind = tree.kind(name)
            if kind == "file":
                yield name
            elif kind == "directory":
                real = tree.identity(name)
                if real not in seen:
                    stack.append((name, seen | {real}))


class ShownNames:
    """Names as the user sees them: found files as the sources show them, others accordingly."""

    def __init__(self, root: str, known: Mapping[str, str]) -> None:
        """Take the root's path and the shown path of every file found, by its name."""
        self._root = root
        self._cwd = os.path.realpath(os.getcwd())  # noqa: PTH109
        self._known = known
        self._directories: dict[str, str] = {}
        for name, shown in known.items():
            directory, above = dirname(name), dirname(shown)
            while directory not in self._directories:
                self._directories[directory] = above or "."
                if not directory or basename(directory) != basename(above):
                    break
                directory, above = dirname(directory), dirname(above)

    def __call__(self, name: str) -> str:
        """Return how a name is shown."""
        if name in self._known:
            return self._known[name]
        directory, rest = name, ""
        while directory not in self._directories:
            if not directory:
                return shown_path(os.path.join(self._root, name), self._cwd)
            rest = f"{basename(directory)}/{rest}" if rest else basename(directory)
            directory = dirname(directory)
        return normpath(f"{self._directories[directory]}/{rest}")


class DiskTree:
    """A directory on the disk.

    `known` = how its found files are shown, by name; `edited` holds bytes that are to stand for
    those of files, by real path.
    """

    def __init__(
        self,
        root: str,
        known: Mapping[str, str] | None = None,
        edited: Mapping[str, bytes] | None = None,
    ) -> None:
        self.root = os.path.realpath(root)
        self.shown = ShownNames(self.root, known or {})
        self._edited = edited or {}

    def kind(self, name: str) -> str:
        """Return `file`, `directory`, or "" for what is not there; links are followed."""
        path = os.path.join(self.root, name)
        if os.path.isdir(path):
            return "directory"
        return "file" if os.path.exists(path) else ""  # noqa: PTH110

    def names_in(self, directory: str) -> tuple[str, ...]:
        """Return the sorted names of a directory's entries."""
        try:
            return tuple(sorted(os.listdir(os.path.join(self.root, directory))))  # noqa: PTH208
        except OSError:
            return ()

    def identity(self, name: str) -> str:
        """Return the name that a name leads to when links are followed. Raises `Unreadable`."""
        real = os.path.realpath(os.path.join(self.root, name))
        if real == self.root:
            return ""
        prefix = self.root.rstrip(os.sep) + os.sep
        if not real.startswith(prefix):
            raise Unreadable(name, LEAVES_THE_TREE)
        return real[len(prefix) :].replace(os.sep, "/")

    def fetch(self, names: Sequence[str]) -> None:
        """Do nothing: the files are at hand."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises `Unreadable`."""
        path = os.path.join(self.root, self.identity(name))
        if path in self._edited:
            return self._edited[path]
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise Unreadable(name, f"cannot be read: {error.strerror or error}") from None
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Unreadable(name, "is no regular file; exclude it or remove it")
            return stream.read()
