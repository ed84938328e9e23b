"""`request` as policies see it: what the API server would be told of this object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.snapshot.kinds import Kinds, split_api_version
from kpolicy.snapshot.resource import Resource

_EMPTY = FrozenDict()
_ANYONE = FrozenDict({"username": "kpolicy", "uid": "", "groups": FrozenList(), "extra": _EMPTY})


def request_of(
    resource: Resource, kinds: Kinds, operation: str, user: Mapping[str, Any]
) -> FrozenDict:
    """Return the admission request that this object would come in.

    Source: AdmissionRequest of admission.k8s.io/v1.
    """
    group, version = split_api_version(resource.api_version)
    kind = FrozenDict({"group": group, "version": version, "kind": resource.kind})
    plural = kinds.plural(group, resource.kind)
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
            "namespace": resource.key.namespace,
            "operation": operation,
            "userInfo": FrozenDict({**_ANYONE, **user}) if user else _ANYONE,
            "dryRun": False,
            "options": _EMPTY,
        }
    )
    return made
