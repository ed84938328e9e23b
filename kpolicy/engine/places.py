"""Where a finding stands: from a part of a body to its JSON pointer, its place and its identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList

#: What names an item of a list, best first.
NAMING = (
    "name", "containerPort", "port", "mountPath", "devicePath", "key", "host", "path", "ip",
    "topologyKey", "uid", "type",
)  # fmt: skip


def escape(token: str) -> str:
    """Return a JSON pointer token (RFC 6901)."""
    if "~" in token or "/" in token:
        return token.replace("~", "~0").replace("/", "~1")
    return token


def unescape(token: str) -> str:
    """Return the key that a JSON pointer token stands for."""
    return token.replace("~1", "/").replace("~0", "~") if "~" in token else token


def pointer_to(body: Any, part: Any) -> str | None:
    """Return the pointer of `part` in `body`, found by identity; None if it is not in there."""
    if part is body:
        return ""
    # A way is (the way there, the last step): its text is made for one of them only.
    stack: list[tuple[Any, Any]] = [(body, None)]
    while stack:
        value, way = stack.pop()
        for step, child in value.items() if isinstance(value, dict) else enumerate(value):
            if child is part:
                return _text_of((way, step))
            if isinstance(child, (dict, list)):
                stack.append((child, (way, step)))
    return None


def _text_of(way: Any) -> str:
    """Return the pointer of (the way there, the last step), None = no step."""
    text = ""
    while way is not None:
        way, step = way
        text = f"/{step if isinstance(step, int) else escape(step)}{text}"
    return text


def scalar_pointers(body: Any, wanted: Any) -> Iterator[str]:
    """Yield the pointer of every scalar in `body` that is the very object `wanted`."""
    stack: list[tuple[Any, str]] = [(body, "")]
    while stack:
        value, at = stack.pop()
        children = (
            ((escape(k), v) for k, v in value.items())
            if isinstance(value, dict)
            else ((str(i), v) for i, v in enumerate(value))
        )
        for token, child in children:
            if child is wanted:
                yield f"{at}/{token}"
            elif isinstance(child, (dict, list)):
                stack.append((child, f"{at}/{token}"))


def steps(body: Any, pointer: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield (token, container, value) along `pointer`; stops where the body has no such part."""
    value = body
    for raw in pointer.split("/")[1:]:
        token = unescape(raw)
        container = value
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and token.isdigit() and int(token) < len(value):
            value = value[int(token)]
        else:
            return
        yield token, container, value


def value_at(body: Any, pointer: str) -> Any:
    """Return the part at `pointer`; None where the body has no such part."""
    if not pointer:
        return body
    way = [value for _, _, value in steps(body, pointer)]
    return way[-1] if len(way) == pointer.count("/") else None


def mark_at(body: Any, pointer: str) -> tuple[int, int, bool]:
    """Return (line, column, exact) of the part at `pointer`.

    A scalar has no place of its own: it gets that of its container, which is not exact.
    """
    line, column = body.line, body.column
    exact = not pointer
    for _, _, value in steps(body, pointer):
        if isinstance(value, (FrozenDict, FrozenList)) and value.mark:
            line, column, exact = value.line, value.column, True
        else:
            exact = False
    return line, column, exact


def item_name(item: Any) -> str:
    """Return what an item is called (a container's name, a port's number, a scalar), or ""."""
    if isinstance(item, dict):
        for key in NAMING:
            value = item.get(key)
            if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
                return str(value)
        metadata = item.get("metadata")
        if isinstance(metadata, dict) and isinstance(metadata.get("name"), str):
            return str(metadata["name"])
        return ""
    if isinstance(item, (list, tuple)):
        return ""
    if item is None:
        return "null"
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item)


def named_pointer(body: Any, pointer: str) -> str:
    """Return `pointer` with the items of lists called by name, so that it survives a reordering."""
    parts: list[str] = []
    for token, container, value in steps(body, pointer):
        if isinstance(container, list):
            name = item_name(value)
            parts.append(f"[{escape(name)}]" if name else token)
        else:
            parts.append(escape(token))
    return "/".join(parts)
