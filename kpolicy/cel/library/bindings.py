"""`cel.bind(name, value, body)`, and `cel.block`, `cel.index`, `cel.iterVar` for generated code.

Source: cel-go ext/bindings.go; the block forms are those of cel-spec's block_ext tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kpolicy.cel.declarations import Library, Macro
from kpolicy.cel.macros import variable_name
from kpolicy.cel.nodes import Bind, Block, Constant, Identifier, ListNode, Node


def _is_cel(target: Node | None) -> bool:
    return isinstance(target, Identifier) and target.name == "cel"


def _bind(expander: Any, offset: int, target: Node | None, args: Sequence[Node]) -> Node | None:
    if not _is_cel(target):
        return None
    variable = variable_name(expander, args[0])
    return Bind(offset, variable, args[1], args[2])


def _block(expander: Any, offset: int, target: Node | None, args: Sequence[Node]) -> Node | None:
    if not _is_cel(target):
        return None
    slots, result = args
    if not isinstance(slots, ListNode) or slots.optional:
        raise expander.error(slots.offset, "cel.block takes a list literal of its bindings")
    return Block(offset, slots.elements, result)


def _number(expander: Any, node: Node) -> int:
    if not isinstance(node, Constant) or type(node.value) is not int or node.value < 0:
        raise expander.error(node.offset, "expected a number that is not negative")
    return node.value


def _index(expander: Any, offset: int, target: Node | None, args: Sequence[Node]) -> Node | None:
    if not _is_cel(target):
        return None
    return Identifier(offset, f"@index{_number(expander, args[0])}")


def _iteration(
    expander: Any, offset: int, target: Node | None, args: Sequence[Node]
) -> Node | None:
    if not _is_cel(target):
        return None
    depth, unique = (_number(expander, argument) for argument in args)
    return Identifier(offset, f"@it:{depth}:{unique}")


def library() -> Library:
    """Return the `cel` namespace's macros."""
    return Library(
        name="bindings",
        macros=(
            Macro("bind", 3, True, _bind),
            Macro("block", 2, True, _block),
            Macro("index", 1, True, _index),
            Macro("iterVar", 2, True, _iteration),
        ),
        doc="Local variables.",
        source="cel-go ext/bindings.go",
    )
