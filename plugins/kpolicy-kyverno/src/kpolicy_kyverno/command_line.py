"""The documents of Kyverno's own command line that say what a cluster and services would answer.

- `Context`: metadata of images, and resources; `http` and `globalContext` are kpolicy's additions.
- `ClusterResource`: resources that the cluster has besides those that are checked.
- `Values` (`Value`): the labels of Namespaces.
- `Test`: answers of services and entries of the global context; the rest of it is no data.

Source: cmd/cli/kubectl-kyverno/apis/v1alpha1 of kyverno/kyverno.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.vap_reading import Lenient

from kpolicy_kyverno.given import PART, nothing

if TYPE_CHECKING:
    from kpolicy.policy.source import SourceNode

_SPEC = ("images", "resources", "http", "globalContext")
_IMAGE = (
    "image", "resolvedImage", "registry", "repository", "tag", "digest", "imageIndex", "manifest",
    "config",
)  # fmt: skip
_TOP = ("apiVersion", "kind", "metadata")
_VALUES = (
    *_TOP, "policies", "globalValues", "namespaceSelector", "namespaces", "subresources",
    "globalSubresources",
)  # fmt: skip
#: What a `Test` says besides: what is run, and what is expected.
_TEST = (
    *_TOP, "name", "policies", "resources", "targetResources", "jsonPayload", "variables",
    "userinfo", "results", "checks", "exceptions", "context", "values", "clusterResources",
    "paramResources", "apiCallResponses", "globalContextEntries", "jsonPayloads", "crds",
)  # fmt: skip
_METHODS = ("GET", "POST")


def load_command_line(document: SourceNode) -> Loaded:
    """Return what a document gives, as parts for the policies of all files."""
    read = Lenient(document)
    kind = document.get("kind")
    data = nothing()
    namespaces: list[Mapping[str, Any]] = []
    match None if kind is None else kind.value:
        case "Context":
            _context(read, document, data)
        case "ClusterResource":
            _cluster_resource(read, document, data)
            namespaces += [body for body in data["resources"] if _is_namespace(body)]
        case "Test":
            _test(read, document, data)
        case _:
            namespaces += _values(read, document)
    notes = [Part("note", {"text": text}, document.location) for text in read.notes]
    if read.reader.problems:
        return Loaded((), tuple(read.reader.problems), parts=tuple(notes))
    given = Part(PART, {"given": data}, document.location)
    known = [Part("resource", {"body": dict(body)}, document.location) for body in namespaces]
    return Loaded(parts=(given, *known, *notes))


def _context(read: Lenient, document: SourceNode, data: dict[str, Any]) -> None:
    reader = read.reader
    top = read.fields(document, "", (*_TOP, "spec"), ("spec",))
    spec = read.fields(top.get("spec"), "spec", _SPEC)
    for number, node in enumerate(reader.sequence(spec.get("images"), "spec.images")):
        here = f"spec.images[{number}]"
        fields = read.fields(node, here, _IMAGE, ("image",))
        name = reader.string(fields.get("image"), f"{here}.image")
        data["images"][name] = {key: child.value for key, child in fields.items()}
    _resources(read, spec.get("resources"), "spec.resources", data["resources"])
    _answers(read, spec.get("http"), "spec.http", data)
    entries = reader.sequence(spec.get("globalContext"), "spec.globalContext")
    for number, node in enumerate(entries):
        here = f"spec.globalContext[{number}]"
        fields = read.fields(node, here, ("name", "projection", "data"), ("name", "data"))
        name = reader.string(fields.get("name"), f"{here}.name")
        projection = reader.string(fields.get("projection"), f"{here}.projection")
        if "data" in fields:
            data["globalContext"][f"{name} {projection}"] = fields["data"].value


def _cluster_resource(read: Lenient, document: SourceNode, data: dict[str, Any]) -> None:
    top = read.fields(document, "", (*_TOP, "spec"), ("spec",))
    spec = read.fields(top.get("spec"), "spec", ("resources", "crds"))
    _resources(read, spec.get("resources"), "spec.resources", data["resources"])
    if "crds" in spec:
        read.notes.append(
            f"{spec['crds'].location}: the files of spec.crds are not read: name them with -p"
        )


def _values(read: Lenient, document: SourceNode) -> list[Mapping[str, Any]]:
    """Return the Namespaces that a document gives labels to."""
    reader = read.reader
    top = read.fields(document, "", _VALUES)
    for key in ("policies", "globalValues"):
        if key in top and not _is_default(top[key].value):
            read.notes.append(
                f"{top[key].location}: {key} of Values are not read, only its namespaces: give a "
                "request by --operation and --user"
            )
    found: list[Mapping[str, Any]] = []
    _resources(read, top.get("namespaces"), "namespaces", found)
    entries = reader.sequence(top.get("namespaceSelector"), "namespaceSelector")
    for number, node in enumerate(entries):
        here = f"namespaceSelector[{number}]"
        fields = read.fields(node, here, ("name", "labels"), ("name",))
        name = reader.string(fields.get("name"), f"{here}.name")
        labels = fields["labels"].value if "labels" in fields else {}
        if not isinstance(labels, dict):
            reader.problem(f"{here}.labels must be a mapping", fields["labels"].location)
            labels = {}
        metadata = {"name": name, "labels": labels}
        found.append({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return found


def _is_default(values: Any) -> bool:
    """Return whether values say no more than what holds anyway."""
    return values in (None, [], {}, {"request.operation": "CREATE"})


def _test(read: Lenient, document: SourceNode, data: dict[str, Any]) -> None:
    reader = read.reader
    top = read.fields(document, "", _TEST)
    _answers(read, top.get("apiCallResponses"), "apiCallResponses", data)
    entries = reader.sequence(top.get("globalContextEntries"), "globalContextEntries")
    for number, node in enumerate(entries):
        here = f"globalContextEntries[{number}]"
        fields = read.fields(
            node, here, ("name", "data", "projections", "resources", "resourceFiles"), ("name",)
        )
        name = reader.string(fields.get("name"), f"{here}.name")
        if "resourceFiles" in fields:
            at = fields["resourceFiles"].location
            reader.problem(f"{here}.resourceFiles is not read", at, "write them as resources")
            continue
        bodies: list[Any] = []
        _resources(read, fields.get("resources"), f"{here}.resources", bodies)
        entry = fields["data"].value if "data" in fields else bodies
        projected: dict[str, Any] = {}
        projections = reader.sequence(fields.get("projections"), f"{here}.projections")
        for each, part in enumerate(projections):
            there = f"{here}.projections[{each}]"
            named = read.fields(part, there, ("name", "path"), ("name", "path"))
            projection = reader.string(named.get("name"), f"{there}.name")
            path = reader.string(named.get("path"), f"{there}.path")
            try:
                projected[projection] = _at(entry, path)
            except LookupError:
                at = named["path"].location if "path" in named else part.location
                reader.problem(
                    f'"{path}" leads nowhere in this entry', at, "only fields by name are read: a.b"
                )
        # Without a projection, an entry that has some is what they give.
        whole = {**entry, **projected} if isinstance(entry, dict) else projected or entry
        data["globalContext"][f"{name} "] = whole
        for projection, value in projected.items():
            data["globalContext"][f"{name} {projection}"] = value


def _at(entry: Any, path: str) -> Any:
    """Return what stands at names joined by dots. Raises LookupError."""
    for name in path.split("."):
        if not isinstance(entry, dict):
            raise LookupError(name)
        entry = entry[name]
    return entry


def _answers(read: Lenient, node: SourceNode | None, what: str, data: dict[str, Any]) -> None:
    reader = read.reader
    for number, entry in enumerate(reader.sequence(node, what)):
        here = f"{what}[{number}]"
        fields = read.fields(entry, here, ("url", "method", "response"), ("url", "response"))
        url = reader.string(fields.get("url"), f"{here}.url")
        method = reader.choice(fields.get("method"), f"{here}.method", _METHODS, "GET")
        if "response" in fields:
            data["http"][f"{method} {url}"] = fields["response"].value


def _resources(read: Lenient, node: SourceNode | None, what: str, found: list[Any]) -> None:
    for number, entry in enumerate(read.reader.sequence(node, what)):
        if entry.kind == "mapping":
            found.append(entry.value)
        else:
            read.reader.problem(f"{what}[{number}] must be a resource", entry.location)


def _is_namespace(body: Mapping[str, Any]) -> bool:
    return (body.get("apiVersion"), body.get("kind")) == ("v1", "Namespace")
