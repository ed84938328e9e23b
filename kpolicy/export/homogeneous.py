"""Makes list and map literals acceptable to an API server, which wants elements of one type.

Source: cel-go's homogeneous aggregate literal validator, which API servers run.
"""

from __future__ import annotations

from kpolicy.cel.checker import check
from kpolicy.cel.environment import Environment
from kpolicy.cel.errors import CelError
from kpolicy.cel.nodes import Call, ListNode, MapNode, Node, children


def of_one_type(root: Node, environment: Environment) -> None:
    """Wrap in `dyn()`, in place, the elements of literals that mix types.

    A tree that does not type-check is left as it is: compiling it says what is wrong.
    """
    try:
        types = check(root, environment.declarations(), "").types
    except CelError:
        return

    def mixed(nodes: list[Node]) -> bool:
        return len({types.get(id(node)) for node in nodes}) > 1

    pending = [root]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        pending += children(node)
        if isinstance(node, ListNode) and not node.optional and mixed(node.elements):
            node.elements[:] = [_dyn(element) for element in node.elements]
        elif isinstance(node, MapNode):
            if mixed([entry.value for entry in node.entries]):
                for entry in node.entries:
                    entry.value = _dyn(entry.value)
            if mixed([entry.key for entry in node.entries]):
                for entry in node.entries:
                    entry.key = _dyn(entry.key)


def _dyn(node: Node) -> Node:
    return Call(node.offset, "dyn", None, [node])
