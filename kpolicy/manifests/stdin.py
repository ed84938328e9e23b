"""The source of standard input, and of open pipes such as a shell's process substitution."""

from __future__ import annotations

import os
import re
import sys
from typing import BinaryIO

from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Discovery, Invalid, ManifestFile, SourceOptions

__all__ = ["StdinSource"]

_OPEN_FILE = r"/dev/(?:stdin|fd/\d+)|/proc/self/fd/\d+"


class StdinSource:
    """Standard input (`-`, shown as `<stdin>`), and files that the caller has opened already.

    `/dev/fd/63` is what a shell makes of `kpolicy scan <(kustomize build .)`.
    """

    name = "stdin"

    def accepts(self, target: str) -> bool:
        """Return whether `target` is `-` or names an open file descriptor."""
        return target == "-" or re.fullmatch(_OPEN_FILE, target) is not None

    def discover(self, target: str, options: SourceOptions) -> Discovery:
        """Return the whole of standard input as one file."""
        path = "<stdin>" if target in ("-", "/dev/stdin") else target
        limit = options.limits.file_bytes
        try:
            if path == "<stdin>":
                data = _read(sys.stdin.buffer, limit)
            else:
                with os.fdopen(os.open(target, os.O_RDONLY), "rb") as stream:
                    data = _read(stream, limit)
        except (OSError, ValueError, AttributeError) as error:
            return Discovery(invalid=(Invalid(SourceLocation(path), f"cannot be read: {error}"),))
        if len(data) > limit:
            message = f"more than the limit of {limit} bytes; scan it in parts"
            return Discovery(invalid=(Invalid(SourceLocation(path), message),))
        return Discovery((ManifestFile(path, size=len(data), data=data),))


def _read(stream: BinaryIO, limit: int) -> bytes:
    return stream.read(limit + 1)
