"""`resource.Get` and `resource.List`, answered from the scanned snapshot.

Source: extensions/cel/libs/resource of kyverno/sdk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kpolicy.cel.errors import CelError
from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.snapshot.kinds import split_api_version

if TYPE_CHECKING:
    from kpolicy.relations.context import JoinContext
    from kpolicy.snapshot.resource import Resource


def _all(context: JoinContext, api_version: str, plural: str) -> list[Resource]:
    """Return the resources that an API server would serve under this path."""
    group, _ = split_api_version(api_version)
    scope = context.resource.scope if context.resource is not None else ""
    kinds = context.kinds
    return [
        resource
        for resource in context.snapshot.resources
        if resource.group == group
        and resource.scope == scope
        and kinds.plural(group, resource.kind) == plural
    ]


def get(
    context: JoinContext, api_version: str, plural: str, namespace: str, name: str
) -> Mapping[str, Any]:
    """Return one resource. Raises `CelError` where the input has none, as Kyverno does."""
    for resource in _all(context, api_version, plural):
        if resource.name == name and resource.key.namespace in ("", namespace or "default"):
            return resource.body
    where = f"{namespace}/{name}" if namespace else name
    raise CelError(f'{plural} "{where}" not found in the scanned input')


def get_cluster_scoped(
    context: JoinContext, api_version: str, plural: str, name: str
) -> Mapping[str, Any]:
    """Return one resource that has no namespace."""
    return get(context, api_version, plural, "", name)


def list_all(
    context: JoinContext, api_version: str, plural: str, namespace: str = "",
    labels: dict[str, Any] | None = None,
) -> Mapping[str, Any]:  # fmt: skip
    """Return a list object; its items are those of the namespace ("" = all) with the labels."""
    items: list[Any] = [
        resource.body
        for resource in _all(context, api_version, plural)
        if (not namespace or resource.key.namespace in ("", namespace))
        and _has(resource.body, labels or {})
    ]
    kind = f"{items[0]['kind']}List" if items else "List"
    found = {"apiVersion": api_version, "kind": kind, "items": FrozenList(items)}
    made: FrozenDict = FrozenDict(found)
    return made


def list_with_labels(
    context: JoinContext, api_version: str, plural: str, labels: dict[str, Any]
) -> Mapping[str, Any]:
    """Return the resources of all namespaces with these labels."""
    return list_all(context, api_version, plural, "", labels)


def _has(body: FrozenDict, labels: dict[str, Any]) -> bool:
    metadata = body.get("metadata")
    own = metadata.get("labels") if isinstance(metadata, dict) else None
    own = own if isinstance(own, dict) else {}
    return all(own.get(key) == value for key, value in labels.items())
