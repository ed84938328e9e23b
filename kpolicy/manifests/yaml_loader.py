"""YAML text to frozen bodies, straight from libyaml's events.

One pass, no node tree and no intermediate mapping: a mapping's pairs go into its `FrozenDict` when
the mapping ends. Every mapping and sequence carries the place where it begins: a block mapping that
of its first key, a flow collection that of its bracket, a block sequence that of its first dash.
Keys and scalars have no places here; `kpolicy.manifests.locate` reads a document again for those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from sys import intern
from typing import Any

from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError

from kpolicy.frozen import FrozenDict, FrozenList, _set_dict_mark, _set_list_mark
from kpolicy.manifests.json_events import JsonError, json_events
from kpolicy.manifests.model import Limits
from kpolicy.manifests.scalars import ScalarError, key_text, resolve_plain, resolve_tagged
from kpolicy.manifests.text import place_after

__all__ = ["YamlError", "read_json", "read_stream", "yaml_events"]

_NO_KEY = "a mapping or list cannot be a key; use a string"
_NO_MAP_TO_MERGE = "`<<` merges a mapping or a list of mappings; this is something else"
_COLUMN_BITS = 24


class YamlError(Exception):
    """A document that cannot be read; line and column count from 1.

    `is_yaml` says that it is good YAML, which only Kubernetes refuses.
    """

    def __init__(self, message: str, line: int, column: int, is_yaml: bool = False) -> None:
        super().__init__(message)
        self.is_yaml = is_yaml
        self.message = message
        self.line = line
        self.column = column


class _Open:
    """Stands for an anchored collection that is still being read."""


_OPEN = _Open()


@dataclass(slots=True)
class _Anchored:
    value: Any
    """The body or scalar, or `_OPEN`."""
    scalar: ScalarEvent | None = None


@dataclass(slots=True)
class _Extent:
    nodes: int
    height: int


class _Reader:
    """Builds the bodies of one stream. `lines_before` is added to every line."""

    def __init__(
        self, get: Callable[[], Any], text: str, limits: Limits, lines_before: int
    ) -> None:
        self.text = text
        self.max_depth = limits.depth
        self.max_alias_nodes = limits.alias_nodes
        self.lines_before = lines_before
        # A lone `!` makes a scalar a string, but libyaml hides it from its events.
        self.lone_bang = "! " in text
        self.get = get
        self.anchors: dict[str, _Anchored] = {}
        self.extents: dict[int, _Extent] = {}
        self.alias_nodes = 0
        self.duplicates = False

    def documents(self) -> Iterator[tuple[Any, bool]]:
        """Yield (body, whether a mapping in it has a duplicate key) for each document.

        Raises `YamlError` at the first document that cannot be read.
        """
        try:
            self.get()
            while True:
                event = self.get()
                if event.__class__ is StreamEndEvent:
                    return
                if event.__class__ is not DocumentStartEvent:
                    raise AssertionError(event)
                self.anchors = {}
                self.extents = {}
                self.alias_nodes = 0
                self.duplicates = False
                body = self.node(self.get(), 1)
                self.get()
                yield body, self.duplicates
        except (MarkedYAMLError, ReaderError, JsonError) as error:
            raise _explain(error, self.text, self.lines_before) from None

    def fail(self, message: str, mark: Any) -> YamlError:
        return YamlError(message, mark.line + 1 + self.lines_before, mark.column + 1)

    def refuse(self, message: str, mark: Any) -> YamlError:
        error = self.fail(message, mark)
        error.is_yaml = True
        return error

    def node(self, event: Any, depth: int) -> Any:
        """Return the value that begins with `event`."""
        kind = event.__class__
        if kind is ScalarEvent:
            value = self.scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = _Anchored(value, event)
            return value
        if kind is MappingStartEvent:
            return self.mapping(event, depth)
        if kind is SequenceStartEvent:
            return self.sequence(event, depth)
        return self.alias(event, depth).value

    def scalar(self, event: Any) -> Any:
        text = event.value
        try:
            if event.tag is not None:
                return resolve_tagged(event.tag, text)
            if event.style:
                return text
            if self.lone_bang and self.is_bang(event):
                return text
            return resolve_plain(text)
        except ScalarError as error:
            raise self.refuse(str(error), event.start_mark) from None

    def is_bang(self, event: Any) -> bool:
        return self.text[event.start_mark.index : event.start_mark.index + 1] == "!"

    def key(self, event: Any, depth: int) -> str:
        if event.__class__ is AliasEvent:
            anchored = self.alias(event, depth).scalar
            if anchored is None:
                raise self.refuse(_NO_KEY, event.start_mark)
            mark, event = event.start_mark, anchored
        elif event.__class__ is ScalarEvent:
            mark = event.start_mark
            if event.anchor is not None:
                self.anchors[event.anchor] = _Anchored(self.scalar(event), event)
        else:
            raise self.refuse(_NO_KEY, event.start_mark)
        try:
            plain = not event.style and not (self.lone_bang and self.is_bang(event))
            return intern(key_text(event.value, event.tag, plain))
        except ScalarError as error:
            raise self.refuse(str(error), mark) from None

    def mapping(self, start: Any, depth: int) -> FrozenDict:
        if depth > self.max_depth:
            raise self.fail(f"nested deeper than {self.max_depth} levels", start.start_mark)
        if start.anchor is not None:
            self.anchors[start.anchor] = _Anchored(_OPEN)
        get = self.get
        pairs: list[tuple[str, Any]] = []
        own_keys: list[str] | None = None
        event = get()
        mark = event.start_mark
        if start.flow_style:
            mark = start.end_mark
            position = (mark.line + 1 + self.lines_before) << _COLUMN_BITS | mark.column
        else:
            position = (mark.line + 1 + self.lines_before) << _COLUMN_BITS | mark.column + 1
        while event.__class__ is not MappingEndEvent:
            if event.__class__ is ScalarEvent and event.value == "<<" and _is_merge(event):
                if own_keys is None:
                    own_keys = [key for key, _ in pairs]
                pairs.extend(self.merged(get(), depth))
                event = get()
                continue
            key = self.key(event, depth)
            event = get()
            kind = event.__class__
            if kind is ScalarEvent:
                value = self.scalar(event)
                if event.anchor is not None:
                    self.anchors[event.anchor] = _Anchored(value, event)
            elif kind is MappingStartEvent:
                value = self.mapping(event, depth + 1)
            elif kind is SequenceStartEvent:
                value = self.sequence(event, depth + 1)
            else:
                value = self.alias(event, depth).value
            pairs.append((key, value))
            if own_keys is not None:
                own_keys.append(key)
            event = get()
        body: FrozenDict = dict.__new__(FrozenDict)
        dict.update(body, pairs)
        _set_dict_mark(body, position)
        if own_keys is None:
            if len(body) != len(pairs):
                self.duplicates = True
        elif len(set(own_keys)) != len(own_keys):
            self.duplicates = True
        if start.anchor is not None:
            self.anchors[start.anchor] = _Anchored(body)
        return body

    def merged(self, event: Any, depth: int) -> list[tuple[str, Any]]:
        """Return the pairs that `<<` brings in, in the order in which they are to be set.

        go-yaml v2 sets them where `<<` stands, so that they override keys written above it.
        """
        value = self.node(event, depth + 1)
        if value.__class__ is FrozenDict:
            return list(value.items())
        if value.__class__ is FrozenList and event.__class__ is SequenceStartEvent:
            pairs: list[tuple[str, Any]] = []
            for source in reversed(value):
                if source.__class__ is not FrozenDict:
                    raise self.fail(_NO_MAP_TO_MERGE, event.start_mark)
                pairs.extend(source.items())
            return pairs
        raise self.fail(_NO_MAP_TO_MERGE, event.start_mark)

    def sequence(self, start: Any, depth: int) -> FrozenList:
        if depth > self.max_depth:
            raise self.fail(f"nested deeper than {self.max_depth} levels", start.start_mark)
        if start.anchor is not None:
            self.anchors[start.anchor] = _Anchored(_OPEN)
        get = self.get
        body: FrozenList = list.__new__(FrozenList)
        append = _list_append
        while True:
            event = get()
            kind = event.__class__
            if kind is ScalarEvent:
                value = self.scalar(event)
                if event.anchor is not None:
                    self.anchors[event.anchor] = _Anchored(value, event)
            elif kind is MappingStartEvent:
                value = self.mapping(event, depth + 1)
            elif kind is SequenceStartEvent:
                value = self.sequence(event, depth + 1)
            elif kind is SequenceEndEvent:
                break
            else:
                value = self.alias(event, depth).value
            append(body, value)
        _set_list_mark(body, self.sequence_position(start))
        if start.anchor is not None:
            self.anchors[start.anchor] = _Anchored(body)
        return body

    def sequence_position(self, start: Any) -> int:
        mark = start.end_mark
        column: int = mark.column
        # libyaml's end mark stands behind `[` and behind the dash of a list that is not indented
        # below its key, but in front of the first dash of one that is.
        if not start.flow_style and self.text[mark.index - 1 : mark.index] != "-":
            column += 1
        line: int = mark.line + 1 + self.lines_before
        return line << _COLUMN_BITS | column

    def alias(self, event: Any, depth: int) -> _Anchored:
        anchored = self.anchors.get(event.anchor)
        if anchored is None:
            raise self.fail(
                f"alias *{event.anchor} has no anchor &{event.anchor} above it", event.start_mark
            )
        if anchored.value is _OPEN:
            raise self.fail(
                f"anchor &{event.anchor} contains itself through *{event.anchor}", event.start_mark
            )
        extent = self.extent(anchored.value)
        self.alias_nodes += extent.nodes
        if self.alias_nodes > self.max_alias_nodes:
            raise self.fail(
                f"aliases expand to more than {self.max_alias_nodes} values in this document",
                event.start_mark,
            )
        if depth + extent.height > self.max_depth:
            raise self.fail(
                f"nested deeper than {self.max_depth} levels through *{event.anchor}",
                event.start_mark,
            )
        return anchored

    def extent(self, value: Any) -> _Extent:
        """Return how many values `value` expands to and how deep it nests, aliases written out."""
        if value.__class__ is FrozenDict:
            children = value.values()
        elif value.__class__ is FrozenList:
            children = value
        else:
            return _Extent(1, 0)
        known = self.extents.get(id(value))
        if known is None:
            parts = [self.extent(child) for child in children]
            nodes = 1 + sum(part.nodes for part in parts)
            height = 1 + max((part.height for part in parts), default=0)
            known = self.extents[id(value)] = _Extent(nodes, height)
        return known


_list_append = list.append


def _is_merge(event: Any) -> bool:
    return (event.tag is None and not event.style) or event.tag == "tag:yaml.org,2002:merge"


def _explain(error: Any, text: str, lines_before: int) -> YamlError:
    """Turn libyaml's error into one that says what stands there and what to do."""
    if isinstance(error, JsonError):
        line, column = place_after(text[: error.offset])
        return YamlError(error.message, line + lines_before, column)
    if isinstance(error, ReaderError):
        line, column = place_after(text.encode()[: error.position].decode(errors="replace"))
        return YamlError(str(error.reason), line + lines_before, column)
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "cannot be read as YAML"
    message = problem
    at = text[mark.index : mark.index + 1]
    if at == "\t" and "cannot start any token" in problem:
        message = "a tab cannot indent YAML; use spaces"
    elif "cannot start any token" in problem and at:
        message = f"{at!r} cannot begin a plain value; quote the value"
    elif "mapping values are not allowed" in problem:
        message = f"{problem}; quote a value that contains ': ', or check the indentation"
    elif error.context and error.context_mark and error.context_mark.line != mark.line:
        began = error.context_mark.line + 1 + lines_before
        message = f"{problem} {error.context} that begins at line {began}"
    return YamlError(message, mark.line + 1 + lines_before, mark.column + 1)


def read_stream(text: str, limits: Limits, lines_before: int = 0) -> Iterator[tuple[Any, bool]]:
    """Yield (body, has duplicate keys) for each YAML document of `text`.

    `text` is free of a BOM. `lines_before` says how many lines of the file stand above it. Raises
    `YamlError` when it comes to a document that cannot be read or exceeds `limits`.
    """
    return _Reader(yaml_events(text), text, limits, lines_before).documents()


def read_json(text: str, limits: Limits, lines_before: int = 0) -> Iterator[tuple[Any, bool]]:
    """Do as `read_stream` for text that is one JSON value, or several in a row."""
    return _Reader(json_events(text), text, limits, lines_before).documents()


def yaml_events(text: str) -> Callable[[], Any]:
    """Return a function that gives libyaml's next event of `text`."""
    get: Callable[[], Any] = CParser(text.encode()).get_event
    return get
