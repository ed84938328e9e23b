"""Paths into a resource, as filters and criteria write them.

`metadata.name`, `.spec.containers[*].image`, `$.spec.volumes[0]`, `metadata.labels['a.b/c']`. A
leading dot or `$` means the root of the resource.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple


class PathError(ValueError):
    """A path that cannot be read; `offset` says where in its text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class _Every:
    """The step `[*]`: each element of a list."""

    def __repr__(self) -> str:
        return "[*]"


EVERY: Final = _Every()
Step = str | int | _Every

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_INDEX = re.compile(r"\[(\d+)\]")
_QUOTED = re.compile(r"""\[(?:'([^']+)'|"([^"]+)")\]""")


class Path(NamedTuple):
    """The steps from the root of a resource to a value."""

    steps: tuple[Step, ...]

    @property
    def definite(self) -> bool:
        """Whether the path leads to one value at most."""
        return EVERY not in self.steps

    def values(self, body: Any) -> list[Any]:
        """Return what the path reaches; null counts as absent."""
        found = [body]
        for step in self.steps:
            found = [value for item in found for value in _next(item, step)]
        return [value for value in found if value is not None]

    def without_every(self) -> Path:
        """Return the path to the lists themselves, not to their elements."""
        return Path(tuple(step for step in self.steps if step is not EVERY))


def _next(value: Any, step: Step) -> list[Any]:
    if isinstance(step, str):
        return [value[step]] if isinstance(value, dict) and step in value else []
    if not isinstance(value, list):
        return []
    if isinstance(step, int):
        return [value[step]] if step < len(value) else []
    return list(value)


def parse(text: str) -> Path:
    """Return the path that `text` writes. Raises `PathError`."""
    at = 1 if text.startswith("$") else 0
    if text.startswith(".", at) and not text.startswith("..", at):
        at += 1
    steps: list[Step] = []
    wants_name = True
    while at < len(text):
        if text[at] == "[":
            step, at = _bracket(text, at)
            steps.append(step)
            wants_name = False
        elif wants_name or text[at] == ".":
            start = at if wants_name else at + 1
            found = _NAME.match(text, start)
            if found is None:
                what = (
                    "`..` is not supported" if text.startswith(".", start) else "a name is missing"
                )
                raise PathError(what, min(start, len(text) - 1))
            steps.append(found.group())
            at, wants_name = found.end(), False
        else:
            hint = " (write a key with dots or slashes as ['key'])" if text[at] == "/" else ""
            raise PathError(f'"{text[at]}" cannot stand here{hint}', at)
    if not steps:
        raise PathError("the path is empty", 0)
    return Path(tuple(steps))


def _bracket(text: str, at: int) -> tuple[Step, int]:
    if text.startswith("[*]", at):
        return EVERY, at + 3
    if text.startswith("[@]", at):
        raise PathError("the bound element [@] is not supported; [*] means every element", at)
    if found := _INDEX.match(text, at):
        return int(found.group(1)), found.end()
    if found := _QUOTED.match(text, at):
        return found.group(1) or found.group(2), found.end()
    raise PathError("a bracket must hold *, an index or a quoted key", at)
