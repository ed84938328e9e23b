"""JSON values against the types and forms of a schema, and both in a person's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_DATE_TIME = r"(?a:\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))"

_ARTICLES = {
    "object": "a mapping", "array": "a list", "string": "a string", "integer": "an integer",
    "number": "a number", "boolean": "true or false", "quantity": "a quantity",
    "int-or-string": "an integer or a string",
}  # fmt: skip


def is_date_time(value: str) -> bool:
    """Return whether a text is a date and time of RFC 3339."""
    return re.fullmatch(_DATE_TIME, value) is not None


def article(kind: str) -> str:
    """Return what a value of a schema's kind is called: `an integer`."""
    return _ARTICLES.get(kind, "another value")


def describe(value: Any) -> str:
    """Return a value as a person calls it: `the string '3'`."""
    if isinstance(value, bool):
        return f"the boolean {'true' if value else 'false'}"
    if isinstance(value, str):
        return f"the string {value if len(value) <= 40 else value[:37] + '...'!r}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def has_type(value: Any, kind: str) -> bool:
    """Return whether a JSON value is of a schema's kind: a float no integer, a bool no number."""
    if kind == "any":
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, str):
        return kind in ("string", "quantity", "int-or-string")
    if isinstance(value, int):
        return kind in ("integer", "number", "quantity", "int-or-string")
    if isinstance(value, float):
        return kind in ("number", "quantity")
    if isinstance(value, Mapping):
        return kind == "object"
    return isinstance(value, (list, tuple)) and kind == "array"


def is_base64(text: str) -> bool:
    """Return whether Go's standard decoder takes `text`; it passes over line ends."""
    import base64
    import binascii

    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def dotted(pointer: str) -> str:
    """Return a JSON pointer as a path with dots and brackets."""
    path = ""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if name.isdigit():
            path += f"[{name}]"
        elif re.fullmatch(r"[\w-]+", name):
            path += f".{name}" if path else name
        else:
            path += f"[{name}]"
    return path
