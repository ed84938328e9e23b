"""Who uses which ConfigMap and Secret.

Secrets that a SealedSecret, ExternalSecret or Certificate of the input will make count as there,
and are represented by what makes them. A reference marked `optional: true` may miss its target.

Sources: API references of PodSpec, Ingress and Gateway; bitnami-labs/sealed-secrets,
external-secrets.io and cert-manager.io for the names of the Secrets that they make.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.relations.reading import (
    as_map,
    as_text,
    at,
    containers_with_pointers,
    maps_in,
    template_pointer,
)
from kpolicy.relations.references import key_to, reference
from kpolicy.snapshot.kinds import WORKLOADS

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource

#: Volume sources that name a Secret: field of the volume, then the path to the name.
_SECRET_VOLUMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("azureFile", ("secretName",)),
    ("cephfs", ("secretRef", "name")),
    ("csi", ("nodePublishSecretRef", "name")),
    ("flexVolume", ("secretRef", "name")),
    ("iscsi", ("secretRef", "name")),
    ("rbd", ("secretRef", "name")),
    ("scaleIO", ("secretRef", "name")),
    ("storageos", ("secretRef", "name")),
)


class _Use:
    """One use of a ConfigMap or Secret in a pod spec: what, where, which keys, whether it must
    exist."""

    __slots__ = ("keys", "kind", "name", "optional", "place")

    def __init__(
        self, kind: str, name: Any, place: str, keys: tuple[tuple[str, str], ...], optional: Any
    ) -> None:
        self.kind = kind
        self.name = as_text(name)
        self.place = place
        self.keys = keys
        """(key, pointer) of each key that is asked for by name."""
        self.optional = optional is True


def _items(source: dict[str, Any], place: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (item["key"], f"{place}/items/{i}")
        for i, item in maps_in(source.get("items"))
        if as_text(item.get("key"))
    )


def _volume_uses(spec: dict[str, Any], base: str) -> Iterator[_Use]:
    for i, volume in maps_in(spec.get("volumes")):
        place = f"{base}/volumes/{i}"
        yield from _source_uses(volume, place, "secretName")
        for j, source in maps_in(at(volume, "projected", "sources")):
            yield from _source_uses(source, f"{place}/projected/sources/{j}", "name")
        for field, path in _SECRET_VOLUMES:
            if isinstance(volume.get(field), dict):
                yield _Use("Secret", at(volume[field], *path), place, (), False)


def _source_uses(holder: dict[str, Any], place: str, secret_name: str) -> Iterator[_Use]:
    for kind, field, name in (
        ("ConfigMap", "configMap", "name"),
        ("Secret", "secret", secret_name),
    ):
        source = holder.get(field)
        if isinstance(source, dict):
            at_source = f"{place}/{field}"
            keys = _items(source, at_source)
            yield _Use(kind, source.get(name), at_source, keys, source.get("optional"))


def _container_uses(spec: dict[str, Any], base: str) -> Iterator[_Use]:
    for place, container in containers_with_pointers(spec, base):
        for i, variable in maps_in(container.get("env")):
            source = as_map(variable.get("valueFrom"))
            for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                ref = source.get(field)
                if isinstance(ref, dict):
                    where = f"{place}/env/{i}/valueFrom/{field}"
                    key = as_text(ref.get("key"))
                    keys = ((key, where),) if key else ()
                    yield _Use(kind, ref.get("name"), where, keys, ref.get("optional"))
        for i, source in maps_in(container.get("envFrom")):
            for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                ref = source.get(field)
                if isinstance(ref, dict):
                    where = f"{place}/envFrom/{i}/{field}"
                    yield _Use(kind, ref.get("name"), where, (), ref.get("optional"))


def _pull_secrets(holder: Any, base: str) -> Iterator[_Use]:
    for i, ref in maps_in(as_map(holder).get("imagePullSecrets")):
        yield _Use("Secret", ref.get("name"), f"{base}/imagePullSecrets/{i}", (), False)


def _pod_uses(resource: Resource, kinds: Kinds) -> Iterator[_Use]:
    spec = kinds.pod_spec(resource.body)
    if spec is None:
        return
    base = template_pointer(kinds, resource.body) + "/spec"
    yield from _volume_uses(spec, base)
    yield from _container_uses(spec, base)
    yield from _pull_secrets(spec, base)


def _ingress_uses(resource: Resource) -> Iterator[Entry]:
    annotations = as_map(at(resource.body, "metadata", "annotations"))
    # cert-manager makes the Secret of an Ingress that carries its annotation.
    made = any(name.startswith("cert-manager.io/") for name in annotations)
    for i, tls in maps_in(at(resource.body, "spec", "tls")):
        if name := as_text(tls.get("secretName")):
            place = f"/spec/tls/{i}"
            yield reference("", "Secret", resource.key.namespace, name, place, None, made)


def _gateway_uses(resource: Resource) -> Iterator[Entry]:
    annotations = as_map(at(resource.body, "metadata", "annotations"))
    made = any(name.startswith("cert-manager.io/") for name in annotations)
    for i, listener in maps_in(at(resource.body, "spec", "listeners")):
        for j, ref in maps_in(at(listener, "tls", "certificateRefs")):
            name, kind = as_text(ref.get("name")), ref.get("kind", "Secret")
            if name and kind == "Secret" and (ref.get("group") or "") == "":
                namespace = as_text(ref.get("namespace")) or resource.key.namespace
                place = f"/spec/listeners/{i}/tls/certificateRefs/{j}"
                yield reference("", "Secret", namespace, name, place, None, made)


def _uses(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    if resource.kind == "Ingress":
        yield from _ingress_uses(resource)
        return
    if resource.kind == "Gateway":
        yield from _gateway_uses(resource)
        return
    if resource.kind == "ServiceAccount":
        uses = _pull_secrets(resource.body, "")
    else:
        uses = _pod_uses(resource, kinds)
    for use in uses:
        if use.name:
            namespace = resource.key.namespace
            yield reference("", use.kind, namespace, use.name, use.place, None, use.optional)


def _key_uses(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    for use in _pod_uses(resource, kinds):
        for key, place in use.keys:
            if use.name:
                namespace = resource.key.namespace
                data = {"key": key}
                yield reference("", use.kind, namespace, use.name, place, data, use.optional)


def _made_secret(resource: Resource) -> str:
    """Return the name of the Secret that a resource of another kind makes."""
    spec = as_map(resource.body.get("spec"))
    if resource.kind == "Certificate":
        return as_text(spec.get("secretName"))
    if resource.kind == "ExternalSecret":
        return as_text(at(spec, "target", "name")) or resource.name
    return as_text(at(spec, "template", "metadata", "name")) or resource.name


def _configuration(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    namespace = resource.key.namespace
    if resource.kind in ("ConfigMap", "Secret") and not resource.key.group:
        if resource.name:
            fields = ("data", "stringData" if resource.kind == "Secret" else "binaryData")
            keys = sorted({k for f in fields for k in as_map(resource.body.get(f))})
            yield Entry(key_to("", resource.kind, namespace, resource.name), {"keys": keys})
    elif name := _made_secret(resource):
        yield Entry(key_to("", "Secret", namespace, name), {"keys": None})


def _has_key(left: Any, right: Any) -> bool:
    # What another controller makes has keys that the input does not tell.
    return right["keys"] is None or left["key"] in right["keys"]


_SOURCES = Side(
    (
        "v1/ConfigMap",
        "v1/Secret",
        "bitnami.com/SealedSecret",
        "external-secrets.io/ExternalSecret",
        "cert-manager.io/Certificate",
    ),
    _configuration,
)

USES_CONFIG = Relation(
    name="uses-config",
    inverse="config-used-by",
    left=Side(
        (WORKLOADS, "Ingress", "v1/ServiceAccount", "gateway.networking.k8s.io/Gateway"), _uses
    ),
    right=_SOURCES,
    description=(
        "From a workload, ServiceAccount, Ingress or Gateway to the ConfigMaps and Secrets that it "
        "names in volumes, environment, pull secrets and TLS."
    ),
    source="kubernetes.io/docs/concepts/configuration",
)

USES_CONFIG_KEY = Relation(
    name="uses-config-key",
    inverse="config-key-used-by",
    left=Side((WORKLOADS,), _key_uses),
    right=_SOURCES,
    matches=_has_key,
    description=(
        "From a workload to the ConfigMaps and Secrets that hold the keys it asks for by name."
    ),
    source="kubernetes.io/docs/concepts/configuration",
)

RELATIONS = (USES_CONFIG, USES_CONFIG_KEY)
