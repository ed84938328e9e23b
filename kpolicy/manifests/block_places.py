"""Places of keys and scalars in the common part of YAML, found in the text beside the body.

A body that `block_reader` has read says where each mapping and list begins, and in that part of
YAML the indentation tells which lines are its entries: a scalar's place is a look at a few lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.manifests.block_reader import FLOW_TOKEN

__all__ = ["place_in_block"]

Place = tuple[int, int]


def place_in_block(
    body: Any, lines: Sequence[str], lines_before: int, parts: Sequence[str], keys: bool
) -> Place | None:
    """Return where the value at `parts` of `body` stands, None where this cannot tell.

    `lines` are those of the document, which has no duplicate keys; `lines_before` stand above them.
    A part that is not there ends the search at what holds it.
    """
    here = body
    place: Place = (body.line, body.column)
    for part in parts:
        if here.__class__ is FrozenDict:
            if part not in here:
                return place
            value = here[part]
            if keys or value.__class__ not in (FrozenDict, FrozenList):
                found = _entry(here, part, lines, lines_before)
                if found is None:
                    return None
                place = found[0] if keys else found[1]
            else:
                place = (value.line, value.column)
        elif here.__class__ is FrozenList:
            if not (part.isascii() and part.isdecimal()) or int(part) >= len(here):
                return place
            value = here[int(part)]
            if value.__class__ in (FrozenDict, FrozenList):
                place = (value.line, value.column)
            else:
                item = _item(here, int(part), lines, lines_before)
                if item is None:
                    return None
                place = item
        else:
            return place
        here = value
    return place


def _entry(
    mapping: FrozenDict, key: str, lines: Sequence[str], lines_before: int
) -> tuple[Place, Place] | None:
    """Return the places of a key and of its value (the key's, where the value is left out)."""
    column = mapping.column - 1
    start = f"{key}:"
    first = mapping.line - 1 - lines_before
    if lines[first][column] == "{":
        found = _in_flow(lines[first], column, key)
        line_number = mapping.line
        return found and ((line_number, found[0]), (line_number, found[1]))
    for number in range(first, len(lines)):
        line = lines[number]
        if not line.startswith(start, column):
            continue
        if number > first and line[:column].strip(" "):
            continue
        rest = line[column + len(start) :]
        if rest[:1] not in ("", " ", "\r"):
            continue
        value = rest.lstrip(" ")
        line_number = number + 1 + lines_before
        at_key = (line_number, column + 1)
        if value in ("", "\r") or value[0] == "#":
            return at_key, at_key
        return at_key, (line_number, len(line) - len(value) + 1)
    return None


def _item(
    sequence: FrozenList, index: int, lines: Sequence[str], lines_before: int
) -> Place | None:
    """Return the place of a scalar in a list that has a line for each item."""
    column = sequence.column - 1
    first = sequence.line - 1 - lines_before
    start = lines[first][column : column + 1]
    if start == "[":
        found = _in_flow(lines[first], column, index)
        return found and (sequence.line, found[1])
    if start != "-":
        return None
    seen = -1
    for number in range(first, len(lines)):
        line = lines[number]
        if line[column : column + 2] == "- " and not line[:column].strip(" "):
            seen += 1
            if seen == index:
                value = line[column + 1 :].lstrip(" ")
                return number + 1 + lines_before, len(line) - len(value) + 1
    return None


def _in_flow(line: str, column: int, part: str | int) -> Place | None:
    """Return the columns, from 1, of a key and its value, or of an item (twice), of the flow
    collection that begins in a line at `column`, counted from 0."""
    depth = number = 0
    at_key = -1
    for token in re.compile(FLOW_TOKEN).finditer(line, column):
        kind = token.lastgroup
        if kind == "space":
            continue
        here = token.start() + 1
        if depth == 1:
            if at_key > 0:
                return at_key, here
            if kind == "comma":
                number += 1
            elif kind == "key":
                if token["key"] == f"{part}:":
                    at_key = here
            elif kind != "close" and number == part:
                return here, here
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
            if not depth:
                break
    return None
