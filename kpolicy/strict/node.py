"""A YAML node with its place, over libyaml's composer: for files that people write for kpolicy.

Manifests are read by `kpolicy.manifests`, which is made for speed; this is made for messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

from kpolicy.errors import Problem
from kpolicy.location import SourceLocation

#: More text than any policy or configuration has; a hostile one stops here.
MAX_CHARACTERS = 4 * 1024 * 1024
#: How many nodes one file may expand to through aliases.
MAX_NODES = 200_000
#: How deep mappings and sequences may nest.
MAX_DEPTH = 100

#: Longer lines are shown in part, around the caret.
_WIDE = 100

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

_BANG = re.compile(r":\s+!\S")

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})
_FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)\Z")
_RADIX = re.compile(r"[-+]?0(b[01_]+|o?[0-7_]+|x[0-9a-fA-F_]+)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")


def plain_value(text: str) -> Any:
    """Return what a plain scalar means: YAML 1.1 as Kubernetes reads it (no dates, no base 60)."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.match(text):
        return int(text.replace("_", ""))
    if _RADIX.match(text):
        sign = -1 if text[0] == "-" else 1
        digits = text.lstrip("+-").replace("_", "").lower()
        base = {"b": 2, "o": 8, "x": 16}.get(digits[1], 8)
        body = digits[2:] if digits[1] in "box" else digits[1:]
        return sign * int(body, base) if body else text
    if _FLOAT.match(text):
        number = float(text.replace("_", ""))
        return int(number) if number.is_integer() and abs(number) < 2**63 else number
    if _NOT_FINITE.match(text):
        return float(text.replace(".", "").lower())
    return text


