"""All resources at one moment, as a value.

A snapshot never changes; `with_file` and `without_file` return a new one that shares what stayed.
Views (look-ups by key, relation indexes) are built on first use, belong to one snapshot, and are
derived, not built again, for the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol, Self, TypeVar, cast

from kpolicy.frozen import content_digest
from kpolicy.records import dataclass
from kpolicy.snapshot.filing import Filing
from kpolicy.snapshot.kinds import CustomKind, Kinds, custom_kind_of
from kpolicy.snapshot.layered import Layered
from kpolicy.snapshot.resource import Resource, ResourceKey, key_of
from kpolicy.snapshot.world import Reference, State, World


class Derivable(Protocol):
    """A view of a snapshot that knows how to follow a change."""

    def derived(
        self, snapshot: Snapshot, removed: tuple[Resource, ...], added: tuple[Resource, ...]
    ) -> Self:
        """Return the view of `snapshot`, which lacks `removed` and has `added`."""
        ...


View = TypeVar("View", bound=Derivable)
View_co = TypeVar("View_co", bound=Derivable, covariant=True)


class Indexable(Hashable, Protocol[View_co]):
    """What `Snapshot.index` takes: a relation, or anything else that builds a derivable view."""

    def build_index(self, snapshot: Snapshot) -> View_co:
        """Return the view of all resources of `snapshot`."""
        ...


class Resolution(NamedTuple):
    """What a reference leads to."""

    state: State
    resources: tuple[Resource, ...] = ()
    reason: str = ""


def _order(resource: Resource) -> tuple[object, ...]:
    return resource.order


class _Lookup:
    """Resources filed by what `keys` says of each."""

    __slots__ = ("filing", "keys")

    def __init__(
        self,
        keys: Callable[[Resource], tuple[Hashable, ...]],
        filing: Filing[Hashable, Resource],
    ) -> None:
        self.keys = keys
        self.filing = filing

    def derived(
        self, snapshot: Snapshot, removed: tuple[Resource, ...], added: tuple[Resource, ...]
    ) -> _Lookup:
        gone = [(k, r) for r in removed for k in self.keys(r)]
        new = [(k, r) for r in added for k in self.keys(r)]
        return _Lookup(self.keys, self.filing.changed(gone, new))


@dataclass(frozen=True, slots=True)
class _LookupBy:
    """How to file resources; the identity of a look-up view."""

    keys: Callable[[Resource], tuple[Hashable, ...]]

    def build_index(self, snapshot: Snapshot) -> _Lookup:
        pairs = ((k, r) for r in snapshot.resources for k in self.keys(r))
        return _Lookup(self.keys, Filing.of(pairs, _order))


_BY_KEY = _LookupBy(lambda r: (r.key,))
_BY_KIND = _LookupBy(lambda r: ((r.key.group, r.key.kind),))
_BY_NAMESPACE = _LookupBy(lambda r: (r.key.namespace,))
_BY_BODY = _LookupBy(lambda r: (id(r.body),))


class Snapshot:
    """An immutable set of resources. Made by `Snapshot.of`."""

    __slots__ = ("_digest", "_files", "_resources", "_views", "kinds", "world")

    kinds: Kinds
    world: World
    _files: Layered[str, tuple[Resource, ...]]
    _views: dict[Hashable, Derivable]
    _resources: tuple[Resource, ...] | None
    _digest: str

    def __init__(self) -> None:
        raise TypeError("make a snapshot with Snapshot.of(resources)")

    @classmethod
    def of(
        cls,
        resources: Iterable[Resource] = (),
        kinds: Kinds | None = None,
        world: World | None = None,
        definitions: Mapping[Resource, CustomKind] | None = None,
    ) -> Snapshot:
        """Return the snapshot of `resources`.

        `kinds` holds what plugins add; definitions of custom resources among `resources` are taken
        in here, and resources are filed anew where such a definition changes their scope.
        `definitions` = what each of them defines, where that is known without their bodies.
        """
        all_resources = list(resources)
        base = kinds or Kinds.of()
        if definitions is None:
            known = _with_definitions(base, all_resources)
        else:
            known = base.with_custom(definitions[r] for r in sorted(definitions, key=_order))
        if known is not base:
            all_resources = _rekeyed(all_resources, known)
        files: dict[str, list[Resource]] = {}
        for resource in all_resources:
            files.setdefault(resource.path, []).append(resource)
        return cls._made(
            Layered({path: _sorted(items) for path, items in files.items()}),
            known,
            world or World(),
        )

    @classmethod
    def _made(
        cls, files: Layered[str, tuple[Resource, ...]], kinds: Kinds, world: World
    ) -> Snapshot:
        self = object.__new__(cls)
        self._files, self.kinds, self.world = files, kinds, world
        self._views, self._resources, self._digest = {}, None, ""
        return self

    # What it holds

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All resources in the order of path, document and place in the document."""
        if self._resources is None:
            files = self._files
            self._resources = tuple(r for path in sorted(files) for r in files[path])
        return self._resources

    @property
    def files(self) -> Mapping[str, tuple[Resource, ...]]:
        """The resources of each file."""
        return self._files

    def __len__(self) -> int:
        return len(self.resources)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)

    def get(self, key: ResourceKey, scope: str | None = None) -> Resource | None:
        """Return the first resource with this key (in `scope`, if given), or None."""
        for resource in self.copies(key):
            if scope is None or resource.scope == scope:
                return resource
        return None

    def copies(self, key: ResourceKey) -> tuple[Resource, ...]:
        """Return every resource with this key: the same object defined more than once is kept."""
        return self._lookup(_BY_KEY, key)

    def by_kind(self, group: str, kind: str) -> tuple[Resource, ...]:
        """Return the resources of one kind, in order."""
        return self._lookup(_BY_KIND, (group, kind))

    def in_namespace(self, namespace: str) -> tuple[Resource, ...]:
        """Return the resources in one (effective) namespace; "" = cluster-scoped ones."""
        return self._lookup(_BY_NAMESPACE, namespace)

    def resource_of(self, body: object) -> Resource | None:
        """Return the resource whose whole body is this very object, or None."""
        found = self._lookup(_BY_BODY, id(body))
        return found[0] if found else None

    def duplicates(self) -> Iterator[tuple[Resource, ...]]:
        """Yield the copies of each named key that one scope defines more than once, in order."""
        filing = self.index(_BY_KEY).filing
        groups: list[tuple[Resource, ...]] = []
        for key in filing:
            copies = filing.get(key)
            if len(copies) < 2 or not copies[0].name:
                continue
            scopes: dict[str, list[Resource]] = {}
            for copy in copies:
                scopes.setdefault(copy.scope, []).append(copy)
            groups += [tuple(same) for same in scopes.values() if len(same) > 1]
        yield from sorted(groups, key=lambda copies: copies[0].order)

    def _lookup(self, by: _LookupBy, key: Hashable) -> tuple[Resource, ...]:
        return self.index(by).filing.get(key)

    # What follows from it

    def index(self, relation: Indexable[View]) -> View:
        """Return the index of `relation`, built on first use and kept with this snapshot."""
        found = self._views.get(relation)
        if found is None:
            found = self._views[relation] = relation.build_index(self)
        return cast("View", found)

    def adopt(self, relation: Indexable[View], index: View) -> None:
        """Take an index of these very resources that was made elsewhere (see `from_entries`)."""
        self._views[relation] = index

    def resolve(self, reference: Reference, scope: str = "") -> Resolution:
        """Return what `reference` leads to, in three values and one: see `World`."""
        if reference.name is not None:
            found = self._targets(reference, scope)
            if found:
                return Resolution("resolved", found)
        verdict = self.world.judge(reference, scope)
        return Resolution(verdict.state, (), verdict.reason)

    def _targets(self, reference: Reference, scope: str) -> tuple[Resource, ...]:
        name = reference.name or ""
        if reference.group is not None:
            key = ResourceKey(reference.group, reference.kind, reference.namespace, name)
            return tuple(r for r in self.copies(key) if r.scope == scope)
        return tuple(
            r
            for r in self.in_namespace(reference.namespace)
            if r.kind == reference.kind and r.name == name and r.scope == scope
        )

    def namespace_of(self, resource: Resource) -> Resource | None:
        """Return the Namespace that `resource` lives in, None if the input has none."""
        namespace = resource.key.namespace
        if not namespace:
            return None
        return self.get(ResourceKey("", "Namespace", "", namespace), resource.scope)

    @property
    def content_hash(self) -> str:
        """A digest of what the snapshot holds (paths and bodies; not positions)."""
        if not self._digest:
            total = hashlib.blake2b(digest_size=16)
            for r in self.resources:
                part = (r.path, str(r.document), r.pointer, r.scope, content_digest(r.body))
                total.update("\0".join(part).encode("utf-8", "surrogatepass") + b"\n")
            self._digest = total.hexdigest()
        return self._digest

    # What comes after it

    def with_file(self, path: str, resources: Iterable[Resource]) -> Snapshot:
        """Return a snapshot in which the file at `path` holds `resources` (and nothing else)."""
        return self.with_files({path: resources})

    def without_file(self, path: str) -> Snapshot:
        """Return a snapshot without the file at `path`; the same one if it has none."""
        return self.with_files({path: ()}) if path in self._files else self

    def with_files(self, changes: Mapping[str, Iterable[Resource]]) -> Snapshot:
        """Return a snapshot in which each of these files holds just its `resources`; none = gone.

        What is filed anew is the changed files' resources, once for each view, however many files.
        """
        new: dict[str, tuple[Resource, ...]] = {}
        for path, resources in changes.items():
            new[path] = _sorted(list(resources))
            wrong = next((r.path for r in new[path] if r.path != path), None)
            if wrong is not None:
                raise ValueError(f"a resource of {wrong} cannot stand in {path}")
        return self._changed(new)

    def with_world(self, world: World) -> Snapshot:
        """Return the same resources in another world; indexes are shared."""
        other = Snapshot._made(self._files, self.kinds, world)
        other._views, other._resources = self._views, self._resources
        other._digest = self._digest
        return other

    def _changed(self, changes: dict[str, tuple[Resource, ...]]) -> Snapshot:
        old = tuple(r for path in sorted(changes) for r in self._files.get(path, ()))
        if self.kinds.custom:
            changes = {path: tuple(_rekeyed(new, self.kinds)) for path, new in changes.items()}
        added = tuple(r for path in sorted(changes) for r in changes[path])
        gone = [path for path, new in changes.items() if not new]
        files = self._files.changed(gone, {path: new for path, new in changes.items() if new})
        if any(custom_kind_of(r.body) for r in (*old, *added)):
            everything = [r for items in files.values() for r in items]
            kinds = _with_definitions(self.kinds, everything)
            if kinds is not self.kinds:
                return Snapshot.of(_rekeyed(everything, kinds), kinds, self.world)
        other = Snapshot._made(files, self.kinds, self.world)
        other._views = {k: v.derived(other, old, added) for k, v in self._views.items()}
        return other


def _with_definitions(kinds: Kinds, resources: Iterable[Resource]) -> Kinds:
    """Return `kinds` with the custom kinds that `resources` define; the same object if none
    differ."""
    definitions = [r for r in resources if r.kind == "CustomResourceDefinition"]
    if len(definitions) > 1:
        definitions.sort(key=_order)  # of two for one kind the last wins, whatever came first
    found = [custom_kind_of(r.body) for r in definitions]
    return kinds.with_custom(c for c in found if c is not None)


def _rekeyed(resources: Iterable[Resource], kinds: Kinds) -> list[Resource]:
    """Return the resources, each with the key that `kinds` gives it; most are the same objects."""
    result = []
    for r in resources:
        key = key_of(kinds, r.api_version, r.kind, r.namespace, r.name)
        result.append(r if key == r.key else replace(r, key=key))
    return result


def _sorted(resources: list[Resource]) -> tuple[Resource, ...]:
    if len(resources) > 1:
        resources.sort(key=_order)
    return tuple(resources)
