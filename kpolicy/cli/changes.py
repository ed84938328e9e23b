"""Waiting for files to change: told by the system, or by looking again and again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kpolicy.manifests.files import is_manifest_name, is_visited_name

#: Set to anything, it has files looked at instead of the system asked, as on a network's disk.
POLLING = "KPOLICY_WATCH_POLLING"

#: File systems on which the system does not tell of what other machines do.
_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "fuse", "vboxsf", "virtiofs", "prl_fs")
#: Milliseconds without a further change after which changes are handed on, and at most.
_STEP, _DEBOUNCE = 20, 200
#: Milliseconds between two looks at the files that settings come from.
_PATIENCE = 400
#: Seconds between two looks at everything, and that time in lengths of a look.
_PAUSE, _SHARE = 0.25, 6

#: What tells that a file is the same: size, times, inode.
_Look = Mapping[str, tuple[int, int, int, int]]

#: Absolute names of files that have changed; None = settings, so that anything may be different.
Changed = frozenset[str] | None


def changes(
    targets: Sequence[str], settings: Callable[[], Iterable[str]], say: Callable[[str], None]
) -> Iterator[Changed]:
    """Yield what changes below `targets`, and whenever one of the files `settings()` does.

    The first is None, when watching has begun: something may have changed before. Ends never;
    raises `KeyboardInterrupt`. `say` gets a sentence where looking has to replace the system's
    word.
    """
    roots = [os.path.abspath(target) for target in targets]  # noqa: PTH100
    reason = _why_polling(roots)
    if not reason:
        try:
            yield from _told(roots, settings)
        except (OSError, RuntimeError) as error:
            reason = f"the system cannot watch these files ({error})"
    say(f"{reason}; they are looked at every {_PAUSE:g} s or so")
    yield from _looked(roots, settings)


def _why_polling(roots: Sequence[str]) -> str:
    """Return why files have to be looked at, "" where the system tells."""
    if os.environ.get(POLLING):
        return f"{POLLING} is set"
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        return "watchfiles is not installed (pip install 'kpolicy[watch]')"
    for root in roots:
        kind = _file_system(root)
        if kind.startswith(_REMOTE):
            return f"{root} is on a network's disk ({kind})"
    return ""


def _file_system(path: str) -> str:
    """Return the type of the file system of a path, "" where nobody tells."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    real = os.path.realpath(path) + "/"
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = fields[1].replace("\\040", " ").rstrip("/") + "/"
        if real.startswith(place) and len(place) >= len(best):
            best, kind = place, fields[2]
    return kind


def _told(roots: Sequence[str], settings: Callable[[], Iterable[str]]) -> Iterator[Changed]:
    """Yield what the system tells."""
    from watchfiles import watch

    # A file that is saved by renaming is another file: its directory is watched.
    folders = sorted({root if os.path.isdir(root) else os.path.dirname(root) for root in roots})  # noqa: PTH112, PTH120
    before: _Look | None = None
    for found in watch(
        *folders,
        watch_filter=None,
        debounce=_DEBOUNCE,
        step=_STEP,
        rust_timeout=_PATIENCE,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        now = look_at(settings())
        told = (_as_given(name, roots) for _, name in found)
        names = frozenset(name for name in told if _is_wanted(name, roots))
        if now != before:
            before = now
            yield None
        elif names:
            yield names


def _looked(roots: Sequence[str], settings: Callable[[], Iterable[str]]) -> Iterator[Changed]:
    """Yield what looking again and again finds."""
    before: _Look | None = None
    files = look_at(roots)
    while True:
        began = time.monotonic()
        now, there = look_at(settings()), look_at(roots)
        names = frozenset(name for name in {**files, **there} if files.get(name) != there.get(name))
        cost = time.monotonic() - began
        if now != before:
            yield None
        elif names:
            yield names
        before, files = now, there
        time.sleep(max(_PAUSE, cost * _SHARE))


def _as_given(name: str, roots: Sequence[str]) -> str:
    """Return a name as it begins with the root that was given, which may be a link or below one."""
    for root in roots:
        real = os.path.realpath(root)
        if real != root and (name == real or name.startswith(real + os.sep)):
            return root + name[len(real) :]
    return name


def _is_wanted(name: str, roots: Sequence[str]) -> bool:
    """Return whether a name is a root or something that is visited below one."""
    for root in roots:
        if name == root:
            return True
        if name.startswith(root.rstrip(os.sep) + os.sep):
            below = name[len(root.rstrip(os.sep)) + 1 :]
            if all(is_visited_name(part) for part in Path(below).parts):
                return True
    return False


def look_at(paths: Iterable[str]) -> _Look:
    """Return what can be told of files, and of the manifests below directories."""
    found: dict[str, tuple[int, int, int, int]] = {}
    for path in paths:
        with suppress(OSError, ValueError):
            if os.path.isdir(path):  # noqa: PTH112
                _look_below(path, found)
            else:
                _note(path, os.stat(path), found)  # noqa: PTH116
    return found


def _look_below(folder: str, found: dict[str, tuple[int, int, int, int]]) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not is_visited_name(entry.name):
                continue
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    _look_below(entry.path, found)
                elif is_manifest_name(entry.name):
                    _note(entry.path, os.stat(entry.path), found)  # noqa: PTH116


def _note(path: str, status: os.stat_result, found: dict[str, tuple[int, int, int, int]]) -> None:
    found[path] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
