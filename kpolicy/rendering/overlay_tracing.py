"""Where a field of a built resource is written: in its manifest, in a patch, or in a kustomization.

Kustomize says which file a resource was read from, not what changed it on the way. A field that
stands there with the same value is from there; otherwise the patches and transformers that could
have written it are asked, the outermost first, since it had the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.manifests.model import Rendered
from kpolicy.manifests.paths import is_kustomization
from kpolicy.manifests.places import locate
from kpolicy.records import dataclass
from kpolicy.rendering.bodies import bodies_in, items_of, pointer_of, value_at

__all__ = ["Found", "Manifest", "find_field", "manifest_of"]

#: What names an item of a list that Kustomize merges by name.
_NAMING = ("name", "mountPath", "containerPort", "port", "key", "ip", "topologyKey")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A resource in the file that it was read from."""

    document: int
    within: str
    """Pointer of the object in its document."""
    body: FrozenDict


@dataclass(frozen=True, slots=True)
class Found:
    """The place of a field; `exact` = it is written there."""

    path: str
    line: int
    column: int
    exact: bool


def manifest_of(data: bytes, body: Mapping[str, Any]) -> Manifest | None:
    """Return the resource of a file that became `body`: of its kind, its name within the new one.

    Prefixes, suffixes and hashes are added to names, never taken away.
    """
    name = str(_metadata(body).get("name") or "")
    best: tuple[int, Manifest] | None = None
    for number, document in bodies_in(data).items():
        for within, candidate in items_of(document):
            if candidate.get("kind") != body.get("kind"):
                continue
            own = str(_metadata(candidate).get("name") or "")
            if own == name:
                return Manifest(number, within, candidate)
            if own and own in name and (best is None or len(own) > best[0]):
                best = len(own), Manifest(number, within, candidate)
    return best[1] if best is not None else None


def find_field(
    rendered: Rendered, path: str, body: Mapping[str, Any], tokens: Sequence[str]
) -> Found | None:
    """Return where what `tokens` lead to in a built `body` is written; `path` is its origin.

    None where the origin does not hold the resource.
    """
    data = rendered.texts.get(path, b"")
    manifest = manifest_of(data, body)
    wanted = value_at(body, tokens)
    way: list[str] = []
    if manifest is not None:
        way = counterpart(body, manifest.body, tokens)
        complete = len(way) == len(tokens)
        if complete and (_is_structure(wanted) or value_at(manifest.body, way) == wanted):
            return _at(path, data, manifest, way, True)
    for patch in rendered.patches:
        found = _in_patch(patch, rendered.texts.get(patch, b""), body, manifest, tokens, wanted)
        if found is not None:
            return found
    if manifest is None:
        return None
    return _at(path, data, manifest, way, len(way) == len(tokens))


def counterpart(body: Any, origin: Any, tokens: Sequence[str]) -> list[str]:
    """Return the way in `origin` to what `tokens` lead to in `body`, as far as it goes.

    Items of lists are the same when they are called the same.
    """
    way: list[str] = []
    for token in tokens:
        if isinstance(body, dict) and isinstance(origin, dict):
            if token not in origin:
                break
            body, origin = body.get(token), origin[token]
            way.append(token)
        elif isinstance(body, list) and isinstance(origin, list) and token.isdecimal():
            body = body[int(token)] if int(token) < len(body) else None
            at = _same_item(body, origin, int(token))
            if at is None:
                break
            origin = origin[at]
            way.append(str(at))
        else:
            break
    return way


def _same_item(item: Any, among: Sequence[Any], index: int) -> int | None:
    if isinstance(item, dict):
        for key in _NAMING:
            if key in item:
                return next(
                    (
                        n
                        for n, o in enumerate(among)
                        if isinstance(o, dict) and o.get(key) == item[key]
                    ),
                    None,
                )
    elif item in among:
        return list(among).index(item)
    return index if index < len(among) else None


def _is_structure(value: Any) -> bool:
    return isinstance(value, (dict, list))


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _at(path: str, data: bytes, manifest: Manifest, way: Sequence[str], exact: bool) -> Found:
    pointer = manifest.within + pointer_of(way)
    line, column = locate(data, manifest.document, pointer)
    return Found(path, line, column, exact)