class SourceText:
    """A file's text with its shown path, and what is needed to find places in it."""

    __slots__ = ("__dict__", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without their breaks, as libyaml counts them."""
        return _BREAK.split(self.text)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(m.end() for m in _BREAK.finditer(self.text))]

    def index(self, line: int, column: int) -> int:
        """Return the index in the text of a line and a column, both counted from 0."""
        starts = self._starts
        if line >= len(starts):
            return len(self.text)
        return min(starts[line] + column, len(self.text))

    def position(self, index: int) -> tuple[int, int]:
        """Return line and column, counted from 1, of an index in the text."""
        from bisect import bisect_right

        line = bisect_right(self._starts, index) - 1
        return line + 1, index - self._starts[line] + 1

    def excerpt(self, location: SourceLocation) -> str:
        """Return the line at `location` with a caret under the column, or ""."""
        if not 0 < location.line <= len(self.lines):
            return ""
        text = self.lines[location.line - 1].replace("\t", " ").rstrip()
        number = f"{location.line:>5} | "
        at = location.column - 1
        if len(text) > _WIDE:
            start = max(0, min(at - _WIDE // 2, len(text) - _WIDE))
            lead = "..." if start else ""
            tail = "..." if start + _WIDE < len(text) else ""
            text, at = f"{lead}{text[start : start + _WIDE]}{tail}", at - start + len(lead)
        if not location.column:
            return f"{number}{text}"
        return f"{number}{text}\n{' ' * (len(number) - 2)}| {' ' * at}^"


Kind = Literal["mapping", "sequence", "scalar"]


class SourceNode:
    """A mapping, sequence or scalar of a document, with its place."""

    __slots__ = ("_node", "source")

    def __init__(self, node: Any, source: SourceText) -> None:
        self._node = node
        self.source = source

    @property
    def kind(self) -> Kind:
        """What sort of node this is."""
        kind: Kind = self._node.id
        return kind

    @property
    def location(self) -> SourceLocation:
        """Where the node begins; for a block scalar, where its text begins."""
        node = self._node
        if node.id == "scalar" and node.style in ("|", ">") and node.value.strip():
            return self.text_location(0)
        mark = node.start_mark
        return SourceLocation(self.source.path, mark.line + 1, mark.column + 1)

    @property
    def is_plain(self) -> bool:
        """Whether this is a scalar without quotes and not in block form."""
        return self._node.id == "scalar" and not self._node.style

    @property
    def tag(self) -> str:
        """The explicit tag (`!foo`) or the resolved one."""
        tag: str = self._node.tag
        return tag

    @property
    def text(self) -> str:
        """A scalar's text as YAML gives it, before any meaning; "" for other nodes."""
        value = self._node.value
        return value if isinstance(value, str) else ""

    @property
    def value(self) -> Any:
        """The node as plain Python; plain scalars mean what they mean to Kubernetes."""
        node = self._node
        if node.id == "scalar":
            return plain_value(node.value) if not node.style else node.value
        if node.id == "sequence":
            return [element.value for element in self.elements()]
        return {key: child.value for key, _, child in self.items()}

    def items(self) -> list[tuple[str, SourceLocation, SourceNode]]:
        """Return the entries of a mapping, duplicate keys included, merged (`<<`) ones first."""
        if self._node.id != "mapping":
            return []
        path, source = self.source.path, self.source
        own: list[tuple[str, SourceLocation, SourceNode]] = []
        merged: dict[str, tuple[str, SourceLocation, SourceNode]] = {}
        for key_node, value_node in self._node.value:
            mark = key_node.start_mark
            at = SourceLocation(path, mark.line + 1, mark.column + 1)
            key = key_node.value if isinstance(key_node.value, str) else "?"
            if key == "<<" and not key_node.style:
                for entry in _merged(SourceNode(value_node, source)):
                    merged.setdefault(entry[0], entry)
                continue
            own.append((key, at, SourceNode(value_node, source)))
        if merged:
            written = {key for key, _, _ in own}
            own = [entry for key, entry in merged.items() if key not in written] + own
        return own

    def elements(self) -> list[SourceNode]:
        """Return the elements of a sequence."""
        if self._node.id != "sequence":
            return []
        return [SourceNode(child, self.source) for child in self._node.value]

    def get(self, key: str) -> SourceNode | None:
        """Return the value of `key` in a mapping (the last one where it is written twice)."""
        found = None
        for name, _, child in self.items():
            if name == key:
                found = child
        return found

    def text_location(self, offset: int) -> SourceLocation:
        """Return where the character at `offset` of a scalar's text stands in the file."""
        line, column = self.source.position(self._text_index(offset))
        return SourceLocation(self.source.path, line, column)

    def _text_index(self, offset: int) -> int:
        """Map an offset in the scalar's value to an index in the file's text.

        Folding, indentation and chomping only ever change white space, so the other characters
        come in the same order in both; only double quotes need their escapes read.
        """
        node, source = self._node, self.source
        start = source.index(node.start_mark.line, node.start_mark.column)
        end = source.index(node.end_mark.line, node.end_mark.column)
        text, value = source.text, node.value
        if node.style in ("|", ">"):
            header = _BREAK.search(text, start)
            start = header.end() if header else end
        elif node.style:
            start += 1
        if node.style == '"':
            return _double_quoted_index(text, start, end, value, offset)
        doubled = node.style == "'"
        wanted = sum(1 for c in value[:offset] if not c.isspace())
        at_space = offset < len(value) and value[offset].isspace()
        at_end = offset >= len(value.rstrip())
        seen, index, last = 0, start, start - 1
        while index < end:
            c = text[index]
            if not c.isspace():
                if seen == wanted and not at_space and not at_end:
                    return index
                if seen == wanted and not at_end:
                    return last + 1
                seen += 1
                last = index
                if doubled and c == "'" and text[index + 1 : index + 2] == "'":
                    index += 1
                if seen == wanted and at_end:
                    return index + 1
            index += 1
        return last + 1


def _merged(value: SourceNode) -> Iterator[tuple[str, SourceLocation, SourceNode]]:
    if value.kind == "mapping":
        yield from value.items()
    else:
        for element in value.elements():
            yield from element.items()


_ESCAPE_LENGTH = {"x": 4, "u": 6, "U": 10}


def _double_quoted_index(text: str, start: int, end: int, value: str, offset: int) -> int:
    """Map an offset in a double-quoted scalar's value to an index in the file."""
    index, at = start, 0
    while index < end and at < offset:
        c = text[index]
        if c == "\\":
            follower = text[index + 1 : index + 2]
            if (
                follower in "\r\n"
            ):  # an escaped line break vanishes with the next line's indentation
                index += 2
                while index < end and text[index] in " \t\r\n":
                    index += 1
                continue
            index += _ESCAPE_LENGTH.get(follower, 2)
            at += 1
        elif c.isspace():
            run = index
            while run < end and text[run].isspace():
                run += 1
            if _BREAK.search(text, index, run):
                while at < len(value) and value[at].isspace() and at < offset:
                    at += 1
                if at >= offset and not (at < len(value) and not value[at].isspace()):
                    return index
                index = run
            else:
                index += 1
                at += 1
        else:
            index += 1
            at += 1
    return index


def compose(path: str, text: str) -> tuple[list[SourceNode], list[Problem]]:
    """Return the documents of a file and what is wrong with it as YAML.

    Empty documents are left out. `path` is as shown to the user. A file that breaks off gives the
    documents before the break.
    """
    import yaml

    if len(text) > MAX_CHARACTERS:
        message = f"the file is larger than {MAX_CHARACTERS // (1024 * 1024)} MiB"
        return [], [Problem(message, SourceLocation(path))]
    text = text.removeprefix("\ufeff")
    source = SourceText(path, text)
    loader_class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documents: list[SourceNode] = []
    try:
        loader = loader_class(text)
        try:
            while loader.check_node():
                node: Any = loader.get_node()
                if node.id == "scalar" and not node.style and node.value in _NULL:
                    continue
                problem = _bounds(node, path)
                if problem:
                    return documents, [problem]
                documents.append(SourceNode(node, source))
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        return documents, [_yaml_problem(error, source)]
    except RecursionError:
        return documents, [Problem("the file nests too deeply", SourceLocation(path))]
    return documents, []


def _bounds(root: Any, path: str) -> Problem | None:
    """Return a problem where aliases or nesting blow a document up."""
    count = 0
    stack: list[tuple[Any, int]] = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        count += 1
        at = SourceLocation(path, node.start_mark.line + 1, node.start_mark.column + 1)
        if depth > MAX_DEPTH:
            return Problem(f"nested deeper than {MAX_DEPTH} levels", at)
        if count > MAX_NODES:
            return Problem(f"expands to more than {MAX_NODES} nodes", at, "remove the aliases")
        if node.id == "mapping":
            for key, value in node.value:
                stack.append((key, depth + 1))
                stack.append((value, depth + 1))
        elif node.id == "sequence":
            stack.extend((child, depth + 1) for child in node.value)
    return None


def _yaml_problem(error: Any, source: SourceText) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    message = getattr(error, "problem", None) or str(error).splitlines()[0]
    if mark is None:
        return Problem(f"not YAML: {message}", SourceLocation(source.path))
    at = SourceLocation(source.path, mark.line + 1, mark.column + 1)
    hint = source.excerpt(at)
    line = source.lines[mark.line] if mark.line < len(source.lines) else ""
    if _BANG.search(line):
        hint = f"a text that begins with ! is a tag to YAML: put the text in quotes\n  {hint}"
    return Problem(f"not YAML: {message}", at, hint)
