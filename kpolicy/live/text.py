"""Writes an object as YAML, a line for each field, so that findings have a line to stand at.

Strings are quoted as in JSON unless they are plainly words, so that no reader can take one for
anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.-]+)*\Z")
#: What YAML reads as something else than a text, in one version or another.
_TAKEN = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n"))
#: Line breaks of YAML's that JSON lets stand, and what it cannot print.
_UNPRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def yaml_text(body: dict[str, Any]) -> str:
    """Return a JSON object as YAML in block style, its fields in their order."""
    return "".join(f"{line}\n" for line in _mapping(body, "")) or "{}\n"


def _mapping(body: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in body.items():
        yield from _entry(f"{indent}{_scalar(str(key))}:", value, indent)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield head
        yield from _mapping(value, f"{indent}  ")
    elif isinstance(value, list) and value:
        yield head
        yield from _sequence(value, indent)
    else:
        yield f"{head} {_scalar(value)}"


def _sequence(values: list[Any], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict) and value:
            lines = _mapping(value, f"{indent}  ")
            yield f"{indent}- {next(lines)[len(indent) + 2 :]}"
            yield from lines
        elif isinstance(value, list) and value:
            yield f"{indent}-"
            yield from _sequence(value, f"{indent}  ")
        else:
            yield f"{indent}- {_scalar(value)}"


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _WORD.match(value) and value.lower() not in _TAKEN:
        return value
    quoted = json.dumps(_SURROGATE.sub("\ufffd", value), ensure_ascii=False)
    return _UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
