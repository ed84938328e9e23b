"""Regular expressions beyond `matches`: finding, extracting and replacing.

Sources: Kubernetes' `k8s.io/apiserver/pkg/cel/library/regex.go` (`find`, `findAll`, all versions)
and cel-go's `ext/regex.go` (`regex.extract`, `regex.extractAll`, `regex.replace`; not in
Kubernetes up to 1.37). The language is RE2's: no backtracking, so no pattern is slow.
`compile_regex` is the one door to it; the module is imported at the first use.
"""

from __future__ import annotations

from functools import lru_cache
from time import process_time
from typing import Any, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.limits import check_text
from kpolicy.cel.types import INT, STRING, list_of, optional_of
from kpolicy.cel.values import Optional

#: Start and end in bytes of the whole match and of each group; (-1, -1) for a group left out.
Spans = tuple[tuple[int, int], ...]

#: Matches that one call may find.
MAX_MATCHES: Final = 100_000
_MAX_SECONDS: Final = 1
#: Bytes that searches may have looked at, at most, before the clock is read again.
_CLOCK_AFTER: Final = 20_000_000


@lru_cache(maxsize=512)
def compile_regex(pattern: str) -> Any:
    """Return the compiled RE2 pattern; raise `CelError` when it is none.

    `.search` and `.match` of the answer take text or UTF-8 bytes.
    """
    import re2

    if "\\C" in pattern and has_byte_escape(pattern):
        # One byte, maybe half a character: RE2 in C++ has it, Go's has not.
        raise _illegal(pattern, "invalid escape sequence: `\\C`")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else error
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        raise _illegal(pattern, str(reason)) from None


def _illegal(pattern: str, reason: str) -> CelError:
    shown = pattern if len(pattern) <= 100 else pattern[:100] + "..."
    return CelError(f"error parsing regexp: {reason[:200]} in `{shown}`")


def has_byte_escape(pattern: str) -> bool:
    r"""Say whether the pattern has `\C` outside of `\Q...\E`."""
    position = 0
    while (position := pattern.find("\\", position)) >= 0:
        escape = pattern[position + 1 : position + 2]
        if escape == "C":
            return True
        if escape == "Q":
            end = pattern.find("\\E", position + 2)
            if end < 0:
                return False
            position = end
        position += 2
    return False


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _matches(pattern: Any, text: bytes, limit: int = -1) -> list[Spans]:
    """Return the matches from left to right, at most `limit` when that is not negative.

    An empty match directly behind the match before it does not count, as in Go's `FindAll`.
    """
    found: list[Spans] = []
    position = unread = 0
    previous_end = -1
    groups = range(pattern.groups + 1)
    start_time = process_time()
    while position <= len(text) and (limit < 0 or len(found) < limit):
        match = pattern.search(text, position)
        if match is None:
            break
        start, end = match.span()
        if start == end:
            if start != previous_end:
                found.append(tuple(match.span(group) for group in groups))
            position = _next_character(text, end)
        else:
            found.append(tuple(match.span(group) for group in groups))
            position = end
        previous_end = end
        if len(found) > MAX_MATCHES:
            raise CelError(f"a regular expression matches more than {MAX_MATCHES} times")
        # One search is linear, but each may look at all that follows, as `(a*b)|a` does in "aaa".
        unread += len(text) - start
        if unread > _CLOCK_AFTER:
            unread = 0
            if process_time() - start_time > _MAX_SECONDS:
                raise CelError(
                    f"finding all matches takes more than {_MAX_SECONDS} seconds; "
                    "write a regular expression that need not look ahead to the end of the text"
                )
    return found


def _next_character(text: bytes, position: int) -> int:
    """Return the place behind the UTF-8 character at `position`."""
    position += 1
    while position < len(text) and text[position] & 0xC0 == 0x80:
        position += 1
    return position


def find(text: str, regex: str) -> str:
    """Return the first match, or ''."""
    match = compile_regex(regex).search(_encode(text))
    return match.group().decode("utf-8", "replace") if match is not None else ""


def find_all(text: str, regex: str, limit: int = -1) -> list[str]:
    """Return all matches, or the first `limit` when that is not negative."""
    encoded = _encode(text)
    spans = _matches(compile_regex(regex), encoded, limit)
    return [encoded[s[0][0] : s[0][1]].decode("utf-8", "replace") for s in spans]


def _with_one_group(regex: str) -> Any:
    pattern = compile_regex(regex)
    if pattern.groups > 1:
        raise CelError(f'regular expression has more than one capturing group: "{regex}"')
    return pattern


