"""Who sends traffic to a Service: Ingress, the Gateway API's routes, OpenShift's Route.

Sources: API references of `networking.k8s.io/v1` and its betas, `gateway.networking.k8s.io`,
`route.openshift.io/v1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.relations.reading import as_map, as_text, at, maps_in
from kpolicy.relations.references import key_to, reference

if TYPE_CHECKING:
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource


def _to_service(namespace: str, name: str, place: str, port: Any) -> Entry:
    return reference("", "Service", namespace, name, place, {"port": port})


def _port(value: Any) -> str | int | None:
    return value if isinstance(value, (str, int)) and not isinstance(value, bool) else None


def _ingress_backend(backend: Any, namespace: str, place: str) -> Iterator[Entry]:
    service = as_map(at(backend, "service"))
    if name := as_text(service.get("name")):
        port = as_map(service.get("port"))
        wanted = _port(as_text(port.get("name")) or port.get("number"))
        yield _to_service(namespace, name, f"{place}/service", wanted)
    elif name := as_text(at(backend, "serviceName")):
        yield _to_service(namespace, name, place, _port(at(backend, "servicePort")))


def _ingress(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    namespace = resource.key.namespace
    spec = as_map(resource.body.get("spec"))
    for field in ("defaultBackend", "backend"):
        yield from _ingress_backend(spec.get(field), namespace, f"/spec/{field}")
    for i, rule in maps_in(spec.get("rules")):
        for j, path in maps_in(at(rule, "http", "paths")):
            place = f"/spec/rules/{i}/http/paths/{j}/backend"
            yield from _ingress_backend(path.get("backend"), namespace, place)


def _backend_reference(ref: dict[str, Any], namespace: str, place: str) -> Iterator[Entry]:
    name = as_text(ref.get("name"))
    if name and (ref.get("group") or "") == "" and ref.get("kind", "Service") == "Service":
        where = as_text(ref.get("namespace")) or namespace
        yield _to_service(where, name, place, _port(ref.get("port")))


def _gateway_route(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    namespace = resource.key.namespace
    for i, rule in maps_in(at(resource.body, "spec", "rules")):
        base = f"/spec/rules/{i}"
        yield from _mirrors(rule, namespace, base)
        for j, ref in maps_in(rule.get("backendRefs")):
            place = f"{base}/backendRefs/{j}"
            yield from _backend_reference(ref, namespace, place)
            yield from _mirrors(ref, namespace, place)


def _mirrors(holder: dict[str, Any], namespace: str, base: str) -> Iterator[Entry]:
    for i, chosen in maps_in(holder.get("filters")):
        ref = at(chosen, "requestMirror", "backendRef")
        if isinstance(ref, dict):
            place = f"{base}/filters/{i}/requestMirror/backendRef"
            yield from _backend_reference(ref, namespace, place)


def _openshift_route(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    spec = as_map(resource.body.get("spec"))
    backends = [("/spec/to", as_map(spec.get("to")))]
    backends += [
        (f"/spec/alternateBackends/{i}", b) for i, b in maps_in(spec.get("alternateBackends"))
    ]
    for place, backend in backends:
        name = as_text(backend.get("name"))
        if name and backend.get("kind", "Service") == "Service":
            yield _to_service(resource.key.namespace, name, place, None)


def _routes(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
    if resource.kind == "Ingress":
        return _ingress(resource, kinds)
    if resource.key.group == "route.openshift.io":
        return _openshift_route(resource, kinds)
    return _gateway_route(resource, kinds)


def _service(resource: Resource, _kinds: Kinds) -> Iterator[Entry]:
    if not resource.name:
        return
    ports = [p for _, p in maps_in(at(resource.body, "spec", "ports"))]
    data = {
        "numbers": [p["port"] for p in ports if isinstance(p.get("port"), int)],
        "names": [p["name"] for p in ports if as_text(p.get("name"))],
    }
    yield Entry(key_to("", "Service", resource.key.namespace, resource.name), data)


def _offers(left: Any, right: Any) -> bool:
    port = left["port"]
    if port is None:
        return True
    return port in (right["names"] if isinstance(port, str) else right["numbers"])


ROUTES_TO = Relation(
    name="routes-to",
    inverse="routed-from",
    left=Side(
        (
            "Ingress",
            "gateway.networking.k8s.io/HTTPRoute",
            "gateway.networking.k8s.io/GRPCRoute",
            "gateway.networking.k8s.io/TCPRoute",
            "gateway.networking.k8s.io/TLSRoute",
            "gateway.networking.k8s.io/UDPRoute",
            "route.openshift.io/Route",
        ),
        _routes,
    ),
    right=Side(("v1/Service",), _service),
    matches=_offers,
    description=(
        "From an Ingress or route to the Services behind it that offer the port it names, by name "
        "or number; default backends and mirrors included."
    ),
    source="kubernetes.io/docs/concepts/services-networking/ingress, gateway-api.sigs.k8s.io",
)

RELATIONS = (ROUTES_TO,)
