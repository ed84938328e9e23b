"""What a phase yields, and what is known of each file: data that processes send one another."""

from __future__ import annotations

import hashlib
from dataclasses import field, replace
from typing import TYPE_CHECKING, NamedTuple

from kpolicy.engine.digest import digest_of
from kpolicy.frozen import FrozenDict
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.engine.findings import Anchor, Raw
    from kpolicy.engine.rows import Row
    from kpolicy.manifests.model import Invalid, Note, Skipped
    from kpolicy.snapshot.resource import Resource
    from kpolicy.suppress.apply import Annotated


class Seen(NamedTuple):
    """What a file had: its part in the counts, and what tells that it is the same file again."""

    path: str
    digest: bytes
    """Of its bytes; empty where they could not be read."""
    commented: bool
    """Whether it may hold comments that suppress something."""
    prints: bytes
    """Of its resources (see `kpolicy.engine.digest`)."""
    documents: int
    resources: int
    evaluations: int


@dataclass(slots=True)
class Tally:
    """What a phase yields. Merged in the order of files, whatever process it came from."""

    findings: list[Raw] = field(default_factory=list)
    annotated: dict[Anchor, Annotated] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    """With their bodies, where these were to be kept."""
    rows: list[Row] = field(default_factory=list)
    """Without, where they were not."""
    relations: frozenset[int] | None = None
    """Whose entries rows have, by number in `rows.relations_of`; None = all."""
    invalid: list[Invalid] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    documents: int = 0
    resource_count: int = 0
    evaluations: int = 0
    seen: list[Seen] = field(default_factory=list)
    """Of each file, where results are kept."""
    uncommented: set[str] = field(default_factory=set)
    """The paths of files that are known to hold no comment that suppresses anything."""
    plain: dict[str, frozenset[int]] = field(default_factory=dict)
    """The plain documents of each file (see `Placer`)."""
    prints: bytearray = field(default_factory=bytearray)
    """Of the resources (see `kpolicy.engine.digest`)."""
    digest: str = ""
    """Over all resources, where it is known; see `digested`."""
    reads: dict[str, set[int]] = field(default_factory=dict)
    """What the joins of each file looked at (see `kpolicy.engine.cached.reads`)."""

    def add(self, other: Tally) -> None:
        """Take in what another part of the phase yielded."""
        self.findings += other.findings
        self.annotated.update(other.annotated)
        self.resources += other.resources
        self.rows += other.rows
        self.invalid += other.invalid
        self.skipped += other.skipped
        self.notes += other.notes
        self.documents += other.documents
        self.resource_count += other.resource_count
        self.evaluations += other.evaluations
        self.seen += other.seen
        self.prints += other.prints
        self.uncommented |= other.uncommented
        self.plain.update(other.plain)
        for path, marks in other.reads.items():
            self.reads.setdefault(path, set()).update(marks)

    def digested(self) -> str:
        """Return the digest over all resources, made once."""
        self.digest = self.digest or digest_of(self.prints)
        return self.digest

    def sparing(self, names: bool) -> Tally:
        """Return what a report is made of: no bodies and, unless `names`, no resources at all."""
        nothing = FrozenDict()
        return replace(
            self,
            seen=[],
            plain={},
            prints=bytearray(),
            digest=self.digested(),
            reads={},
            resources=[
                replace(r, body=nothing, written=None, whole=None) for r in self.resources if names
            ],
            rows=[
                r._replace(filed=(), bits=frozenset(), pending=(), body=None)
                for r in self.rows
                if names
            ],
        )


def content_of(data: bytes) -> bytes:
    """Return what stands for the bytes of a file."""
    return hashlib.blake2b(data, digest_size=16).digest()
