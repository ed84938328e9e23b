"""Reading image references."""

from __future__ import annotations


def image_name(image: str) -> str:
    """Return the last path segment of the repository: `fluent/fluent-bit:2@sha256:..` gives
    `fluent-bit`."""
    repository = image.partition("@")[0]
    return repository.rpartition("/")[2].partition(":")[0]
