"""Macros as real loops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kpolicy.cel import placed_ast as ast
from kpolicy.cel import runtime
from kpolicy.cel.cost import has_loop, static_cost
from kpolicy.cel.emitter import (
    Emitter,
    Target,
    Unsupported,
    Value,
    call,
    compare,
    constant,
    name,
)
from kpolicy.cel.errors import line_column
from kpolicy.cel.nodes import Node
from kpolicy.cel.scopes import Loop
from kpolicy.cel.support import OverBudget, sorted_pairs
from kpolicy.cel.values import make_map

#: CPython refuses 20 nested blocks; one is the `try`.
_MAX_NESTING = 16

#: An innermost loop that is no longer costs the turn around it no more than a constant.
_FEW = 8

#: Macros that have no early end.
_WHOLE = frozenset(("map", "filter", "exists_one"))

_BREAK = Target((ast.Break(),))
_CONTINUE = Target((ast.Continue(),))


class Loops(Emitter):
    """Emits comprehensions."""

    budget: int
    source: str

    if TYPE_CHECKING:

        def value(self, node: Node) -> Value: ...

        def jump(self, node: Node, when: bool, target: Target) -> None: ...

    @contextmanager
    def extended(self, block: list[ast.stmt]) -> Iterator[None]:
        """Add statements to a block that was collected before."""
        outer, self.block = self.block, block
        try:
            yield
        finally:
            self.block = outer

    @contextmanager
    def loop(self, node: Loop) -> Iterator[tuple[list[ast.stmt], str]]:
        """Charge for and emit the loop of a macro, whose body is what the block collects.

        Yields the list for an `else` clause, and the name of the first variable.
        """
        if self.loops >= _MAX_NESTING:
            raise Unsupported("loops nest too deeply")
        source = node.range
        fuses = node.kind in _WHOLE and node.slot2 is None
        if fuses and isinstance(source, Loop) and source.kind == "filter":
            # A filter's list that is gone through once, to its end, need not be made.
            with self.loop(source) as (clause, element):
                self.jump(source.body, False, _CONTINUE)
                self.slots[node.slot] = Value(name(element))
                if node.condition is not None:
                    self.jump(node.condition, False, _CONTINUE)
                yield clause, element
            return
        ranged = self.require(self.hold(node.range, self.value(node.range)), "sized")
        if self.loops or self.path_of(node.range) is None:
            self.charge(node, ranged.code)
        first = f"v{node.slot}"
        self.slots[node.slot] = Value(name(first))
        target: ast.expr = ast.Name(first, ast.Store())
        iterated = ranged.code
        if node.slot2 is not None:
            second = f"v{node.slot2}"
            self.slots[node.slot2] = Value(name(second))
            target = ast.Tuple([target, ast.Name(second, ast.Store())], ast.Store())
            iterated = call(self.fixed(runtime.entries), iterated)
        orelse: list[ast.stmt] = []
        self.loops += 1
        with self.branch() as block:
            if node.condition is not None:
                self.jump(node.condition, False, _CONTINUE)
            yield orelse, first
        self.loops -= 1
        self.emit(ast.For(target, iterated, block or [ast.Pass()], orelse))

    def charge(self, node: Loop, ranged: ast.expr) -> None:
        """Emit the charge of a whole loop: its length times the static cost of its body.

        Two loops go without: an outermost one over a field, which is no longer than the input, and
        an innermost one over a few elements, which makes the turn around it dearer by a constant.
        """
        self.uses_cost = True
        size = call(self.fixed(len), ranged)
        amount = ast.BinOp(size, ast.Mult(), constant(static_cost(node)))
        over = compare(name("cost"), ast.Gt(), constant(self.budget))
        charged = [
            ast.AugAssign(ast.Name("cost", ast.Store()), ast.Add(), amount),
            ast.If(over, [self.surrender_budget(node)], []),
        ]
        if self.loops and not has_loop(node.body):
            few = compare(size, ast.Gt(), constant(_FEW))
            self.emit(ast.If(few, charged, []))
        else:
            self.emit(*charged)

    def surrender_budget(self, node: Loop) -> ast.stmt:
        over = OverBudget(self.budget, *line_column(self.source, node.offset), self.source)
        return ast.Raise(call(self.fixed(over)), None)

    def jump_quantifier(self, node: Loop, when: bool, target: Target) -> None:
        """Emit `all` or `exists` as a loop that jumps when it is decided as `when`."""
        deciding = node.kind == "exists"
        if when is not deciding:
            with self.loop(node) as (orelse, _):
                self.jump(node.body, deciding, _BREAK)
                orelse.extend(target.statements)
            return
        if target.escapes:
            with self.loop(node):
                self.jump(node.body, deciding, target)
            return
        decided = self.quantified(node)
        test = decided if when else ast.UnaryOp(ast.Not(), decided)
        self.emit(ast.If(test, list(target.statements), []))

    def quantified(self, node: Loop) -> ast.expr:
        """Emit `all` or `exists` and return the variable that holds its answer."""
        deciding = node.kind == "exists"
        result = self.fresh()
        self.assign(result, constant(not deciding))
        decide = ast.Assign([ast.Name(result, ast.Store())], constant(deciding))
        with self.loop(node):
            self.jump(node.body, deciding, Target((decide, ast.Break())))
        return name(result)

    def value_Loop(self, node: Loop) -> Value:
        """Emit a macro and return its value."""
        if node.kind in ("all", "exists"):
            return Value(self.quantified(node), "bool")
        result = self.fresh()
        if node.kind == "exists_one":
            self.assign(result, constant(0))
            with self.loop(node):
                self.jump(node.body, False, _CONTINUE)
                self.emit(ast.AugAssign(ast.Name(result, ast.Store()), ast.Add(), constant(1)))
            return Value(compare(name(result), ast.Eq(), constant(1)), "bool")
        self.assign(result, ast.List([], ast.Load()))
        if node.kind == "filter":
            with self.loop(node) as (_, first):
                self.jump(node.body, False, _CONTINUE)
                self.append(result, name(first))
            return Value(name(result), "list")
        if node.kind in ("map", "transformList"):
            with self.loop(node):
                self.append(result, self.value(node.body).code)
            return Value(name(result), "list")
        if node.kind == "transformMapEntry":
            with self.loop(node):
                made = self.value(node.body).code
                self.emit(ast.Expr(call(self.fixed(runtime.merge_entry), name(result), made)))
            return Value(call(self.fixed(make_map), name(result)), "map")
        with self.loop(node) as (_, first):
            pair = ast.Tuple([name(first), self.value(node.body).code], ast.Load())
            self.append(result, pair)
        if node.kind == "transformMap":
            return Value(call(self.fixed(make_map), name(result)), "map")
        return Value(call(self.fixed(sorted_pairs), name(result)), "list")

    def append(self, result: str, item: ast.expr) -> None:
        """Emit `result.append(item)`."""
        self.emit(ast.Expr(call(ast.Attribute(name(result), "append", ast.Load()), item)))
