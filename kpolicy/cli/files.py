"""Reading source lines for excerpts, and writing output whole or not at all."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from kpolicy.errors import Problem, UsageError
from kpolicy.location import SourceLocation

#: YAML 1.1's line breaks, as libyaml counts them.
_BREAK = "\r\n|[\n\r\x85\u2028\u2029]"
#: Opening a FIFO waits for nobody.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_LARGEST = 32 * 1024 * 1024


class SourceLines:
    """Lines of files by the path shown to the user; [] where a file cannot be read."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self._data: dict[str, bytes] = {}
        self._names: dict[str, str] = {}

    def remember(self, path: str, data: bytes) -> None:
        """Take the bytes of an input that is not on the disk (standard input, a rendered chart)."""
        self._data[path] = data

    def forget(self, names: Collection[str] | None) -> None:
        """Read files again that have changed: those with these absolute names, or (None) all."""
        if names is None:
            self._lines.clear()
            return
        here = os.getcwd()  # noqa: PTH109
        for path in list(self._lines):
            name = os.path.join(here, self._names.get(path, path))  # noqa: PTH118
            if path in self._data or os.path.normpath(name) in names:
                del self._lines[path]

    def alias(self, path: str, filename: str) -> None:
        """Say which file is shown as `path` (a name that cannot be printed as it is)."""
        self._names[path] = filename

    def __call__(self, path: str) -> list[str]:
        if path not in self._lines:
            data = self._data.get(path)
            name = self._names.get(path, path)
            self._lines[path] = _read(name) if data is None else _split(data)
        return self._lines[path]


def _read(path: str) -> list[str]:
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError):
        return []
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return []
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return _split(stream.read())
    except OSError:
        return []
    finally:
        os.close(descriptor)


def _split(data: bytes) -> list[str]:
    if data.isascii() and b"\r" not in data:
        return data.decode("ascii").split("\n")
    return re.split(_BREAK, data.decode("utf-8-sig", "replace"))


def check_writable(path: str) -> None:
    """Raise `UsageError` when an output file cannot be written, before any work is done."""
    target = Path(path)
    reason = ""
    if target.is_dir():
        reason = "it is a directory"
    elif not target.parent.is_dir():
        reason = f"the directory {target.parent} does not exist"
    elif target.exists() and not _regular(target):
        reason = "" if os.access(target, os.W_OK) else "permission denied"
    elif not os.access(target.parent, os.W_OK):
        reason = f"the directory {target.parent} is not writable"
    if reason:
        raise UsageError(Problem(f"cannot write the output: {reason}", SourceLocation(path)))


def write_file(path: str, text: str) -> None:
    """Write `text` to a file so that readers see the old content or the new, never a part.

    A pipe or device is written to as it is. Raises `UsageError` when the system refuses.
    """
    target = Path(path)
    data = encoded(text)
    try:
        if target.exists() and not _regular(target):
            target.write_bytes(data)
            return
        _replace(Path(os.path.realpath(target)), data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            Problem(f"cannot write the output: {reason}", SourceLocation(path))
        ) from error


def write_new_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below `folder`; none that exists is touched, and then nothing is written.

    Raises `UsageError` with every file that is in the way.
    """
    taken = [folder / name for name in files if (folder / name).exists()]
    if taken:
        hint = "nothing was written; choose another name or directory"
        raise UsageError(
            *(Problem("exists already", SourceLocation(path.as_posix()), hint) for path in taken)
        )
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
    except OSError as error:
        reason = error.strerror or str(error)
        at = SourceLocation(str(error.filename or folder))
        raise UsageError(Problem(f"cannot be written: {reason}", at)) from error


def _regular(path: Path) -> bool:
    return stat.S_ISREG(path.stat().st_mode)


def _replace(target: Path, data: bytes) -> None:
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def encoded(text: str) -> bytes:
    """Return `text` as UTF-8; what cannot be encoded (a lone surrogate) is written as an escape."""
    return text.encode("utf-8", "backslashreplace")


def write_stdout(text: str) -> None:
    """Write `text` to standard output in UTF-8; that the reader went away is no error."""
    from kpolicy.cli.main import _close_stdout

    if sys.stdout is None:
        raise UsageError("standard output is closed; --output FILE writes elsewhere")
    try:
        stream = getattr(sys.stdout, "buffer", None)
        if stream is None:
            sys.stdout.write(text)
        else:
            sys.stdout.flush()
            stream.write(encoded(text))
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()
