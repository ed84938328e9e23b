"""Image references, parsed as Kyverno parses them.

Source: github.com/google/go-containerregistry/pkg/name, weak validation.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from kpolicy.cel import Type
from kpolicy.cel.errors import CelError

IMAGE: Final = Type("kyverno.image")

_DEFAULT_REGISTRY: Final = "index.docker.io"
_REPOSITORY = re.compile(r"[a-z0-9_./-]{2,255}\Z")
_TAG = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-f]{32,}\Z")


class Image:
    """A reference: registry, repository, and a tag or a digest."""

    __slots__ = ("digest", "registry", "repository", "tag")
    cel_type: ClassVar[Type] = IMAGE

    def __init__(self, registry: str, repository: str, tag: str, digest: str) -> None:
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.digest = digest

    @property
    def identifier(self) -> str:
        """Tag and digest, or the one that is written."""
        return "@".join(part for part in (self.tag, self.digest) if part)

    @property
    def identifier_with_separator(self) -> str:
        """The digest or else the tag, with the sign before it."""
        return f"@{self.digest}" if self.digest else f":{self.tag}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}{self.identifier_with_separator}"


def parse_image(text: str) -> Image:
    """Return the reference that a text is. Raises `CelError` for one that is none."""
    name, at, digest = text.partition("@")
    if at and not _DIGEST.match(digest):
        raise CelError(f"{text!r} has no valid digest")
    registry, repository = _split(name)
    tag = ""
    base, colon, after = repository.rpartition(":")
    if colon:
        repository, tag = base, after
        if not _TAG.match(tag):
            raise CelError(f"{text!r} has no valid tag")
    if registry == _DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    if not _REPOSITORY.match(repository):
        raise CelError(f"could not parse reference: {text}")
    if digest:
        return Image(registry, repository, tag, digest)
    return Image(registry, repository, tag or "latest", "")


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        # Docker Hub has two names.
        return (_DEFAULT_REGISTRY if first == "docker.io" else first), rest
    return _DEFAULT_REGISTRY, name


def is_image(text: str) -> bool:
    """Return whether a text is a reference."""
    try:
        parse_image(text)
    except CelError:
        return False
    return True
