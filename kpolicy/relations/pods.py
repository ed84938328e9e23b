"""Finding pods (workloads' pod templates) by labels and namespaces: what all selecting relations
share.

Pods are filed under each of their labels; a selector is filed under its most selective equality and
then verified. A selector over namespaces is verified against the labels of Namespace resources;
every namespace has the label `kubernetes.io/metadata.name`, as the API server sets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.model import Entry, Key, Side
from kpolicy.relations.reading import labels_of, pod_labels, template_pointer
from kpolicy.snapshot.kinds import WORKLOADS
from kpolicy.snapshot.selector import Selector, selects

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

NAME_LABEL = "kubernetes.io/metadata.name"
ANYWHERE = "*"

#: A selector is not filed under more keys than this, but under its namespaces and verified.
MAX_KEYS = 10_000

Target = tuple[str | None, str, str, str | None]
Facts = Callable[[Key], tuple[Any, ...]]


def labelled(what: str, namespace: str, labels: dict[str, str], place: str) -> Iterator[Entry]:
    """Yield the entries of something with labels in a namespace, for selectors of that
    namespace."""
    data = {"namespace": namespace, "labels": labels}
    yield Entry((what, namespace), data, place)
    for key, value in labels.items():
        yield Entry((what, namespace, key, value), data, place)


def labelled_anywhere(
    what: str, namespace: str, labels: dict[str, str], place: str
) -> Iterator[Entry]:
    """Yield the entries of something with labels, for selectors that look into other namespaces
    too."""
    data = {"namespace": namespace, "labels": labels}
    yield from labelled(what, namespace, labels, place)
    yield Entry((what, ANYWHERE), data, place)
    for key, value in labels.items():
        yield Entry((what, ANYWHERE, key, value), data, place)


def query(
    what: str,
    place: str,
    selector: Selector,
    namespaces: Iterable[str] = (),
    namespace_selector: Selector | None = None,
    target: Target | None = None,
) -> Entry:
    """Return the entry of a selector over what is in `namespaces` or in those that the other
    selects."""
    places = list(dict.fromkeys(namespaces))
    data = {
        "selector": selector,
        "namespaces": places,
        "namespaceSelector": namespace_selector,
    }
    wanted = [(key, values) for key, operator, values in selector if operator == "In"]
    sets: list[tuple[Key, ...]] = []
    spots = places if namespace_selector is None else [ANYWHERE]
    for key, values in wanted:
        if len(spots) * len(values) > MAX_KEYS:
            continue
        sets.append(tuple((what, spot, key, value) for spot in spots for value in values))
    everything = [(what, spot) for spot in places]
    if namespace_selector is None:
        sets.append(tuple(everything))
    else:
        for key, operator, values in namespace_selector:
            if operator != "In":
                continue
            if key == NAME_LABEL:
                sets.append((*everything, *((what, value) for value in values)))
            else:
                sets.append((*everything, *(("namespace", what, key, v) for v in values)))
        sets.append(((what, ANYWHERE),))
    return Entry(sets[0][0] if sets[0] else (what, ""), data, place, tuple(sets), target)


def _no_facts(_key: Key) -> tuple[Any, ...]:
    return ()


def matches(left: Any, right: Any, facts: Facts = _no_facts) -> bool:
    """Return whether the selector `left` (see `query`) selects what `right` (see `labelled`) is."""
    namespace = right["namespace"]
    if namespace not in left["namespaces"]:
        wanted = left["namespaceSelector"]
        if wanted is None or not selects(wanted, namespace_labels(namespace, facts)):
            return False
    return selects(left["selector"], right["labels"])


def namespace_labels(namespace: str, facts: Facts) -> dict[str, str]:
    """Return the labels of a namespace, as far as the input tells."""
    found = facts(("namespace", namespace))
    return {**(found[0] if found else {}), NAME_LABEL: namespace}


def _namespace_facts(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    if resource.name:
        yield Entry(("namespace", resource.name), labels_of(resource.body), "/metadata/labels")


def bridges_of(what: str) -> Side:
    """Return the bridges from a label of a namespace to all that is in it."""

    def entries(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
        if resource.name:
            for key, value in labels_of(resource.body).items():
                yield Entry(("namespace", what, key, value), (what, resource.name))

    return Side(("v1/Namespace",), entries)


NAMESPACES = Side(("v1/Namespace",), _namespace_facts)

POD = "pod"


def _place(resource: Resource, kinds: Kinds) -> str:
    return template_pointer(kinds, resource.body) + "/metadata/labels"


def pods(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    """Yield the entries of a workload's pods, for selectors of their own namespace."""
    labels = pod_labels(kinds, resource.body)
    if labels is not None:
        yield from labelled(POD, resource.key.namespace, labels, _place(resource, kinds))


def pods_anywhere(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    """Yield the entries of a workload's pods, for selectors of any namespace."""
    labels = pod_labels(kinds, resource.body)
    if labels is not None:
        yield from labelled_anywhere(POD, resource.key.namespace, labels, _place(resource, kinds))


PODS = Side((WORKLOADS,), pods)
PODS_ANYWHERE = Side((WORKLOADS,), pods_anywhere)


def some_workload(namespace: str) -> Target:
    """Return the target of a selector of pods in `namespace`, for `missing`."""
    return (None, WORKLOADS, namespace, None)
