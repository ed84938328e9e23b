"""Who names a ConfigMap, Secret or ServiceAccount in a field that no other relation reads.

Operators' custom resources, StorageClasses, PersistentVolumes, annotations and the
`resourceNames` of roles name such objects under fields of many spellings (`adminSecretName`,
`tlsSecretRef`, `serviceAccountName`). Whoever asks whether an object is *unused* must see them all,
so this relation goes by how fields are called. It never says that something is missing.

Sources: API references of StorageClass, PersistentVolume and Role; kubernetes-csi.github.io
(secrets of storage classes); prometheus-operator.dev (the Secret of an Alertmanager).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.model import Entry, Key, Relation, Side
from kpolicy.relations.reading import as_map, as_text, at, maps_in, pointer, texts_in

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

#: What a field's name says about its value: part of the name in small letters without separators.
_WORDS = (("secret", "Secret"), ("configmap", "ConfigMap"), ("serviceaccount", "ServiceAccount"))
_KINDS = frozenset(kind for _, kind in _WORDS)
_RESOURCES = {"secrets": "Secret", "configmaps": "ConfigMap", "serviceaccounts": "ServiceAccount"}
_RBAC = "rbac.authorization.k8s.io"
#: Kinds whose bodies name nothing of the sort, or whose naming is no use (a role binding's).
_SILENT = frozenset({
    ("", "ConfigMap"), ("", "Secret"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    (_RBAC, "ClusterRoleBinding"), (_RBAC, "RoleBinding"),
})  # fmt: skip
_DEPTH = 40


def _by_name(kind: str, name: str) -> Key:
    """Return the key for a reference that leaves the namespace open."""
    return ("any-namespace", kind, name)


def _kind_meant(field: str) -> str:
    plain = field.rsplit("/", 1)[-1].lower().replace("-", "").replace("_", "").replace(".", "")
    if "namespace" in plain:
        return ""
    for word, kind in _WORDS:
        if word in plain:
            return kind
    return ""


def _beside(holder: dict[str, Any], field: str) -> str:
    """Return the namespace that a field beside `field` gives: `xSecretNamespace` to
    `xSecretName`."""
    ends = (("Name", "Namespace"), ("name", "namespace"), ("", "Namespace"), ("", "-namespace"))
    for end, other in ends:
        if field.endswith(end):
            base = field[: len(field) - len(end)] if end else field
            if found := as_text(holder.get(base + other)):
                return found
    return ""


class _Walk:
    """Collects (kind, namespace or "", name, pointer) from one body."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[tuple[str, str, str, str]] = []

    def mapping(self, value: dict[str, Any], place: str, depth: int) -> None:
        kind, name = as_text(value.get("kind")), as_text(value.get("name"))
        if kind in _KINDS and name:
            self.found.append((kind, as_text(value.get("namespace")), name, place))
        for field, item in value.items():
            if not isinstance(field, str) or item is None:
                continue
            here = place + pointer(field)
            meant = _kind_meant(field)
            if meant:
                self.named(meant, value, field, item, here)
            if depth < _DEPTH:
                self.below(item, here, depth + 1)

    def below(self, item: Any, place: str, depth: int) -> None:
        if isinstance(item, dict):
            self.mapping(item, place, depth)
        elif isinstance(item, list) and depth < _DEPTH:
            for index, one in enumerate(item):
                self.below(one, f"{place}/{index}", depth + 1)

    def named(self, kind: str, holder: dict[str, Any], field: str, item: Any, place: str) -> None:
        if isinstance(item, str):
            # Annotations of ingress controllers write `namespace/name`.
            namespace, _, name = item.rpartition("/")
            if name:
                self.found.append((kind, namespace or _beside(holder, field), name, place))
        elif isinstance(item, dict):
            self.reference(kind, item, place)
        else:
            for index, text in texts_in(item):
                self.found.append((kind, "", text, f"{place}/{index}"))
            for index, one in maps_in(item):
                self.reference(kind, one, f"{place}/{index}")

    def reference(self, kind: str, item: dict[str, Any], place: str) -> None:
        if name := as_text(item.get("name")):
            self.found.append((kind, as_text(item.get("namespace")), name, place))


def _names(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    group, kind = resource.key.group, resource.kind
    body = resource.body
    if (group, kind) in _SILENT:
        return
    walk = _Walk()
    if group == _RBAC:
        for i, rule in maps_in(body.get("rules")):
            for _, plural in texts_in(rule.get("resources")):
                if plural in _RESOURCES:
                    for j, name in texts_in(rule.get("resourceNames")):
                        place = f"/rules/{i}/resourceNames/{j}"
                        walk.found.append((_RESOURCES[plural], "", name, place))
    elif kinds.pod_spec(body) is not None:
        # `uses-config` and `uses-service-account` read pod specs.
        walk.below(as_map(at(body, "metadata", "annotations")), "/metadata/annotations", 0)
    else:
        walk.mapping(body, "", 0)
    if (group, kind) == ("monitoring.coreos.com", "Alertmanager") and not at(
        body, "spec", "configSecret"
    ):
        walk.found.append(("Secret", "", f"alertmanager-{resource.name}", "/metadata"))
    own = resource.key.namespace
    for target, given, name, place in dict.fromkeys(walk.found):
        namespace = given or own
        key = ("", target, namespace, name) if namespace else _by_name(target, name)
        yield Entry(key, None, place)


def _nameable(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    if resource.name:
        yield Entry(tuple(resource.key))
        yield Entry(_by_name(resource.kind, resource.name))


NAMES_OBJECT = Relation(
    name="names-object",
    inverse="named-by",
    left=Side(("*",), _names),
    right=Side(("v1/ConfigMap", "v1/Secret", "v1/ServiceAccount"), _nameable),
    description=(
        "From any resource to the ConfigMaps, Secrets and ServiceAccounts that some field or "
        "annotation of it names, by how the field is called; pod specs and role bindings aside."
    ),
    source="kubernetes.io/docs/reference/kubernetes-api",
)

RELATIONS = (NAMES_OBJECT,)
