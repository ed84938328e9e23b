"""A source line as an excerpt: number, text, and a caret under the place."""

from __future__ import annotations

import re
import unicodedata

from kpolicy.reporters.rendering import clean

_TRAILING_COMMENT = r"\s+#.*$"


def excerpt(
    lines: list[str],
    line: int,
    column: int,
    *,
    gutter: int = 0,
    width: int = 0,
    point: bool = False,
) -> tuple[str, str] | None:
    """Return (the numbered source line, the caret line), or None when there is no such line.

    `line` and `column` count from 1. `gutter` is the least width of the line number;
    `width` > 0 bounds the text, which is cut around the caret. The carets run to the end of what is
    written there; with `point` one stands at the column alone.
    """
    if not 0 < line <= len(lines):
        return None
    room = max(width - gutter - 4, 20) if width else 200
    before, marked, after = marked_line(lines[line - 1], column, room)
    number = str(line).rjust(gutter)
    text = f"{number} │ {before}{marked}{after}".rstrip()
    length = 1 if point else max(cells(marked), 1)
    caret = f"{' ' * len(number)} │ {' ' * cells(before)}{'^' * length}"
    return text, caret


def marked_line(text: str, column: int, room: int) -> tuple[str, str, str]:
    """Return a source line, cleaned, as what stands before the mark, the mark, and the rest.

    The mark runs from `column` (0: the first character that is not a blank) to the end of what is
    written there. A line longer than `room` characters is cut around the start of the mark.
    """
    raw = text.rstrip("\r\n")
    start = max(column - 1, 0) if column else len(raw) - len(raw.lstrip())
    before, marked, after = (flat(part) for part in _split(raw, min(start, len(raw))))
    if len(before) + len(marked) + len(after) > room:
        return _cut(before, marked, after, room)
    return before, marked, after


def cells(text: str) -> int:
    """Return how many terminal columns `text` takes (wide East Asian characters take two)."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(c) in ("W", "F")
        else 1
        for c in text
    )


def _split(raw: str, start: int) -> tuple[str, str, str]:
    """Split a line into what stands before the mark, what is marked, and the rest."""
    rest = raw[start:]
    body = re.sub(_TRAILING_COMMENT, "", rest).rstrip() or rest.rstrip()
    return raw[:start], body, rest[len(body) :]


def _cut(before: str, marked: str, after: str, room: int) -> tuple[str, str, str]:
    """Shorten the three parts to `room` characters, keeping the start of the mark in sight."""
    if len(before) > room // 2:
        before = "…" + before[len(before) - room // 2 + 1 :]
    left = room - len(before)
    if len(marked) > left:
        return before, marked[: left - 1] + "…", ""
    return before, marked, after[: max(left - len(marked) - 1, 0)] + ("…" if after else "")


def flat(text: str) -> str:
    """Return `text` cleaned, on one line, each tab as one blank."""
    return clean(text).replace("\t", " ").replace("\n", " ")
