"""What tells that a file is the one that was read: size, times and inode, as git's index has it."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kpolicy.manifests.files import numbers_of

if TYPE_CHECKING:
    from kpolicy.manifests.model import Discovery

#: Numbers kept of each file.
WIDTH = 4
_MASK = (1 << 64) - 1
_ABSENT = (_MASK,) * WIDTH
#: How far the clock that stamps files may lag behind ours: a tick of the kernel, and some room.
_TICK = 100_000_000
#: The same for a file system that stamps whole seconds (FAT: two of them).
_COARSE = 2_500_000_000
_SECOND = 1_000_000_000


class Stats(NamedTuple):
    """The numbers of files, `WIDTH` for each, and the moment before the first was asked for."""

    numbers: array[int]
    taken: int
    """Nanoseconds since the epoch."""

    def of(self, position: int) -> tuple[int, ...]:
        """Return the numbers of one file."""
        return tuple(self.numbers[position * WIDTH : position * WIDTH + WIDTH])


def stats_of(names: Iterable[str]) -> Stats:
    """Return the numbers of files as they are now; those of one that is not there, or is none (""),
    are no file's.

    What a link leads to counts, as for reading.
    """
    taken = time.time_ns()
    numbers = array("Q")
    for name in names:
        numbers.extend(_ask(name))
    return Stats(numbers, taken)


def stats_found(found: Discovery, names: Iterable[str]) -> Stats:
    """Return the numbers of the files of a discovery, `names` for its files; as they were when they
    were found, where that is known."""
    if not found.began:
        return stats_of(names)
    numbers = array("Q")
    extend = numbers.extend
    for file, name in zip(found.files, names, strict=True):
        extend(file.numbers or _ask(name))
    return Stats(numbers, found.began)


def _ask(name: str) -> tuple[int, ...]:
    try:
        return numbers_of(os.stat(name))  # noqa: PTH116 - a Path costs more than the call
    except (OSError, ValueError):
        return _ABSENT


def is_young(numbers: Sequence[int], taken: int) -> bool:
    """Return whether a file may have changed after `taken` without a change of its numbers.

    A file that was written in the same tick of the clock as it was read may be written once more in
    that tick; it is read again. The time of a change of the inode (ctime) cannot be set back.
    """
    size, modified, changed, _ = numbers
    if size == _MASK:
        return True
    slack = _COARSE if not (modified % _SECOND and changed % _SECOND) else _TICK
    return max(modified, changed) + slack >= taken


def young(numbers: array[int], taken: int) -> list[int]:
    """Return the positions of the files that are young at `taken`."""
    modified, changed = numbers[1::WIDTH], numbers[2::WIDTH]
    newest = max((max(modified), max(changed))) if numbers else 0
    if newest + _COARSE < taken:
        return []
    count = len(numbers) // WIDTH
    return [n for n in range(count) if is_young(numbers[n * WIDTH : n * WIDTH + WIDTH], taken)]
