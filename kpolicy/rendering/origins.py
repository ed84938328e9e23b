"""Kustomize's origin annotations: read from its output, and taken out again.

`buildMetadata: [originAnnotations]` makes Kustomize write `config.kubernetes.io/origin` on each
resource: the file it was read from, or the generator that made it. Policies must not see it.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Origin", "take_origins"]

_ANNOTATION = "    config.kubernetes.io/origin: |"


class Origin(NamedTuple):
    """Where a resource is from; both "" where Kustomize does not say."""

    path: str = ""
    """The file, or the kustomization that generates it, relative to the directory built."""
    generator: str = ""
    """The kind of the generator (`ConfigMapGenerator`), "" for a resource that was read."""


def take_origins(data: bytes, keep: bool = False) -> tuple[bytes, list[Origin]]:
    """Return what Kustomize wrote without origins, and the origin of each document.

    `keep` = the overlay itself asks for them: they stay.
    """
    documents = data.decode("utf-8", "surrogateescape").split("\n---\n")
    taken = [_take(document.split("\n")) for document in documents]
    text = "\n---\n".join("\n".join(lines) for lines, _ in taken)
    origins = [origin for _, origin in taken]
    return (data if keep else text.encode("utf-8", "surrogateescape")), origins


def _take(lines: list[str]) -> tuple[list[str], Origin]:
    """Take the annotation out of one document, which Kustomize wrote in its own plain style."""
    begin = _position(lines, "metadata:", 0)
    annotations = _position(lines, "  annotations:", begin + 1) if begin >= 0 else -1
    if annotations < 0:
        return lines, Origin()
    end = annotations + 1
    while end < len(lines) and (lines[end].startswith("    ") or not lines[end]):
        end += 1
    at = next((n for n in range(annotations + 1, end) if lines[n].startswith(_ANNOTATION)), -1)
    if at < 0:
        return lines, Origin()
    after = at + 1
    while after < end and (lines[after].startswith("      ") or not lines[after]):
        after += 1
    origin = _origin(lines[at + 1 : after])
    only = at == annotations + 1 and after == end
    return lines[: annotations if only else at] + lines[after:], origin


def _position(lines: list[str], wanted: str, start: int) -> int:
    """Return where a key stands among its siblings from `start` on; -1 where it does not."""
    indent = len(wanted) - len(wanted.lstrip())
    for number in range(start, len(lines)):
        line = lines[number]
        if line == wanted:
            return number
        if line.strip() and len(line) - len(line.lstrip(" ")) < indent:
            return -1
    return -1


def _origin(block: list[str]) -> Origin:
    said = {}
    for line in block:
        key, _, value = line.strip().partition(": ")
        said[key] = value
    if "path" in said and "repo" not in said:
        return Origin(said["path"])
    return Origin(said.get("configuredIn", ""), said.get("kind", ""))
