"""kube-linter's `sorted-keys`: about how a manifest is written, which CEL cannot see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.policy.model import Match, Param, Policy, Violation

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


def _unsorted(value: Any, recursive: bool, seen: set[int]) -> Iterator[FrozenDict]:
    """Yield every mapping whose keys are not in byte order, outermost first.

    A value that an alias repeats is the same object, and counts where it was first met.
    """
    if id(value) in seen:
        return
    if isinstance(value, FrozenDict):
        seen.add(id(value))
        # kube-linter passes over an empty key.
        keys = [key.encode("utf-8", "surrogatepass") for key in value if key]
        if keys != sorted(keys):
            yield value
        children: Iterable[Any] = value.values()
    elif isinstance(value, FrozenList):
        seen.add(id(value))
        children = value
    else:
        return
    if recursive:
        for child in children:
            yield from _unsorted(child, recursive, seen)


def _first_out_of_order(mapping: Mapping[str, Any]) -> tuple[str, str]:
    keys = [key for key in mapping if key]
    pairs = pairwise(keys)
    return next((b, a) for a, b in pairs if b.encode() < a.encode())


def _sorted_keys(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
) -> Iterable[Violation]:
    # A key whose value is null has its place too, though decoding leaves it out.
    written = resource.body if resource.written is None else resource.written
    for mapping in _unsorted(written, params["recursive"], set()):
        early, late = _first_out_of_order(mapping)
        at = mapping if resource.written is None else (mapping.line, mapping.column)
        yield Violation(f"keys are not sorted: {early} belongs before {late}", at)


SORTED_KEYS = Policy(
    id="sorted-keys",
    severity="warning",
    title="Keys that are not in order",
    pack="kube-linter",
    category="style",
    description=(
        "Keys in alphabetical order (by byte) keep differences between revisions small and make a "
        "manifest easy to search. Few repositories want this; it is off by default."
    ),
    remediation="Sort the keys of the mapping that the finding points at.",
    references=("https://docs.kubelinter.io/#/generated/checks?id=sorted-keys",),
    params=(
        Param("recursive", "boolean", True, "Look into nested mappings, not only the outermost."),
    ),
    match=Match(decoded="readable"),
    check=_sorted_keys,
    metadata={"local": True},
)
