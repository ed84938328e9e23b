"""What a cluster holds, as files of a scan: one object a file, `live:Deployment/shop/web`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from kpolicy.errors import Problem, UsageError
from kpolicy.live.cluster import Cluster, ClusterError
from kpolicy.live.text import yaml_text
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid, ManifestFile, Note
from kpolicy.records import dataclass

#: (apiVersion's group, resource) that nobody writes: the cluster's own records and measurements.
PASSED_OVER = frozenset({
    ("", "events"), ("events.k8s.io", "events"), ("", "componentstatuses"), ("", "endpoints"),
    ("discovery.k8s.io", "endpointslices"), ("coordination.k8s.io", "leases"),
    ("coordination.k8s.io", "leasecandidates"), ("apps", "controllerrevisions"),
})  # fmt: skip
#: Groups that compute what they answer.
MEASURING = frozenset(("metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"))
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

#: (kind, namespace, name).
Owner = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Served:
    """A kind that the server can list."""

    group: str
    version: str
    resource: str
    """The plural in its path."""
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As an object says it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "") -> str:
        """Return where its objects are listed."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{root}{inside}/{self.resource}"


@dataclass(frozen=True, slots=True)
class LiveInput:
    """What was read, and what could not be."""

    files: tuple[ManifestFile, ...] = ()
    invalid: tuple[Invalid, ...] = ()
    notes: tuple[Note, ...] = ()
    controllers: Mapping[Owner, Owner] = field(default_factory=lambda: MappingProxyType({}))
    """The controller of each object that has one among what was read."""
    not_listed: tuple[str, ...] = ()
    """Kinds (`group/kind`) that exist, but that the reader of single namespaces may not see."""