def _in_patch(
    path: str,
    data: bytes,
    body: Mapping[str, Any],
    manifest: Manifest | None,
    tokens: Sequence[str],
    wanted: Any,
) -> Found | None:
    """Return where a patch file, or a kustomization, writes a field."""
    if is_kustomization(path):
        return _in_kustomization(path, data, body, manifest, tokens, wanted)
    for number, document in bodies_in(data, lists=True).items():
        if isinstance(document, FrozenList):
            at = _operation(document, tokens)
            if at is not None:
                return Found(path, *locate(data, number, f"/{at}"), True)
            continue
        if _is_patch_of(document, body, manifest):
            way = counterpart(body, document, tokens)
            written = value_at(document, way)
            if len(way) == len(tokens) and (_is_structure(wanted) or written == wanted):
                return Found(path, *locate(data, number, pointer_of(way)), True)
    return None


def _is_patch_of(patch: FrozenDict, body: Mapping[str, Any], manifest: Manifest | None) -> bool:
    """Return whether a patch is of a resource: by its name before or after the build.

    A patch with a target may bear any name; its kind is that of what it changes all the same.
    """
    if patch.get("kind") != body.get("kind"):
        return False
    name = _metadata(patch).get("name")
    own = _metadata(manifest.body).get("name") if manifest is not None else None
    return name in (own, _metadata(body).get("name")) or manifest is None


def _operation(operations: FrozenList, tokens: Sequence[str]) -> int | None:
    """Return which operation of a JSON patch writes what `tokens` lead to: the last of them."""
    pointer = pointer_of(tokens)
    for number in range(len(operations) - 1, -1, -1):
        operation = operations[number]
        if not isinstance(operation, dict) or operation.get("op") not in ("add", "replace"):
            continue
        at = re.sub(r"/-$", "/", str(operation.get("path") or "/"))
        if pointer == at or pointer.startswith(at.rstrip("/") + "/"):
            return number
    return None


def _in_kustomization(
    path: str,
    data: bytes,
    body: Mapping[str, Any],
    manifest: Manifest | None,
    tokens: Sequence[str],
    wanted: Any,
) -> Found | None:
    """Return where a kustomization's own fields write a field of a resource."""
    number, document = next(iter(bodies_in(data).items()), (0, FrozenDict()))
    for pointer in _writers(document, body, manifest, tokens, wanted):
        line, column = locate(data, number, pointer, keys=True)
        if line:
            return Found(path, line, column, True)
    return None


def _writers(
    document: FrozenDict,
    body: Mapping[str, Any],
    manifest: Manifest | None,
    tokens: Sequence[str],
    wanted: Any,
) -> Iterator[str]:
    """Yield the pointers of what in a kustomization may have written a field."""
    for number, patch in enumerate(document.get("patches") or ()):
        text = patch.get("patch") if isinstance(patch, dict) else None
        if isinstance(text, str):
            inline = _in_patch("", text.encode(), body, manifest, tokens, wanted)
            if inline is not None:
                yield f"/patches/{number}/patch"
    own = manifest.body if manifest is not None else FrozenDict()
    if tokens[-1:] == ["image"] and isinstance(wanted, str):
        before = value_at(own, counterpart(body, own, tokens))
        name = re.sub(r"(:[^/]*)?(@.*)?$", "", before) if isinstance(before, str) else None
        for number, image in enumerate(document.get("images") or ()):
            if isinstance(image, dict) and image.get("name") == name:
                key = next((k for k in ("newTag", "digest", "newName") if k in image), "name")
                yield f"/images/{number}/{key}"
    if tuple(tokens) == ("spec", "replicas"):
        for number, replicas in enumerate(document.get("replicas") or ()):
            if isinstance(replicas, dict) and replicas.get("name") == _metadata(own).get("name"):
                yield f"/replicas/{number}/count"
    if tuple(tokens) == ("metadata", "namespace") and document.get("namespace") == wanted:
        yield "/namespace"
    if body.get("kind") in ("ConfigMap", "Secret"):
        field = "configMapGenerator" if body["kind"] == "ConfigMap" else "secretGenerator"
        for number, generator in enumerate(document.get(field) or ()):
            name = generator.get("name") if isinstance(generator, dict) else None
            if isinstance(name, str) and name in str(_metadata(body).get("name")):
                yield f"/{field}/{number}"
