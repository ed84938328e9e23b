"""Writes a parsed tree as CEL source: what `parse` makes of the text means the same again.

The trees are equal but for the way in which a chain of `&&` or `||` is nested. `unparse` writes
resolved trees, shortened, for people; this writes what another CEL engine reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from kpolicy.cel.nodes import (
    Bind,
    Call,
    Comprehension,
    Constant,
    Identifier,
    ListNode,
    MapNode,
    Node,
    OptionalMap,
    Select,
)
from kpolicy.cel.scopes import spelled
from kpolicy.cel.unparse import BINARY, UNARY
from kpolicy.cel.values import UInt

#: How tightly a selection, an index and a call bind.
_POSTFIX: Final = 7
_UNARY: Final = 6
#: What macros make of a call, as the call.
_MACROS: Final = {"math.@max": "math.greatest", "math.@min": "math.least"}
_ESCAPES: Final = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write(node: Node, level: int = 0) -> str:
    """Return CEL source of a parsed tree; in parentheses where it binds looser than `level`.

    Raises `ValueError` for a node that has no source: `cel.block`, messages, folded values, names
    that a macro made up.
    """
    match node:
        case Constant(value=value):
            text = literal(value)
            return f"({text})" if text.startswith("-") and level > _UNARY else text
        case Identifier(name=name) if "@" not in name:
            return name
        case Select(operand=operand, field=field):
            if node.test:
                return f"has({write(operand, _POSTFIX)}.{spelled(field)})"
            dot = ".?" if node.optional else "."
            return f"{write(operand, _POSTFIX)}{dot}{spelled(field)}"
        case Call(function=function, args=args):
            return _call(node, function, args, level)
        case ListNode(elements=elements):
            parts = (
                ("?" if index in node.optional else "") + write(element)
                for index, element in enumerate(elements)
            )
            return f"[{', '.join(parts)}]"
        case MapNode(entries=entries):
            pairs = (
                f"{'?' if entry.optional else ''}{write(entry.key)}: {write(entry.value)}"
                for entry in entries
            )
            return "{" + ", ".join(pairs) + "}"
        case Comprehension():
            names = [node.variable, *([node.variable2] if node.variable2 is not None else [])]
            condition = [write(node.condition)] if node.condition is not None else []
            inner = ", ".join([*names, *condition, write(node.body)])
            return f"{write(node.range, _POSTFIX)}.{node.kind}({inner})"
        case Bind():
            return f"cel.bind({node.variable}, {write(node.value)}, {write(node.body)})"
        case OptionalMap():
            macro = "optFlatMap" if node.flat else "optMap"
            return f"{write(node.target, _POSTFIX)}.{macro}({node.variable}, {write(node.body)})"
    raise ValueError(f"{type(node).__name__} has no CEL source")


def write_lines(node: Node, width: int = 88) -> str:
    """Return CEL source, the operands of an outermost `&&` or `||` on lines of their own.

    A text of at most `width` characters stays on one line.
    """
    text = write(node)
    if len(text) <= width or not isinstance(node, Call) or node.function not in ("_&&_", "_||_"):
        return text
    sign, binding = BINARY[node.function]
    operands = [write(operand, binding + 1) for operand in _chain(node)]
    return f" {sign}\n".join(operands)


def _chain(node: Call) -> list[Node]:
    """Return the operands of `a && b && c`, however the parser nested them."""
    operands: list[Node] = []
    pending: list[Node] = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, Call) and part.function == node.function:
            pending += reversed(part.args)
        else:
            operands.append(part)
    return operands


def _call(node: Call, function: str, args: Sequence[Node], level: int) -> str:
    if function == "_?_:_":
        test, chosen, other = args
        text = f"{write(test, 1)} ? {write(chosen, 1)} : {write(other)}"
        return f"({text})" if level > 0 else text
    if function in UNARY:
        operand = write(args[0], _UNARY)
        if function == "-_" and isinstance(args[0], Constant):
            # `-(42)` is a negation, `-42` a constant.
            operand = f"({operand})"
        text = f"{UNARY[function]}{operand}"
        return f"({text})" if level > _UNARY - 1 else text
    if function in BINARY:
        sign, binding = BINARY[function]
        if function in ("_&&_", "_||_"):
            text = f" {sign} ".join(write(operand, binding + 1) for operand in _chain(node))
        else:
            text = f"{write(args[0], binding)} {sign} {write(args[1], binding + 1)}"
        return f"({text})" if binding < level else text
    if function in ("_[_]", "_[?_]"):
        mark = "?" if function == "_[?_]" else ""
        return f"{write(args[0], _POSTFIX)}[{mark}{write(args[1])}]"
    inner = ", ".join(write(arg) for arg in args)
    function = _MACROS.get(function, function)
    if node.target is None:
        return f"{function}({inner})"
    return f"{write(node.target, _POSTFIX)}.{function}({inner})"


def literal(value: Any) -> str:
    """Return the literal of a constant: null, bool, int, uint, double, string, bytes.

    Raises `ValueError` for any other value, and for a double that has no literal.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case UInt():
            return f"{int(value)}u"
        case int():
            return str(value)
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{value} has no literal")
            text = repr(value)
            return text if any(c in text for c in ".e") else f"{text}.0"
        case str():
            return "'" + "".join(_character(c) for c in value) + "'"
        case bytes():
            return "b'" + "".join(f"\\x{byte:02x}" for byte in value) + "'"
    raise ValueError(f"{type(value).__name__} has no literal")


def _character(character: str) -> str:
    escaped = _ESCAPES.get(character)
    if escaped is not None:
        return escaped
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
