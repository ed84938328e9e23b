"""An explanation of a resource's relations as text, JSON, Mermaid or Graphviz DOT."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.relations.explain import Explanation
    from kpolicy.snapshot.resource import Resource

_ARROWS = {"to": "->", "from": "<-", "both": "<->"}


def title(resource: Resource) -> str:
    """Return `Kind namespace/name`; the namespace as written."""
    name = resource.name or "(no name)"
    return f"{resource.kind} {resource.namespace}/{name}" if resource.namespace else (
        f"{resource.kind} {name}"
    )  # fmt: skip


def _missing_title(gap: Mapping[str, Any]) -> str:
    name = gap["name"] or "(any)"
    return f"{gap['kind']} {gap['namespace']}/{name}" if gap["namespace"] else (
        f"{gap['kind']} {name}"
    )  # fmt: skip


def to_text(explanation: Explanation) -> str:
    """Return the explanation for people: a line for each link, and one for its reason."""
    resource = explanation.resource
    lines = [f"{title(resource)}  {resource.location}"]
    for link in explanation.links:
        other = link.other
        arrow = _ARROWS[link.way]
        lines.append(f"  {link.name} {arrow} {title(other)}  {other.location}")
        where = f", written at {link.pointer}" if link.pointer else ""
        lines.append(f"      {link.because}{where}")
    for relation, gap in explanation.missing:
        lines.append(f"  {relation} -> {_missing_title(gap)}  {gap['certainty']}")
        lines.append(f"      {gap['reason']}, written at {gap['pointer'] or '/'}")
    if len(lines) == 1:
        lines.append("  no relations")
    return "\n".join(lines) + "\n"


def to_data(explanation: Explanation) -> dict[str, Any]:
    """Return the explanation as JSON-shaped data."""
    return {
        "resource": _reference(explanation.resource),
        "location": _location(explanation.resource),
        "scope": explanation.resource.scope,
        "relations": [
            {
                "name": link.name,
                "relation": link.relation,
                "direction": link.way,
                "because": link.because,
                "pointer": link.pointer,
                "resource": _reference(link.other),
                "location": _location(link.other),
                "otherPointer": link.other_pointer,
            }
            for link in explanation.links
        ],
        "missing": [
            {
                "relation": relation,
                **{
                    field: gap[field]
                    for field in ("kind", "namespace", "name", "certainty", "reason", "pointer")
                },
            }
            for relation, gap in explanation.missing
        ],
    }


def to_json(explanation: Explanation) -> str:
    """Return the explanation as JSON text."""
    return json.dumps(to_data(explanation), indent=2, ensure_ascii=False) + "\n"


def _reference(resource: Resource) -> dict[str, str]:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "namespace": resource.namespace,
        "name": resource.name,
    }


def _location(resource: Resource) -> dict[str, Any]:
    at = resource.location
    return {"path": at.path, "line": at.line, "column": at.column}


def _edges(explanation: Explanation) -> tuple[list[str], list[tuple[int, int, str, str]]]:
    """Return the titles of nodes and the edges (from, to, label, kind), each edge once."""
    resource = explanation.resource
    numbers: dict[Any, int] = {id(resource): 0}
    titles = [title(resource)]
    edges: dict[tuple[int, int, str, str], None] = {}
    for link in explanation.links:
        number = numbers.setdefault(id(link.other), len(titles))
        if number == len(titles):
            titles.append(title(link.other))
        ends = (number, 0) if link.way == "from" else (0, number)
        kind = "both" if link.way == "both" else "to"
        edges[(*ends, link.relation, kind)] = None
    for relation, gap in explanation.missing:
        text = f"{_missing_title(gap)} ({gap['certainty']})"
        number = numbers.setdefault(text, len(titles))
        if number == len(titles):
            titles.append(text)
        edges[(0, number, relation, "missing")] = None
    return titles, list(edges)


def to_mermaid(explanation: Explanation) -> str:
    """Return a Mermaid flow chart; a dotted arrow leads to what is missing."""
    titles, edges = _edges(explanation)
    arrows = {"to": "-->", "both": "<-->", "missing": "-.->"}
    lines = ["flowchart LR"]
    lines += [f'  n{i}["{_mermaid_text(text)}"]' for i, text in enumerate(titles)]
    lines += [
        f'  n{a} {arrows[kind]}|"{_mermaid_text(label)}"| n{b}' for a, b, label, kind in edges
    ]
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    for plain, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(plain, entity)
    return " ".join(text.split())


def to_dot(explanation: Explanation) -> str:
    """Return a Graphviz digraph; a dashed arrow leads to what is missing."""
    titles, edges = _edges(explanation)
    styles = {"to": "", "both": ", dir=both", "missing": ", style=dashed"}
    lines = ["digraph relations {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f"  n{i} [label={_dot_text(text)}];" for i, text in enumerate(titles)]
    lines += [
        f"  n{a} -> n{b} [label={_dot_text(label)}{styles[kind]}];" for a, b, label, kind in edges
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{" ".join(escaped.split())}"'


#: Renderers by the name of their format.
FORMATS: Mapping[str, Callable[[Explanation], str]] = MappingProxyType(
    {"text": to_text, "json": to_json, "mermaid": to_mermaid, "dot": to_dot}
)
