"""What was read from a cluster, as a source of manifests."""

from __future__ import annotations

from kpolicy.live.reading import LiveInput
from kpolicy.manifests.model import Discovery, SourceOptions
from kpolicy.records import dataclass

#: The target that means the cluster.
TARGET = "live:"


@dataclass(frozen=True, slots=True)
class LiveSource:
    """The source of the target `live:`."""

    given: LiveInput

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return "live"

    def accepts(self, target: str) -> bool:
        """Return whether the target is the cluster."""
        return target == TARGET

    def discover(self, target: str, options: SourceOptions) -> Discovery:
        """Return what was read."""
        return Discovery(self.given.files, self.given.invalid, (), self.given.notes)
