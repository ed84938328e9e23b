"""How people name and label workloads: the CEL functions `isNamed` and `podLabel`.

Sources: Kubernetes generates pod names as `<name>-<template hash>-<suffix>`, hash and suffix in an
alphabet without vowels and look-alikes (`util/rand` of the API machinery); StatefulSets and indexed
Jobs append an ordinal.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.types import BOOL, DYN, STRING, list_of
from kpolicy.relations.context import JoinContext
from kpolicy.relations.reading import labels_of, pod_labels

_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
#: Digits; a template hash; a random suffix, after a template hash or not; a hexadecimal hash.
_GENERATED = re.compile(
    rf"\d+|{_SAFE}{{8,10}}(-{_SAFE}{{5}})?|{_SAFE}{{5}}|(?=[a-f]*\d)[0-9a-f]{{5,10}}(-[0-9a-z]{{5}})?"
)


def is_named(name: str, words: list[Any]) -> bool:
    """Return whether `name` is one of `words`, or one of them with a generated suffix."""
    if name in words:
        return True
    at = name.find("-")
    while at >= 0:
        if name[:at] in words and _GENERATED.fullmatch(name, at + 1):
            return True
        at = name.find("-", at + 1)
    return False


def _pod_label(context: JoinContext, body: Any, key: str) -> str:
    if not isinstance(body, dict):
        return ""
    template = pod_labels(context.kinds, body) or {}
    return template[key] if key in template else labels_of(body).get(key, "")


@lru_cache(maxsize=1)
def library() -> Library:
    """Return the library; `podLabel` needs a `JoinContext` at evaluation."""
    return Library(
        name="kpolicy.names",
        doc="How workloads are named and labelled.",
        functions=(
            Function(
                "isNamed",
                (
                    Overload(
                        "kpolicy_isNamed", (STRING, list_of(STRING)), BOOL, is_named, member=True
                    ),
                ),
                "Whether a name is one of the words, or one of them with the suffix that a "
                "controller generates (digits or a hash).",
            ),
            Function(
                "podLabel",
                (
                    Overload(
                        "kpolicy_podLabel", (DYN, STRING), STRING, _pod_label,
                        member=True, needs_context=True,
                    ),
                ),
                'A label of the pod template or, where it lacks the key, of the workload; "" if none.',
            ),
        ),
    )  # fmt: skip
