"""All documents of one text, whatever its syntax, with what could not be read among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.manifests.block_reader import read_block
from kpolicy.manifests.model import Limits
from kpolicy.manifests.text import Chunk, decode, flaw, is_json, json_part, split

if TYPE_CHECKING:
    from kpolicy.manifests.yaml_loader import YamlError

__all__ = ["Broken", "Parsed", "parse"]


class Parsed(NamedTuple):
    """A document that was read; `body` is frozen, or a scalar; None when the document is empty."""

    number: int
    body: Any
    duplicates: bool
    """Whether a mapping in it has a key twice."""
    chunk: Chunk
    nth: int = 0
    """Which document of the chunk it is: a chunk may have more than one, but seldom has."""
    plain: bool = False
    """Whether it is written in the common part of YAML, without a key twice."""


class Broken(NamedTuple):
    """A document that cannot be read, and why; line and column count from 1."""

    number: int
    message: str
    line: int
    column: int
    chunk: Chunk
    is_yaml: bool = False
    """Whether it is good YAML, which only Kubernetes refuses."""


def parse(data: bytes, limits: Limits, json: bool = False) -> Iterator[Parsed | Broken]:
    """Yield the documents of `data` in order.

    Documents are read one by one: those around a broken one are kept. `json` says that the text is
    meant to be JSON, so that errors are explained as errors in JSON.
    """
    text, flawed = decode(data)
    index = 0
    for chunk in split(text):
        problem = flaw(chunk.text) if flawed else None
        if problem:
            message, line, column = problem
            yield Broken(index, message, line + chunk.lines_before, column, chunk)
            index += 1
            continue
        for document in read_chunk(chunk, index, limits, json):
            yield document
            index = document.number + 1


def read_chunk(chunk: Chunk, index: int, limits: Limits, json: bool) -> Iterator[Parsed | Broken]:
    """Yield the documents of `chunk` (one, as a rule), numbered from `index`."""
    common = read_block(chunk.text, limits, chunk.lines_before)
    if common is not None:
        body, duplicates = common
        yield Parsed(index, body, duplicates, chunk, 0, not duplicates)
        return
    from kpolicy.manifests.yaml_loader import YamlError, read_json, read_stream

    documents: list[Parsed | Broken] = []
    try:
        for body, duplicates in read_stream(chunk.text, limits, chunk.lines_before):
            nth = len(documents)
            documents.append(Parsed(index + nth, body, duplicates, chunk, nth))
        yield from documents
        return
    except YamlError as error:
        failure = error
    if is_json(chunk.text):
        # libyaml is three times as fast and reads most JSON, but not all.
        try:
            found = list(read_json(json_part(chunk.text), limits, chunk.lines_before))
        except YamlError as error:
            if json or _explains_better(error, failure):
                failure = error
        else:
            for nth, (body, duplicates) in enumerate(found):
                yield Parsed(index + nth, body, duplicates, chunk, nth)
            return
    index += len(documents)
    yield from documents
    yield Broken(index, failure.message, failure.line, failure.column, chunk, failure.is_yaml)


def _explains_better(json_error: YamlError, error: YamlError) -> bool:
    """Return whether the JSON reader understood more of the text than libyaml did."""
    return "in double quotes" not in json_error.message and (
        (json_error.line, json_error.column) >= (error.line, error.column)
    )
