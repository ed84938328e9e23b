"""All documents of one text, whatever its syntax, with what could not be read among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kpolicy.manifests.model import Limits
from kpolicy.manifests.text import Chunk, decode, split

__all__ = ["Broken", "Parsed", "parse"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document that was read; `body` is frozen, or a scalar; None when the document is empty."""

    index: int
    body: Any
    duplicates: bool
    """Whether a mapping in it has a key twice."""
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Broken:
    """A document that cannot be read, and why; line and column count from 1."""

    index: int
    message: str
    line: int
    column: int
    chunk: Chunk


def parse(data: bytes, limits: Limits) -> Iterator[Parsed | Broken]:
    """Yield the documents of `data` in order.

    Documents are read one by one: those around a broken one are kept.
    """
    text, problem = decode(data)
    index = 0
    chunks = list(split(text))
    last = chunks.pop() if problem else None
    for chunk in chunks:
        for document in read_chunk(chunk, index, limits):
            yield document
            index = document.index + 1
    if problem and last:
        yield Broken(index, problem.message, problem.line, problem.column, last)


def read_chunk(chunk: Chunk, index: int, limits: Limits) -> Iterator[Parsed | Broken]:
    """Yield the documents of `chunk` (one, as a rule), numbered from `index`."""
    from kpolicy.manifests.yaml_loader import YamlError, read_stream

    try:
        for body, duplicates in read_stream(chunk.text, limits, chunk.lines_before):
            yield Parsed(index, body, duplicates, chunk)
            index += 1
    except YamlError as error:
        yield Broken(index, error.message, error.line, error.column, chunk)
