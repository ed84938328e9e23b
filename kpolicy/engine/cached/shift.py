"""From the columns of one state to those of the next: most of it is moved, some of it is new."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field

from kpolicy.engine.cached.build import Numbered, Told, Whole, counts_of, head_of
from kpolicy.engine.cached.compare import NO_DIGEST, Changes, Columns
from kpolicy.engine.cached.state import (
    Had,
    Head,
    Names,
    Pairs,
    Sets,
    State,
    numbers_of,
    row_of,
    split,
)
from kpolicy.engine.digest import digest_of
from kpolicy.engine.tally import Seen
from kpolicy.records import dataclass

#: A map is made anew when it has had so many additions, in parts of what it holds.
_STALE = 4


@dataclass(frozen=True, slots=True)
class Shift:
    """Where the files of the next state come from."""

    origins: Sequence[int]
    """The kept position of each file, -1 for one that is evaluated."""
    changed: Sequence[int]
    """The positions of those that are evaluated."""
    removed: Sequence[int]
    """The kept positions of what was there before."""
    numbers: array[int]
    """The number of each file; one that has changed keeps its own."""
    next_number: int
    in_place: bool
    """Whether the files are the same, in the same order."""
    by_number: Mapping[int, int]

    @classmethod
    def of(cls, head: Head, now: Columns, changes: Changes) -> Shift:
        """Return the shift that a change means."""
        origins = changes.origins
        changed = [n for n, origin in enumerate(origins) if origin < 0]
        kept = numbers_of(head.numbers, "I")
        in_place = head.paths == now.paths and len(kept) == len(origins)
        following = head.next_number
        if in_place:
            numbers = kept
        else:
            gone = set(changes.removed)
            before = {p: kept[n] for n, p in enumerate(split(head.paths)) if n in gone}
            numbers = array("I")
            for n, origin in enumerate(origins):
                number = kept[origin] if origin >= 0 else before.get(now.files[n].path, -1)
                if number < 0:
                    number, following = following, following + 1
                numbers.append(number)
        by_number = {number: n for n, number in enumerate(numbers)}
        return cls(origins, changed, changes.removed, numbers, following, in_place, by_number)

    def places(self, numbers: set[int]) -> set[int]:
        """Return the positions of the files with these numbers, of those that are still there."""
        found = (self.by_number.get(number, -1) for number in numbers)
        return {place for place in found if place >= 0}


@dataclass(frozen=True, slots=True)
class Fresh:
    """What the evaluated files had, and what joins looked at."""

    seen: Sequence[Seen]
    """In the order of `Shift.changed`."""
    held: Mapping[int, set[int]] = field(default_factory=dict)
    read: Mapping[int, set[int]] = field(default_factory=dict)
    names: list[Names] = field(default_factory=list)
    looked_at: Collection[int] = ()
    """The positions of files that were read though they had not changed."""


def shifted(
    state: State, now: Columns, shift: Shift, whole: Whole, had: dict[int, Had], fresh: Fresh
) -> State:
    """Return the state after a change."""
    following = State(state.head, had)
    stale = state.head.stale
    if state.held is not None and state.read is not None:
        assert state.holders is not None and state.readers is not None
        following.names = fresh.names
        following.held = _moved_sets(state.held, shift, fresh.held)
        following.read = _moved_sets(state.read, shift, fresh.read)
        following.holders, following.readers = state.holders, state.readers
        for pairs, marks in ((following.holders, fresh.held), (following.readers, fresh.read)):
            for position, each in marks.items():
                stale += pairs.add(shift.numbers[position], each)
        if stale * _STALE > len(following.holders.pairs) + len(following.readers.pairs):
            following.holders = Pairs.of(following.held, shift.numbers)
            following.readers = Pairs.of(following.read, shift.numbers)
            stale = 0
    following.prints = [state.prints[o] if o >= 0 else b"" for o in shift.origins]
    for position, seen in zip(shift.changed, fresh.seen, strict=True):
        following.prints[position] = seen.prints
    digest = digest_of(b"".join(following.prints))
    following.head = _head(state.head, now, shift, whole, fresh, digest, stale)
    return following


def _head(
    head: Head,
    now: Columns,
    shift: Shift,
    whole: Whole,
    fresh: Fresh,
    digest: str,
    stale: int,
) -> Head:
    at = dict(zip(shift.changed, fresh.seen, strict=True))
    places = {origin: n for n, origin in enumerate(shift.origins)} if head.definers else {}
    return head_of(
        whole,
        now,
        Told(
            _moved(head.digests, 16, shift, {n: s.digest or NO_DIGEST for n, s in at.items()}),
            _moved(head.counts, 12, shift, {n: counts_of(s) for n, s in at.items()}),
            _moved(head.commented, 1, shift, {n: bytes([s.commented]) for n, s in at.items()}),
        ),
        Numbered(shift.numbers, shift.next_number, stale),
        [places[position] for position in head.definers],
        head.kinds,
        digest,
        {*shift.changed, *fresh.looked_at},
    )


def _moved(blob: bytes, width: int, shift: Shift, fresh: Mapping[int, bytes]) -> bytearray:
    """Return a column of the next state."""
    if shift.in_place:
        column = bytearray(blob)
        for position, each in fresh.items():
            column[position * width : position * width + width] = each
        return column
    return bytearray().join(
        blob[origin * width : origin * width + width] if origin >= 0 else fresh[n]
        for n, origin in enumerate(shift.origins)
    )


def _moved_sets(sets: Sets, shift: Shift, fresh: Mapping[int, set[int]]) -> Sets:
    rows = sets.rows
    moved = [rows[o] if o >= 0 else b"" for o in shift.origins]
    for position, marks in fresh.items():
        moved[position] = row_of(marks)
    return Sets(moved)