def read(
    cluster: Cluster,
    namespaces: Sequence[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> LiveInput:
    """Return all objects of a cluster, or of some of its namespaces and those in none.

    A kind that cannot be listed is an `Invalid`; one outside the namespaces asked for, that the
    reader may not see, a note. Raises `UsageError` where nothing can be asked at all.
    """
    reader = _Reader(cluster, namespaces)
    kinds = reader.kinds()
    for number, served in enumerate(kinds):
        if progress is not None:
            progress("reading the cluster", number, len(kinds))
        reader.read(served, kinds)
    return LiveInput(
        tuple(reader.files), tuple(reader.invalid), tuple(reader.notes),
        MappingProxyType(dict(reader.controllers())), tuple(reader.not_listed),
    )  # fmt: skip


class _Reader:
    def __init__(self, cluster: Cluster, namespaces: Sequence[str]) -> None:
        self.cluster = cluster
        self.namespaces = tuple(dict.fromkeys(namespaces))
        self.files: list[ManifestFile] = []
        self.invalid: list[Invalid] = []
        self.notes: list[Note] = []
        self.not_listed: list[str] = []
        self._owned: dict[Owner, Owner] = {}
        self._seen: set[Owner] = set()
        self._shared: frozenset[str] | None = None

    # What there is

    def kinds(self) -> list[Served]:
        """Return every kind that can be listed, each in its preferred version."""
        try:
            core = self.cluster.get("/api/v1")
            groups = self.cluster.get("/apis").get("groups")
        except ClusterError as error:
            hint = "`kubectl api-resources` with the same context shows what it is allowed to ask"
            if self.cluster.said:
                hint = f"the client said: {'; '.join(self.cluster.said)}"
            what = f"the cluster at {self.cluster.host} cannot be read: {error}"
            raise UsageError(Problem(what, None, hint)) from None
        found = list(_listable("", "v1", core))
        for group in groups if isinstance(groups, list) else ():
            name = str(group.get("name", ""))
            if name and name not in MEASURING:
                found += self._of_group(name, group)
        return [s for s in found if (s.group, s.resource) not in PASSED_OVER]

    def _of_group(self, name: str, group: Mapping[str, Any]) -> Iterator[Served]:
        preferred = _mapping(group.get("preferredVersion")).get("version", "")
        versions = [_mapping(v).get("version", "") for v in group.get("versions") or ()]
        known: set[str] = set()
        for version in dict.fromkeys((preferred, *versions)):
            if not version:
                continue
            try:
                answer = self.cluster.get(f"/apis/{name}/{version}")
            except ClusterError as error:
                at = SourceLocation(f"live:{name}/{version}")
                self.invalid.append(
                    Invalid(at, f"the kinds of {name} cannot be asked for: {error}")
                )
                continue
            for served in _listable(name, version, answer):
                if served.resource not in known:
                    known.add(served.resource)
                    yield served

    # What is in it

    def read(self, served: Served, every: Sequence[Served]) -> None:
        """Read all objects of a kind."""
        if self._shared is None:
            self._shared = _shared_kinds(every)
        named = served.kind
        if served.group and served.kind in self._shared:
            named = f"{served.kind}.{served.group}"
        if not self.namespaces or not served.namespaced:
            self._list(served, named, "")
            return
        for namespace in self.namespaces:
            self._list(served, named, namespace)

    def _list(self, served: Served, named: str, namespace: str) -> None:
        try:
            for item in self.cluster.items(served.path(namespace)):
                self._take(served, named, item)
        except ClusterError as error:
            self._failed(served, named, namespace, error)

    def _failed(self, served: Served, named: str, namespace: str, error: ClusterError) -> None:
        path = f"live:{named}/{namespace}" if namespace else f"live:{named}"
        if error.status in (404, 405):
            return  # Gone since it was listed, or never there in this server.
        if self.namespaces and not served.namespaced and error.is_refusal:
            self.not_listed.append(f"{served.group or 'core'}/{served.kind}")
            message = f"{named}: not read, and taken to be there ({error})"
            self.notes.append(Note(message, SourceLocation(path)))
            return
        message = f"cannot be listed: {error}"
        self.invalid.append(Invalid(SourceLocation(path), message, (served.kind,)))

    def _take(self, served: Served, named: str, item: dict[str, Any]) -> None:
        body = {**item, "apiVersion": served.api_version, "kind": served.kind}
        body = {"apiVersion": body.pop("apiVersion"), "kind": body.pop("kind"), **body}
        metadata = dict(_mapping(body.get("metadata")))
        body["metadata"] = metadata
        metadata.pop("managedFields", None)
        annotations = metadata.get("annotations")
        if isinstance(annotations, dict) and LAST_APPLIED in annotations:
            metadata["annotations"] = {k: v for k, v in annotations.items() if k != LAST_APPLIED}
        if (served.group, served.kind) == ("", "Secret"):
            _empty(body)
        namespace, name = str(metadata.get("namespace", "")), str(metadata.get("name", ""))
        controller = _controller(metadata)
        if controller is not None and _is_history(body):
            return
        me = (served.kind, namespace, name)
        self._seen.add(me)
        if controller is not None:
            self._owned[me] = (controller[0], namespace, controller[1])
        data = yaml_text(body).encode()
        path = "/".join(part for part in (f"live:{named}", namespace, name) if part)
        self.files.append(ManifestFile(path, size=len(data), data=data))

    def controllers(self) -> Iterator[tuple[Owner, Owner]]:
        """Yield (object, its controller) where both were read."""
        return ((me, owner) for me, owner in self._owned.items() if owner in self._seen)


def _listable(group: str, version: str, answer: Mapping[str, Any]) -> Iterator[Served]:
    resources = answer.get("resources")
    for entry in resources if isinstance(resources, list) else ():
        name, kind = _mapping(entry).get("name"), _mapping(entry).get("kind")
        if not isinstance(name, str) or not isinstance(kind, str) or "/" in name:
            continue
        if "list" in (entry.get("verbs") or ()):
            yield Served(group, version, name, kind, entry.get("namespaced") is True)


def _shared_kinds(every: Sequence[Served]) -> frozenset[str]:
    """Return the kinds that several groups have: their paths say the group."""
    groups: dict[str, set[str]] = {}
    for served in every:
        groups.setdefault(served.kind, set()).add(served.group)
    return frozenset(kind for kind, found in groups.items() if len(found) > 1)


def _empty(secret: dict[str, Any]) -> None:
    """Leave of a Secret which keys it has: nothing that is read may show its values."""
    for part in ("data", "stringData"):
        values = secret.get(part)
        if isinstance(values, dict):
            secret[part] = dict.fromkeys(values, "")


def _controller(metadata: Mapping[str, Any]) -> tuple[str, str] | None:
    owners = metadata.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if _mapping(owner).get("controller") is True:
            return str(owner.get("kind", "")), str(owner.get("name", ""))
    return None


def _is_history(body: Mapping[str, Any]) -> bool:
    """Return whether a controlled object is a past state: it runs nothing, and is kept to go back
    to or to be looked at."""
    kind, status = body.get("kind"), _mapping(body.get("status"))
    if kind == "ReplicaSet":
        return _mapping(body.get("spec")).get("replicas") == 0
    if kind == "Pod":
        return status.get("phase") in ("Succeeded", "Failed")
    if kind == "Job":
        conditions = status.get("conditions")
        return any(
            _mapping(c).get("type") in ("Complete", "Failed") and c.get("status") == "True"
            for c in (conditions if isinstance(conditions, list) else ())
        )
    return False


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
