"""Where something stands in a file."""

from __future__ import annotations

from kpolicy.records import dataclass


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """A place in a source file, for people: line and column count from 1.

    `path` is as shown to the user (relative to the working directory where below it, `/` as
    separator, `<stdin>` for standard input). Line 0 means "the file as a whole".
    """

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.path
        at = f"{self.path}:{self.line}"
        return f"{at}:{self.column}" if self.column else at
