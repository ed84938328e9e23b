"""Bodies in a text, and ways through them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.manifests.model import Limits
from kpolicy.manifests.yaml_documents import Parsed, parse

__all__ = ["bodies_in", "items_of", "pointer_of", "tokens_of", "value_at"]


def bodies_in(data: bytes, lists: bool = False) -> dict[int, Any]:
    """Return the mappings of a text (with `lists`, those too) by the number of their document."""
    kinds = (FrozenDict, FrozenList) if lists else (FrozenDict,)
    return {number: body for number, body in _all_in(data).items() if body.__class__ in kinds}


@lru_cache(maxsize=16)
def _all_in(data: bytes) -> dict[int, Any]:
    return {d.number: d.body for d in parse(data, Limits()) if isinstance(d, Parsed)}


def items_of(body: FrozenDict, pointer: str = "") -> Iterator[tuple[str, FrozenDict]]:
    """Yield (pointer, object) of an object, or of the items of a List."""
    items = body.get("items")
    if str(body.get("kind", "")).endswith("List") and isinstance(items, list):
        for number, item in enumerate(items):
            if isinstance(item, FrozenDict):
                yield from items_of(item, f"{pointer}/items/{number}")
    else:
        yield pointer, body


def tokens_of(pointer: str) -> list[str]:
    """Return the keys and indexes of a JSON pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def pointer_of(tokens: Sequence[str]) -> str:
    """Return the JSON pointer of keys and indexes."""
    return "".join(f"/{token.replace('~', '~0').replace('/', '~1')}" for token in tokens)


def value_at(body: Any, tokens: Sequence[str]) -> Any:
    """Return what keys and indexes lead to; None where there is no such thing."""
    for token in tokens:
        if isinstance(body, dict):
            body = body.get(token)
        elif isinstance(body, list) and token.isdecimal() and int(token) < len(body):
            body = body[int(token)]
        else:
            return None
    return body
