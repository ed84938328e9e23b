"""Reading bodies that may be odd: every helper is total and hands on the very elements of the
body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from kpolicy.snapshot.kinds import CONTAINER_FIELDS, EMPTY_MAP, Kinds, split_api_version


def as_map(value: Any) -> dict[str, Any]:
    """Return `value` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else EMPTY_MAP


def as_text(value: Any) -> str:
    """Return `value` if it is a string, else ""."""
    return value if isinstance(value, str) else ""


def maps_in(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (index, element) for each mapping in the list `value`; nothing if it is no list."""
    if isinstance(value, list):
        for index, element in enumerate(value):
            if isinstance(element, dict):
                yield index, element


def texts_in(value: Any) -> Iterator[tuple[int, str]]:
    """Yield (index, element) for each string in the list `value`."""
    if isinstance(value, list):
        for index, element in enumerate(value):
            if isinstance(element, str):
                yield index, element


def at(value: Any, *path: str) -> Any:
    """Return what stands at `path`, None where it is absent or the way is no mapping."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return cast("dict[str, str]", value)


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer made of `parts`, escaped."""
    return "".join(
        "/" + (part.replace("~", "~0").replace("/", "~1") if isinstance(part, str) else str(part))
        for part in parts
    )


def element_at(body: Any, json_pointer: str) -> Any:
    """Return the element of `body` at a JSON pointer, None if there is none."""
    value = body
    for raw in json_pointer.split("/")[1:]:
        part = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def text_map(value: Any) -> dict[str, str]:
    """Return the string entries of the mapping `value`: labels, annotations, map selectors."""
    if not isinstance(value, dict):
        return cast("dict[str, str]", EMPTY_MAP)
    for key, item in value.items():
        if not isinstance(item, str) or not isinstance(key, str):
            return {k: v for k, v in value.items() if isinstance(v, str) and isinstance(k, str)}
    return cast("dict[str, str]", value)


def labels_of(body: Any) -> dict[str, str]:
    """Return the labels of an object."""
    return text_map(at(body, "metadata", "labels"))


def template_pointer(kinds: Kinds, body: Any) -> str:
    """Return the JSON pointer of a workload's pod template ("" for a Pod)."""
    return pointer(*(kinds.template_path(body) or ()))


def pod_labels(kinds: Kinds, body: Any) -> dict[str, str] | None:
    """Return the labels of the pods that a workload makes; None if it makes none."""
    metadata = kinds.pod_metadata(body)
    return None if metadata is None else text_map(metadata.get("labels"))


def group_of(api_version: Any) -> str:
    """Return the API group of an apiVersion, "" for core."""
    return split_api_version(as_text(api_version))[0]


def containers_with_pointers(spec: Any, base: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (pointer, container) for the init, regular and ephemeral containers of a pod spec."""
    for field in CONTAINER_FIELDS:
        for index, container in maps_in(as_map(spec).get(field)):
            yield f"{base}/{field}/{index}", container
