"""What is found and followed of controllers: plain values."""

from __future__ import annotations

from dataclasses import field

from kpolicy.frozen import FrozenDict
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid, Note
from kpolicy.records import dataclass
from kpolicy.rendering.jobs import RenderJob

__all__ = ["Followed", "Sighting"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A resource of a controller, where it was seen."""

    body: FrozenDict
    path: str
    document: int
    pointer: str
    data: bytes
    """The text it stands in."""
    rendered: bool = False
    """Whether that text was rendered, so that lines in it are no lines of a file."""
    namespace: str = ""
    """Where it is applied to, when it names no namespace itself."""

    def at(self, pointer: str) -> SourceLocation:
        """Return the place of one of its fields."""
        if self.rendered:
            return SourceLocation(self.path)
        from kpolicy.manifests.places import locate

        line, column = locate(self.data, self.document, self.pointer + pointer)
        return SourceLocation(self.path, line, column)


@dataclass(slots=True)
class Followed:
    """What controllers' resources come to."""

    jobs: list[RenderJob] = field(default_factory=list)
    problems: list[Invalid] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    left: list[Note] = field(default_factory=list)
    """What is not followed and need not be: said to who asks for it."""
