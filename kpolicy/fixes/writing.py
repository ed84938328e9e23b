"""Values as YAML or JSON text, in the way in which the text around them is written."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["block_lines", "entry_lines", "flow", "scalar"]

#: Texts that every YAML reader takes for a string without quotes.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*(:[A-Za-z0-9_./@+-]+)*|[0-9]+(\.[0-9]+)?[KMGTPE]i")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def scalar(value: Any, *, as_json: bool = False, quote: str = "") -> str:
    """Return a scalar's text; a string is quoted as `quote` says where that is possible."""
    if not isinstance(value, str):
        return json.dumps(value)
    if not as_json:
        if quote == "'" and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        if not quote and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
    return json.dumps(value, ensure_ascii=not value.isprintable())


def flow(value: Any, *, as_json: bool = False) -> str:
    """Return any value on one line."""
    if isinstance(value, dict):
        parts = (
            f"{scalar(k, as_json=as_json)}: {flow(v, as_json=as_json)}" for k, v in value.items()
        )
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item, as_json=as_json) for item in value) + "]"
    return scalar(value, as_json=as_json)


def entry_lines(key: str, value: Any, step: int) -> list[str]:
    """Return the lines of an entry of a block mapping, without the mapping's own indentation."""
    name = scalar(key)
    if value and isinstance(value, (dict, list)):
        return [f"{name}:", *(" " * step + line for line in block_lines(value, step))]
    return [f"{name}: {flow(value)}"]


def block_lines(value: Any, step: int) -> list[str]:
    """Return the lines of a mapping, a list or a scalar in block style."""
    if value and isinstance(value, dict):
        return [line for key, item in value.items() for line in entry_lines(key, item, step)]
    if value and isinstance(value, list):
        lines: list[str] = []
        for item in value:
            first, *rest = block_lines(item, step)
            lines += [f"- {first}", *(f"  {line}" for line in rest)]
        return lines
    return [flow(value)]
