"""A parsed and checked expression as data, so that a warm start neither parses nor checks.

The data is made of lists, strings, numbers and null (JSON). Reading validates all of it: nothing
in it is code, and whatever is not a tree that the parser could have made is refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final, get_args

from kpolicy.cel.nodes import (
    MAX_DEPTH,
    Bind,
    Block,
    Call,
    Comprehension,
    ComprehensionKind,
    Constant,
    Identifier,
    ListNode,
    MapEntry,
    MapNode,
    Node,
    OptionalMap,
    Select,
    StructNode,
)
from kpolicy.cel.values import INT_MAX, INT_MIN, UINT_MAX, UInt

#: Changes whenever the shape of the data does.
FORMAT: Final = 1

_KINDS: Final = frozenset(get_args(ComprehensionKind))


class Damaged(ValueError):
    """Data that is not a tree; a cache treats it as absent."""


def dump(node: Node) -> list[Any]:
    """Return the tree as nested lists."""
    at = node.offset
    match node:
        case Constant(value=value):
            return ["constant", at, *_dump_constant(value)]
        case Identifier(name=name):
            return ["identifier", at, name]
        case Select():
            return ["select", at, dump(node.operand), node.field, node.test, node.optional]
        case Call():
            target = None if node.target is None else dump(node.target)
            return ["call", at, node.function, target, [dump(a) for a in node.args]]
        case ListNode():
            return ["list", at, [dump(e) for e in node.elements], sorted(node.optional)]
        case MapNode():
            return ["map", at, _dump_entries(node.entries)]
        case StructNode():
            return ["struct", at, node.name, _dump_entries(node.entries)]
        case Comprehension():
            condition = None if node.condition is None else dump(node.condition)
            return [
                "comprehension", at, node.kind, dump(node.range), node.variable, node.variable2,
                dump(node.body), condition,
            ]  # fmt: skip
        case Bind():
            return ["bind", at, node.variable, dump(node.value), dump(node.body)]
        case Block():
            return ["block", at, [dump(s) for s in node.slots], dump(node.result)]
        case OptionalMap():
            return ["optional", at, dump(node.target), node.variable, dump(node.body), node.flat]
    raise TypeError(f"no data form of {type(node).__name__}")


def load(data: Any) -> Node:
    """Return the tree that `data` describes; raises `Damaged`."""
    return _Reader().node(data)


def _dump_entries(entries: list[MapEntry]) -> list[Any]:
    return [[dump(e.key), dump(e.value), e.optional] for e in entries]


def _dump_constant(value: Any) -> tuple[str, Any]:
    if isinstance(value, bytes):
        return "bytes", base64.b64encode(value).decode()
    if isinstance(value, UInt):
        return "uint", int(value)
    if isinstance(value, float):
        return "double", value.hex()
    name = {bool: "bool", int: "int", str: "string", type(None): "null"}.get(type(value))
    if name is None:
        raise TypeError(f"no data form of a constant {type(value).__name__}")
    return name, value


def _load_constant(kind: Any, value: Any) -> Any:
    plain = {"bool": bool, "string": str, "null": type(None)}.get(kind)
    if plain is not None:
        if type(value) is plain:
            return value
    elif kind == "int":
        if type(value) is int and INT_MIN <= value <= INT_MAX:
            return value
    elif kind == "uint":
        if type(value) is int and 0 <= value <= UINT_MAX:
            return UInt(value)
    elif kind == "double" and type(value) is str:
        try:
            return float.fromhex(value)
        except (ValueError, OverflowError):
            pass
    elif kind == "bytes" and type(value) is str:
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise Damaged(f"no constant of kind {kind!r}")


class _Reader:
    """Reads a tree, with its depth bounded as the parser bounds it."""

    def __init__(self) -> None:
        self.depth = 0
        self.readers: dict[str, tuple[int, Callable[..., Node]]] = {
            "constant": (2, lambda at, kind, value: Constant(at, _load_constant(kind, value))),
            "identifier": (1, lambda at, name: Identifier(at, _text(name))),
            "select": (4, self.select),
            "call": (3, self.call),
            "list": (2, self.list_literal),
            "map": (1, lambda at, entries: MapNode(at, self.entries(entries))),
            "struct": (2, lambda at, name, e: StructNode(at, _text(name), self.entries(e))),
            "comprehension": (6, self.comprehension),
            "bind": (3, lambda at, v, e, body: Bind(at, _text(v), self.node(e), self.node(body))),
            "block": (2, lambda at, slots, r: Block(at, self.nodes(slots), self.node(r))),
            "optional": (4, self.optional_map),
        }

    def node(self, data: Any) -> Node:
        if type(data) is not list or len(data) < 2 or type(data[0]) is not str:
            raise Damaged("a node is a list that begins with its kind")
        kind, at, *parts = data
        size, read = self.readers.get(kind, (-1, None))
        if read is None or len(parts) != size:
            raise Damaged(f"no node of kind {kind!r} with {len(parts)} parts")
        if type(at) is not int or not 0 <= at < 2**31:
            raise Damaged("an offset is a number")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Damaged("the tree is too deep")
        made = read(at, *parts)
        self.depth -= 1
        return made

    def nodes(self, data: Any) -> list[Node]:
        if type(data) is not list:
            raise Damaged("expected a list of nodes")
        return [self.node(item) for item in data]

    def entries(self, data: Any) -> list[MapEntry]:
        if type(data) is not list or any(type(e) is not list or len(e) != 3 for e in data):
            raise Damaged("expected a list of entries")
        return [MapEntry(self.node(k), self.node(v), _flag(o)) for k, v, o in data]

    def select(self, at: int, operand: Any, name: Any, test: Any, optional: Any) -> Node:
        return Select(at, self.node(operand), _text(name), _flag(test), _flag(optional))

    def call(self, at: int, function: Any, target: Any, args: Any) -> Node:
        made = None if target is None else self.node(target)
        nodes = self.nodes(args)
        name = _text(function)
        if name in _ARITIES and (made is not None or len(nodes) != _ARITIES[name]):
            raise Damaged(f"operator {name} with {len(nodes)} operands")
        return Call(at, name, made, nodes)

    def list_literal(self, at: int, elements: Any, optional: Any) -> Node:
        nodes = self.nodes(elements)
        if type(optional) is not list or not all(
            type(i) is int and 0 <= i < len(nodes) for i in optional
        ):
            raise Damaged("expected the positions of optional elements")
        return ListNode(at, nodes, frozenset(optional))

    def comprehension(
        self, at: int, kind: Any, ranged: Any, first: Any, second: Any, body: Any, condition: Any
    ) -> Node:
        if type(kind) is not str or kind not in _KINDS:
            raise Damaged(f"no macro of kind {kind!r}")
        return Comprehension(
            at,
            kind,  # type: ignore[arg-type]
            self.node(ranged),
            _text(first),
            None if second is None else _text(second),
            self.node(body),
            None if condition is None else self.node(condition),
        )

    def optional_map(self, at: int, target: Any, variable: Any, body: Any, flat: Any) -> Node:
        return OptionalMap(at, self.node(target), _text(variable), self.node(body), _flag(flat))


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Damaged("expected a text")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise Damaged("expected true or false")
    return value


#: How many operands each operator has; evaluation relies on it.
_ARITIES: Final = {
    "_?_:_": 3, "_&&_": 2, "_||_": 2, "!_": 1, "-_": 1, "_==_": 2, "_!=_": 2, "_<_": 2, "_<=_": 2,
    "_>_": 2, "_>=_": 2, "_+_": 2, "_-_": 2, "_*_": 2, "_/_": 2, "_%_": 2, "_[_]": 2, "_[?_]": 2,
    "@in": 2,
}  # fmt: skip
