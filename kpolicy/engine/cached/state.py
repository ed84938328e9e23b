"""What is kept of one scan, as data: how each file looked, what it had, what its joins looked at.

Columns are kept by the position of a file in the order of discovery, so that comparing two scans
compares a few byte strings. A file also has a number of its own, which stays when others come and
go: the two maps (mark to holders, mark to readers) are made of pairs of a mark and such a number.
A pair that no longer holds does no harm; a map is made anew when many are left.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import field
from itertools import accumulate, pairwise

import msgspec

from kpolicy.engine.cached.packed import Packed, pack
from kpolicy.engine.digest import WIDTH
from kpolicy.engine.findings import Raw
from kpolicy.findings import PolicyInfo
from kpolicy.manifests.model import Invalid, Note, Skipped
from kpolicy.records import dataclass
from kpolicy.snapshot.kinds import CustomKind
from kpolicy.suppress.apply import Annotated

#: (path, document, pointer) of a resource, and its annotations that suppress something.
Anchored = tuple[tuple[str, int, str], Annotated]


class Extra(msgspec.Struct, array_like=True, frozen=True):
    """A file that is not loaded, but whose text tells what it might define."""

    path: str
    digest: bytes


class Had(msgspec.Struct, array_like=True, frozen=True):
    """What one file yielded, where it yielded something to be told."""

    local: list[Raw] = []
    joined: list[Raw] = []
    annotated: list[Anchored] = []
    invalid: list[Invalid] = []
    skipped: list[Skipped] = []
    notes: list[Note] = []


NOTHING = Had()


class Head(msgspec.Struct, array_like=True, frozen=True):
    """All that tells whether the rest still holds, and what a report needs besides findings."""

    paths: bytes
    filenames: bytes
    scopes: bytes
    """The scope of each file, and the namespace that it is applied to."""
    stats: bytes
    taken: int
    digests: bytes
    counts: bytes
    """Documents, resources and evaluations of each file."""
    commented: bytes
    numbers: bytes
    """The number of each file."""
    next_number: int
    stale: int
    """How many pairs were added to the maps since they were made."""
    extras: tuple[Extra, ...]
    world: bytes
    """The digest of what lies outside the input."""
    joins: bool
    definers: list[int]
    """Positions of files that define kinds."""
    kinds: list[CustomKind]
    policies: list[PolicyInfo]
    late: list[Note]
    """Notes that are no file's."""
    copies: Note | None
    digest: str
    """Over the resources of all files."""


class Body(msgspec.Struct, array_like=True, frozen=True):
    """What files yielded, by position."""

    had: list[tuple[int, Had]]


#: (group, kind, namespace, name) of each named resource.
Names = list[tuple[str, str, str, str]]


def split(blob: bytes) -> list[str]:
    """Return the texts of a column; `blob` is not empty of files."""
    return blob.decode("utf-8", "surrogatepass").split("\0")


def join(texts: Iterable[str]) -> bytes:
    """Return a column of texts that hold no NUL."""
    return "\0".join(texts).encode("utf-8", "surrogatepass")


def numbers_of(blob: bytes | memoryview, code: str) -> array[int]:
    """Return a column of numbers."""
    found = array(code)
    found.frombytes(blob)
    return found


class Sets:
    """A column of sets of marks."""

    def __init__(self, rows: list[bytes]) -> None:
        self.rows = rows

    @classmethod
    def read(cls, data: bytes | memoryview, count: int) -> Sets:
        """Return the column that `blob` holds. Raises `ValueError` for one of another length."""
        blob = bytes(data)
        width = (count + 1) * 4
        ends = numbers_of(blob[:width], "I")
        if len(ends) != count + 1 or len(blob) != width + ends[-1] * 4:
            raise ValueError("not a column of this length")
        return cls([blob[width + start * 4 : width + end * 4] for start, end in pairwise(ends)])

    def bytes(self) -> bytes:
        """Return the column as bytes."""
        ends = array("I", [0])
        at = 0
        for row in self.rows:
            at += len(row) // 4
            ends.append(at)
        return b"".join([ends.tobytes(), *self.rows])

    def of(self, position: int) -> array[int]:
        """Return the set of one file."""
        return numbers_of(self.rows[position], "I")


def row_of(marks: Iterable[int]) -> bytes:
    """Return a set of marks as a row of `Sets`."""
    return array("I", sorted(marks)).tobytes()


