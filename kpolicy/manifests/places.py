"""Where the keys and scalars of a document stand.

Bodies carry the places of mappings and sequences only. For a finding that points at a scalar, the
one document is read again into *spots*, which have a place for everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

from kpolicy.manifests.block_places import place_in_block
from kpolicy.manifests.block_reader import read_block
from kpolicy.manifests.model import DocumentProblem, Invalid, Limits, ManifestFile
from kpolicy.manifests.scalars import ScalarError, key_text
from kpolicy.manifests.text import Chunk, decode, flaw, is_json, json_part, split
from kpolicy.manifests.yaml_documents import Parsed

__all__ = ["duplicate_keys", "locate", "locate_many", "numbered"]

Place = tuple[int, int]


@dataclass(slots=True)
class Spot:
    """One value of a document and where it begins (line and column from 1)."""

    place: Place
    entries: dict[str, tuple[Place, Spot]] = field(default_factory=dict)
    """For a mapping: key to the key's place and the value."""
    items: list[Spot] = field(default_factory=list)
    """For a sequence."""
    repeated: list[tuple[str, Place, Place]] = field(default_factory=list)
    """Keys written again: (key, place before, place of the repetition)."""
    merged: list[Spot] = field(default_factory=list)
    text: str = ""
    style: str = ""
    tag: str | None = None


class _UnreadableError(Exception):
    """A document that `load` reports as invalid."""


#: From here on, reading the document once is cheaper than a look at its lines for each pointer.
_FEW = 32

#: Deeper documents are refused when they are loaded.
_MAX_DEPTH = 250


