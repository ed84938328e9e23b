"""One edit as a replacement of a stretch of text, so that every other character stays as it is."""

from __future__ import annotations

import re
from typing import NamedTuple

from kpolicy.fixes.patch import escape, tokens
from kpolicy.fixes.tree import Entry, Node
from kpolicy.fixes.writing import block_lines, entry_lines, flow, scalar
from kpolicy.policy.model import Edit

__all__ = ["CannotEditError", "Splice", "splices"]


class CannotEditError(Exception):
    """Text that is written in a way that this edit cannot be made in; the message says why."""


class Splice(NamedTuple):
    """`text` in place of what stands from `start` up to `end`."""

    start: int
    end: int
    text: str


def splices(text: str, root: Node, edit: Edit, as_json: bool) -> list[Splice]:
    """Return what an edit replaces in a document's text, in order and apart from each other.

    Raises `CannotEditError` where the text does not allow it.
    """
    return _Editor(text, root, as_json).splices(edit)


class _Editor:
    def __init__(self, text: str, root: Node, as_json: bool) -> None:
        self.text = text
        self.root = root
        self.as_json = as_json
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.step = self._indent_step(root)

    def splices(self, edit: Edit) -> list[Splice]:
        if not edit.pointer:
            raise CannotEditError("the whole resource cannot be replaced")
        way, _, last = edit.pointer.rpartition("/")
        parent = self._node(way)
        key = tokens(f"/{last}")[0]
        if parent.kind == "mapping":
            return self._in_mapping(edit, parent, key)
        if parent.kind == "sequence":
            return [self._in_sequence(edit, parent, key)]
        raise CannotEditError("an alias or a scalar stands where a mapping is needed")

    def _in_mapping(self, edit: Edit, parent: Node, key: str) -> list[Splice]:
        if edit.op == "add":
            for entry in reversed(parent.entries):
                if entry.name == key:
                    # A null, which Kubernetes takes for absent.
                    return [self._replace(parent, entry, edit)]
            return [self._add_entry(parent, key, edit)]
        if edit.op == "deduplicate":
            found = [entry for entry in parent.entries if entry.name == key]
            if len(found) < 2:
                raise CannotEditError("the key stands there once only")
            return [self._remove_entry(parent, entry) for entry in found[:-1]]
        if edit.op == "move":
            entry = self._entry(parent, tokens(edit.source)[-1])
            name = scalar(key, as_json=self.as_json, quote=entry.key.style)
            return [Splice(entry.key.start, entry.key.end, name)]
        entry = self._entry(parent, key)
        if edit.op == "remove":
            return [self._remove_entry(parent, entry)]
        if edit.op == "quote":
            return [self._quote(entry.value)]
        return [self._replace(parent, entry, edit)]

    def _in_sequence(self, edit: Edit, parent: Node, key: str) -> Splice:
        number = len(parent.items) if key == "-" else int(key)
        if edit.op == "add":
            return self._add_item(parent, number, edit)
        if number >= len(parent.items):
            raise CannotEditError(f"the list has no item {number}")
        item = parent.items[number]
        if edit.op == "remove":
            return self._remove_item(parent, number)
        if edit.op == "quote":
            return self._quote(item)
        if edit.op == "replace":
            return self._replace_value(item, edit)
        raise CannotEditError(f"{edit.op} is for keys of mappings")

    # Finding

    def _node(self, pointer: str) -> Node:
        node = self.root
        for token in tokens(pointer):
            if node.kind == "mapping":
                node = self._entry(node, token).value
            elif node.kind == "sequence" and token.isdecimal() and int(token) < len(node.items):
                node = node.items[int(token)]
            else:
                raise CannotEditError(f"nothing of its own is written at {pointer}")
        if node.kind == "alias":
            raise CannotEditError(f"an alias stands at {pointer}")
        return node

    def _entry(self, node: Node, key: str) -> Entry:
        found = [entry for entry in node.entries if entry.name == key]
        if not found:
            what = "comes from a merge key" if any(e.name is None for e in node.entries) else (
                "is not written there")  # fmt: skip
            raise CannotEditError(f"the key {escape(key)} {what}")
        # Of two equal keys the last one counts.
        return found[-1]

    # Places

    def _line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        """Return where the line's text ends, before the line break."""
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        return end - 1 if end > at and self.text[end - 1] == "\r" else end

    def _column(self, at: int) -> int:
        return at - self._line_start(at)

    def _after_line(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end + 1

    def _colon(self, entry: Entry) -> int:
        """Return what follows the colon of an entry."""
        match = re.compile(r"[ \t]*:").match(self.text, entry.key.end)
        if match is None:
            raise CannotEditError("the key is written in an uncommon way")
        return match.end()

    def _indent_step(self, root: Node) -> int:
        for entry in root.entries:
            value = entry.value
            if value.kind == "mapping" and not value.flow and value.entries:
                step = self._column(value.start) - self._column(entry.key.start)
                if step > 0:
                    return step
        return 2

    def _spaced(self, start: int, lines: list[str], indent: int) -> str:
        return (self.newline + " " * indent).join(lines)

    # Adding

    def _add_entry(self, parent: Node, key: str, edit: Edit) -> Splice:
        if parent.flow:
            content = (
                f"{scalar(key, as_json=self.as_json)}: {flow(edit.value, as_json=self.as_json)}"
            )
            first = [(e.key.start, e.value) for e in parent.entries]
            return self._add_in_flow(parent, content, first)
        if not parent.entries:
            raise CannotEditError("the mapping is written in an uncommon way")
        indent = self._column(parent.start)
        at = self._line_end(parent.end)
        lines = entry_lines(key, edit.value, self.step)
        return Splice(at, at, "".join(self.newline + " " * indent + line for line in lines))

    def _add_in_flow(self, parent: Node, content: str, children: list[tuple[int, Node]]) -> Splice:
        if not children:
            opening, closing = self.text[parent.start], self.text[parent.end - 1]
            inner = self.text[parent.start + 1 : parent.end - 1]
            if opening not in "{[" or inner.strip():
                raise CannotEditError("an anchor, a tag or a comment stands in the way")
            return Splice(parent.start, parent.end, f"{opening}{content}{closing}")
        start, last = children[-1]
        end = max(last.end, start)
        before = self.text[self._line_start(start) : start]
        if not before.strip():
            # Each on a line of its own.
            return Splice(end, end, f",{self.newline}{before}{content}")
        return Splice(end, end, f", {content}")

    def _add_item(self, parent: Node, number: int, edit: Edit) -> Splice:
        if parent.flow:
            if number != len(parent.items):
                start = parent.items[number].start
                return Splice(start, start, flow(edit.value, as_json=self.as_json) + ", ")
            children = [(item.start, item) for item in parent.items]
            return self._add_in_flow(parent, flow(edit.value, as_json=self.as_json), children)
        if not parent.items:
            raise CannotEditError("the list is written in an uncommon way")
        item = parent.items[min(number, len(parent.items) - 1)]
        indent = self._dash(item)
        text = self._spaced(0, block_lines([edit.value], self.step), indent)
        if number < len(parent.items):
            at = self._line_start(item.start)
            return Splice(at, at, " " * indent + text + self.newline)
        at = self._line_end(parent.end)
        return Splice(at, at, self.newline + " " * indent + text)

    def _dash(self, item: Node) -> int:
        """Return the column of an item's dash, which begins its line."""
        match = re.fullmatch(r"( *)-[ \t]+", self.text[self._line_start(item.start) : item.start])
        if match is None:
            raise CannotEditError("the list is written in an uncommon way")
        return len(match[1])

    # Replacing

    def _replace(self, parent: Node, entry: Entry, edit: Edit) -> Splice:
        value, new = entry.value, edit.value
        if not value.is_empty and (parent.flow or value.flow or value.kind == "scalar"):
            return self._replace_value(value, edit)
        if value.kind == "alias" or value.decorated:
            raise CannotEditError("an anchor, an alias or a tag stands in the way")
        after = self._colon(entry)
        if value.is_empty:
            if not (new and isinstance(new, (dict, list))) or parent.flow:
                return Splice(after, after, f" {flow(new, as_json=self.as_json)}")
            at = self._line_end(after)
            indent = self._column(entry.key.start) + self.step
            lines = block_lines(new, self.step)
            return Splice(at, at, "".join(self.newline + " " * indent + line for line in lines))
        if new and isinstance(new, (dict, list)):
            return self._replace_value(value, edit)
        return Splice(after, value.end, f" {flow(new)}")

    def _replace_value(self, value: Node, edit: Edit) -> Splice:
        if value.kind == "alias" or value.decorated or value.is_empty:
            raise CannotEditError("an anchor, an alias or a tag stands in the way")
        new = edit.value
        if value.kind == "scalar" or value.flow:
            if isinstance(new, str):
                quote = {"|": '"', ">": '"'}.get(value.style, value.style)
                return Splice(
                    value.start, value.end, scalar(new, as_json=self.as_json, quote=quote)
                )
            return Splice(value.start, value.end, flow(new, as_json=self.as_json))
        start = value.start
        if value.kind == "sequence" and value.items:
            start = self._line_start(value.items[0].start) + self._dash(value.items[0])
        if not (new and isinstance(new, (dict, list))):
            return Splice(start, value.end, flow(new))
        return Splice(
            start, value.end, self._spaced(start, block_lines(new, self.step), self._column(start))
        )

    def _quote(self, value: Node) -> Splice:
        written = self.text[value.start : value.end]
        if value.kind != "scalar" or value.style or value.decorated or value.is_empty:
            raise CannotEditError("no plain scalar stands there")
        if not re.fullmatch(r"[A-Za-z0-9_.+:/~-]+", written):
            raise CannotEditError("quotes would not be enough to make a string of it")
        return Splice(value.start, value.end, f'"{written}"')

    # Removing

    def _remove_entry(self, parent: Node, entry: Entry) -> Splice:
        number = next(n for n, each in enumerate(parent.entries) if each is entry)
        spans = [(e.key.start, max(e.key.end, e.value.end)) for e in parent.entries]
        return self._remove_part(parent, spans, number, "{}")

    def _remove_item(self, parent: Node, number: int) -> Splice:
        spans = [(item.start, item.end) for item in parent.items]
        if not parent.flow:
            spans = [
                (self._line_start(i.start) + self._dash(i), max(i.end, i.start))
                for i in parent.items
            ]
        return self._remove_part(parent, spans, number, "[]")

    def _remove_part(
        self, parent: Node, spans: list[tuple[int, int]], number: int, nothing: str
    ) -> Splice:
        start, end = spans[number]
        if parent.flow:
            return self._remove_from_flow(parent, spans, number, nothing)
        if len(spans) == 1:
            if parent is self.root or parent.decorated:
                raise CannotEditError("nothing would be left")
            return Splice(start, end, nothing) if parent.start == start and not self._is_own_line(
                start) else self._emptied(start, end, nothing)  # fmt: skip
        if self._is_own_line(start):
            return Splice(self._line_start(start), self._after_line(end), "")
        if number + 1 < len(spans):
            following = spans[number + 1][0]
            if "#" in self.text[end:following]:
                raise CannotEditError("a comment stands in the way")
            return Splice(start, following, "")
        raise CannotEditError("it is written in an uncommon way")

    def _emptied(self, start: int, end: int, nothing: str) -> Splice:
        """Return the splice that leaves `key: {}` of a key with one line below it."""
        before = self.text[:start].rstrip()
        if not before.endswith(":"):
            raise CannotEditError("a comment stands in the way")
        return Splice(len(before), end, f" {nothing}")

    def _is_own_line(self, start: int) -> bool:
        return not self.text[self._line_start(start) : start].strip()

    def _remove_from_flow(
        self, parent: Node, spans: list[tuple[int, int]], number: int, nothing: str
    ) -> Splice:
        start, end = spans[number]
        if len(spans) == 1:
            if "#" in self.text[parent.start : start] or "#" in self.text[end : parent.end]:
                raise CannotEditError("a comment stands in the way")
            return Splice(parent.start, parent.end, nothing)
        if number + 1 < len(spans):
            return self._without_comment(start, spans[number + 1][0], end)
        return self._without_comment(spans[number - 1][1], end, start)

    def _without_comment(self, start: int, end: int, _edge: int) -> Splice:
        if re.search(r"(^|\s)#", self.text[min(start, _edge) : end]) and not self.as_json:
            raise CannotEditError("a comment stands in the way")
        return Splice(start, end, "")