class Pairs:
    """Which files hold, or read, a mark: sorted pairs of both."""

    def __init__(self, pairs: array[int]) -> None:
        self.pairs = pairs

    @classmethod
    def of(cls, sets: Sets, numbers: Sequence[int]) -> Pairs:
        """Return the pairs of a whole column."""
        pairs: list[int] = []
        for number, row in zip(numbers, sets.rows, strict=True):
            pairs += [mark << 32 | number for mark in numbers_of(row, "I")]
        pairs.sort()
        return cls(array("Q", pairs))

    def files(self, marks: Iterable[int]) -> set[int]:
        """Return the numbers of the files that have one of `marks`."""
        pairs, size = self.pairs, len(self.pairs)
        found: set[int] = set()
        for mark in marks:
            at = bisect_left(pairs, mark << 32)
            while at < size and pairs[at] >> 32 == mark:
                found.add(pairs[at] & 0xFFFFFFFF)
                at += 1
        return found

    def add(self, number: int, marks: Iterable[int]) -> int:
        """Add the pairs of a file; return how many were new."""
        pairs = self.pairs
        added = 0
        for mark in marks:
            pair = mark << 32 | number
            at = bisect_left(pairs, pair)
            if at == len(pairs) or pairs[at] != pair:
                pairs.insert(at, pair)
                added += 1
        return added


@dataclass(slots=True)
class State:
    """All that is kept. The parts that a change alone needs are read when they are asked for."""

    head: Head
    had: dict[int, Had]
    prints: list[bytes] = field(default_factory=list)
    """Of each file's resources."""
    names: list[Names] = field(default_factory=list)
    held: Sets | None = None
    read: Sets | None = None
    holders: Pairs | None = None
    readers: Pairs | None = None


_HEAD = "head"
_BODY = "body"


def load(packed: Packed) -> State | None:
    """Return what tells whether results hold, and the results; None where they are damaged."""
    head, body = packed.section(_HEAD), packed.section(_BODY)
    if head is None or body is None:
        return None
    try:
        found = msgspec.msgpack.decode(head, type=Head)
        had = dict(msgspec.msgpack.decode(body, type=Body).had)
    except (msgspec.MsgspecError, ValueError):
        return None
    count = len(found.commented)
    sound = (
        len(found.digests) == 16 * count
        and len(found.stats) == 32 * count
        and len(found.counts) == 12 * count
        and len(found.numbers) == 4 * count
        and count > 0
    )
    return State(found, had) if sound else None


def load_rest(packed: Packed, state: State) -> bool:
    """Read what working in a change needs; return whether it is all there."""
    count = len(state.head.commented)
    if not _load_prints(packed, state):
        return False
    if not state.head.joins:
        return True
    parts = {name: packed.section(name) for name in ("names", "held", "read", "holders", "readers")}
    if any(part is None for part in parts.values()):
        return False
    try:
        state.names = msgspec.msgpack.decode(parts["names"] or b"", type=list[Names])
        state.held = Sets.read(parts["held"] or b"", count)
        state.read = Sets.read(parts["read"] or b"", count)
        state.holders = Pairs(numbers_of(parts["holders"] or b"", "Q"))
        state.readers = Pairs(numbers_of(parts["readers"] or b"", "Q"))
    except (msgspec.MsgspecError, ValueError):
        return False
    return len(state.names) == count


def _load_prints(packed: Packed, state: State) -> bool:
    column = packed.section("prints")
    ends = list(
        accumulate((n * WIDTH for n in numbers_of(state.head.counts, "I")[1::3]), initial=0)
    )
    if column is None or len(column) != ends[-1]:
        return False
    state.prints = [bytes(column[start:end]) for start, end in pairwise(ends)]
    return True


def dump(state: State) -> list[bytes]:
    """Return the parts of the file that holds a state.

    Raises `TypeError`, `ValueError` or `OverflowError` for what is no plain data.
    """
    encode = msgspec.msgpack.encode
    sections = {
        _HEAD: encode(state.head),
        _BODY: encode(Body(sorted(state.had.items()))),
        "prints": b"".join(state.prints),
    }
    if state.held is not None and state.read is not None:
        assert state.holders is not None and state.readers is not None
        sections["names"] = encode(state.names)
        sections["held"] = state.held.bytes()
        sections["read"] = state.read.bytes()
        sections["holders"] = state.holders.pairs.tobytes()
        sections["readers"] = state.readers.pairs.tobytes()
    return pack(sections)
