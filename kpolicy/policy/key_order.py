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

#: kube-linter says of every item of a List what is wrong anywhere in the List. Beyond so many
#: findings in one List an item answers for itself alone: they would grow with its square.
MAX_LISTED = 20_000


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


class _SortedKeys:
    """The check; for the items of a List it remembers what it found in that List."""

    def __init__(self) -> None:
        self._last: tuple[FrozenDict | None, bool, tuple[FrozenDict, ...]] = (None, False, ())

    def __call__(
        self, resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
    ) -> Iterator[Violation]:
        if any(problem.kind == "duplicate-key" for problem in resource.problems):
            return  # kube-linter's reader for this check refuses the document
        recursive = bool(params["recursive"])
        # A key whose value is null has its place too, though decoding leaves it out.
        own = resource.body if resource.written is None else resource.written
        listed = () if resource.whole is None else self._of_list(resource.whole, recursive)
        if resource.whole is not None and len(listed) * _items(resource.whole) <= MAX_LISTED:
            for mapping in listed:
                yield _violation(mapping, (mapping.line, mapping.column))
            return
        for mapping in _unsorted(own, recursive, set()):
            decoded = resource.written is None
            yield _violation(mapping, mapping if decoded else (mapping.line, mapping.column))

    def _of_list(self, whole: FrozenDict, recursive: bool) -> tuple[FrozenDict, ...]:
        known, was_recursive, found = self._last
        if known is not whole or was_recursive != recursive:
            found = tuple(_unsorted(whole, recursive, set()))
            self._last = (whole, recursive, found)
        return found


def _items(whole: FrozenDict) -> int:
    items = whole.get("items")
    return len(items) if isinstance(items, FrozenList) else 0


def _violation(mapping: FrozenDict, at: Any) -> Violation:
    early, late = _first_out_of_order(mapping)
    return Violation(f"keys are not sorted: {early} belongs before {late}", at)


SORTED_KEYS = Policy(
    id="sorted-keys",
    severity="warning",
    title="Keys that are not in order",
    pack="kube-linter",
    category="style",
    description=(
        "Keys in alphabetical order (by byte) keep differences between revisions small and make a "
        "manifest easy to search. Few repositories want this; it is off by default. As in "
        "kube-linter, every item of a `kind: List` is told of all mappings of the List."
    ),
    remediation="Sort the keys of the mapping that the finding points at.",
    references=("https://docs.kubelinter.io/#/generated/checks?id=sorted-keys",),
    params=(
        Param("recursive", "boolean", True, "Look into nested mappings, not only the outermost."),
    ),
    match=Match(decoded="readable"),
    check=_SortedKeys(),
    metadata={"local": True},
)
