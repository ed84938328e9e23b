"""A policy in Python: names that differ by their case or hyphens alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kpolicy.policy.model import Match, Policy, Violation
from kpolicy.snapshot.resource import Resource
from kpolicy.snapshot.snapshot import Snapshot


def check(
    resource: Resource, snapshot: Snapshot, _params: Mapping[str, Any]
) -> Iterable[Violation]:
    """Yield a violation where another Service's name reads like this one's."""
    for other in snapshot.by_kind("", "Service"):
        if other.key.namespace != resource.key.namespace or other.name >= resource.name:
            continue
        if _read(other.name) == _read(resource.name):
            yield Violation(
                f"the name {resource.name} reads like {other.name}",
                at=resource.body["metadata"],
                related=(other,),
            )


def _read(name: str) -> str:
    return name.replace("-", "").replace(".", "").lower()


POLICY = Policy(
    "acme-confusable-service",
    severity="info",
    title="Service whose name reads like another's",
    pack="acme",
    default=True,
    description="Two Services of a namespace whose names differ by hyphens alone get mistaken.",
    remediation="Rename one of the two.",
    match=Match(kinds=("Service",)),
    check=check,
)
