"""The functions that calls become whose answers are given as data (see `kpolicy_kyverno.given`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kpolicy.cel import STRING, Function, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.types import DYN, map_of
from kpolicy.frozen import freeze

from kpolicy_kyverno.images import Image, parse_image
from kpolicy_kyverno.resources import get, list_all

if TYPE_CHECKING:
    from kpolicy.relations.context import JoinContext


@lru_cache(maxsize=64)
def _given(text: str) -> Mapping[str, Any]:
    data: Mapping[str, Any] = freeze(json.loads(text))
    return data


def _image_data(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    images = given.get("images", {})
    reference = parse_image(name)
    found = images.get(name)
    if found is None:
        found = next((v for key, v in images.items() if _same(key, reference)), None)
    if found is None:
        raise CelError(f"failed to get image data: no metadata of {name} is given")
    parts = {
        "image": name, "resolvedImage": "", "registry": reference.registry,
        "repository": reference.repository,
        **({"tag": reference.tag} if reference.tag else {}),
        **({"digest": reference.digest} if reference.digest else {}),
    }  # fmt: skip
    data: Mapping[str, Any] = freeze({**parts, **found})
    return data


def _same(text: str, reference: Image) -> bool:
    try:
        return parse_image(text) == reference
    except CelError:
        return False


def _answer(given: Mapping[str, Any], method: str, url: str) -> Any:
    answers = given.get("http", {})
    key = f"{method} {url}"
    if key not in answers:
        raise CelError(f"request failed: no answer to {method} {url} is given")
    return answers[key]


def _http_get(given: Mapping[str, Any], url: str, _headers: Any = None) -> Any:
    return _answer(given, "GET", url)


def _http_post(given: Mapping[str, Any], url: str, _body: Any, _headers: Any = None) -> Any:
    return _answer(given, "POST", url)


def _global_entry(given: Mapping[str, Any], name: str, projection: str = "") -> Any:
    entries = given.get("globalContext", {})
    key = f"{name} {projection}"
    if key not in entries:
        what = f"{name}, projection {projection}" if projection else name
        raise CelError(f"failed to get global reference: no entry {what} is given")
    return entries[key]


def _resource_get(
    context: JoinContext, given: Mapping[str, Any], api_version: str, plural: str, *place: str
) -> Mapping[str, Any]:
    namespace, name = place if len(place) == 2 else ("", place[0])
    try:
        return get(context, api_version, plural, namespace, name)
    except CelError:
        for body in _given_resources(context, given, api_version, plural):
            metadata = body.get("metadata", {})
            if metadata.get("name") == name and metadata.get("namespace", namespace) == namespace:
                return body
        raise


def _resource_list(
    context: JoinContext, given: Mapping[str, Any], api_version: str, plural: str, *more: Any
) -> Mapping[str, Any]:
    namespace = next((each for each in more if isinstance(each, str)), "")
    labels: dict[str, Any] = next((each for each in more if not isinstance(each, str)), {})
    found = list_all(context, api_version, plural, namespace, labels)
    items = list(found["items"])
    for body in _given_resources(context, given, api_version, plural):
        metadata = body.get("metadata", {})
        own = metadata.get("labels", {})
        if (not namespace or metadata.get("namespace", namespace) == namespace) and all(
            own.get(key) == value for key, value in labels.items()
        ):
            items.append(body)
    kind = f"{items[0]['kind']}List" if items else "List"
    made: Mapping[str, Any] = freeze({**found, "kind": kind, "items": items})
    return made


def _given_resources(
    context: JoinContext, given: Mapping[str, Any], api_version: str, plural: str
) -> list[Mapping[str, Any]]:
    group = api_version.rpartition("/")[0]
    return [
        body
        for body in given.get("resources", ())
        if str(body.get("apiVersion", "")).rpartition("/")[0] == group
        and context.kinds.plural(group, str(body.get("kind", ""))) == plural
    ]


def functions() -> tuple[Function, ...]:
    """Return the functions that rewritten calls are."""
    text, headers = STRING, map_of(STRING, STRING)
    doc = "What is given for a call that asks somebody (see kpolicy-kyverno)."

    def overload(id_: str, parameters: tuple[Any, ...], result: Any, made: Any, **more: Any) -> Any:
        return Overload(f"kyverno_{id_}", parameters, result, made, **more)

    object_ = map_of(STRING, DYN)
    around: dict[str, Any] = {"needs_context": True}
    four = (DYN, text, text, text)
    return (
        Function("kyverno.given", (overload("given", (text,), DYN, _given),), doc),
        Function(
            "kyverno.imageData", (overload("image_data", (DYN, text), DYN, _image_data),), doc
        ),
        Function(
            "kyverno.httpGet",
            (
                overload("http_get", (DYN, text), DYN, _http_get),
                overload("http_get_headers", (DYN, text, headers), DYN, _http_get),
            ),
            doc,
        ),
        Function(
            "kyverno.httpPost",
            (
                overload("http_post", (DYN, text, DYN), DYN, _http_post),
                overload("http_post_headers", (DYN, text, DYN, headers), DYN, _http_post),
            ),
            doc,
        ),
        Function(
            "kyverno.globalEntry",
            (
                overload("global_entry", (DYN, text), DYN, _global_entry),
                overload("global_entry_projection", (DYN, text, text), DYN, _global_entry),
            ),
            doc,
        ),
        Function(
            "kyverno.resourceGet",
            (
                overload("resource_get_given", (*four, text), object_, _resource_get, **around),
                overload("resource_get_given_cluster", four, object_, _resource_get, **around),
            ),
            doc,
        ),
        Function(
            "kyverno.resourceList",
            (
                overload("resource_list_given", four, object_, _resource_list, **around),
                overload("resource_list_given_all", four[:3], object_, _resource_list, **around),
                overload("resource_list_given_labels", (*four, headers), object_, _resource_list,
                         **around),
                overload("resource_list_given_all_labels", (*four[:3], headers), object_,
                         _resource_list, **around),
            ),
            doc,
        ),
    )  # fmt: skip
