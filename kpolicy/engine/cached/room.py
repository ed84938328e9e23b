"""Writing kept results, and making room for them: the ones that were not used longest go first."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

#: Says how much the results of all trees may take: bytes, or a number with K, M or G.
VARIABLE = "KPOLICY_CACHE_SIZE"
DEFAULT = 512 * 1024 * 1024
PATTERN = "results-*.bin"
_NEW = ".new-"
#: Seconds after which what a killed process was writing is thrown away.
_ABANDONED = 3600
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"\s*(\d+)\s*([kmg]?)(?:i?b)?\s*", re.IGNORECASE)


def limit_of() -> int:
    """Return how many bytes kept results may take; 0 = none are kept."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return DEFAULT
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _UNITS[match[2].lower()] if match else DEFAULT


def touch(path: Path) -> None:
    """Note that an entry was used."""
    with suppress(OSError):
        os.utime(path)


def write_parts(path: Path, parts: Iterable[bytes]) -> bool:
    """Write an entry whole or not at all; return whether it was written.

    Readers have the old file or the new one; a writer that is killed leaves a file under another
    name, which `make_room` removes.
    """
    temporary = path.parent / f"{_NEW}{os.getpid()}-{time.monotonic_ns()}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return False
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            for part in parts:
                view = memoryview(part)
                while view:
                    view = view[stream.write(view) :]
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        return False
    return True


def make_room(directory: Path, limit: int) -> None:
    """Remove results until the rest takes at most `limit` bytes, and what was left half written."""
    with suppress(OSError):
        kept: list[tuple[float, int, Path]] = []
        for path in directory.glob(PATTERN):
            with suppress(OSError):
                status = path.lstat()
                kept.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if total <= limit:
                break
            with suppress(OSError):
                path.unlink()
                total -= size
        old = time.time() - _ABANDONED
        for path in directory.glob(f"{_NEW}*"):
            with suppress(OSError):
                if path.lstat().st_mtime < old:
                    path.unlink()
