"""Who a resource belongs to: owners, its namespace, the definition of its kind.

Source: kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.relations.reading import as_text, at, group_of, maps_in
from kpolicy.relations.references import named, reference
from kpolicy.snapshot.kinds import custom_kind_of

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource


def _owners(resource: Resource, kinds: Kinds, only_controller: bool) -> Iterator[Entry]:
    for i, owner in maps_in(at(resource.body, "metadata", "ownerReferences")):
        if only_controller and owner.get("controller") is not True:
            continue
        kind, name = as_text(owner.get("kind")), as_text(owner.get("name"))
        if kind and name:
            group = group_of(owner.get("apiVersion"))
            namespace = resource.key.namespace if kinds.namespaced(group, kind) else ""
            yield reference(group, kind, namespace, name, f"/metadata/ownerReferences/{i}")


def _all_owners(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    return _owners(resource, kinds, False)


def _controllers(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    return _owners(resource, kinds, True)


_SOURCE = "kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents"

OWNED_BY = Relation(
    name="owned-by",
    inverse="owns",
    left=Side(("*",), _all_owners),
    right=named("*"),
    description="From a resource to the owners that its ownerReferences name, in its namespace.",
    source=_SOURCE,
)

CONTROLLED_BY = Relation(
    name="controlled-by",
    inverse="controls",
    left=Side(("*",), _controllers),
    right=named("*"),
    description="From a resource to its controller (the owner reference with `controller: true`).",
    source=_SOURCE,
)


def _namespace(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    namespace = resource.key.namespace
    if namespace:
        yield reference("", "Namespace", "", namespace, "/metadata/namespace")


IN_NAMESPACE = Relation(
    name="in-namespace",
    inverse="contains",
    left=Side(("*",), _namespace),
    right=named("v1/Namespace"),
    description="From a namespaced resource to its Namespace.",
    source="kubernetes.io/docs/concepts/overview/working-with-objects/namespaces",
)


def _definition(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    custom = custom_kind_of(resource.body)
    if custom is not None:
        yield Entry((custom.group, custom.kind), None, "/spec/names")


def _instance(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    # Groups of custom resources have a dot; Kubernetes' own dotless ones need no definition.
    if "." in resource.key.group:
        yield Entry((resource.key.group, resource.kind))


DEFINES = Relation(
    name="defines",
    inverse="defined-by",
    left=Side(("CustomResourceDefinition",), _definition),
    right=Side(("*",), _instance),
    description="From a CustomResourceDefinition to the custom resources of its kind.",
    source="kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources",
)

RELATIONS = (OWNED_BY, CONTROLLED_BY, IN_NAMESPACE, DEFINES)
