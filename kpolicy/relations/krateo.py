"""Which widgets of Krateo's portal show which others.

Source: docs.krateo.io, widgets of the composable portal (`resourcesRefs`); the definitions
`krateo-table-not-referenced` and `krateo-page-not-referenced` of KubePattern's registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kpolicy.relations.model import Entry, Key, Relation, Side
from kpolicy.relations.reading import as_text, at, group_of, maps_in

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

_GROUP = "widgets.templates.krateo.io"


def _key(plural: str, namespace: str, name: str) -> Key:
    return (plural, namespace, name)


def _shows(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    """Yield the widgets that `spec.resourcesRefs.items` names, by the plural of their kind."""
    for i, ref in maps_in(at(resource.body, "spec", "resourcesRefs", "items")):
        name, plural = as_text(ref.get("name")), as_text(ref.get("resource"))
        if name and plural and group_of(ref.get("apiVersion")) == _GROUP:
            namespace = as_text(ref.get("namespace")) or resource.key.namespace
            yield Entry(_key(plural, namespace, name), None, f"/spec/resourcesRefs/items/{i}")


def _widget(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    if resource.name:
        yield Entry(_key(resource.kind.lower() + "s", resource.key.namespace, resource.name))


SHOWS_WIDGET = Relation(
    name="shows-widget",
    inverse="shown-by",
    left=Side((f"{_GROUP}/*",), _shows),
    right=Side((f"{_GROUP}/*",), _widget),
    description="From a Krateo widget to the widgets that its `resourcesRefs` name.",
    source="docs.krateo.io",
)

RELATIONS = (SHOWS_WIDGET,)
