"""Rewrites what cases expect to what was found, leaving the rest of a test file as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kpolicy.findings import Finding
from kpolicy.strict.node import SourceNode, compose

_PLAIN = re.compile(r"[A-Za-z][\w./-]*\Z")
#: What an expected finding says where the case has not said what it compares.
_DEFAULT = ("resource", "message", "line")
_ORDER = ("resource", "message", "line", "path", "item", "related", "outcome")


def updated(path: str, text: str, found: Mapping[str, Sequence[Finding]]) -> str:
    """Return a test file's text with new `findings` for the cases in `found`, by name.

    Each expected finding keeps to the keys that the case compared before.
    """
    documents, _ = compose(path, text)
    text = documents[0].source.text if documents else text
    cases = documents[0].get("cases") if documents else None
    edits: list[tuple[int, int, str]] = []
    for case in cases.elements() if cases is not None else ():
        name = case.get("name")
        if name is None or name.value not in found:
            continue
        for key, at, value in case.items():
            if key == "findings":
                start = value.source.index(at.line - 1, at.column - 1) + len(_key(text, value, at))
                indent = " " * (at.column - 1)
                inline = bool(case._node.flow_style)
                new = _findings(found[name.value], _compared(value), indent, inline)
                edits.append((start, _end(value), new))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _key(text: str, value: SourceNode, at: Any) -> str:
    """Return the key as it is written, quotes and colon included."""
    start = value.source.index(at.line - 1, at.column - 1)
    return text[start : text.index(":", start) + 1]


def _compared(value: SourceNode) -> tuple[str, ...]:
    """Return the keys that the case's expected findings have."""
    keys = {key for element in value.elements() for key, _, _ in element.items()}
    keys.discard("count")
    return tuple(k for k in _ORDER if k in keys) or _DEFAULT


def _findings(found: Sequence[Finding], keys: tuple[str, ...], indent: str, inline: bool) -> str:
    if not found:
        return " 0"
    rows = []
    for finding in found:
        told = dict.fromkeys(keys)
        if finding.outcome != "fail":
            told["outcome"] = None
        parts = [f"{key}: {_value(finding, key)}" for key in told]
        rows.append(f"{{{', '.join(parts)}}}")
    if inline:
        return f" [{', '.join(rows)}]"
    return "".join(f"\n{indent}  - {row}" for row in rows)


def _value(finding: Finding, key: str) -> str:
    at = finding.place.location
    values: dict[str, Any] = {
        "resource": str(finding.resource),
        "message": finding.message,
        "line": at.line,
        "path": at.path,
        "item": finding.item,
        "outcome": finding.outcome,
        "related": [str(related.resource) for related in finding.related],
    }
    value = values[key]
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    return str(value) if isinstance(value, int) else _scalar(value)


def _scalar(text: str) -> str:
    return text if _PLAIN.match(text) else json.dumps(text, ensure_ascii=False)


def _end(value: SourceNode) -> int:
    """Return where a value's text ends: before the blank lines and comments after it."""
    node = value._node
    flow = node.id == "scalar" or node.flow_style or not node.value
    if flow:
        return value.source.index(node.end_mark.line, node.end_mark.column)
    last = node.value[-1]
    return _end(SourceNode(last[1] if isinstance(last, tuple) else last, value.source))
