"""The strings library: searching, cutting and joining text, `strings.quote` and `format`.

Source: cel-go `ext/strings.go` (version 5 of the library) and cel-spec
`tests/simple/testdata/string_ext.textproto`. Kubernetes enables version 2 since 1.29 (`format`,
`strings.quote`, `join`; without the string `reverse`). Offsets count code points.

Where the two sources differ the specification's cases win: an offset beyond the end is an error
in `indexOf` and `lastIndexOf` (cel-go, and so the API server, answers -1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.limits import MAX_ELEMENTS, check_elements, check_text
from kpolicy.cel.types import DYN, INT, STRING, list_of
from kpolicy.cel.values import show

#: Unicode's White_Space, which is what Go trims; Python's `str.strip` also takes U+001C to U+001F.
WHITE_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_LOWER: Final = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {c: c - 32 for c in range(ord("a"), ord("z") + 1)}
_QUOTED: Final = {
    7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r",
    ord('"'): '\\"', ord("\\"): "\\\\",
}  # fmt: skip


def _out_of_range(index: int) -> CelError:
    return CelError(f"index out of range: {index}")


def char_at(text: str, index: int) -> str:
    """Return the character at `index`, '' just past the end."""
    if not 0 <= index <= len(text):
        raise _out_of_range(index)
    return text[index : index + 1]


def index_of(text: str, part: str, offset: int = 0) -> int:
    """Return the first place of `part` at or after `offset`, or -1."""
    if not 0 <= offset <= len(text):
        raise _out_of_range(offset)
    return text.find(part, offset)


def last_index_of(text: str, part: str) -> int:
    """Return the last place of `part`, or -1."""
    return text.rfind(part)


def last_index_of_from(text: str, part: str, offset: int) -> int:
    """Return the last place of `part` that is at or before `offset`, or -1."""
    if not 0 <= offset <= len(text):
        raise _out_of_range(offset)
    if part and offset == len(text):
        return -1
    return text.rfind(part, 0, offset + len(part))


def join(parts: Sequence[Any], separator: str = "") -> str:
    """Return the strings of `parts` with `separator` between them."""
    length = len(separator) * max(len(parts) - 1, 0)
    for part in parts:
        if not isinstance(part, str):
            raise CelError(f"join: invalid input: {show(part)}")
        length += len(part)
    check_text("join", length)
    return separator.join(parts)


def lower_ascii(text: str) -> str:
    """Return `text` with A to Z in lower case and everything else untouched."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def upper_ascii(text: str) -> str:
    """Return `text` with a to z in upper case and everything else untouched."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    """Return `text` with `old` replaced, the first `limit` times when that is not negative.

    An empty `old` matches before each character and at the end.
    """
    if limit == 0:
        return text
    growth = len(new) - len(old)
    if growth > 0 and len(text) + growth * (len(text) + 1) > 100_000:
        count = text.count(old)
        check_text("replace", len(text) + growth * (min(count, limit) if limit > 0 else count))
    return text.replace(old, new, min(limit, len(text) + 1) if limit > 0 else -1)


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """Return the parts of `text` around `separator`, at most `limit` when that is not negative.

    The last part keeps the rest. An empty separator cuts between all characters.
    """
    if limit == 0:
        return []
    if len(text) >= MAX_ELEMENTS:
        count = text.count(separator) + bool(separator)
        check_elements("split", count if limit < 0 else min(count, limit))
    if separator:
        return text.split(separator, -1 if limit < 0 else min(limit - 1, len(text)))
    if limit < 0 or limit >= len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


def substring(text: str, start: int) -> str:
    """Return `text` from `start` to its end."""
    if not 0 <= start <= len(text):
        raise _out_of_range(start)
    return text[start:]


def substring_range(text: str, start: int, end: int) -> str:
    """Return `text` from `start` up to and without `end`."""
    if start > end:
        raise CelError(f"invalid substring range. start: {start}, end: {end}")
    for index in (start, end):
        if not 0 <= index <= len(text):
            raise _out_of_range(index)
    return text[start:end]


def trim(text: str) -> str:
    """Return `text` without Unicode white space at both ends."""
    return text.strip(WHITE_SPACE)


def reverse(text: str) -> str:
    """Return the code points of `text` in reverse order."""
    return text[::-1]


def quote(text: str) -> str:
    """Return `text` in double quotes, with escape sequences where it could not be printed."""
    escaped = text.translate(_QUOTED)
    if not escaped.isascii():
        # What is no Unicode scalar value cannot be written out: it is shown as U+FFFD.
        escaped = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in escaped)
    return f'"{escaped}"'


def format_text(template: str, arguments: Sequence[Any]) -> str:
    """Return `template` with its clauses replaced (see `kpolicy.cel.library.formatting`)."""
    from kpolicy.cel.library.formatting import format_string

    return format_string(template, arguments)


LIBRARY: Final = Library(
    name="cel.lib.ext.strings",
    doc="Searching, cutting and joining text, quoting and printf-like formatting.",
    source="cel-go ext/strings.go, version 5",
    functions=(
        Function(
            "charAt",
            (Overload("string_char_at_int", (STRING, INT), STRING, char_at, True),),
            doc="the character at an offset; '' just past the end",
        ),
        Function(
            "indexOf",
            (
                Overload("string_index_of_string", (STRING, STRING), INT, index_of, True,
                         cost="size"),
                Overload("string_index_of_string_int", (STRING, STRING, INT), INT, index_of, True,
                         cost="size"),
            ),
            doc="the first offset of a substring, from an offset on; -1 when there is none",
        ),
        Function(
            "lastIndexOf",
            (
                Overload("string_last_index_of_string", (STRING, STRING), INT, last_index_of, True,
                         cost="size"),
                Overload("string_last_index_of_string_int", (STRING, STRING, INT), INT,
                         last_index_of_from, True, cost="size"),
            ),
            doc="the last offset of a substring, up to an offset; -1 when there is none",
        ),
        Function(
            "join",
            (
                Overload("list_join", (list_of(STRING),), STRING, join, True, cost="size"),
                Overload("list_join_string", (list_of(STRING), STRING), STRING, join, True,
                         cost="size"),
            ),
            doc="the strings of a list in one, with a separator between them",
        ),
        Function(
            "lowerAscii",
            (Overload("string_lower_ascii", (STRING,), STRING, lower_ascii, True, cost="size"),),
            doc="the text with A to Z in lower case",
        ),
        Function(
            "upperAscii",
            (Overload("string_upper_ascii", (STRING,), STRING, upper_ascii, True, cost="size"),),
            doc="the text with a to z in upper case",
        ),
        Function(
            "replace",
            (
                Overload("string_replace_string_string", (STRING, STRING, STRING), STRING, replace,
                         True, cost="size"),
                Overload("string_replace_string_string_int", (STRING, STRING, STRING, INT), STRING,
                         replace, True, cost="size"),
            ),
            doc="the text with a substring replaced, everywhere or the first n times",
        ),
        Function(
            "split",
            (
                Overload("string_split_string", (STRING, STRING), list_of(STRING), split, True,
                         cost="size"),
                Overload("string_split_string_int", (STRING, STRING, INT), list_of(STRING), split,
                         True, cost="size"),
            ),
            doc="the parts around a separator, all or at most n",
        ),
        Function(
            "substring",
            (
                Overload("string_substring_int", (STRING, INT), STRING, substring, True,
                         cost="size"),
                Overload("string_substring_int_int", (STRING, INT, INT), STRING, substring_range,
                         True, cost="size"),
            ),
            doc="the text from an offset to its end, or up to another offset",
        ),
        Function(
            "trim",
            (Overload("string_trim", (STRING,), STRING, trim, True, cost="size"),),
            doc="the text without Unicode white space at both ends",
        ),
        Function(
            "reverse",
            (Overload("string_reverse", (STRING,), STRING, reverse, True, cost="size"),),
            doc="the text backwards",
        ),
        Function(
            "format",
            (Overload("string_format", (STRING, list_of(DYN)), STRING, format_text, True,
                      cost="size"),),
            doc="the text with %s %d %f %e %b %o %x %X replaced by the list's elements",
        ),
        Function(
            "strings.quote",
            (Overload("strings_quote", (STRING,), STRING, quote, cost="size"),),
            doc="the text in double quotes, escaped",
        ),
    ),
)  # fmt: skip
