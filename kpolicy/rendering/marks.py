"""Which files may hold a controller's resource: told by a few bytes, before anything is parsed."""

from __future__ import annotations

from kpolicy.manifests.loader import read_bytes
from kpolicy.manifests.model import Limits, ManifestFile

__all__ = ["is_marked"]

#: Bytes that a file with a resource of Argo CD or Flux holds somewhere.
_MARKS = (b"argoproj.io", b"toolkit.fluxcd.io")


def is_marked(file: ManifestFile, limits: Limits) -> bool:
    """Return whether a file may hold a resource that says what is rendered, and how."""
    data = read_bytes(file, limits)
    return isinstance(data, bytes) and any(mark in data for mark in _MARKS)
