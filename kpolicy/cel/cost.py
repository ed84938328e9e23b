"""What an evaluation costs: one step for each operation, charged a whole loop at a time.

A loop charges the length of its list times the static cost of its body before the first turn, so
that no turn counts. Inner loops charge themselves; the generated code leaves out the charges that
cannot matter (`codegen_loops.Loops.charge`). Work that grows with its operands (text, `in` a
list, regular expressions) is charged by size, and what a library function makes by its length.
Source: Kubernetes' runtime cost limits.
"""

from __future__ import annotations

from math import prod
from typing import Any

from kpolicy.cel.nodes import Constant, ListNode, MapNode, Node
from kpolicy.cel.scopes import Local, Loop, resolved_children


def static_cost(loop: Loop) -> int:
    """Return what one turn of a loop costs, inner loops' turns apart; at least 1."""
    total = 1
    pending: list[Node] = [loop.body]
    if loop.condition is not None:
        pending.append(loop.condition)
    while pending:
        node = pending.pop()
        if isinstance(node, (Constant, Local)):
            continue
        total += 1
        if isinstance(node, ListNode):
            total += len(node.elements)
        elif isinstance(node, MapNode):
            total += len(node.entries)
        if isinstance(node, Loop):
            pending.append(node.range)
        else:
            pending += resolved_children(node)
    return total


def output_cost(value: Any) -> int:
    """Return what a function is charged for making `value`: a call may give more than it got."""
    if isinstance(value, (str, bytes)):
        return len(value) // 40
    if isinstance(value, (list, tuple)):
        return len(value) // 4
    return 0


def has_loop(root: Node) -> bool:
    """Say whether a tree has a loop."""
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, Loop):
            return True
        pending += resolved_children(node)
    return False


#: How often a value may stand in the result for one time in the input, before results are weighed.
_COPIES = 256


def multiplies(root: Node) -> bool:
    """Say whether a tree may hold one value very many times over: `[x, x]` with a local `x`.

    Such an expression, nested, makes a small value that is exponentially large when written out.
    What makes a map of a few parts of an item does not: its value is a few times as large.
    """
    mentions: dict[int, int] = {}
    pending: list[tuple[Node, bool]] = [(root, False)]
    while pending:
        node, within = pending.pop()
        if isinstance(node, Local):
            if within:
                mentions[node.slot] = mentions.get(node.slot, 0) + 1
            continue
        within = within or isinstance(node, (ListNode, MapNode))
        pending += [(child, within) for child in resolved_children(node)]
    # A local may hold what another one is repeated in: their repetitions multiply.
    return prod(mentions.values()) > _COPIES
