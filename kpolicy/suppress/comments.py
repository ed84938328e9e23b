"""Suppression by comment: `# kpolicy:ignore ID[,ID] reason` on the finding's line or above it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

_COMMENT = r"(?:^|\s)#\s*kpolicy:ignore\s+(?P<ids>[^\s,]+(?:\s*,\s*[^\s,]+)*)\s*(?P<reason>.*)$"


class Comment(NamedTuple):
    """One ignore comment. `own_line` = nothing but the comment stands on its line."""

    line: int
    patterns: tuple[str, ...]
    reason: str
    own_line: bool

    def covers(self, policy: str) -> bool:
        """Return whether a finding of `policy` is silenced."""
        return any(p == policy or fnmatchcase(policy, p) for p in self.patterns)


def comments_of(lines: Sequence[str]) -> dict[int, Comment]:
    """Return the ignore comments of a file by line number, from 1."""
    found: dict[int, Comment] = {}
    for number, line in enumerate(lines, 1):
        if "kpolicy:ignore" not in line:
            continue
        match = re.search(_COMMENT, line)
        if match is None:
            continue
        ids = tuple(part.strip() for part in match["ids"].split(","))
        own_line = line.lstrip().startswith("#")
        found[number] = Comment(number, ids, match["reason"].strip(), own_line)
    return found


def covering(
    comments: dict[int, Comment], lines: Sequence[str], line: int, policy: str
) -> Comment | None:
    """Return the comment that silences `policy` at `line`: on it, or in the comments above it."""
    here = comments.get(line)
    if here is not None and here.covers(policy):
        return here
    above = line - 1
    while above > 0 and above <= len(lines) and lines[above - 1].lstrip().startswith("#"):
        comment = comments.get(above)
        if comment is not None and comment.own_line and comment.covers(policy):
            return comment
        above -= 1
    return None
