"""A Kubernetes object in a snapshot: its identity, its body and its place."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal, NamedTuple

from kpolicy.frozen import FrozenDict
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import DocumentProblem
from kpolicy.records import dataclass
from kpolicy.schemas.decoding import default_decoder

if TYPE_CHECKING:
    from kpolicy.manifests.model import Document
    from kpolicy.snapshot.kinds import Kinds


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
    """metadata.namespace as written, else where a controller applies it to, else ""."""
    name: str
    key: ResourceKey
    body: FrozenDict
    path: str
    document: int = 0
    pointer: str = ""
    scope: str = ""
    problems: tuple[DocumentProblem, ...] = field(default=())
    decoding: Literal["typed", "untyped", "wrong-type"] = "typed"
    """What typed decoding made of it; "typed" for kinds that are not built in, too."""
    written: FrozenDict | None = None
    """The body as written, where decoding left out a null; else None."""
    whole: FrozenDict | None = None
    """The `v1` List that the object is an item of, as written; empty where a key stands twice in
    it; else None."""

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

    @property
    def order(self) -> tuple[object, ...]:
        """What makes the order of resources total: path, document, place in the document, scope."""
        if not self.pointer:
            return (self.path, self.document, (), self.scope)
        pointer = tuple((int(p) if p.isdigit() else -1, p) for p in self.pointer.split("/")[1:])
        return (self.path, self.document, pointer, self.scope)


def resource_from(document: Document, kinds: Kinds) -> Resource:
    """Return the resource that `document` holds; total: what is absent or no string is "".

    The body is as the API server decodes it: a declared field that is null is absent. A field of
    the wrong JSON type leaves the body as written and adds a problem `invalid-field-type`.
    """
    decoded = default_decoder().decode(document.body)
    body, problems = decoded.body, document.problems
    if decoded.wrong is not None:
        wrong = decoded.wrong
        problems = (
            *problems,
            DocumentProblem("invalid-field-type", wrong.message, 0, 0, wrong.pointer),
        )
    api_version, kind = _text(body.get("apiVersion")), _text(body.get("kind"))
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    namespace, name = _text(metadata.get("namespace")), _text(metadata.get("name"))
    written = None if body is document.body else document.body
    group = api_version.rpartition("/")[0]
    if document.namespace and not namespace and kinds.namespaced(group, kind):
        namespace = document.namespace
        body = in_namespace(body, namespace)
    return Resource(
        api_version,
        kind,
        namespace,
        name,
        key_of(kinds, api_version, kind, namespace, name),
        body,
        document.path,
        document.index,
        document.pointer,
        document.scope,
        problems,
        decoded.verdict,
        written,
        document.whole,
    )


def in_namespace(body: FrozenDict, namespace: str) -> FrozenDict:
    """Return the body of an object that names no namespace, as it is applied to this one."""
    metadata = body.get("metadata")
    if not isinstance(metadata, FrozenDict):
        return body
    placed: FrozenDict = FrozenDict({**metadata, "namespace": namespace}, metadata.mark)
    whole: FrozenDict = FrozenDict({**body, "metadata": placed}, body.mark)
    return whole


def key_of(kinds: Kinds, api_version: str, kind: str, namespace: str, name: str) -> ResourceKey:
    """Return the key of an object: its namespace is "default" or "" where its kind says so."""
    group = api_version.rpartition("/")[0]
    effective = (namespace or "default") if kinds.namespaced(group, kind) else ""
    return ResourceKey(group, kind, effective, name)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
