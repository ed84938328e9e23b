"""`request` as policies see it: what the API server would be told of this object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.snapshot.kinds import Kinds, split_api_version
from kpolicy.snapshot.resource import Resource

_EMPTY = FrozenDict()
#: Who applies what nobody says the user of: the administrator that kubeadm sets up.
_ADMIN = FrozenDict(
    {
        "username": "kubernetes-admin",
        "uid": "",
        "groups": FrozenList(("system:masters", "system:authenticated")),
        "extra": _EMPTY,
    }
)
_NOBODY = FrozenDict({"username": "", "uid": "", "groups": FrozenList(), "extra": _EMPTY})
_OPTIONS = {
    operation: FrozenDict({"apiVersion": "meta.k8s.io/v1", "kind": kind})
    for operation, kind in (
        ("CREATE", "CreateOptions"), ("UPDATE", "UpdateOptions"), ("DELETE", "DeleteOptions"),
    )
}  # fmt: skip


def request_of(
    resource: Resource, kinds: Kinds, operation: str, user: Mapping[str, Any]
) -> FrozenDict:
    """Return the admission request that this object would come in.

    Source: AdmissionRequest of admission.k8s.io/v1.
    """
    group, version = split_api_version(resource.api_version)
    kind = FrozenDict({"group": group, "version": version, "kind": resource.kind})
    plural = kinds.plural(group, resource.kind)
    namespace = resource.key.namespace
    if resource.kind == "Namespace" and not group:
        namespace = resource.name  # as the API server has it for requests of a Namespace
    target = FrozenDict({"group": group, "version": version, "resource": plural})
    made: FrozenDict = FrozenDict(
        {
            "kind": kind,
            "resource": target,
            "subResource": "",
            "requestKind": kind,
            "requestResource": target,
            "requestSubResource": "",
            "name": resource.name,
            "namespace": namespace,
            "operation": operation,
            "userInfo": FrozenDict({**_NOBODY, **user}) if user else _ADMIN,
            "dryRun": False,
            "options": _OPTIONS.get(operation, _EMPTY),
        }
    )
    return made
