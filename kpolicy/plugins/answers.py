"""What hooks answer: taken whole, and named where it is something else than it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Stands for an answer that nothing can be taken from.
NOT_ITERABLE = object()


def consumed(answer: Any) -> Any:
    """Return what an iterable yields (a generator runs here, inside the guard), `NOT_ITERABLE` for
    anything else: a text or a mapping is no list of things."""
    if isinstance(answer, (str, bytes, Mapping)):
        return NOT_ITERABLE
    try:
        iterator = iter(answer)
    except TypeError:
        return NOT_ITERABLE
    return tuple(iterator)


def called(value: object) -> str:
    """Return the type of a value as a sentence has it: `a str`, `an int`."""
    word = type(value).__name__
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
