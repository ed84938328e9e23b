"""How people name and label workloads and containers: the CEL functions of the sidecar policies.

Sources: Kubernetes generates pod names as `<name>-<template hash>-<suffix>`, hash and suffix in an
alphabet without vowels and look-alikes (`util/rand` of the API machinery); StatefulSets and indexed
Jobs append an ordinal.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.types import BOOL, DYN, STRING, list_of
from kpolicy.frozen import FrozenList
from kpolicy.relations.context import JoinContext
from kpolicy.relations.images import image_name
from kpolicy.relations.reading import labels_of, pod_labels

_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
#: Digits; a template hash; a random suffix, after a template hash or not; a hexadecimal hash.
_GENERATED = (
    rf"\d+|{_SAFE}{{8,10}}(-{_SAFE}{{5}})?|{_SAFE}{{5}}"
    r"|(?=[a-f]*\d)[0-9a-f]{5,10}(-[0-9a-z]{5})?"
)


def is_named(name: str, words: list[Any]) -> bool:
    """Return whether `name` is one of `words`, or one of them with a generated suffix."""
    if name in words:
        return True
    at = name.find("-")
    while at >= 0:
        if name[:at] in words and re.compile(_GENERATED).fullmatch(name, at + 1):
            return True
        at = name.find("-", at + 1)
    return False


def _pod_label(context: JoinContext, body: Any, key: str) -> str:
    if not isinstance(body, dict):
        return ""
    template = pod_labels(context.kinds, body) or {}
    return template[key] if key in template else labels_of(body).get(key, "")


def command_line(container: Any) -> str:
    """Return the command and arguments of a container, joined by spaces."""
    if not isinstance(container, dict):
        return ""
    parts: list[str] = []
    for field in ("command", "args"):
        value = container.get(field)
        if isinstance(value, list):
            parts += [part for part in value if isinstance(part, str)]
    return " ".join(parts)


def runs(container: Any, words: list[Any]) -> bool:
    """Return whether a container is called, or runs an image called, one of `words`.

    A word between slashes is a regular expression (RE2, searched) instead of a whole name.
    """
    if not isinstance(container, dict):
        return False
    known = _vocabulary(words)
    name, image = container.get("name"), container.get("image")
    return (
        known[name if isinstance(name, str) else ""]
        or known[image_name(image) if isinstance(image, str) else ""]
    )


class _Vocabulary(dict[str, bool]):
    """Whether a text is, or a pattern in it says so, one of a list of words; filled as asked."""

    __slots__ = ("names", "patterns", "words")

    def __init__(self, words: list[Any]) -> None:
        super().__init__()
        self.words = words
        texts = [word for word in words if isinstance(word, str)]
        found = [w for w in texts if len(w) > 2 and w[0] == w[-1] == "/"]
        self.names = frozenset(texts) - frozenset(found) - {""}
        self.patterns = tuple(_pattern(w[1:-1]) for w in found)

    def __missing__(self, text: str) -> bool:
        answer = text in self.names or any(p.search(text) for p in self.patterns)
        if len(self) >= _KEPT_ANSWERS:
            self.clear()
        if len(text) < _LONG:
            self[text] = answer
        return answer


#: What `_vocabulary` made of the lists that policies' parameters are; at most `_KEPT` of them.
_VOCABULARIES: dict[int, _Vocabulary] = {}
_KEPT = 64
_KEPT_ANSWERS = 2_000
_LONG = 200


def _vocabulary(words: list[Any]) -> _Vocabulary:
    """Return what is known of a list of words; remembered for immutable lists."""
    known = _VOCABULARIES.get(id(words))
    if known is not None and known.words is words:
        return known
    known = _Vocabulary(words)
    if isinstance(words, FrozenList):
        if len(_VOCABULARIES) >= _KEPT:
            _VOCABULARIES.clear()
        _VOCABULARIES[id(words)] = known
    return known


@lru_cache(maxsize=256)
def _pattern(source: str) -> Any:
    import re2

    try:
        return re2.compile(source)
    except re2.error as error:
        raise CelError(f"/{source}/ is no regular expression: {error}") from None


@lru_cache(maxsize=1)
def library() -> Library:
    """Return the library; `podLabel` needs a `JoinContext` at evaluation."""
    words = list_of(STRING)
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
                        member=True, needs_context=True, parts=True,
                    ),
                ),
                'A label of the pod template, else of the workload; "" if neither has the key.',
            ),
            Function(
                "runs",
                (Overload("kpolicy_runs", (DYN, words), BOOL, runs, member=True, cost="size"),),
                "Whether a container is called, or runs an image called, one of the words (an "
                "image by the last segment of its repository). `/.../` is a regular expression.",
            ),
            Function(
                "commandLine",
                (Overload("kpolicy_commandLine", (DYN,), STRING, command_line, member=True),),
                "The command and the arguments of a container, joined by spaces.",
            ),
        ),
    )  # fmt: skip
