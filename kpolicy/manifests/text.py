"""Bytes to text, and text to the pieces between document separators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Chunk", "decode", "flaw", "is_json", "json_part", "place_after", "split"]

#: What libyaml refuses to read, and what stands for bytes that are no text.
_FORBIDDEN = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"
_ASCII_CONTROLS = bytes({*range(32), 0x7F} - set(b"\t\n\r"))
_SEPARATOR = r"(?m)^---(?=[ \t\r\n]|\Z)"
_JSON_START = r"(?:---[ \t]*(?:\r?\n|(?=[{\[])))?[ \t\r\n]*[{\[]"


class Chunk(NamedTuple):
    """The text of one YAML document, its separator included."""

    text: str
    lines_before: int


def place_after(text: str) -> tuple[int, int]:
    """Return the line and column (from 1) of what follows `text`."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def decode(data: bytes) -> tuple[str, bool]:
    """Return the text of `data`, and whether `flaw` will find something in it.

    Reads UTF-8, and UTF-16 where a byte order mark says so; byte order marks are not part of the
    text. A byte that is no text stands in it as a lone surrogate.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError as error:
            # What follows half a character may be read in many ways; none is worth guessing.
            text = data[: error.start].decode("utf-16") + chr(0xDC00 + data[error.start])
    else:
        if data[:3] == b"\xef\xbb\xbf":
            data = data[3:]
        text = data.decode("utf-8", "surrogateescape")
        if text.isascii():
            # Twenty times as fast as the search below, and nearly all files are ASCII.
            return text, len(data.translate(None, _ASCII_CONTROLS)) != len(data)
    return text, re.search(_FORBIDDEN, text) is not None


def flaw(text: str) -> tuple[str, int, int] | None:
    """Return (message, line, column) of the first thing in a document that is no text."""
    for match in re.finditer(_FORBIDDEN, text):
        code = ord(match[0])
        if 0x7F <= code < 0xD800 and is_json(text):
            continue
        if code == 0:
            what = "a NUL byte is not allowed; is this a text file?"
        elif 0xDC00 <= code < 0xE000:
            what = f"byte 0x{code - 0xDC00:02x} is not valid UTF-8; save the file as UTF-8"
        else:
            what = (
                f"control character U+{code:04X} is not allowed; remove it, or write it as an "
                "escape in double quotes"
            )
        return what, *place_after(text[: match.start()])
    return None


def is_json(text: str) -> bool:
    """Return whether `text` begins as a JSON object or list does (a YAML flow collection, too).

    A document separator may stand before it.
    """
    return re.match(_JSON_START, text) is not None


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
    for match in re.finditer(_SEPARATOR, text):
        end = match.start()
        if end > start:
            piece = text[start:end]
            yield Chunk(piece, lines)
            lines += piece.count("\n")
            start = end
    yield Chunk(text[start:], lines)
