"""CEL values for people and machines: as JSON text, the way CEL's own JSON conversion has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_json(value: Any, indent: int | None = 2) -> str:
    """Return a CEL value as JSON: bytes as base64, times and library values as their text."""
    return json.dumps(_plain(value), ensure_ascii=False, indent=indent)


def _plain(value: Any) -> Any:
    from kpolicy.cel.values import Optional

    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        # JSON has no words for these; protobuf's JSON mapping writes them as strings.
        if value != value or value in (float("inf"), float("-inf")):
            return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(value, "NaN")
        return value
    if isinstance(value, bytes):
        from base64 import b64encode

        return b64encode(value).decode()
    if isinstance(value, Mapping):
        return {k if isinstance(k, str) else as_json(k, None): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Optional):
        return str(value)
    return str(value)
