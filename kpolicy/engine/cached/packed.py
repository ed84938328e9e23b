"""One file of named sections: written whole or not at all, each section checked when it is read."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from zlib import adler32, crc32

#: Changes whenever the shape of the file or of a section does.
MAGIC = b"kpolicy results 2\n"
_COUNT = struct.Struct("<I")
#: Name, where it begins, how long it is, the digest of its content.
_ENTRY = struct.Struct("<12sQQ8s")
_DIGEST = 8


class Packed:
    """The sections of a file as it was read. What is damaged is as if it were not there."""

    def __init__(self, data: memoryview, entries: Mapping[str, tuple[int, int, bytes]]) -> None:
        self._data = data
        self._entries = entries

    @classmethod
    def open(cls, path: Path) -> Packed | None:
        """Return the file at `path`, None where it is none of ours or cannot be read."""
        try:
            data = memoryview(path.read_bytes())
        except OSError:
            return None
        entries = _entries_of(data)
        return None if entries is None else cls(data, entries)

    def section(self, name: str) -> memoryview | None:
        """Return the content of a section, None where there is none or it is damaged."""
        found = self._entries.get(name)
        if found is None:
            return None
        start, length, digest = found
        content = self._data[start : start + length]
        return content if _digest(content) == digest else None


def _entries_of(data: memoryview) -> Mapping[str, tuple[int, int, bytes]] | None:
    at = len(MAGIC) + _COUNT.size
    if len(data) < at or data[: len(MAGIC)] != MAGIC:
        return None
    (count,) = _COUNT.unpack_from(data, len(MAGIC))
    end = at + count * _ENTRY.size
    if len(data) < end + _DIGEST or _digest(data[at:end]) != data[end : end + _DIGEST]:
        return None
    return {
        name.rstrip(b"\0").decode("ascii"): (start, size, digest)
        for name, start, size, digest in _ENTRY.iter_unpack(data[at:end])
    }


def pack(sections: Mapping[str, bytes]) -> list[bytes]:
    """Return the parts, in order, of a file with these sections; names have at most 12 letters."""
    at = len(MAGIC) + _COUNT.size + len(sections) * _ENTRY.size + _DIGEST
    entries = []
    for name, content in sections.items():
        entries.append(_ENTRY.pack(name.encode("ascii"), at, len(content), _digest(content)))
        at += len(content)
    table = b"".join(entries)
    return [MAGIC, _COUNT.pack(len(sections)), table, _digest(table), *sections.values()]


def _digest(content: bytes | memoryview) -> bytes:
    """Return two sums of a content: they find damage, in a fifth of the time of a hash.

    Whoever can write here on purpose is the user, who needs no false results.
    """
    return struct.pack("<II", crc32(content), adler32(content))
