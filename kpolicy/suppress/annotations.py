"""Suppression by annotation: kpolicy's own and kube-linter's."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

IGNORE = "kpolicy.dev/ignore"
IGNORE_ONE = "ignore.kpolicy.dev/"
KUBE_LINTER_ONE = "ignore-check.kube-linter.io/"
KUBE_LINTER_ALL = "kube-linter.io/ignore-all"


class Ignore(NamedTuple):
    """One annotation that silences something: which, what it means, and why."""

    key: str
    patterns: tuple[str, ...]
    reason: str

    def covers(self, policy: str) -> bool:
        """Return whether a finding of `policy` is silenced."""
        return any(p == policy or fnmatchcase(policy, p) for p in self.patterns)


def ignores_of(body: Mapping[str, Any]) -> tuple[Ignore, ...]:
    """Return the suppressing annotations of a resource, in the order in which they are written."""
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict):
        return ()
    found: list[Ignore] = []
    for key, value in annotations.items():
        text = value if isinstance(value, str) else ""
        if key == IGNORE:
            patterns = tuple(p.strip() for p in text.split(",") if p.strip())
            found.append(Ignore(key, patterns, ""))
        elif key.startswith(IGNORE_ONE):
            found.append(Ignore(key, (key[len(IGNORE_ONE) :],), text))
        elif key.startswith(KUBE_LINTER_ONE):
            found.append(Ignore(key, (key[len(KUBE_LINTER_ONE) :],), text))
        elif key == KUBE_LINTER_ALL:
            found.append(Ignore(key, ("*",), text))
    return tuple(found)
