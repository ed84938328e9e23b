"""The CEL library of relations and of workloads: `object.related(...)`, `object.containers()` ...

All functions read the `JoinContext` that is given to `Program.evaluate`. Lists hold the very
elements of the bodies, so that a finding about one stands at its line.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.types import BOOL, DYN, INT, STRING, Type, list_of, map_of, optional_of
from kpolicy.frozen import FrozenDict
from kpolicy.relations.context import JoinContext
from kpolicy.relations.images import image_name
from kpolicy.relations.missing import missing
from kpolicy.relations.reading import labels_of
from kpolicy.snapshot.kinds import EMPTY_MAP, split_api_version
from kpolicy.snapshot.resource import ResourceKey
from kpolicy.snapshot.world import Reference

MAP_DYN = map_of(STRING, DYN)
LIST_DYN = list_of(DYN)
NAME_LABEL = "kubernetes.io/metadata.name"


# Relations


def _related(context: JoinContext, body: Any, name: str, filter: str | None = None) -> list[Any]:
    return [hit.resource.body for hit in context.related(body, name, filter)]


def _is_related(context: JoinContext, body: Any, name: str, filter: str | None = None) -> bool:
    index, resource, reverse = context.index(name, body)
    return index.any(resource, context.filter(filter), reverse)


def _is_related_to(context: JoinContext, body: Any, name: str, other: Any) -> bool:
    index, resource, reverse = context.index(name, body)
    return index.reaches(resource, other, reverse)


def _count_related(context: JoinContext, body: Any, name: str, filter: str | None = None) -> int:
    index, resource, reverse = context.index(name, body)
    return index.count(resource, context.filter(filter), reverse)


def _count_up_to(
    context: JoinContext, body: Any, name: str, limit: int, filter: str | None = None
) -> int:
    index, resource, reverse = context.index(name, body)
    return index.count(resource, context.filter(filter), reverse, max(limit, 0)) if limit > 0 else 0


def _count_filtered_up_to(
    context: JoinContext, body: Any, name: str, filter: str, limit: int
) -> int:
    return _count_up_to(context, body, name, limit, filter)


def _places(context: JoinContext, body: Any, name: str, filter: str | None = None) -> list[Any]:
    """Return how each related resource is reached: the element here, the element there, the
    resource."""
    from kpolicy.relations.missing import item_at

    index, resource, reverse = context.index(name, body)
    return [
        FrozenDict(
            {
                "resource": hit.resource.body,
                "here": item_at(resource.body, hit.here.pointer),
                "there": item_at(hit.resource.body, hit.there.pointer),
                "pointer": hit.here.pointer,
                "otherPointer": hit.there.pointer,
            }
        )
        for hit in index.hits(resource, context.filter(filter), reverse)
    ]


def _missing(context: JoinContext, body: Any, name: str) -> list[Any]:
    snapshot, resource = context.owner(body)
    return list(missing(snapshot, context.direction(name), resource))


# The snapshot


def _reference(
    context: JoinContext, api_version: str, kind: str, namespace: str, name: str
) -> Reference:
    group = split_api_version(api_version)[0]
    effective = (namespace or "default") if context.kinds.namespaced(group, kind) else ""
    return Reference(group, kind, effective, name)


def _scope(context: JoinContext) -> str:
    return context.resource.scope if context.resource is not None else ""


def _get(context: JoinContext, api_version: str, kind: str, namespace: str, name: str) -> Any:
    from kpolicy.cel.values import Optional

    reference = _reference(context, api_version, kind, namespace, name)
    key = ResourceKey(reference.group or "", kind, reference.namespace, name)
    found = context.snapshot.get(key, _scope(context))
    return Optional.none() if found is None else Optional.of(found.body)


def _resolve(context: JoinContext, api_version: str, kind: str, namespace: str, name: str) -> str:
    reference = _reference(context, api_version, kind, namespace, name)
    return context.snapshot.resolve(reference, _scope(context)).state


def _list(
    context: JoinContext, api_version: str, kind: str, namespace: str | None = None
) -> list[Any]:
    group = split_api_version(api_version)[0]
    scope = _scope(context)
    found = (r for r in context.snapshot.by_kind(group, kind) if r.scope == scope)
    if namespace is None:
        return [r.body for r in found]
    effective = (namespace or "default") if context.kinds.namespaced(group, kind) else ""
    return [r.body for r in found if r.key.namespace == effective]


# Workloads


def _is_workload(context: JoinContext, body: Any) -> bool:
    return context.kinds.is_workload(body)


def _has_pod_template(context: JoinContext, body: Any) -> bool:
    return context.kinds.pod_template(body) is not None


def _pod_template(context: JoinContext, body: Any) -> Any:
    template = context.kinds.pod_template(body)
    return EMPTY_MAP if template is None else template


def _pod_spec(context: JoinContext, body: Any) -> Any:
    spec = context.kinds.pod_spec(body)
    return EMPTY_MAP if spec is None else spec


def _pod_labels(context: JoinContext, body: Any) -> Any:
    labels = (context.kinds.pod_metadata(body) or EMPTY_MAP).get("labels")
    return labels if isinstance(labels, dict) else EMPTY_MAP


def _field(name: str) -> Any:
    def read(context: JoinContext, body: Any) -> Any:
        return context.kinds.pod_list(body, name)

    return read


def _all_containers(context: JoinContext, body: Any) -> Any:
    return context.kinds.all_containers(body)


def _namespace_name(context: JoinContext, body: Any) -> str:
    """Return the effective namespace of any object."""
    if not isinstance(body, dict):
        return ""
    metadata = body.get("metadata")
    written = metadata.get("namespace") if isinstance(metadata, dict) else None
    group = split_api_version(str(body.get("apiVersion", "")))[0]
    if not context.kinds.namespaced(group, str(body.get("kind", ""))):
        return ""
    return written if isinstance(written, str) and written else "default"


def _namespace_labels(context: JoinContext, body: Any) -> Any:
    name = _namespace_name(context, body)
    if not name:
        return EMPTY_MAP
    found = context.snapshot.resource_of(body)
    scope = found.scope if found is not None else _scope(context)
    namespace = context.snapshot.get(ResourceKey("", "Namespace", "", name), scope)
    labels = labels_of(namespace.body) if namespace is not None else EMPTY_MAP
    return {NAME_LABEL: name} | labels


def _image_name(image: str) -> str:
    return image_name(image)


def _member(
    name: str, result: Type, implementation: Any, *parameters: Type, id: str = "", doc: str = ""
) -> Function:
    overload = Overload(
        id or f"kpolicy_{name}", (DYN, *parameters), result, implementation, True, True
    )
    return Function(name, (overload,), doc)


def _part(name: str, result: Type, implementation: Any, doc: str = "") -> Function:
    """Return a function that reads a part of an object."""
    overload = Overload(f"kpolicy_{name}", (DYN,), result, implementation, True, True, parts=True)
    return Function(name, (overload,), doc)


def _relation_function(
    name: str, result: Type, implementation: Any, doc: str, *more: Overload
) -> Function:
    overloads = (
        Overload(f"kpolicy_{name}", (DYN, STRING), result, implementation, True, True),
        Overload(
            f"kpolicy_{name}_filter", (DYN, STRING, STRING), result, implementation, True, True
        ),
        *more,
    )
    return Function(name, overloads, doc)


@lru_cache(maxsize=1)
def library() -> Library:
    """Return the library; needs a `JoinContext` at evaluation."""
    four = (STRING, STRING, STRING, STRING)
    return Library(
        name="kpolicy",
        doc="Related resources, the snapshot, and the pods that a workload makes.",
        functions=(
            _relation_function(
                "related",
                list_of(MAP_DYN),
                _related,
                "The resources related to a resource, each once, in order; with a filter of the "
                "policy, only those that it lets through.",
            ),
            _relation_function(
                "isRelated",
                BOOL,
                _is_related,
                "Whether some resource is related; stops at the first.",
                Overload(
                    "kpolicy_isRelated_resource",
                    (DYN, STRING, MAP_DYN),
                    BOOL,
                    _is_related_to,
                    True,
                    True,
                ),
            ),
            _relation_function(
                "countRelated",
                INT,
                _count_related,
                "How many resources are related; with a limit, counts no further.",
                Overload(
                    "kpolicy_countRelated_limit", (DYN, STRING, INT), INT, _count_up_to, True, True
                ),
                Overload(
                    "kpolicy_countRelated_filter_limit",
                    (DYN, STRING, STRING, INT),
                    INT,
                    _count_filtered_up_to,
                    True,
                    True,
                ),
            ),
            _relation_function(
                "relatedPlaces",
                list_of(MAP_DYN),
                _places,
                "How each is reached: resource, here, there, pointer, otherPointer.",
            ),
            _member(
                "missing",
                list_of(MAP_DYN),
                _missing,
                STRING,
                doc="The references that lead nowhere: kind, namespace, name, certainty, reason, "
                "pointer, item.",
            ),
            Function(
                "snapshot.get",
                (
                    Overload(
                        "kpolicy_snapshot_get", four, optional_of(MAP_DYN), _get, needs_context=True
                    ),
                ),
                "The resource with this apiVersion (its group counts), kind, namespace and name.",
            ),
            Function(
                "snapshot.resolve",
                (Overload("kpolicy_snapshot_resolve", four, STRING, _resolve, needs_context=True),),
                "'resolved', 'absent', 'unknowable', or 'outside' if said to exist elsewhere.",
            ),
            Function(
                "snapshot.list",
                (
                    Overload(
                        "kpolicy_snapshot_list",
                        (STRING, STRING),
                        list_of(MAP_DYN),
                        _list,
                        needs_context=True,
                    ),
                    Overload(
                        "kpolicy_snapshot_list_namespace",
                        (STRING, STRING, STRING),
                        list_of(MAP_DYN),
                        _list,
                        needs_context=True,
                    ),
                ),
                "All resources of a kind, or those in one namespace.",
            ),
            _member(
                "isWorkload", BOOL, _is_workload, doc="Whether the kind carries a pod template."
            ),
            _member(
                "hasPodTemplate",
                BOOL,
                _has_pod_template,
                doc="Whether there is a pod template; an absent struct counts as present.",
            ),
            _part("podTemplate", MAP_DYN, _pod_template, "The pod template; {} if none."),
            _part("podSpec", MAP_DYN, _pod_spec, "The pod spec; {} if none."),
            _part("podLabels", MAP_DYN, _pod_labels, "The pod template's labels; {} if none."),
            _part("containers", LIST_DYN, _field("containers"), "The regular containers."),
            _part("initContainers", LIST_DYN, _field("initContainers")),
            _part("ephemeralContainers", LIST_DYN, _field("ephemeralContainers")),
            _part(
                "allContainers",
                LIST_DYN,
                _all_containers,
                "Init, regular, ephemeral containers.",
            ),
            _part("volumes", LIST_DYN, _field("volumes"), "The volumes of the pod spec."),
            _member(
                "effectiveNamespace",
                STRING,
                _namespace_name,
                doc="The namespace; 'default' where a namespaced kind names none.",
            ),
            _member(
                "namespaceLabels",
                map_of(STRING, STRING),
                _namespace_labels,
                doc="The labels of the namespace that an object lives in, its name label included.",
            ),
            Function(
                "imageName",
                (Overload("kpolicy_imageName", (STRING,), STRING, _image_name),),
                "The last path segment of an image's repository, without registry, tag and digest.",
            ),
        ),
    )
