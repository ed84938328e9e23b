"""Writes a resolved tree as CEL text again, for traces."""

from __future__ import annotations

from typing import Final

from kpolicy.cel.nodes import Call, Constant, ListNode, MapNode, Node, Select
from kpolicy.cel.scopes import (
    Apply,
    Failure,
    Let,
    Local,
    Lookup,
    Loop,
    OptionalLoop,
    Variable,
    spelled,
)
from kpolicy.cel.values import show

BINARY: Final = {
    "_||_": ("||", 1), "_&&_": ("&&", 2), "_==_": ("==", 3), "_!=_": ("!=", 3), "_<_": ("<", 3),
    "_<=_": ("<=", 3), "_>_": (">", 3), "_>=_": (">=", 3), "@in": ("in", 3), "_+_": ("+", 4),
    "_-_": ("-", 4), "_*_": ("*", 5), "_/_": ("/", 5), "_%_": ("%", 5),
}  # fmt: skip
UNARY: Final = {"!_": "!", "-_": "-"}


def unparse(node: Node, level: int = 0) -> str:
    """Return CEL text of a node; in parentheses where it binds looser than `level`."""
    match node:
        case Constant(value=value):
            return show(value, limit=200)
        case Local(name=name) | Variable(name=name):
            return name
        case Lookup(text=text):
            return text
        case Failure(message=message):
            return f"<{message}>"
        case Select():
            if node.test:
                return f"has({unparse(node.operand, 7)}.{spelled(node.field)})"
            dot = ".?" if node.optional else "."
            return f"{unparse(node.operand, 7)}{dot}{spelled(node.field)}"
        case Call(function=function, args=args):
            return _operator(function, args, level)
        case Apply(callee=callee, args=args):
            if callee.name in BINARY or callee.name in UNARY:
                return _operator(callee.name, args, level)
            if callee.name in ("_[_]", "_[?_]"):
                mark = "?" if callee.name == "_[?_]" else ""
                return f"{unparse(args[0], 7)}[{mark}{unparse(args[1])}]"
            if callee.member:
                rest = ", ".join(unparse(a) for a in args[1:])
                return f"{unparse(args[0], 7)}.{callee.name}({rest})"
            return f"{callee.name}({', '.join(unparse(a) for a in args)})"
        case ListNode():
            marks = ("?" if i in node.optional else "" for i in range(len(node.elements)))
            parts = [m + unparse(e) for m, e in zip(marks, node.elements, strict=True)]
            return f"[{', '.join(parts)}]"
        case MapNode():
            pairs = [
                f"{'?' if e.optional else ''}{unparse(e.key)}: {unparse(e.value)}"
                for e in node.entries
            ]
            return "{" + ", ".join(pairs) + "}"
        case Loop():
            inner = [*node.names]
            if node.condition is not None:
                inner.append(unparse(node.condition))
            inner.append(unparse(node.body))
            return f"{unparse(node.range, 7)}.{node.kind}({', '.join(inner)})"
        case Let():
            named = zip(node.names, node.slots, strict=True)
            values = ", ".join(f"{name}, {unparse(value)}" for name, (_, value) in named)
            return f"cel.bind({values}, {unparse(node.body)})"
        case OptionalLoop():
            name = "optFlatMap" if node.flat else "optMap"
            return f"{unparse(node.target, 7)}.{name}({node.name}, {unparse(node.body)})"
    return "?"


def _operator(function: str, args: list[Node], level: int) -> str:
    if function == "_?_:_":
        test, chosen, other = args
        text = f"{unparse(test, 1)} ? {unparse(chosen, 1)} : {unparse(other)}"
        return f"({text})" if level > 0 else text
    if function in UNARY:
        text = f"{UNARY[function]}{unparse(args[0], 6)}"
        return f"({text})" if level > 5 else text
    sign, binding = BINARY[function]
    text = f"{unparse(args[0], binding)} {sign} {unparse(args[1], binding + 1)}"
    return f"({text})" if binding < level else text