def extract(text: str, regex: str) -> Optional:
    """Return the first match, of its group when there is one; none when that is missing or ''."""
    pattern = _with_one_group(regex)
    encoded = _encode(text)
    match = pattern.search(encoded)
    if match is None:
        return Optional.none()
    group = match.group(pattern.groups)
    if pattern.groups and not group:
        return Optional.none()
    return Optional.of(group.decode("utf-8", "replace"))


def extract_all(text: str, regex: str) -> list[str]:
    """Return all matches, of the group when there is one (then without empty ones)."""
    pattern = _with_one_group(regex)
    encoded = _encode(text)
    found = []
    for spans in _matches(pattern, encoded):
        start, end = spans[pattern.groups]
        if pattern.groups == 0 or start < end:
            found.append(encoded[start:end].decode("utf-8", "replace"))
    return found


def replace(text: str, regex: str, replacement: str, limit: int = -1) -> str:
    r"""Return `text` with all matches replaced, or the first `limit` when that is not negative.

    In `replacement`, `\1` to `\9` stand for a group, `\0` for the match and `\\` for a backslash.
    """
    if limit == 0:
        return text
    pattern = compile_regex(regex)
    encoded = _encode(text)
    pieces: list[bytes] = []
    position = length = 0
    template: list[bytes | int] | None = None
    for spans in _matches(pattern, encoded, limit):
        if template is None:
            template = _parse_replacement(replacement, pattern.groups)
        pieces.append(encoded[position : spans[0][0]])
        for part in template:
            pieces.append(part if isinstance(part, bytes) else _group(encoded, spans[part]))
            length += len(pieces[-1])
        position = spans[0][1]
        check_text("regex.replace", length + len(encoded))
    pieces.append(encoded[position:])
    return b"".join(pieces).decode("utf-8", "replace")


def _group(text: bytes, span: tuple[int, int]) -> bytes:
    return text[span[0] : span[1]] if span[0] >= 0 else b""


def _parse_replacement(replacement: str, groups: int) -> list[bytes | int]:
    """Return literal pieces and group numbers; raise `CelError` for a wrong backslash or group."""
    parts: list[bytes | int] = []
    literal, *escapes = replacement.split("\\")
    pending = _encode(literal)
    after_backslash = False
    for piece in escapes:
        if after_backslash:
            # The second of two backslashes: what follows is plain text.
            pending += b"\\" + _encode(piece)
            after_backslash = False
        elif piece[:1] and piece[0] in "0123456789":
            if int(piece[0]) > groups:
                raise CelError(
                    f"replacement string references group {piece[0]} "
                    f"but regex has only {groups} group(s)"
                )
            parts += [pending, int(piece[0])]
            pending = _encode(piece[1:])
        elif piece:
            raise CelError(
                f"invalid replacement string: '{replacement}' \\ must be followed by a digit or \\"
            )
        else:
            after_backslash = True
    if after_backslash:
        raise CelError(f"invalid replacement string: '{replacement}' \\ not allowed at end")
    return [*parts, pending]


LIBRARY: Final = Library(
    name="regex",
    doc="Finding, extracting and replacing by regular expression (RE2).",
    source="k8s.io/apiserver/pkg/cel/library/regex.go and cel-go ext/regex.go",
    functions=(
        Function(
            "find",
            (Overload("string_find_string", (STRING, STRING), STRING, find, True,
                      cost="product"),),
            doc="the first match, or ''",
        ),
        Function(
            "findAll",
            (
                Overload("string_find_all_string", (STRING, STRING), list_of(STRING), find_all,
                         True, cost="product"),
                Overload("string_find_all_string_int", (STRING, STRING, INT), list_of(STRING),
                         find_all, True, cost="product"),
            ),
            doc="all matches, or the first n",
        ),
        Function(
            "regex.extract",
            (Overload("regex_extract_string_string", (STRING, STRING), optional_of(STRING),
                      extract, cost="product"),),
            doc="the first match or its only group, as an optional",
        ),
        Function(
            "regex.extractAll",
            (Overload("regex_extractAll_string_string", (STRING, STRING), list_of(STRING),
                      extract_all, cost="product"),),
            doc="all matches or their only group",
        ),
        Function(
            "regex.replace",
            (
                Overload("regex_replace_string_string_string", (STRING, STRING, STRING), STRING,
                         replace, cost="product"),
                Overload("regex_replace_string_string_string_int", (STRING, STRING, STRING, INT),
                         STRING, replace, cost="product"),
            ),
            doc="the text with matches replaced; \\1 stands for a group",
        ),
    ),
)  # fmt: skip
