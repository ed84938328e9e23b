"""Folds what is constant in a resolved tree: pure calls of literals become their values.

So a quantity or a timestamp in the source is read once. A call whose folding fails is left to fail
when it is evaluated. It looks at literals only; what it cannot know, it leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kpolicy.cel.cost import output_cost
from kpolicy.cel.errors import CelError
from kpolicy.cel.nodes import Call, Constant, ListNode, MapEntry, MapNode, Node, Select
from kpolicy.cel.scopes import Apply, Let, Loop, OptionalLoop
from kpolicy.cel.values import MISSING, Optional, make_map

#: The longest text and the most elements a folded value may have; longer ones are made at run time.
_MAX_SIZE = 10_000


#: What folding one expression may cost; what is left then is made at run time, and charged.
_BUDGET = 100_000


def fold(node: Node) -> Node:
    """Return the tree with constant parts folded; the given one is left unchanged."""
    return _Folder().fold(node)


class _Folder:
    def __init__(self) -> None:
        self.left = _BUDGET

    def fold(self, node: Node) -> Node:
        match node:
            case Apply(callee=callee):
                args = [self.fold(argument) for argument in node.args]
                folded = Apply(node.offset, callee, args)
                return self.called(folded)
            case Select():
                return replace(node, operand=self.fold(node.operand))
            case Call(function="_?_:_"):
                test, chosen, other = (self.fold(argument) for argument in node.args)
                if isinstance(test, Constant) and isinstance(test.value, bool):
                    return chosen if test.value else other
                return Call(node.offset, node.function, None, [test, chosen, other])
            case Call():
                return Call(node.offset, node.function, None, [self.fold(a) for a in node.args])
            case ListNode():
                return replace(node, elements=[self.fold(element) for element in node.elements])
            case MapNode():
                entries = [
                    MapEntry(self.fold(e.key), self.fold(e.value), e.optional) for e in node.entries
                ]
                return replace(node, entries=entries)
            case Loop():
                condition = None if node.condition is None else self.fold(node.condition)
                return replace(
                    node,
                    range=self.fold(node.range),
                    body=self.fold(node.body),
                    condition=condition,
                )
            case Let():
                slots = [(slot, self.fold(value)) for slot, value in node.slots]
                return replace(node, slots=slots, body=self.fold(node.body))
            case OptionalLoop():
                return replace(node, target=self.fold(node.target), body=self.fold(node.body))
        return node

    def called(self, node: Apply) -> Node:
        if node.callee.needs_context or self.left < 0:
            return node
        values = [literal(argument) for argument in node.args]
        if any(value is MISSING for value in values) or not all(map(_small, values)):
            return node
        try:
            made = node.callee.invoke(values)
        except CelError:
            return node
        self.left -= 1 + output_cost(made)
        # A list or map must be new at each evaluation: whoever gets it may change it.
        return Constant(node.offset, made) if _shareable(made) and _small(made) else node


def literal(node: Node) -> Any:
    """Return the value that a node spells by itself, or `MISSING`."""
    match node:
        case Constant(value=value):
            return value
        case ListNode(elements=elements, optional=optional) if not optional:
            values = [literal(element) for element in elements]
            return MISSING if any(v is MISSING for v in values) else values
        case MapNode(entries=entries) if not any(e.optional for e in entries):
            pairs = [(literal(e.key), literal(e.value)) for e in entries]
            if any(key is MISSING or value is MISSING for key, value in pairs):
                return MISSING
            try:
                return make_map(pairs)
            except CelError:
                return MISSING
    return MISSING


def _shareable(value: Any) -> bool:
    if isinstance(value, Optional):
        return not value.has_value or _shareable(value.value)
    return not isinstance(value, (list, tuple, Mapping))


def _small(value: Any) -> bool:
    return not isinstance(value, (str, bytes, list, Mapping)) or len(value) <= _MAX_SIZE
