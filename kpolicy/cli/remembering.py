"""Keeps the bytes of inputs that cannot be read twice, so that their findings have excerpts too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpolicy.manifests.model import Discovery, Source, SourceOptions
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.cli.files import SourceLines


@dataclass(frozen=True, slots=True)
class RememberingSource:
    """A source that hands on what another one finds."""

    source: Source
    lines: SourceLines

    @property
    def name(self) -> str:
        """The other source's name."""
        return self.source.name

    def accepts(self, target: str) -> bool:
        """Ask the other source."""
        return self.source.accepts(target)

    def discover(self, target: str, options: SourceOptions) -> Discovery:
        """Ask the other source; keep bytes that are not on the disk, and names shown otherwise."""
        found = self.source.discover(target, options)
        for file in found.files:
            if file.data is not None:
                self.lines.remember(file.path, file.data)
            elif file.filename != file.path:
                self.lines.alias(file.path, file.filename)
        return found
