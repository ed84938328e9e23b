"""Bytes to text, and text to the pieces between document separators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Chunk", "TextError", "decode", "is_json", "json_part", "place_after", "split"]

#: What libyaml refuses to read, and JSON and YAML both forbid unescaped.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_JSON_START = re.compile(r"(?:---[ \t]*(?:\r?\n|(?=[{\[])))?[ \t\r\n]*[{\[]")


@dataclass(frozen=True, slots=True)
class TextError:
    """Bytes that are no text: where (from 1) and what; `offset` counts characters before them."""

    message: str
    line: int
    column: int
    offset: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text of one YAML document, its separator included."""

    text: str
    lines_before: int


def place_after(text: str) -> tuple[int, int]:
    """Return the line and column (from 1) of what follows `text`."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def decode(data: bytes) -> tuple[str, TextError | None]:
    """Return the text of `data` up to the first thing that is no text, and what that is.

    Reads UTF-8, and UTF-16 where a byte order mark says so; byte order marks are not part of the
    text.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding, name = "utf-16", "UTF-16"
    else:
        encoding, name = "utf-8", "UTF-8"
        if data[:3] == b"\xef\xbb\xbf":
            data = data[3:]
    problem = None
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = data[: error.start].decode(encoding)
        line, column = place_after(text)
        at = data[error.start]
        problem = TextError(
            f"byte 0x{at:02x} is not valid {name}; save the file as UTF-8", line, column, len(text)
        )
    forbidden = _FORBIDDEN.search(text)
    if forbidden and not (forbidden[0] >= "\x7f" and is_json(text)):
        text, code = text[: forbidden.start()], ord(forbidden[0])
        line, column = place_after(text)
        what = "a NUL byte" if code == 0 else f"control character U+{code:04X}"
        problem = TextError(
            f"{what} is not allowed in YAML or JSON; remove it, or escape it in a quoted string",
            line,
            column,
            len(text),
        )
    return text, problem


def is_json(text: str) -> bool:
    """Return whether `text` begins as a JSON object or list does (a YAML flow collection, too).

    A document separator may stand before it.
    """
    return _JSON_START.match(text) is not None


def json_part(text: str) -> str:
    """Return `text` with a document separator before its JSON blanked out, places unchanged."""
    return "   " + text[3:] if text.startswith("---") else text


def split(text: str) -> Iterator[Chunk]:
    """Yield the documents of a YAML stream, cut at the lines that begin with `---`.

    Such a line is a separator wherever it stands: YAML allows it in no scalar. Each document can so
    be read on its own, and a broken one does not take the others along. A stream with `%`
    directives, which belong to what follows them, comes as one piece.
    """
    if "---" not in text or text.startswith("%") or "\n%" in text:
        yield Chunk(text, 0)
        return
    start = lines = 0
    for match in _SEPARATOR.finditer(text):
        end = match.start()
        if end > start:
            piece = text[start:end]
            yield Chunk(piece, lines)
            lines += piece.count("\n")
            start = end
    yield Chunk(text[start:], lines)
