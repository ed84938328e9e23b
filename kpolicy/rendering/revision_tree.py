"""The tree of a git revision, read from the object store."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from posixpath import dirname

from kpolicy.manifests.files import LEAVES_THE_TREE
from kpolicy.manifests.git import SYMLINK, RevisionFiles
from kpolicy.rendering.tree import ShownNames, Unreadable, join

__all__ = ["RevisionTree"]

_MOST_LINKS = 40


class RevisionTree:
    """A `FileTree` of the files of a commit; links are followed as on the disk."""

    def __init__(self, files: RevisionFiles, known: Mapping[str, str]) -> None:
        """Take the files, and how those found are shown, by name."""
        self.shown = ShownNames(os.path.realpath(files.root), known)
        self._files = files
        self._lock = threading.Lock()
        self._entries: dict[str, set[str]] = {"": set()}
        for name in files.blobs:
            child = name
            while child:
                parent = dirname(child)
                known_parent = parent in self._entries
                self._entries.setdefault(parent, set()).add(child.rpartition("/")[2])
                if known_parent:
                    break
                child = parent

    def kind(self, name: str) -> str:
        """Return `file`, `directory`, or "" for what is not there; links are followed."""
        try:
            real = self.identity(name)
        except Unreadable:
            return "file" if name in self._files.blobs else ""
        if real in self._entries:
            return "directory"
        return "file" if real in self._files.blobs else ""

    def names_in(self, directory: str) -> tuple[str, ...]:
        """Return the sorted names of a directory's entries."""
        return tuple(sorted(self._entries.get(self.identity(directory), ())))

    def identity(self, name: str) -> str:
        """Return the name that a name leads to when links are followed. Raises `Unreadable`."""
        done = ""
        ahead = [part for part in name.split("/") if part]
        links = 0
        while ahead:
            part = ahead.pop(0)
            here = f"{done}/{part}" if done else part
            blob = self._files.blobs.get(here)
            if blob is None or blob.mode != SYMLINK:
                done = here
                continue
            links += 1
            with self._lock:
                self._files.fetch([here])
            goal = join(done, os.fsdecode(self._files.content(here) or b""))
            if goal is None or links > _MOST_LINKS:
                raise Unreadable(name, LEAVES_THE_TREE)
            done, ahead = "", [*(p for p in goal.split("/") if p), *ahead]
        return done

    def fetch(self, names: Sequence[str]) -> None:
        """Read many files in one go. Raises `Unreadable`."""
        reals = [self.identity(name) for name in names]
        with self._lock:
            self._files.fetch([name for name in reals if name in self._files.blobs])

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises `Unreadable`."""
        real = self.identity(name)
        if real not in self._files.blobs:
            raise Unreadable(name, "is not there")
        with self._lock:
            self._files.fetch([real])
        data = self._files.content(real)
        if data is None:
            raise Unreadable(name, "its content is not in this clone; fetch it")
        return data
