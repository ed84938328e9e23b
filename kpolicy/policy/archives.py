"""Policy files in a zip or tar archive, read in memory.

Nothing is written to disk and nothing in an archive is run. Who made the archive is not trusted:
sizes and numbers are bounded before anything is unpacked, and names that would leave the archive,
and members that are no plain files, refuse it whole.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePosixPath

from kpolicy.policy.packs import is_policy_file

#: Names of archives end in one of these.
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")

#: Bytes of an archive as it lies on disk.
MAX_ARCHIVE = 32 * 1024 * 1024
#: Bytes of all that is unpacked, and of one policy file.
MAX_UNPACKED = 64 * 1024 * 1024
MAX_FILE = 4 * 1024 * 1024
MAX_MEMBERS = 10_000


class ArchiveError(ValueError):
    """An archive that is damaged, too large, or holds what no pack holds."""


def is_archive(path: str) -> bool:
    """Return whether a path names an archive, by its suffix."""
    return path.lower().endswith(SUFFIXES)


def policy_texts(name: str, data: bytes) -> list[tuple[str, str]]:
    """Return (path inside, text) of the policy files in the archive called `name`, by path.

    Hidden folders, folders that begin with two underscores and tests are left out, as in a
    directory. Raises `ArchiveError`.
    """
    if len(data) > MAX_ARCHIVE:
        raise ArchiveError(f"larger than {MAX_ARCHIVE >> 20} MiB")
    members = _zip(data) if name.lower().endswith(".zip") else _tar(name, data)
    found: dict[str, str] = {}
    for path, content in members:
        if path in found:
            raise ArchiveError(f'holds "{path}" twice')
        try:
            found[path] = content.decode("utf-8")
        except UnicodeDecodeError:
            raise ArchiveError(f'"{path}" in it is not UTF-8 text') from None
    return sorted(found.items(), key=lambda item: item[0].split("/"))


def _zip(data: bytes) -> Iterator[tuple[str, bytes]]:
    import stat
    import zipfile
    import zlib

    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_number(len(members))
            for member in members:
                path = _checked(member.filename)
                mode = member.external_attr >> 16
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise ArchiveError(f'"{path}" in it is a link or a device, not a file')
                if member.is_dir() or not _is_wanted(path):
                    continue
                if member.flag_bits & 1:
                    raise ArchiveError(f'"{path}" in it is encrypted')
                with archive.open(member) as stream:
                    # Not the size that the archive claims: what comes out.
                    content = stream.read(MAX_FILE + 1)
                total += len(content)
                _check_size(path, len(content), total)
                yield path, content
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise ArchiveError(f"no sound zip archive: {error}") from error
    except (RuntimeError, UnicodeError) as error:
        raise ArchiveError(f"no sound zip archive: {error}") from error


def _tar(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    import gzip
    import tarfile
    import zlib

    total = 0
    try:
        if not name.lower().endswith(".tar"):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                data = packed.read(MAX_UNPACKED + 1)
            if len(data) > MAX_UNPACKED:
                raise ArchiveError(f"unpacks to more than {MAX_UNPACKED >> 20} MiB")
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for number, member in enumerate(archive, 1):
                _check_number(number)
                path = _checked(member.name)
                if not (member.isreg() or member.isdir()):
                    raise ArchiveError(f'"{path}" in it is a link or a device, not a file')
                if member.isdir() or not _is_wanted(path):
                    continue
                _check_size(path, member.size, total + member.size)
                stream = archive.extractfile(member)
                content = stream.read() if stream is not None else b""
                total += len(content)
                yield path, content
    except (tarfile.TarError, zlib.error, EOFError, OSError, UnicodeError) as error:
        raise ArchiveError(f"no sound tar archive: {error}") from error


def _checked(name: str) -> str:
    """Return a member's path without `./` and a closing slash; refuse one that leads out."""
    parts = PurePosixPath(name).parts
    drive = len(name) > 1 and name[1] == ":"
    if name.startswith("/") or "\\" in name or "\0" in name or drive or ".." in parts:
        raise ArchiveError(f'"{name}" in it leads out of the archive')
    return "/".join(parts)


def _is_wanted(path: str) -> bool:
    *folders, name = path.split("/")
    return is_policy_file(name) and not any(f.startswith((".", "__")) for f in folders)


def _check_number(members: int) -> None:
    if members > MAX_MEMBERS:
        raise ArchiveError(f"holds more than {MAX_MEMBERS:,} files")


def _check_size(path: str, size: int, total: int) -> None:
    if size > MAX_FILE:
        raise ArchiveError(f'"{path}" in it is larger than {MAX_FILE >> 20} MiB')
    if total > MAX_UNPACKED:
        raise ArchiveError(f"unpacks to more than {MAX_UNPACKED >> 20} MiB")
