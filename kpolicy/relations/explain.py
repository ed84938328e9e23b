"""Why resources are related: each link of a resource with the key or selector that made it.

`explain` gives data; `kpolicy.relations.graph` renders it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from kpolicy.records import dataclass
from kpolicy.relations.index import Direction
from kpolicy.relations.missing import MissingTarget, missing
from kpolicy.relations.model import Entry, Key, Relation
from kpolicy.snapshot.selector import describe

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

#: How the keys of declared relations begin, after the namespace.
_DECLARED = frozenset({"string", "number", "bool", "list"})

Way = Literal["to", "from", "both"]


@dataclass(frozen=True, slots=True)
class Link:
    """One way in which a resource is related to another."""

    name: str
    """The name to ask for from this resource: the relation's, or its inverse."""
    relation: str
    """The relation's own name, which reads from left to right."""
    way: Way
    """`to`: this resource stands on the left; `from`: on the right; `both`: a symmetric
    relation."""
    other: Resource
    because: str
    """The key or selector that matched, in words."""
    pointer: str
    """Where in this resource it is written; "" = the resource as a whole."""
    other_pointer: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All links of one resource, and its references that lead nowhere."""

    resource: Resource
    links: tuple[Link, ...] = ()
    missing: tuple[tuple[str, MissingTarget], ...] = ()
    """(relation, what is missing)."""


def explain(
    snapshot: Snapshot, resource: Resource, relations: Iterable[Relation] | None = None
) -> Explanation:
    """Return every link of `resource` with its reason, in the order of relations and resources.

    Without `relations` the built-in ones are asked, but for those that copy kube-linter's joins.
    """
    if relations is None:
        from kpolicy.relations.builtin import relations as built_in

        relations = [r for r in built_in() if not r.name.startswith("kube-linter-")]
    links: list[Link] = []
    lost: list[tuple[str, MissingTarget]] = []
    for relation in relations:
        links += _links(snapshot, resource, relation, False)
        if not relation.symmetric:
            lost += [
                (relation.name, gap) for gap in missing(snapshot, Direction(relation), resource)
            ]
            if relation.inverse:
                links += _links(snapshot, resource, relation, True)
    return Explanation(resource, tuple(links), tuple(lost))


def _links(
    snapshot: Snapshot, resource: Resource, relation: Relation, reverse: bool
) -> Iterable[Link]:
    way: Way = "both" if relation.symmetric else "from" if reverse else "to"
    name = relation.inverse if reverse else relation.name
    seen: set[tuple[int, str, str]] = set()
    for hit in snapshot.index(relation).hits(resource, None, reverse):
        at = (id(hit.resource), hit.here.pointer, hit.there.pointer)
        if at in seen:
            continue
        seen.add(at)
        left, right = (hit.there, hit.here) if reverse else (hit.here, hit.there)
        yield Link(
            name,
            relation.name,
            way,
            hit.resource,
            reason(left, right),
            hit.here.pointer,
            hit.there.pointer,
        )


def reason(left: Entry, right: Entry) -> str:
    """Return in words why two entries match: the selector, or the key (both where they differ)."""
    if isinstance(left.data, dict) and "selector" in left.data:
        return _selection(left)
    words = key_text(left.key)
    if right.key != left.key:
        other = key_text(right.key)
        if other != words:
            words = f"{words} and {other}"
    port = left.data.get("port") if isinstance(left.data, dict) else None
    return f"{words}, port {port}" if port is not None else words


def _selection(left: Entry) -> str:
    data = left.data
    words = f"selector {describe(data['selector'])}"
    spaces = [s for s in data["namespaces"] if s]
    wanted = data["namespaceSelector"]
    if wanted is not None:
        of_spaces = f"namespaces {describe(wanted)}" if wanted else "any namespace"
        spaces.append(of_spaces)
    return f"{words} in {', '.join(spaces)}" if spaces else words


def key_text(key: Key) -> str:
    """Return a key in words."""
    tag = key[0]
    if tag == "claim" and len(key) == 3:
        return f"PersistentVolumeClaim {key[1]}/{key[2]}"
    if tag == "claims" and len(key) == 4:
        return f"PersistentVolumeClaim {key[1]}/{key[2]}<ordinal>{key[3]}"
    if tag == "volume" and len(key) == 2:
        return f"PersistentVolume {key[1]}"
    if len(key) > 2 and key[1] in _DECLARED:
        value = "/".join(_flat(key[2:]) if key[1] == "list" else (str(key[2]),))
        return f"{value} in {key[0]}" if key[0] else value
    if len(key) == 4 and all(isinstance(part, str) for part in key):
        _, kind, namespace, name = key
        return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
    return " ".join(_flat(key))


def _flat(key: Key) -> Iterable[str]:
    for part in key:
        if isinstance(part, tuple):
            yield from _flat(part[1:] if part and part[0] in _DECLARED else part)
        elif part != "":
            yield str(part)
