"""Custom relationships: values at a path of the target equal values at a path of the dependency.

Each becomes a relation with an index. Resources are filed under the values of one criterion; the
others are verified. Values are compared as text, and one equal pair is enough, as in KubePattern.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.relations.model import Entry, Relation, Side

from kpolicy_kubepattern.filters import text_of
from kpolicy_kubepattern.paths import Path

if TYPE_CHECKING:
    from kpolicy.relations.model import EntriesOf
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

    from kpolicy_kubepattern.subjects import Subject


class Criterion(NamedTuple):
    """Two paths, of the target and of the dependency, whose values must meet."""

    target: Path
    dependency: Path


def relation_of(
    name: str, target: Subject, dependency: Subject, criteria: tuple[Criterion, ...]
) -> Relation:
    """Return the relation from targets to dependencies that meet all `criteria` (one or more)."""
    ordered = sorted(criteria, key=lambda c: "namespace" in c.target.steps)  # names tell more apart
    return Relation(
        f"kubepattern-{name}",
        left=Side(target.kinds, _entries(target, tuple(c.target for c in ordered))),
        right=Side(dependency.kinds, _entries(dependency, tuple(c.dependency for c in ordered))),
        inverse=f"kubepattern-{name}-reverse",
        matches=_all_meet,
    )


def _entries(subject: Subject, paths: tuple[Path, ...]) -> EntriesOf:
    def entries(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
        view = subject.view(resource, kinds)
        if view is None:
            return
        found = [_texts(path.values(view)) for path in paths]
        if all(found):
            for value in found[0]:
                yield Entry((value,), found[1:])

    return entries


def _texts(values: list[Any]) -> list[str]:
    texts = (text_of(value) for value in values)
    return list(dict.fromkeys(text for text in texts if text is not None))


def _all_meet(left: list[list[str]], right: list[list[str]]) -> bool:
    return all(set(mine) & set(theirs) for mine, theirs in zip(left, right, strict=True))
