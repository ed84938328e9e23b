"""The directory in which kpolicy keeps what it can make again: the user's own, no one else's."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

#: Names the directory; the empty string turns caching off.
VARIABLE = "KPOLICY_CACHE_DIR"

_DIGEST_BYTES = 16


def cache_directory(create: bool = True) -> Path | None:
    """Return the cache directory, or None where there is none that only this user can write.

    It is made with mode 0700. One that belongs to somebody else, or that others can enter, is not
    used: its content could be anybody's.
    """
    given = os.environ.get(VARIABLE)
    if given == "":
        return None
    path = Path(given) if given else _default()
    if path is None:
        return None
    try:
        if create:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
    except OSError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o077):
        return None
    return path


def _default() -> Path | None:
    if sys.platform == "linux":
        # What platformdirs answers, without importing it: this is on the way of every scan.
        base = os.environ.get("XDG_CACHE_HOME", "")
        try:
            root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"  # noqa: PTH117
        except RuntimeError:
            return None
        return root / "kpolicy"
    from platformdirs import user_cache_path

    return user_cache_path("kpolicy", appauthor=False)


def read_entry(path: Path) -> bytes | None:
    """Return the content of an entry, None where there is none or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    return content


def write_entry(path: Path, content: bytes) -> None:
    """Write an entry whole or not at all; a cache that cannot be written is no failure."""
    import tempfile

    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    except OSError:
        return
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(digest + content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def prune(directory: Path, pattern: str, keep: int) -> None:
    """Delete all but the `keep` entries that were written last."""
    try:
        entries = sorted(directory.glob(pattern), key=lambda p: p.stat().st_mtime_ns, reverse=True)
        for entry in entries[keep:]:
            entry.unlink(missing_ok=True)
    except OSError:
        return
