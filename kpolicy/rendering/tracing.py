"""From a place in rendered text to the place in the file that it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from kpolicy.frozen import FrozenDict
from kpolicy.manifests.model import ManifestFile, Rendered
from kpolicy.records import dataclass
from kpolicy.rendering.bodies import bodies_in, tokens_of, value_at
from kpolicy.rendering.overlay_tracing import counterpart, find_field, manifest_of
from kpolicy.rendering.template_lines import TemplateLine, find_line, lines_of

__all__ = ["Trace", "literal_place", "trace", "trace_at"]


@dataclass(frozen=True, slots=True)
class Trace:
    """Where something rendered comes from."""

    path: str
    line: int = 0
    column: int = 0
    exact: bool = False
    """Whether that is its own line, and not the nearest one above."""


def trace(file: ManifestFile, document: int, pointer: str, line: int) -> Trace:
    """Return where what stands at `pointer` of a document comes from; `line` is its rendered line.

    `file` was rendered.
    """
    rendered = file.rendered
    assert rendered is not None
    path, source = _origin(rendered, document)
    if rendered.program == "helm":
        return _in_template(rendered, file, path, source, document, pointer, line)
    return _in_overlay(rendered, file, path, document, pointer)


def trace_at(file: ManifestFile, line: int, pointer: str) -> Trace:
    """Return where what begins at a line of rendered text comes from.

    `pointer` is that of the thing in its resource; the document is known by the line. Text that
    cannot be read is traced to its file.
    """
    from kpolicy.manifests.places import numbered

    rendered = file.rendered
    assert rendered is not None and file.data is not None
    document = 0
    for chunk, first, _ in numbered(file.data):
        if chunk.lines_before < line:
            document = first
    if document not in bodies_in(file.data):
        return Trace(_origin(rendered, document)[0])
    return trace(file, document, pointer, line)


def literal_place(
    file: ManifestFile, document: int, within: str, paths: Iterable[str]
) -> tuple[str, int, str] | None:
    """Return the (file, document, pointer) where a resource can be edited instead of its rendering.

    `within` is where the resource is in the rendered document, and `paths` are the pointers in it
    that are to be edited. None unless all of them mean the same there: the origin is plain YAML,
    has the same items on the way, and the same value at its end, or like the rendering none at all.
    """
    rendered = file.rendered
    assert rendered is not None
    path, _ = _origin(rendered, document)
    data = rendered.texts.get(path, b"")
    body = value_at(bodies_in(file.data or b"").get(document, FrozenDict()), tokens_of(within))
    if b"{{" in data or not isinstance(body, FrozenDict):
        return None
    manifest = manifest_of(data, body)
    if manifest is None:
        return None
    for pointer in paths:
        tokens = tokens_of(pointer)
        way = counterpart(body, manifest.body, tokens)
        if way != tokens[: len(way)]:
            return None
        if len(way) == len(tokens):
            if value_at(body, tokens) != value_at(manifest.body, tokens):
                return None
        elif value_at(body, tokens[: len(way) + 1]) is not None:
            return None
    return path, manifest.document, manifest.within


def _origin(rendered: Rendered, document: int) -> tuple[str, str]:
    if document < len(rendered.origins):
        return rendered.origins[document]
    return rendered.entry, ""


def _in_template(
    rendered: Rendered,
    file: ManifestFile,
    path: str,
    source: str,
    document: int,
    pointer: str,
    line: int,
) -> Trace:
    template = rendered.texts.get(path, b"").decode("utf-8", "replace")
    if path == rendered.entry:
        return Trace(path, *_dependency(template, source))
    data = file.data or b""
    rendered_lines = _lines(data)
    rendered_line = rendered_lines[line - 1] if 0 < line <= len(rendered_lines) else ""
    body = bodies_in(data).get(document, FrozenDict())
    tokens = tokens_of(pointer)
    found = find_line(_template(template), body, tokens, rendered_line)
    if found is None:
        return Trace(path, 1, 1)
    at, exact = found
    has_child = isinstance(value_at(body, tokens), (dict, list))
    column = at.value_column if exact and not has_child else at.column
    return Trace(path, at.number, column, exact)


def _dependency(chart_file: str, source: str) -> tuple[int, int]:
    """Return where Chart.yaml names the archive that a template came out of."""
    parts = source.split("/")
    names = [parts[at + 1] for at, part in enumerate(parts[:-1]) if part == "charts"]
    for number, line in enumerate(chart_file.split("\n"), 1):
        text = line.strip().removeprefix("- ")
        key, _, value = text.partition(":")
        if names and key in ("name", "alias") and value.strip().strip("\"'") == names[0]:
            return number, len(line) - len(line.lstrip()) + 1
    return 1, 1


def _in_overlay(
    rendered: Rendered, file: ManifestFile, path: str, document: int, pointer: str
) -> Trace:
    body = bodies_in(file.data or b"").get(document, FrozenDict())
    found = find_field(rendered, path, body, tokens_of(pointer))
    if found is None:
        return Trace(path, 1, 1)
    return Trace(found.path, found.line, found.column, found.exact)


@lru_cache(maxsize=8)
def _template(text: str) -> list[TemplateLine]:
    return lines_of(text)


@lru_cache(maxsize=2)
def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").split("\n")
