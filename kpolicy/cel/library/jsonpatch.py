"""The jsonpatch library: escaping a key for a JSON pointer.

Source: `k8s.io/apiserver/pkg/cel/library/jsonpatch.go`; in mutating admission policies since 1.32.
"""

from __future__ import annotations

from typing import Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.types import STRING


def escape_key(key: str) -> str:
    """Return `key` with `~` as `~0` and `/` as `~1` (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


LIBRARY: Final = Library(
    name="kubernetes.jsonpatch",
    doc="Escaping a key for a JSON pointer.",
    source="k8s.io/apiserver/pkg/cel/library/jsonpatch.go",
    functions=(
        Function(
            "jsonpatch.escapeKey",
            (Overload("string_jsonpatch_escapeKey_string", (STRING,), STRING, escape_key,
                      cost="size"),),
            doc="the key as a segment of a JSON pointer",
        ),
    ),
)  # fmt: skip
