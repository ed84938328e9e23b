"""What an evaluation costs: one step for each operation, charged a whole loop at a time.

A loop charges the length of its list times the static cost of its body before the first turn, so
that no turn counts. Inner loops charge themselves. Work that grows with its operands (text, `in` a
list, regular expressions) is charged by size. Source: Kubernetes' runtime cost limits.
"""

from __future__ import annotations

from kpolicy.cel.nodes import Constant, Node
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
        if isinstance(node, Loop):
            pending.append(node.range)
        else:
            pending += resolved_children(node)
    return total
