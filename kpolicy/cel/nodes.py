"""The abstract syntax tree of CEL, after macro expansion.

Comprehension macros keep their own node (`Comprehension`) instead of cel-spec's fold, so that the
compiler can emit a real loop. Every node has `offset`, the index of its first significant
character in the source (for a call or selection: of the operator, parenthesis or dot, as cel-go
reports it).
"""

from __future__ import annotations

from typing import Any, Literal

from kpolicy.records import dataclass

#: How deep brackets may nest in the source, and the deepest tree (cel-go's limit is 250 too).
MAX_DEPTH = 250


@dataclass(slots=True)
class Node:
    """Base of all nodes."""

    offset: int


@dataclass(slots=True)
class Constant(Node):
    """A constant: None, bool, int, UInt, float, str, bytes (or any folded value)."""

    value: Any


@dataclass(slots=True)
class Identifier(Node):
    """A name; a leading dot (`.name`, root scope) is kept in the text."""

    name: str


@dataclass(slots=True)
class Select(Node):
    """`operand.field`; `has(operand.field)` when `test`; `operand.?field` when `optional`."""

    operand: Node
    field: str
    test: bool = False
    optional: bool = False


@dataclass(slots=True)
class Call(Node):
    """A function or operator.

    Operators have cel-go's names: `_+_`, `_&&_`, `!_`, `-_`, `_?_:_`, `_[_]`, `_[?_]`, `@in`.
    """

    function: str
    target: Node | None
    args: list[Node]


@dataclass(slots=True)
class ListNode(Node):
    """`[a, ?b]`; `optional` holds the indices of elements with `?`."""

    elements: list[Node]
    optional: frozenset[int] = frozenset()


@dataclass(slots=True)
class MapEntry:
    """`key: value` or `?key: value`."""

    key: Node
    value: Node
    optional: bool = False


@dataclass(slots=True)
class MapNode(Node):
    """`{k: v}`."""

    entries: list[MapEntry]


@dataclass(slots=True)
class StructNode(Node):
    """`pkg.Message{field: value}`: parsed for the error message; no message types exist here."""

    name: str
    entries: list[MapEntry]


ComprehensionKind = Literal[
    "all", "exists", "exists_one", "filter", "map",
    "transformList", "transformMap", "transformMapEntry", "sortBy",
]  # fmt: skip


@dataclass(slots=True)
class Comprehension(Node):
    """A macro over a list or map.

    With one variable it is the element of a list or the key of a map; with two, (index, element) or
    (key, value). `body` is the predicate or the transform, `condition` the optional filter of
    `map(x, condition, transform)` and of the transform macros.
    """

    kind: ComprehensionKind
    range: Node
    variable: str
    variable2: str | None
    body: Node
    condition: Node | None = None


@dataclass(slots=True)
class Bind(Node):
    """`cel.bind(variable, value, body)`; lazy: `value` is evaluated at first use."""

    variable: str
    value: Node
    body: Node


@dataclass(slots=True)
class Block(Node):
    """`cel.block([...], result)`; slots are read as `Identifier("@index0")` and so on."""

    slots: list[Node]
    result: Node


@dataclass(slots=True)
class OptionalMap(Node):
    """`target.optMap(variable, body)`, or `optFlatMap` when `flat`."""

    target: Node
    variable: str
    body: Node
    flat: bool = False


def children(node: Node) -> list[Node]:
    """Return the nodes directly below `node`, in the order of evaluation."""
    match node:
        case Select():
            return [node.operand]
        case Call():
            return node.args if node.target is None else [node.target, *node.args]
        case ListNode():
            return node.elements
        case MapNode() | StructNode():
            return [part for entry in node.entries for part in (entry.key, entry.value)]
        case Comprehension():
            middle = [node.condition] if node.condition is not None else []
            return [node.range, *middle, node.body]
        case Bind():
            return [node.value, node.body]
        case Block():
            return [*node.slots, node.result]
        case OptionalMap():
            return [node.target, node.body]
    return []
