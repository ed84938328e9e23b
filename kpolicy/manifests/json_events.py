"""JSON text as the events that libyaml makes of YAML, so that one reader builds bodies from both.

libyaml reads most JSON, but not all: not `\\/` and surrogate pairs, not keys of more than 1,024
characters, not several objects in a row, all of which kubectl accepts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

__all__ = ["JsonError", "json_events"]

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"([^"\\\x00-\x1f]*(?:\\["\\/bfnrtu][^"\\\x00-\x1f]*)*)"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![\w.+-])", re.ASCII)
_WORD = re.compile(r"(?:true|false|null)(?!\w)")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

_PLAIN = (True, False)
_QUOTED = (False, True)


class JsonError(Exception):
    """Text that is no JSON, with the offset at which that shows."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class _Mark:
    """A place in the text, counted from 0 as libyaml's marks are."""

    __slots__ = ("column", "index", "line")

    def __init__(self, index: int, line: int, column: int) -> None:
        self.index = index
        self.line = line
        self.column = column


def json_events(text: str) -> Callable[[], Event]:
    """Return a function that gives the next event of `text`: one document for each JSON value.

    The function raises `JsonError` when it comes to what is no JSON.
    """
    return _events(text).__next__


def _events(text: str) -> Iterator[Event]:
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def mark(index: int) -> Any:
        line = bisect_right(line_starts, index) - 1
        return _Mark(index, line, index - line_starts[line])

    yield StreamStartEvent()
    at = _skip(text, 0)
    while at < len(text):
        yield DocumentStartEvent(mark(at))
        for event, end in _value(text, at, mark):
            at = end
            yield event
        yield DocumentEndEvent()
        at = _skip(text, at)
    yield StreamEndEvent()


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _value(text: str, at: int, mark: Callable[[int], Any]) -> Iterator[tuple[Event, int]]:
    """Yield the events of one JSON value, each with the offset of what follows it."""
    open_brackets: list[str] = []
    while True:
        char = text[at : at + 1]
        if char in ("{", "["):
            kind = MappingStartEvent if char == "{" else SequenceStartEvent
            yield kind(None, None, True, mark(at), mark(at + 1), flow_style=True), at + 1
            open_brackets.append(char)
            at = _skip(text, at + 1)
            if char == "{" and text[at : at + 1] != "}":
                event, at = _key(text, at, mark)
                yield event, at
                continue
            if char == "[" and text[at : at + 1] != "]":
                continue
        else:
            event, at = _scalar(text, at, mark)
            yield event, at
            at = _skip(text, at) if open_brackets else at
        while open_brackets:
            is_object = open_brackets[-1] == "{"
            char = text[at : at + 1]
            if char == ("}" if is_object else "]"):
                end = MappingEndEvent if is_object else SequenceEndEvent
                yield end(mark(at), mark(at + 1)), at + 1
                open_brackets.pop()
                at = _skip(text, at + 1) if open_brackets else at + 1
                continue
            if char != ",":
                expected = "',' or '}'" if is_object else "',' or ']'"
                raise JsonError(f"expected {expected} here{_found(text, at)}", at)
            at = _skip(text, at + 1)
            if is_object:
                event, at = _key(text, at, mark)
                yield event, at
            break
        else:
            return


def _key(text: str, at: int, mark: Callable[[int], Any]) -> tuple[Event, int]:
    if text[at : at + 1] != '"':
        raise JsonError(f"expected a key in double quotes here{_found(text, at)}", at)
    event, at = _scalar(text, at, mark)
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise JsonError(f"expected ':' after the key{_found(text, at)}", at)
    return event, _skip(text, at + 1)


def _scalar(text: str, at: int, mark: Callable[[int], Any]) -> tuple[Event, int]:
    if match := _STRING.match(text, at):
        value = match[1]
        if "\\" in value:
            value = _unescape(value, at)
        return ScalarEvent(
            None, None, _QUOTED, value, mark(at), mark(match.end()), style='"'
        ), match.end()
    match = _NUMBER.match(text, at) or _WORD.match(text, at)
    if match is None:
        if text[at : at + 1] == '"':
            raise JsonError(
                "this string does not end, or has a bad escape or control character", at
            )
        raise JsonError(f"expected a JSON value here{_found(text, at)}", at)
    if text[at] in "-0123456789" and float(match[0]) in (float("inf"), float("-inf")):
        raise JsonError(f"{match[0][:20]} is too large a number", at)
    return ScalarEvent(
        None, None, _PLAIN, match[0], mark(at), mark(match.end()), style=""
    ), match.end()


def _unescape(raw: str, at: int) -> str:
    from json import loads

    try:
        value: str = loads(f'"{raw}"')
    except ValueError:
        raise JsonError("this string has a bad escape", at) from None
    # Half a surrogate pair is no character; Go reads it as U+FFFD.
    return _LONE_SURROGATE.sub("�", value)


def _found(text: str, at: int) -> str:
    return f", found {text[at]!r}" if at < len(text) else ", found the end of the file"
