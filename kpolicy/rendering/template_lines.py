"""The lines of a Helm template as far as they are YAML: which key stands where.

A template is no YAML, but nearly all are written as YAML with actions in it: indented keys and
dashes, values with `{{ }}` in them, lines of nothing but `{{ if }}`. That is enough to find the
line that a rendered field comes from. What an action writes (`toYaml`, `include`) has no line of
its own; the line above it in the structure stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kpolicy.records import dataclass

__all__ = ["TemplateLine", "find_line", "lines_of"]

_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_ACTION = re.compile(r"\{\{.*?\}\}")
_KEY = re.compile(r"""(?P<key>"[^"]*"|'[^']*'|(?:\{\{.*?\}\}|[^\s:#'"{}\[\],])+)\s*:(?:\s+|$)""")
#: In place of an action, so that the text around it can be compared.
_HOLE = "\0"


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A line with a key, a list item, or both."""

    number: int
    """From 1."""
    document: int
    path: tuple[str | int, ...]
    """Keys, and for items their ordinal among the items written in the template."""
    column: int
    """Where the key, or the item after its dash, begins; from 1."""
    value_column: int
    """Where the value begins; that of the key where it has none on this line."""
    text: str
    """Without indentation; an action is a NUL."""

    def matches(self, rendered: str) -> bool:
        """Return whether a rendered line can have come from this one."""
        parts = (re.escape(part) for part in self.text.split(_HOLE))
        return re.fullmatch(".*".join(parts), rendered.strip()) is not None


def lines_of(template: str) -> list[TemplateLine]:
    """Return the lines of a template that have a place in its structure."""
    # Comments may span lines: blank them, so that the numbers stay.
    text = _COMMENT.sub(lambda m: "\n" * m[0].count("\n"), template)
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), 1):
        reader.line(number, line.rstrip())
    return reader.found


class _Reader:
    """Follows the indentation, line by line."""

    def __init__(self) -> None:
        self.found: list[TemplateLine] = []
        self.document = 0
        #: (indentation, token) from the outermost on; an item's token is its ordinal.
        self.stack: list[tuple[int, str | int]] = []
        self.items: dict[tuple[str | int, ...], int] = {}

    def line(self, number: int, line: str) -> None:
        if line.startswith("---"):
            self.document += 1
            self.stack, self.items = [], {}
            return
        text = line.lstrip(" ")
        if not text or text.startswith("#") or not _ACTION.sub("", text).strip():
            return
        indent = len(line) - len(text)
        while text == "-" or text.startswith("- "):
            self.item(indent)
            rest = text[1:].lstrip(" ")
            indent += len(text) - len(rest)
            text = rest
            self.add(number, indent, indent, line)
        key = _KEY.match(text)
        if key is not None:
            self.pop(indent, keep_key=False)
            self.stack.append((indent, key["key"].strip("\"'")))
            value = indent + (key.end() if key.end() < len(text) else 0)
            self.add(number, indent, value, line)

    def add(self, number: int, indent: int, value: int, line: str) -> None:
        path = tuple(token for _, token in self.stack)
        shape = _ACTION.sub(_HOLE, line.lstrip(" "))
        self.found.append(TemplateLine(number, self.document, path, indent + 1, value + 1, shape))

    def item(self, indent: int) -> None:
        self.pop(indent, keep_key=True)
        parent = tuple(token for _, token in self.stack)
        ordinal = self.items.get(parent, -1) + 1
        self.items[parent] = ordinal
        self.stack.append((indent, ordinal))

    def pop(self, indent: int, keep_key: bool) -> None:
        """Leave what ends at this indentation; a list may stand as far left as its key."""
        while self.stack:
            at, token = self.stack[-1]
            if at < indent or (keep_key and at == indent and isinstance(token, str)):
                return
            self.stack.pop()


def find_line(
    lines: Sequence[TemplateLine],
    body: Mapping[str, Any],
    tokens: Sequence[str],
    rendered_line: str,
) -> tuple[TemplateLine, bool] | None:
    """Return the line of what `tokens` lead to in a rendered body, and whether it is that very one.

    Otherwise it is the line of the nearest thing above. None where nothing fits.
    """
    chosen = _document_of(lines, body)
    best: tuple[tuple[int, int, int, int], TemplateLine] | None = None
    for line in lines:
        if line.document != chosen or not _leads_to(line.path, tokens):
            continue
        named, distance = _likeness(lines, line, body, tokens)
        score = (len(line.path), named, int(line.matches(rendered_line)), -distance)
        if best is None or score > best[0]:
            best = score, line
    if best is None:
        first = next((line for line in lines if line.document == chosen), None)
        return None if first is None else (first, False)
    return best[1], len(best[1].path) == len(tokens)


def _leads_to(path: Sequence[str | int], tokens: Sequence[str]) -> bool:
    if len(path) > len(tokens):
        return False
    return all(
        token.isdecimal() if isinstance(part, int) else part == token
        for part, token in zip(path, tokens, strict=False)
    )


def _document_of(lines: Sequence[TemplateLine], body: Mapping[str, Any]) -> int:
    """Return the document of the template that a body comes from: by its kind and its name."""
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    scores: dict[int, int] = {}
    for line in lines:
        score = scores.setdefault(line.document, 0)
        if line.path == ("kind",):
            scores[line.document] = score + 2 * line.matches(f"kind: {body.get('kind')}")
        elif line.path == ("metadata", "name"):
            scores[line.document] = score + _says(line, "name", name)
    return max(scores, key=lambda document: (scores[document], -document), default=0)


def _likeness(
    lines: Sequence[TemplateLine],
    line: TemplateLine,
    body: Mapping[str, Any],
    tokens: Sequence[str],
) -> tuple[int, int]:
    """Return how many of the items on the way have the right name, and how far ordinals differ."""
    named = distance = 0
    value: Any = body
    for depth, token in enumerate(tokens[: len(line.path)]):
        part = line.path[depth]
        if isinstance(value, list) and token.isdecimal() and int(token) < len(value):
            value = value[int(token)]
        elif isinstance(value, dict):
            value = value.get(token)
        else:
            value = None
        if isinstance(part, int):
            distance += abs(part - int(token))
            name = value.get("name") if isinstance(value, dict) else None
            wanted = (*line.path[: depth + 1], "name")
            named += any(
                other.path == wanted and _says(other, "name", name)
                for other in lines
                if other.document == line.document
            )
    return named, distance


def _says(line: TemplateLine, key: str, value: Any) -> bool:
    """Return whether a line can have become `key: value`, quoted or not, with a dash or without."""
    written = (f"{key}: {value}", f'{key}: "{value}"', f"{key}: '{value}'")
    dash = "- " if line.text.startswith("- ") else ""
    return any(line.matches(dash + text) for text in written)
