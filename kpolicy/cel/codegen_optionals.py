"""Optional values that are not made: `a.?b.?c.orValue(d)` as nested tests for keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kpolicy.cel import placed_ast as ast
from kpolicy.cel.emitter import (
    Emitter,
    Value,
    call,
    compare,
    constant,
    name,
    subscript,
)
from kpolicy.cel.nodes import Constant, Node, Select
from kpolicy.cel.scopes import Apply, OptionalLoop
from kpolicy.cel.values import NONE, Optional

#: What is emitted where an optional holds a value.
Then = Callable[[Value], None]

_MAKERS: Final = frozenset(("optional.of", "optional.none", "optional.ofNonZeroValue", "or"))
_CONSUMERS: Final = {
    ("orValue", 2): "optional_orValue_value", ("hasValue", 1): "optional_hasValue",
    ("value", 1): "optional_value",
}  # fmt: skip


def is_optional(node: Node) -> bool:
    """Say whether a node's value is an optional, as far as its form tells."""
    while True:
        match node:
            case Select(test=False, optional=True) | OptionalLoop():
                return True
            case Select(test=False, operand=operand):
                node = operand
            case Apply(callee=callee, args=args):
                if callee.name != "_[_]":
                    return callee.name == "_[?_]" or (
                        callee.name in _MAKERS and bool(callee.overloads)
                    )
                node = args[0]
            case _:
                return False


def constant_key(node: Node) -> bool:
    """Say whether a node is an index by a literal that settles whether it means a list or a map."""
    match node:
        case Apply(callee=callee, args=[_, Constant(value=key)]):
            return callee.name in ("_[_]", "_[?_]") and type(key) in (str, int)
    return False


class Optionals(Emitter):
    """Emits what becomes of optionals."""

    if TYPE_CHECKING:

        def value(self, node: Node) -> Value: ...

    def present(self, node: Node, then: Then) -> None:
        """Emit `then` for the value of an optional, in a block that runs only if there is one."""
        match node:
            case Select(test=False, operand=operand, field=field) if is_optional(node):
                self.entered(operand, lambda owner: self.field(owner, field, then))
            case Apply(args=[operand, Constant(value=key)]) if constant_key(node):
                if type(key) is str:
                    self.entered(operand, lambda owner: self.field(owner, key, then))
                else:
                    self.entered(operand, lambda owner: self.element(owner, key, then))
            case Apply(callee=callee, args=[operand]) if callee.name == "optional.of":
                then(self.value(operand))
            case OptionalLoop():
                self.present(node.target, lambda value: self.mapped(node, value, then))
            case _:
                self.held(self.require(self.value(node), "optional"), then)

    def entered(self, node: Node, then: Then) -> None:
        """Emit `then` for the owner of an optional step: a value, or what an optional holds."""
        if is_optional(node):
            self.present(node, then)
        else:
            then(self.hold(node, self.value(node)))

    def held(self, optional: Value, then: Then) -> None:
        with self.branch() as block:
            then(Value(ast.Attribute(optional.code, "value", ast.Load())))
        if block:
            self.emit(ast.If(ast.Attribute(optional.code, "has_value", ast.Load()), block, []))

    def field(self, owner: Value, field: str, then: Then) -> None:
        owner = self.require(self.variable(owner), "map")
        with self.branch() as block:
            then(Value(subscript(owner.code, constant(field))))
        if block:
            self.emit(ast.If(compare(constant(field), ast.In(), owner.code), block, []))

    def element(self, owner: Value, position: int, then: Then) -> None:
        owner = self.require(self.variable(owner), "list")
        if position < 0:
            return
        with self.branch() as block:
            then(Value(subscript(owner.code, constant(position))))
        size = call(self.fixed(len), owner.code)
        if block:
            self.emit(ast.If(compare(size, ast.Gt(), constant(position)), block, []))

    def mapped(self, node: OptionalLoop, value: Value, then: Then) -> None:
        self.slots[node.slot] = self.atom(value)
        if node.flat:
            self.entered_flat(node.body, then)
        else:
            then(self.value(node.body))

    def entered_flat(self, node: Node, then: Then) -> None:
        """As `present`, for a node that only its value shows to be an optional."""
        if is_optional(node):
            self.present(node, then)
        else:
            self.held(self.require(self.value(node), "optional"), then)

    def value_optional(self, node: Node) -> Value:
        """Make the optional that a chain ends in."""
        result = self.fresh()
        self.assign(result, self.fixed(NONE))
        self.present(
            node, lambda value: self.assign(result, call(self.fixed(Optional.of), value.code))
        )
        return Value(name(result), "optional")

    def consumed(self, node: Apply) -> Value | None:
        """Emit `orValue`, `hasValue` or `value` of an optional's chain; None for another call."""
        overloads = node.callee.overloads
        wanted = _CONSUMERS.get((node.callee.name, len(node.args)))
        if len(overloads) != 1 or overloads[0].id != wanted or not is_optional(node.args[0]):
            return None
        result = self.fresh()
        kind = ""
        if node.callee.name == "orValue":
            default = self.value(node.args[1])
            self.assign(result, default.code)

            def then(value: Value) -> None:
                self.assign(result, value.code)

        elif node.callee.name == "hasValue":
            kind = "bool"
            self.assign(result, constant(False))

            def then(value: Value) -> None:
                # What is there must still be read: a lazy map may fail only now.
                self.emit(ast.Expr(value.code))
                self.assign(result, constant(True))

        else:
            missing = self.fixed(NONE)
            self.assign(result, missing)

            def then(value: Value) -> None:
                self.assign(result, value.code)

        self.present(node.args[0], then)
        if node.callee.name == "value":
            # An optional may hold the empty optional itself; that rarity is left to be evaluated.
            self.unless(compare(name(result), ast.IsNot(), self.fixed(NONE)))
        return Value(name(result), kind)

    def tested(self, node: Select) -> Value:
        """Emit `has(chain.field)` below an optional."""
        result = self.fresh()
        self.assign(result, constant(False))

        def then(value: Value) -> None:
            owner = self.require(value, "map")
            self.assign(result, compare(constant(node.field), ast.In(), owner.code))

        self.present(node.operand, then)
        return Value(name(result), "bool")
