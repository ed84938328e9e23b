"""An object as admission sees it: what the API server has made of the manifest by then.

Source: k8s.io/apiserver, EnsureObjectNamespaceMatchesRequestNamespace; the types of
rbac.authorization.k8s.io/v1, whose `rules` have no omitempty; the conversion of Secrets in
k8s.io/kubernetes/pkg/apis/core/v1.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import Any

from kpolicy.cel.errors import CelError
from kpolicy.cel.library.quantity import canonical, of_number, parse_quantity
from kpolicy.frozen import FrozenDict
from kpolicy.policy.vap_matching import Incoming
from kpolicy.schemas.defaulting import defaulted
from kpolicy.schemas.model import Schema
from kpolicy.schemas.serving import Serving

#: Lists that Go writes as null where they are empty, since their types say nothing else.
_NULL_LISTS = {
    ("rbac.authorization.k8s.io", "Role"): "rules",
    ("rbac.authorization.k8s.io", "ClusterRole"): "rules",
}


def served(body: Any, asked: Incoming, schema: Schema | None = None) -> Any:
    """Return an object as policies see it; what is none, as it is.

    `schema` is that of a custom resource, whose defaults a server fills in first.
    """
    if not isinstance(body, FrozenDict):
        return body
    if schema is not None:
        body = defaulted(body, schema)
    target = asked.target
    body = _serving().served(body)
    changed: dict[str, Any] = {}
    metadata = body.get("metadata")
    if (
        target.namespaced
        and asked.namespace
        and not asked.is_namespace
        and isinstance(metadata, FrozenDict)
        and not metadata.get("namespace")
    ):
        changed["metadata"] = FrozenDict({**metadata, "namespace": asked.namespace}, metadata.mark)
    missing = _NULL_LISTS.get((target.group, target.kind))
    if missing is not None and missing not in body:
        changed[missing] = None
    if target.kind == "Secret" and not target.group and "stringData" in body:
        return _with_data(FrozenDict({**body, **changed}, body.mark))
    return FrozenDict({**body, **changed}, body.mark) if changed else body


def _with_data(secret: FrozenDict) -> FrozenDict:
    """Return a Secret whose `stringData` has gone into `data`, where it wins."""
    texts, data = secret["stringData"], secret.get("data")
    if not isinstance(texts, FrozenDict):
        return secret
    encoded = {
        key: b64encode(text.encode()).decode() if isinstance(text, str) else text
        for key, text in texts.items()
    }
    known = data if isinstance(data, FrozenDict) else {}
    rest = {key: value for key, value in secret.items() if key != "stringData"}
    made: FrozenDict = FrozenDict({**rest, "data": FrozenDict({**known, **encoded})}, secret.mark)
    return made


@lru_cache(maxsize=1)
def _serving() -> Serving:
    from kpolicy.schemas.bundle import load

    return Serving(load(), _canonical)


def _canonical(value: Any) -> Any:
    try:
        if isinstance(value, str):
            return _canonical_text(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return canonical(of_number(value))
    except CelError:
        pass
    return value


@lru_cache(maxsize=1024)
def _canonical_text(text: str) -> str:
    return canonical(parse_quantity(text.strip()))
