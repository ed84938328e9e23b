"""Copies of what a program is to read, in a directory of its own.

A program that runs on a copy cannot change the tree, follow a link out of it, or tell a work tree
from a git revision; and an option can be added to an overlay without touching it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kpolicy.rendering.tree import FileTree, Unreadable, below

__all__ = ["Scratch"]

#: Bytes that one rendering may read: a chart with its vendored dependencies takes a few MiB.
LARGEST = 256 * 1024 * 1024


class Scratch:
    """The copy for one rendering, below `root`, which exists and is empty."""

    def __init__(self, root: Path, tree: FileTree) -> None:
        self.tree = tree
        self.home = root / "home"
        self.files = root / "tree"
        self.home.mkdir()
        self.files.mkdir()
        self._bytes = 0

    def copy(self, names: Iterable[str]) -> None:
        """Copy files, and directories with all that is in them. Raises `Unreadable`."""
        files: dict[str, None] = {}
        for name in names:
            if self.tree.kind(name) == "directory":
                (self.files / name).mkdir(parents=True, exist_ok=True)
                files.update(dict.fromkeys(below(self.tree, name)))
            else:
                files[name] = None
        self.tree.fetch(list(files))
        for name in files:
            self._copy(name)

    def _copy(self, name: str) -> None:
        target = self.files / name
        if target.exists():
            return
        data = self.tree.read(name)
        self._bytes += len(data)
        if self._bytes > LARGEST:
            raise Unreadable(name, f"with this file, more than {LARGEST >> 20} MiB are to be read")
        self.write(name, data)

    def write(self, name: str, data: bytes) -> Path:
        """Write a file of the copy."""
        target = self.files / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, as they were copied; None where it was not."""
        target = self.files / name
        return target.read_bytes() if target.is_file() else None

    def own_words(self, text: str) -> str:
        """Return a program's message without the paths of this directory."""
        for path in {self.files, self.files.resolve()}:
            text = text.replace(f"{path}/", "").replace(str(path), ".")
        return text