class _SpotReader:
    """Builds the spots of one stream; assumes that it was read before without an error."""

    def __init__(self, get: Callable[[], Any], text: str, lines_before: int) -> None:
        from yaml import events

        self.events = events
        self.text = text
        self.lines_before = lines_before
        self.get = get
        self.anchors: dict[str, Spot] = {}
        self.depth = 0

    def documents(self) -> Iterator[Spot]:
        self.get()
        while self.get().__class__ is self.events.DocumentStartEvent:
            self.anchors = {}
            spot = self.node(self.get())
            self.get()
            yield spot

    def place(self, mark: Any) -> Place:
        return mark.line + 1 + self.lines_before, mark.column + 1

    def node(self, event: Any) -> Spot:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _UnreadableError
        try:
            return self.spot(event)
        finally:
            self.depth -= 1

    def spot(self, event: Any) -> Spot:
        kind = event.__class__
        if kind is self.events.AliasEvent:
            known = self.anchors.get(event.anchor)
            if known is None:
                raise _UnreadableError
            spot = known
            if spot.entries or spot.items:
                return spot
            return Spot(
                self.place(event.start_mark), text=spot.text, style=spot.style, tag=spot.tag
            )
        if kind is self.events.ScalarEvent:
            spot = self.scalar(event)
        elif kind is self.events.MappingStartEvent:
            spot = self.mapping(event)
        else:
            spot = self.sequence(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = spot
        return spot

    def scalar(self, event: Any) -> Spot:
        style = event.style
        if not style and self.text[event.start_mark.index : event.start_mark.index + 1] == "!":
            style = "!"
        return Spot(self.place(event.start_mark), text=event.value, style=style, tag=event.tag)

    def mapping(self, start: Any) -> Spot:
        spot = Spot(_bracket(self, start) if start.flow_style else (0, 0))
        while (event := self.get()).__class__ is not self.events.MappingEndEvent:
            key_spot = self.node(event)
            key_place = self.place(event.start_mark)
            if spot.place == (0, 0):
                spot.place = key_place
            value_event = self.get()
            value = self.node(value_event)
            if (
                value_event.__class__ is self.events.ScalarEvent
                and not value.text
                and not value.style
            ):
                # libyaml places an absent value wherever it noticed the absence.
                value.place = key_place
            if key_spot.text == "<<" and not key_spot.style and key_spot.tag in (None, _MERGE):
                spot.merged.extend([value] if value.entries else value.items)
                continue
            try:
                key = key_text(key_spot.text, key_spot.tag, not key_spot.style)
            except ScalarError:
                key = key_spot.text
            if key in spot.entries:
                spot.repeated.append((key, spot.entries[key][0], key_place))
            spot.entries[key] = key_place, value
        return spot

    def sequence(self, start: Any) -> Spot:
        spot = Spot(_bracket(self, start) if start.flow_style else _dash(self, start))
        while (event := self.get()).__class__ is not self.events.SequenceEndEvent:
            spot.items.append(self.node(event))
        return spot


_MERGE = "tag:yaml.org,2002:merge"


def _bracket(reader: _SpotReader, start: Any) -> Place:
    line, column = reader.place(start.end_mark)
    return line, column - 1


def _dash(reader: _SpotReader, start: Any) -> Place:
    line, column = reader.place(start.end_mark)
    after_dash = reader.text[start.end_mark.index - 1 : start.end_mark.index] == "-"
    return line, column - 1 if after_dash else column


def _read(chunk: Chunk) -> Iterator[Spot]:
    from kpolicy.manifests.json_events import JsonError, json_events
    from kpolicy.manifests.yaml_loader import yaml_events

    if is_json(chunk.text):
        text = json_part(chunk.text)
        try:
            yield from list(_SpotReader(json_events(text), text, chunk.lines_before).documents())
            return
        except JsonError:
            pass
    yield from _SpotReader(yaml_events(chunk.text), chunk.text, chunk.lines_before).documents()


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _find(root: Spot, pointer: str, keys: bool) -> Place:
    place = root.place
    spot = root
    for part in pointer.split("/")[1:]:
        if spot.items:
            if not (part.isascii() and part.isdecimal()) or int(part) >= len(spot.items):
                break
            spot = spot.items[int(part)]
            place = spot.place
            continue
        found = _entry(spot, _unescape(part))
        if found is None:
            break
        key_place, spot = found
        place = key_place if keys else spot.place
    return place


def _entry(spot: Spot, key: str) -> tuple[Place, Spot] | None:
    """Return where a key stands, be it in the mapping or in one that is merged into it."""
    sources = [spot]
    seen: set[int] = set()
    while sources:
        source = sources.pop(0)
        if key in source.entries:
            return source.entries[key]
        if id(source) not in seen:
            seen.add(id(source))
            sources += source.merged
    return None


def locate_many(
    source: ManifestFile | bytes, index: int, pointers: Sequence[str], *, keys: bool = False
) -> tuple[Place, ...]:
    """Return (line, column), from 1, of what each JSON pointer names in document `index`.

    A pointer to something that is not there gives the nearest place above it that is. With `keys`,
    an entry of a mapping stands at its key, otherwise at its value. (0, 0) where the document is
    not there or cannot be read (the file may have changed since).
    """
    from kpolicy.manifests.loader import read_bytes

    data = source if isinstance(source, bytes) else read_bytes(source, Limits())
    nowhere = ((0, 0),) * len(pointers)
    if isinstance(data, Invalid):
        return nowhere
    found = _document(data, index)
    if found is None:
        return nowhere
    if isinstance(found, Spot):
        return _find_all(found, pointers, keys)
    return _find_in_block(*found, pointers, keys)


@lru_cache(maxsize=4)
def _document(data: bytes, index: int) -> Spot | tuple[Chunk, Any, bool] | None:
    """Return document `index`: its spots, or, if it is written in common YAML, what was read.

    Findings come file by file, so the few documents kept serve most of those that follow.
    """
    for chunk, first, count, common in _numbered(data):
        if first <= index < first + count:
            if common is not None:
                return chunk, *common
            return next(islice(_readable(chunk), index - first, None), None)
    return None


@lru_cache(maxsize=2)
def _numbered(data: bytes) -> tuple[tuple[Chunk, int, int, tuple[Any, bool] | None], ...]:
    """Return the pieces of a file: the number of the first document in each, how many there are,
    and what `read_block` made of it.

    A stream of many documents is read through once, and not once for each place asked for.
    """
    text, flawed = decode(data)
    found: list[tuple[Chunk, int, int, tuple[Any, bool] | None]] = []
    number = 0
    for chunk in split(text):
        if flawed and flaw(chunk.text):
            number += 1  # it cannot be read, and has no places
            continue
        common = read_block(chunk.text, Limits(), chunk.lines_before)
        count = 1 if common is not None else sum(1 for _ in _readable(chunk))
        found.append((chunk, number, count, common))
        number += count
    return tuple(found)


def numbered(data: bytes) -> tuple[tuple[Chunk, int, int], ...]:
    """Return the pieces of a file with the number of the first document in each, and how many."""
    return tuple([(chunk, first, count) for chunk, first, count, _ in _numbered(data)])


def _readable(chunk: Chunk) -> Iterator[Spot | None]:
    """Yield the spots of a chunk's documents, None for the first that cannot be read."""
    from yaml.error import YAMLError

    try:
        yield from _read(chunk)
    except (YAMLError, _UnreadableError):
        yield None


def _find_all(root: Spot, pointers: Sequence[str], keys: bool) -> tuple[Place, ...]:
    return tuple(_find(root, pointer, keys) for pointer in pointers)


def _find_in_block(
    chunk: Chunk, body: Any, duplicates: bool, pointers: Sequence[str], keys: bool
) -> tuple[Place, ...]:
    """Do as `_find_all` without reading the document again, wherever its text allows it."""
    places: list[Place | None] = [None] * len(pointers)
    if not duplicates and len(pointers) <= _FEW:
        lines = chunk.text.split("\n")
        for number, pointer in enumerate(pointers):
            parts = [_unescape(part) for part in pointer.split("/")[1:]]
            places[number] = place_in_block(body, lines, chunk.lines_before, parts, keys)
    if None in places:
        root = next(_read(chunk))
        return tuple(
            place or _find(root, pointer, keys)
            for place, pointer in zip(places, pointers, strict=True)
        )
    return tuple(place for place in places if place is not None)


def locate(source: ManifestFile | bytes, index: int, pointer: str, *, keys: bool = False) -> Place:
    """Return (line, column), from 1, of what a JSON pointer names; see `locate_many`."""
    return locate_many(source, index, (pointer,), keys=keys)[0]


def duplicate_keys(parsed: Parsed) -> tuple[DocumentProblem, ...]:
    """Return a problem for each key that a mapping of the document has more than once."""
    found: list[DocumentProblem] = []
    seen: set[int] = set()

    def visit(spot: Spot, pointer: str) -> None:
        if id(spot) in seen:
            return
        seen.add(id(spot))
        for key, before, again in spot.repeated:
            found.append(
                DocumentProblem(
                    "duplicate-key",
                    f"key {key!r} is given twice (first at line {before[0]}); the last one wins",
                    *again,
                    f"{pointer}/{_escape(key)}",
                )
            )
        for key, (_, value) in spot.entries.items():
            visit(value, f"{pointer}/{_escape(key)}")
        for number, item in enumerate(spot.items):
            visit(item, f"{pointer}/{number}")

    root = next(islice(_readable(parsed.chunk), parsed.nth, None), None)
    if root is not None:
        visit(root, "")
    return tuple(sorted(found, key=lambda problem: (problem.line, problem.column)))
