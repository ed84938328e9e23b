"""The digest of what is scanned: two scans with one digest had the same resources.

It is taken over the rendered resources and not over files, so that the gate of a repository and a
hook before a sync, which see the same resources in other files, agree. What kpolicy itself is told
in annotations is left out, since the digest travels in one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from kpolicy.frozen import canonical_json

#: Annotations that are kpolicy's own, by the beginning of their keys.
OWN = ("kpolicy.dev/", "ignore.kpolicy.dev/")
#: What the canonical form of a value holds that has to be looked at for them.
_MARK, _EMPTY = b"kpolicy.dev/", b'"annotations":{}'

#: How many bytes stand for a resource.
WIDTH = 32

_encode = msgspec.json.Encoder(order="deterministic").encode


def print_of(body: Any) -> bytes:
    """Return what stands for one resource: the SHA-256 of its canonical JSON."""
    text = _canonical(body)
    if _MARK in text or _EMPTY in text:
        text = _canonical(_without_own(body))
    return hashlib.sha256(text).digest()


def prints_of(bodies: Iterable[Any]) -> bytes:
    """Return what stands for each of some resources, one after the other."""
    return b"".join(map(print_of, bodies))


def digest_of(prints: bytes | bytearray) -> str:
    """Return `sha256:...` over the resources that `prints` stands for, in whatever order."""
    parts = sorted(prints[at : at + WIDTH] for at in range(0, len(prints), WIDTH))
    return f"sha256:{hashlib.sha256(b''.join(parts)).hexdigest()}"


def digest_of_digests(digests: Iterable[str]) -> str:
    """Return the digest of several scans: over theirs, in whatever order; "" of none."""
    parts = b"".join(bytes.fromhex(digest.partition(":")[2]) for digest in digests)
    return digest_of(parts) if parts else ""


def _canonical(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces."""
    try:
        return _encode(value)
    except (OverflowError, UnicodeEncodeError):
        # Numbers of more than 64 bits, text that is no Unicode: rare, and no server takes them.
        return canonical_json(value)


def _without_own(value: Any) -> Any:
    """Return a value without kpolicy's own annotations, at any depth: templates carry them too."""
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            if key == "annotations" and isinstance(item, dict):
                item = {k: v for k, v in item.items() if not str(k).startswith(OWN)}
                if not item:
                    continue
            found[key] = _without_own(item)
        return found
    if isinstance(value, list):
        return [_without_own(item) for item in value]
    return value
