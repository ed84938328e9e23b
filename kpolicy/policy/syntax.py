"""What a policy's expressions mention: paths under a variable, and calls with literal arguments."""

from __future__ import annotations

from collections.abc import Iterator

from kpolicy.cel.nodes import (
    Bind,
    Block,
    Call,
    Comprehension,
    Constant,
    Identifier,
    ListNode,
    MapNode,
    Node,
    OptionalMap,
    Select,
    StructNode,
)


def walk(node: Node, bound: frozenset[str] = frozenset()) -> Iterator[tuple[Node, frozenset[str]]]:
    """Yield every node with the names that macros bind around it."""
    yield node, bound
    if isinstance(node, Select):
        yield from walk(node.operand, bound)
    elif isinstance(node, Call):
        if node.target is not None:
            yield from walk(node.target, bound)
        for argument in node.args:
            yield from walk(argument, bound)
    elif isinstance(node, ListNode):
        for element in node.elements:
            yield from walk(element, bound)
    elif isinstance(node, (MapNode, StructNode)):
        for entry in node.entries:
            yield from walk(entry.key, bound)
            yield from walk(entry.value, bound)
    elif isinstance(node, Comprehension):
        yield from walk(node.range, bound)
        names = {node.variable} if node.variable2 is None else {node.variable, node.variable2}
        inner = bound | names
        if node.condition is not None:
            yield from walk(node.condition, inner)
        yield from walk(node.body, inner)
    elif isinstance(node, Bind):
        yield from walk(node.value, bound)
        yield from walk(node.body, bound | {node.variable})
    elif isinstance(node, OptionalMap):
        yield from walk(node.target, bound)
        yield from walk(node.body, bound | {node.variable})
    elif isinstance(node, Block):
        for slot in node.slots:
            yield from walk(slot, bound)
        yield from walk(node.result, bound)


def fields_of(node: Node, variable: str) -> Iterator[tuple[str, int]]:
    """Yield (field, offset) of each `variable.field` and `variable["field"]` in a tree."""
    for part, bound in walk(node):
        if variable in bound:
            continue
        if isinstance(part, Select) and _is(part.operand, variable):
            yield part.field, part.offset
        elif (
            isinstance(part, Call)
            and part.function in ("_[_]", "_[?_]")
            and len(part.args) == 2
            and _is(part.args[0], variable)
            and isinstance(part.args[1], Constant)
            and isinstance(part.args[1].value, str)
        ):
            yield part.args[1].value, part.args[1].offset


def _is(node: Node, variable: str) -> bool:
    return isinstance(node, Identifier) and node.name.lstrip(".") == variable


def calls_of(node: Node, names: frozenset[str]) -> Iterator[Call]:
    """Yield each call of a function in `names`."""
    for part, _ in walk(node):
        if isinstance(part, Call) and part.function in names:
            yield part


def literal(node: Node) -> str | None:
    """Return a string literal's text, None for anything else."""
    if isinstance(node, Constant) and isinstance(node.value, str):
        return node.value
    return None
