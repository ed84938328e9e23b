"""Message templates: text with `{{id.name}}` and the like in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_BRACES = re.compile(r"\{\{|\}\}")

Say = Callable[[str], str]


def unknown_placeholders(text: str, known: Iterable[str]) -> list[tuple[str, int]]:
    """Return the placeholders that mean nothing, each with its offset; "" for stray braces."""
    names = set(known)
    wrong = [
        (found.group(1), found.start())
        for found in _PLACEHOLDER.finditer(text)
        if found.group(1) not in names
    ]
    blanked = _PLACEHOLDER.sub(lambda found: " " * len(found.group()), text)
    wrong += [("", found.start()) for found in _BRACES.finditer(blanked)]
    return sorted(wrong, key=lambda pair: pair[1])


def filled(text: str, say: Say) -> str:
    """Return the text with each placeholder replaced by what `say` gives for it."""
    return _PLACEHOLDER.sub(lambda found: say(found.group(1)), text)
