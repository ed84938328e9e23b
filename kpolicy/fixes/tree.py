"""The text of one document as nodes that know where each begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from kpolicy.manifests.scalars import ScalarError, key_text
from kpolicy.manifests.text import is_json, json_part

__all__ = ["Entry", "Node", "documents"]


@dataclass(slots=True)
class Entry:
    """A key of a mapping and its value."""

    name: str | None
    """The key as Kubernetes reads it; None for a merge key or one that is no scalar."""
    key: Node
    value: Node


@dataclass(slots=True)
class Node:
    """A value, from `start` up to `end`, without white space or a comment after it."""

    kind: Literal["scalar", "mapping", "sequence", "alias"]
    start: int
    end: int
    flow: bool = False
    style: str = ""
    """Of a scalar: `'`, `"`, `|`, `>`, or "" for a plain one."""
    decorated: bool = False
    """Whether an anchor or a tag stands before it."""
    text: str = ""
    entries: list[Entry] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether it is a value that is not written (`key:`)."""
        return self.kind == "scalar" and self.start == self.end


def documents(text: str) -> Iterator[Node]:
    """Yield the root of each document in `text`, a piece that `load` could read."""
    if is_json(text):
        from kpolicy.manifests.json_events import JsonError, json_events

        part = json_part(text)
        try:
            yield from list(_Reader(json_events(part), part).documents())
            return
        except JsonError:
            pass
    from kpolicy.manifests.yaml_loader import yaml_events

    yield from _Reader(yaml_events(text), text).documents()


class _Reader:
    def __init__(self, get: Callable[[], Any], text: str) -> None:
        from yaml import events

        self.events = events
        self.get = get
        self.text = text

    def documents(self) -> Iterator[Node]:
        self.get()
        while self.get().__class__ is self.events.DocumentStartEvent:
            yield self.node(self.get())
            self.get()

    def node(self, event: Any) -> Node:
        kind = event.__class__
        start, end = event.start_mark.index, event.end_mark.index
        if kind is self.events.AliasEvent:
            return Node("alias", start, end)
        decorated = event.anchor is not None or event.tag is not None
        if kind is self.events.ScalarEvent:
            style = event.style or ""
            if style in ("|", ">"):
                end = start + len(self.text[start:end].rstrip())
            elif not style and not event.value:
                end = start
            return Node("scalar", start, end, False, style, decorated, event.value)
        flow = bool(event.flow_style)
        if kind is self.events.MappingStartEvent:
            return self.mapping(Node("mapping", start, end, flow, decorated=decorated))
        return self.sequence(Node("sequence", start, end, flow, decorated=decorated))

    def mapping(self, node: Node) -> Node:
        event: Any
        while (event := self.get()).__class__ is not self.events.MappingEndEvent:
            key = self.node(event)
            value = self.node(self.get())
            if value.is_empty and not value.decorated:
                # libyaml places it wherever it noticed that nothing is there.
                value.start = value.end = key.end
            node.entries.append(Entry(_name(key), key, value))
        closing: Any = event.end_mark
        if node.flow:
            node.end = closing.index
        elif node.entries:
            node.start = node.entries[0].key.start
            last = node.entries[-1]
            node.end = max(last.key.end, last.value.end)
        return node

    def sequence(self, node: Node) -> Node:
        event: Any
        while (event := self.get()).__class__ is not self.events.SequenceEndEvent:
            node.items.append(self.node(event))
        closing: Any = event.end_mark
        if node.flow:
            node.end = closing.index
        elif node.items:
            node.end = node.items[-1].end
        return node


def _name(key: Node) -> str | None:
    if key.kind != "scalar" or (key.text == "<<" and not key.style):
        return None
    try:
        return key_text(key.text, None, not key.style)
    except ScalarError:
        return key.text
