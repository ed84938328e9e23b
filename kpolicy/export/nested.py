"""Questions about flattened lists, asked of the lists in lists instead.

`x in lists.flatten()` is that some list has it, `exists` and `all` nest. So a policy that keeps a
flattened list in a variable and asks no more of it needs no `flatten`, which is younger than most
API servers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count

from kpolicy.cel.nodes import Call, Comprehension, Constant, Identifier, Node, OptionalMap, Select
from kpolicy.export.inline import rewritten
from kpolicy.export.items import all_of, flattens

_NOT_EMPTY = ("_>_", "_!=_")


class Nesting:
    """Rewrites the expressions of one policy, given in the order in which they are defined.

    `needed`: whether the API server has no `flatten`; with it, the flattened list costs less.
    """

    def __init__(self, *, needed: bool) -> None:
        self._needed = needed
        self._flattened: dict[str, Node] = {}
        self._fresh = (f"__n{number}" for number in count(1))

    def variable(self, name: str, tree: Node) -> Node:
        """Return the definition of a variable, rewritten; its name is known from now on."""
        tree = self.rewrite(tree)
        if flattens(tree):
            self._flattened[name] = tree
        return tree

    def items(self, tree: Node) -> Node:
        """Return a list with the flattened variables that it is made of written out."""
        return rewritten(tree, lambda node: self._written_out(node))

    def rewrite(self, tree: Node) -> Node:
        """Return an expression that asks nested lists wherever it asked a flattened one."""
        return rewritten(tree, self._changed) if self._needed else tree

    def _changed(self, node: Node) -> Node | None:
        match node:
            case Call(function="@in", args=[item, items]) if self._is_flat(items):
                name = next(self._fresh)
                other = Call(0, "_!=_", None, [Identifier(0, name), item])
                return _not(all_of(self._own(items), name, other))
            case Comprehension(kind="all", variable2=None) if self._is_flat(node.range):
                return all_of(self._own(node.range), node.variable, node.body)
            case Comprehension(kind="exists", variable2=None) if self._is_flat(node.range):
                return _not(all_of(self._own(node.range), node.variable, _not(node.body)))
            case Call(function=name, args=[Call(function="size") as size, Constant(value=0)]):
                items = size.target if size.target is not None else size.args[0]
                if name not in ("_==_", *_NOT_EMPTY) or not self._is_flat(items):
                    return None
                empty = all_of(self._own(items), next(self._fresh), Constant(0, False))
                return _not(empty) if name in _NOT_EMPTY else empty
        return None

    def _is_flat(self, items: Node) -> bool:
        return flattens(self.items(items))

    def _own(self, items: Node) -> Node:
        """Return a list written out, with names of its own: others' expressions go into it."""
        return renamed(self.items(items), self._fresh)

    def _written_out(self, node: Node) -> Node | None:
        match node:
            case Select(operand=Identifier(name="variables"), field=field, test=False):
                found = self._flattened.get(field)
                return None if found is None else renamed(found, self._fresh)
        return None


def renamed(tree: Node, fresh: Iterator[str]) -> Node:
    """Return a tree whose macros bind other names."""

    def change(node: Node) -> Node | None:
        match node:
            case Comprehension():
                names = {node.variable: next(fresh)}
                if node.variable2 is not None:
                    names[node.variable2] = next(fresh)
                return replace(
                    node,
                    variable=names[node.variable],
                    variable2=None if node.variable2 is None else names[node.variable2],
                    condition=None if node.condition is None else _with(node.condition, names),
                    body=_with(node.body, names),
                )
            case OptionalMap():
                names = {node.variable: next(fresh)}
                return replace(node, variable=names[node.variable], body=_with(node.body, names))
        return None

    return rewritten(tree, change)


def _with(tree: Node, names: Mapping[str, str]) -> Node:
    def change(node: Node) -> Node | None:
        if isinstance(node, Identifier) and node.name in names:
            return Identifier(node.offset, names[node.name])
        return None

    return rewritten(tree, change)


def _not(test: Node) -> Node:
    return Call(0, "!_", None, [test])
