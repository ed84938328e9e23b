"""A Kubernetes object in a snapshot: its identity, its body and its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from kpolicy.frozen import FrozenDict
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import DocumentProblem


class ResourceKey(NamedTuple):
    """What makes two objects the same object: the version is not part of it.

    `namespace` is the effective one: "default" for a namespaced kind that names none, "" for a
    cluster-scoped kind.
    """

    group: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One Kubernetes object. Compared by identity: two copies of one key are two resources."""

    api_version: str
    kind: str
    namespace: str
    """metadata.namespace as written, "" when absent."""
    name: str
    key: ResourceKey
    body: FrozenDict
    path: str
    document: int = 0
    pointer: str = ""
    scope: str = ""
    problems: tuple[DocumentProblem, ...] = field(default=())

    @property
    def group(self) -> str:
        """The API group, "" for core."""
        return self.key.group

    @property
    def version(self) -> str:
        """The API version without the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def location(self) -> SourceLocation:
        """Where the object begins."""
        return SourceLocation(self.path, self.body.line, self.body.column)
