"""The parameters that a Binding gives its policy for one request.

Source: `CollectParams` of k8s.io/apiserver's admission plugins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kpolicy.engine.admission.unit import Admission, Binding, Param
from kpolicy.policy.vap_matching import Incoming, labels_of
from kpolicy.snapshot.kinds import Kinds
from kpolicy.snapshot.selector import selector_of, selects

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


class Refused(Exception):
    """A binding that cannot be used; the API server denies, unless errors are to be ignored."""


class Absent(Exception):
    """There is no parameter, and the binding allows that."""


def params_of(
    admission: Admission,
    binding: Binding,
    asked: Incoming,
    resource: Resource,
    snapshot: Snapshot | None,
    kinds: Kinds,
) -> Sequence[Mapping[str, Any] | None]:
    """Return the parameters to evaluate with, one after the other; None = `params` is null.

    Raises `Refused` where the API server has a configuration error, `Absent` where there is
    nothing to evaluate with.
    """
    if admission.param_kind is None:
        return (None,)
    reference = binding.param_ref
    if reference is None:
        if not admission.bound and admission.given:
            # Without a binding, the parameters that were given are meant.
            return [param.body for param in admission.given]
        return (None,)
    group, kind = admission.param_kind
    known = kinds.knows(group, kind)
    namespaced = kinds.namespaced(group, kind)
    wanted = reference["namespace"]
    if known and not namespaced and wanted:
        raise Refused("paramRef.namespace must not be provided for a cluster-scoped paramKind")
    namespace = wanted or asked.namespace
    if known and namespaced and not namespace:
        raise Refused(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    found = []
    for param in _candidates(admission, resource, snapshot):
        if known:
            fits = not namespaced or (param.namespace or "default") == namespace
        elif wanted:
            fits = (param.namespace or "default") == wanted
        else:
            # Nobody says whether the kind has namespaces: an object without one has none.
            fits = not param.namespace or param.namespace == namespace
        if fits:
            found.append(param)
    if reference["name"]:
        found = [param for param in found if param.name == reference["name"]][:1]
    else:
        selector = selector_of(reference["selector"]) or ()
        found = [param for param in found if selects(selector, labels_of(param.body) or {})]
    if found:
        return [param.body for param in found]
    if reference["notFound"] == "Deny":
        raise Refused("no params found for policy binding with `Deny` parameterNotFoundAction")
    raise Absent("there are no params, which parameterNotFoundAction allows")


def _candidates(admission: Admission, resource: Resource, snapshot: Snapshot | None) -> list[Param]:
    """Return the resources of the parameter's kind; what was given wins over the scanned input."""
    found = {(param.namespace, param.name): param for param in reversed(admission.given)}
    assert admission.param_kind is not None
    for other in snapshot.by_kind(*admission.param_kind) if snapshot is not None else ():
        if other.scope in ("", resource.scope):
            param = Param(other.namespace, other.name, other.body)
            found.setdefault((param.namespace, param.name), param)
    return sorted(found.values(), key=lambda p: (p.namespace, p.name))


def name_of(param: Mapping[str, Any]) -> str:
    metadata = param.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    namespace, name = metadata.get("namespace"), metadata.get("name")
    return f"{namespace}/{name}" if namespace else str(name or "")
