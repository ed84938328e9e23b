"""Files before and after their fixes: what may be written, how it is written, and the diff."""

# Modes and states are the system's.
# ruff: noqa: PTH101, PTH105, PTH108, PTH116, PTH120

from __future__ import annotations

import contextlib
import difflib
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from kpolicy.manifests.model import Discovery, ManifestFile, Source, SourceOptions
from kpolicy.manifests.paths import tree_root_of

__all__ = ["Origin", "Overlay", "OverlaySource", "unified_diff", "write_back"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a scanned file stands, and as what it was found."""

    filename: str
    """Its real path; "" = it is not read from the disk."""
    state: tuple[int, ...]
    """What changes when somebody writes it."""
    refusal: str = ""
    """Why it may not be edited."""


@dataclass(slots=True)
class Overlay:
    """The files of a scan, and the bytes that some of them are to have."""

    origins: dict[str, Origin] = field(default_factory=dict)
    """By the path that is shown."""
    before: dict[str, bytes] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)
    """By real path."""

    def current(self, path: str) -> bytes | str:
        """Return the bytes of a file as they are to be, or why it cannot be edited."""
        origin = self.origins.get(path)
        if origin is None:
            return "the file is not known"
        if origin.refusal:
            return origin.refusal
        if origin.filename in self.data:
            return self.data[origin.filename]
        try:
            data = Path(origin.filename).read_bytes()
        except OSError as error:
            return f"the file cannot be read: {error.strerror or error}"
        if state_of(origin.filename) != origin.state:
            return CHANGED
        self.before[origin.filename] = data
        return data


CHANGED = "the file has changed since it was read; scan again"


@dataclass(frozen=True, slots=True)
class OverlaySource:
    """A source whose files read as the overlay says."""

    source: Source
    overlay: Overlay

    @property
    def name(self) -> str:
        """The other source's name."""
        return self.source.name

    def accepts(self, target: str) -> bool:
        """Ask the other source."""
        return self.source.accepts(target)

    def discover(self, target: str, options: SourceOptions) -> Discovery:
        """Ask the other source; note where each file stands, and lay the edited bytes over it."""
        found = self.source.discover(target, options)
        root = tree_root_of(target)
        files = tuple(self._laid(file, root) for file in found.files)
        return Discovery(files, found.invalid, found.skipped, found.notes)

    def _laid(self, file: ManifestFile, root: str) -> ManifestFile:
        overlay = self.overlay
        origin = overlay.origins.get(file.path)
        if origin is None:
            origin = overlay.origins[file.path] = _origin(file, root)
        data = overlay.data.get(origin.filename) if origin.filename else None
        if data is None:
            return file
        return ManifestFile(file.path, file.filename, len(data), data, file.scope)


def _origin(file: ManifestFile, root: str) -> Origin:
    if file.data is not None or not file.filename:
        why = "it is not a file on the disk (standard input, a git revision or rendered)"
        return Origin("", (), why)
    real = os.path.realpath(file.filename)
    if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
        return Origin("", (), "the file is a symbolic link that leaves the tree")
    return Origin(real, state_of(real))


def state_of(filename: str) -> tuple[int, ...]:
    """Return what changes when a file is written or replaced; () where there is none."""
    try:
        status = os.stat(filename)
    except OSError:
        return ()
    if not stat.S_ISREG(status.st_mode):
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def write_back(origin: Origin, data: bytes) -> str:
    """Replace a file whole or not at all, keeping its mode; return what went wrong, or ""."""
    directory = os.path.dirname(origin.filename)
    temporary = ""
    try:
        mode = stat.S_IMODE(os.stat(origin.filename).st_mode)
        if not os.access(origin.filename, os.W_OK):
            return "cannot be written: permission denied"
        descriptor, temporary = tempfile.mkstemp(prefix=".kpolicy-", dir=directory)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        if state_of(origin.filename) != origin.state:
            return CHANGED
        os.replace(temporary, origin.filename)
        temporary = ""
    except OSError as error:
        return f"cannot be written: {error.strerror or error}"
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    return ""


def unified_diff(path: str, before: bytes, after: bytes) -> str:
    """Return the difference as `patch` and `git apply` read it."""
    old, new = (data.decode("utf-8", "surrogateescape").split("\n") for data in (before, after))
    lines = difflib.unified_diff(
        _ended(old), _ended(new), f"a/{path.lstrip('/')}", f"b/{path.lstrip('/')}"
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _ended(lines: list[str]) -> list[str]:
    ended = [f"{line}\n" for line in lines[:-1]]
    return [*ended, lines[-1]] if lines[-1] else ended
