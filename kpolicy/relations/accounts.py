"""Identity and rights: service accounts, role bindings, aggregated roles.

Source: kubernetes.io/docs/reference/access-authn-authz/rbac and .../service-accounts-admin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kpolicy.relations.model import Entry, Key, Relation, Side
from kpolicy.relations.pods import labelled, matches, query
from kpolicy.relations.reading import (
    as_map,
    as_text,
    at,
    labels_of,
    maps_in,
    template_pointer,
)
from kpolicy.relations.references import key_to, named, reference
from kpolicy.snapshot.kinds import WORKLOADS
from kpolicy.snapshot.selector import selector_of

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

RBAC = "rbac.authorization.k8s.io"
_ACCOUNT_USER = "system:serviceaccount:"
_ACCOUNT_GROUP = "system:serviceaccounts"


def _account_of(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    """Yield the account that a workload's pods run as; without a name it is `default`."""
    spec = kinds.pod_spec(resource.body)
    if spec is None:
        return
    base = template_pointer(kinds, resource.body) + "/spec"
    for field in ("serviceAccountName", "serviceAccount"):
        if name := as_text(spec.get(field)):
            yield reference("", "ServiceAccount", resource.key.namespace, name, f"{base}/{field}")
            return
    yield reference("", "ServiceAccount", resource.key.namespace, "default", base, None, True)


USES_SERVICE_ACCOUNT = Relation(
    name="uses-service-account",
    inverse="service-account-used-by",
    left=Side((WORKLOADS,), _account_of),
    right=named("v1/ServiceAccount"),
    description="From a workload to the ServiceAccount of its pods (`default` if unnamed).",
    source="kubernetes.io/docs/tasks/configure-pod-container/configure-service-account",
)


def _role(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    ref = as_map(resource.body.get("roleRef"))
    name, kind = as_text(ref.get("name")), as_text(ref.get("kind"))
    if not name:
        return
    if kind == "ClusterRole":
        yield reference(RBAC, kind, "", name, "/roleRef")
    elif kind == "Role" and resource.kind == "RoleBinding":
        yield reference(RBAC, kind, resource.key.namespace, name, "/roleRef")


def _group_key(name: str) -> Key:
    return ("group", name)


def _subjects(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    """Yield the service accounts that a binding names: as accounts, users or groups."""
    for i, subject in maps_in(resource.body.get("subjects")):
        name, kind = as_text(subject.get("name")), subject.get("kind")
        place = f"/subjects/{i}"
        if kind == "ServiceAccount" and name:
            namespace = as_text(subject.get("namespace")) or resource.key.namespace
            if namespace:
                yield reference("", "ServiceAccount", namespace, name, place)
        elif kind == "User" and name.startswith(_ACCOUNT_USER):
            namespace, _, account = name.removeprefix(_ACCOUNT_USER).partition(":")
            if namespace and account:
                yield reference("", "ServiceAccount", namespace, account, place)
        elif kind == "Group" and name.startswith(_ACCOUNT_GROUP):
            yield Entry(_group_key(name), None, place)


def _account(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    if not resource.name:
        return
    namespace = resource.key.namespace
    yield Entry(key_to("", "ServiceAccount", namespace, resource.name))
    yield Entry(_group_key(_ACCOUNT_GROUP))
    yield Entry(_group_key(f"{_ACCOUNT_GROUP}:{namespace}"))


def _role_and_subjects(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    yield from _role(resource, kinds)
    yield from _subjects(resource, kinds)


def _bound(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    if resource.kind == "ServiceAccount":
        yield from _account(resource, kinds)
    elif resource.name:
        yield Entry(tuple(resource.key))


_BINDINGS = (f"{RBAC}/RoleBinding", f"{RBAC}/ClusterRoleBinding")
_ROLES = (f"{RBAC}/Role", f"{RBAC}/ClusterRole")
_ACCOUNTS = ("v1/ServiceAccount",)
_SOURCE = "kubernetes.io/docs/reference/access-authn-authz/rbac"

BINDS = Relation(
    name="binds",
    inverse="bound-by",
    left=Side(_BINDINGS, _role_and_subjects),
    right=Side((*_ROLES, *_ACCOUNTS), _bound),
    description="From a binding to its Role or ClusterRole and to its subjects' ServiceAccounts.",
    source=_SOURCE,
)

BINDS_ROLE = Relation(
    name="binds-role",
    inverse="role-bound-by",
    left=Side(_BINDINGS, _role),
    right=named(*_ROLES),
    description="From a binding to its Role or ClusterRole.",
    source=_SOURCE,
)

BINDS_SUBJECT = Relation(
    name="binds-subject",
    inverse="subject-bound-by",
    left=Side(_BINDINGS, _subjects),
    right=Side(_ACCOUNTS, _account),
    description=(
        "From a binding to the ServiceAccounts among its subjects, named as such, as users or "
        "through the groups of service accounts."
    ),
    source=_SOURCE,
)

_AGGREGATED = "clusterrole"


def _aggregation(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    rule = at(resource.body, "aggregationRule", "clusterRoleSelectors")
    for i, value in maps_in(rule):
        selector = selector_of(value)
        if selector is not None:
            place = f"/aggregationRule/clusterRoleSelectors/{i}"
            yield query(_AGGREGATED, place, selector, [""])


def _cluster_role(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    yield from labelled(_AGGREGATED, "", labels_of(resource.body), "/metadata/labels")


AGGREGATES = Relation(
    name="aggregates",
    inverse="aggregated-by",
    left=Side((f"{RBAC}/ClusterRole",), _aggregation),
    right=Side((f"{RBAC}/ClusterRole",), _cluster_role),
    matches=matches,
    description="From an aggregated ClusterRole to the ClusterRoles that its selectors select.",
    source=_SOURCE + "#aggregated-clusterroles",
)

RELATIONS = (USES_SERVICE_ACCOUNT, BINDS, BINDS_ROLE, BINDS_SUBJECT, AGGREGATES)
