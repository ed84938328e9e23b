"""The tree of files that is rendered from: a work tree, a directory, or a git revision.

Names are relative to the tree's root, with `/` between their parts; "" is the root.
"""

# The system's own paths, in trees of many thousand files.
# ruff: noqa: PTH100, PTH112, PTH118

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from posixpath import normpath
from typing import Protocol

from kpolicy.manifests.files import LEAVES_THE_TREE
from kpolicy.manifests.paths import shown_path

__all__ = ["DiskTree", "FileTree", "Unreadable", "below", "join"]


class Unreadable(Exception):
    """A file of the tree cannot be handed to a program; the message says why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


class FileTree(Protocol):
    """What rendering asks of the files around the scanned ones."""

    def shown(self, name: str) -> str:
        """Return a name as the user sees it."""
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

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises `Unreadable`."""
        ...


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


class DiskTree:
    """A directory on the disk.

    `shown_root` is where the user sees it (for a base directory: in the place of the head);
    `edited` holds bytes that are to stand for those of files, by real path.
    """

    def __init__(
        self, root: str, shown_root: str = "", edited: Mapping[str, bytes] | None = None
    ) -> None:
        self.root = os.path.realpath(root)
        self._shown_root = shown_root or self.root
        self._cwd = os.path.realpath(os.getcwd())  # noqa: PTH109
        self._edited = edited or {}

    def name_of(self, filename: str) -> str | None:
        """Return the name of a file given by its path on the disk; None if it is elsewhere."""
        absolute = os.path.abspath(filename)
        real = os.path.join(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute))  # noqa: PTH119, PTH120
        prefix = self.root.rstrip(os.sep) + os.sep
        if not real.startswith(prefix):
            return None
        return real[len(prefix) :].replace(os.sep, "/")

    def shown(self, name: str) -> str:
        """Return a name as the user sees it."""
        return shown_path(os.path.join(self._shown_root, name), self._cwd)

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
