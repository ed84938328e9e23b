"""What changes with kpolicy itself: stored policies and prepared code count for one build."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from kpolicy import __version__

#: The module in this package that is made of a build (see `kpolicy.policy.prepared`).
GENERATED = "prepared_expressions.py"
#: The parts of kpolicy that decide what a policy compiles to.
_PARTS = ("cel", "cel/library", "policy", "strict", "relations", "snapshot", "schemas")


def build_digest() -> str:
    """Return what changes with kpolicy itself: its version and, in a checkout, its files."""
    root = Path(__file__).parent.parent
    parts = hashlib.blake2b(__version__.encode(), digest_size=16)
    for part in _PARTS:
        try:
            with os.scandir(root / part) as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    if entry.name.endswith(".py") and entry.name != GENERATED:
                        status = entry.stat()
                        line = f"{part}/{entry.name} {status.st_size} {status.st_mtime_ns}\n"
                        parts.update(line.encode())
        except OSError:
            continue
    return parts.hexdigest()
