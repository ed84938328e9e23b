"""Operators and function calls: the common types inline, the rest by the runtime's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kpolicy.cel import placed_ast as ast
from kpolicy.cel import runtime
from kpolicy.cel.codegen_optionals import constant_key, is_optional
from kpolicy.cel.dispatch import Callee
from kpolicy.cel.emitter import (
    Emitter,
    Value,
    call,
    class_is,
    compare,
    constant,
    name,
    negated,
    subscript,
)
from kpolicy.cel.errors import CelError
from kpolicy.cel.nodes import Constant, ListNode, Node
from kpolicy.cel.scopes import Apply
from kpolicy.cel.support import (
    LARGE,
    LARGE_IN_LOOP,
    ByClass,
    fair_equal,
    fair_result,
    refuse_large,
    small_add,
    small_contains,
    small_equal,
    small_result,
)
from kpolicy.cel.types import DURATION, TIMESTAMP
from kpolicy.cel.values import INT_MAX, INT_MIN

#: Types whose values do not grow; a function's result of another type may be large.
_FIXED: Final = frozenset(
    ("bool", "int", "uint", "double", "null_type", "type", TIMESTAMP.name, DURATION.name)
)

#: Ints and doubles compare alike up to here, whichever way they are converted.
_EXACT = 2**53

_ORDER: Final[dict[str, tuple[type[ast.cmpop], Callable[..., Any]]]] = {
    "_<_": (ast.Lt, runtime.less),
    "_<=_": (ast.LtE, runtime.less_equals),
    "_>_": (ast.Gt, runtime.greater),
    "_>=_": (ast.GtE, runtime.greater_equals),
}
_METHODS: Final = {"startsWith": "startswith", "endsWith": "endswith"}


class Calls(Emitter):
    """Emits `Apply` nodes."""

    if TYPE_CHECKING:

        def value(self, node: Node) -> Value: ...

        def test(self, node: Node) -> ast.expr: ...

        def consumed(self, node: Apply) -> Value | None: ...

        def value_optional(self, node: Node) -> Value: ...

    def value_Apply(self, node: Apply) -> Value:
        """Emit a call and return its value."""
        callee, args = node.callee, node.args
        consumed = self.consumed(node)
        if consumed is not None:
            return consumed
        if callee.name in ("_[_]", "_[?_]") and is_optional(node) and constant_key(node):
            return self.value_optional(node)
        if not callee.overloads:
            if callee.name in _ORDER:
                return self.ordered(callee.name, *args)
            if callee.name in ("_==_", "_!=_"):
                return self.equality(callee.name == "_!=_", *args)
            special = _SPECIAL.get((callee.name, len(args)))
            if special is not None:
                made: Value = special(self, *args)
                return made
            operands = [self.value(argument).code for argument in args]
            return Value(call(self.fixed(callee.standard), *operands))
        return self.overloaded(callee, args)

    def overloaded(self, callee: Callee, args: list[Node]) -> Value:
        """Call the overload that the arguments' classes settle; others are left to `invoke`."""
        operands = [self.atom(self.value(argument)) for argument in args]
        codes = [operand.code for operand in operands]
        if callee.cost is not None and (self.loops or callee.cost == "product"):
            self.refuse_dear(operands)
        contexts = {overload.needs_context for overload in callee.overloads}
        if len(contexts) == 2:
            arguments = ast.List(codes, ast.Load())
            return Value(call(self.fixed(callee.invoke), arguments, name("context")))
        classes = [ast.Attribute(code, "__class__", ast.Load()) for code in codes]
        key = classes[0] if len(classes) == 1 else ast.Tuple(list(classes), ast.Load())
        table = self.fixed(ByClass(callee, single=len(codes) == 1))
        given = [name("context"), *codes] if True in contexts else codes
        made = call(subscript(table, key), *given)
        if all(o.parts or o.result.name in _FIXED for o in callee.overloads):
            return Value(made)
        return Value(call(self.fixed(small_result if self.loops else fair_result), made))

    def refuse_dear(self, operands: list[Value]) -> None:
        """Surrender where a call's operands are large; one short text is seen to be none here."""
        codes = [operand.code for operand in operands]
        refuse: ast.stmt = ast.Expr(call(self.fixed(refuse_large), *codes))
        if len(operands) == 1:
            size = call(self.fixed(len), codes[0])
            short: ast.expr = compare(size, ast.Lt(), constant(LARGE_IN_LOOP))
            if self.kind_of(operands[0]) != "string":
                text = class_is(codes[0], self.fixed(str))
                short = ast.BoolOp(ast.And(), [text, short])
            refuse = ast.If(negated(short), [refuse], [])
        self.emit(refuse)

    # Comparisons

    def ordered(self, operator: str, left: Node, right: Node) -> Value:
        """Emit `<` and its kin: inline between an int and a known int, else by the runtime."""
        test, exact = _ORDER[operator]
        a, b = self.value(left), self.value(right)
        for one, other, other_node in ((a, b, right), (b, a, left)):
            known = other_node.value if isinstance(other_node, Constant) else None
            fits = type(known) is int and abs(known) < _EXACT
            if not fits and type(known) is not str:
                continue
            kind = "int" if fits else "string"
            if self.kind_of(one) == kind:
                return Value(compare(a.code, test(), b.code), "bool")
            held = self.atom(one)
            a, b = (held, other) if one is a else (other, held)
            inline = compare(a.code, test(), b.code)
            check = class_is(held.code, self.fixed(int if fits else str))
            return Value(ast.IfExp(check, inline, call(self.fixed(exact), a.code, b.code)), "bool")
        return Value(call(self.fixed(exact), a.code, b.code), "bool")

    def equality(self, unequal: bool, left: Node, right: Node) -> Value:
        """Emit `==` or `!=`: Python's own where it means the same."""
        a, b = self.value(left), self.value(right)
        operator: ast.cmpop = ast.NotEq() if unequal else ast.Eq()
        for one, other, other_node in ((a, b, right), (b, a, left)):
            if not isinstance(other_node, Constant):
                continue
            known = other_node.value
            if known is None or known is True or known is False:
                one = self.variable(one)
                a, b = (one, b) if other is b else (a, one)
                identity: ast.cmpop = ast.IsNot() if unequal else ast.Is()
                return Value(compare(one.code, identity, other.code), "bool")
            if type(known) in (str, bytes):
                return Value(compare(one.code, operator, other.code), "bool")
            if type(known) is int and abs(known) < _EXACT:
                if known not in (0, 1) or self.kind_of(one) == "int":
                    return Value(compare(one.code, operator, other.code), "bool")
                # True == 1 in Python only.
                held = self.atom(one)
                boolean = class_is(held.code, self.fixed(bool), negate=not unequal)
                joined = ast.Or() if unequal else ast.And()
                same = compare(held.code, operator, other.code)
                return Value(ast.BoolOp(joined, [boolean, same]), "bool")
        kinds = {self.kind_of(a), self.kind_of(b)}
        if kinds == {"bool"} or ("string" in kinds and not self.loops):
            return Value(compare(a.code, operator, b.code), "bool")
        a, b = self.atom(a), self.atom(b)
        exact_equal = small_equal if self.loops else fair_equal
        exact: ast.expr = call(self.fixed(exact_equal), a.code, b.code)
        inline = compare(a.code, operator, b.code)
        if unequal:
            exact = negated(exact)
        test = class_is(a.code, self.fixed(str))
        if self.loops:
            size = call(self.fixed(len), a.code)
            short = compare(size, ast.Lt(), constant(LARGE))
            test = ast.BoolOp(ast.And(), [test, short])
        return Value(ast.IfExp(test, inline, exact), "bool")

    def member(self, needle: Node, haystack: Node) -> Value:
        """Emit `in`."""
        known = needle.value if isinstance(needle, Constant) else None
        constants = _literal_strings(haystack)
        if constants is not None and (known is None or type(known) is str):
            item = self.atom(self.value(needle))
            if self.kind_of(item) != "string":
                self.require(item, "string")
            return Value(compare(item.code, ast.In(), self.fixed(constants)), "bool")
        item = self.atom(self.value(needle))
        where = self.hold(haystack, self.value(haystack))
        if type(known) is not str and self.kind_of(item) != "string":
            if self.loops:
                return Value(call(self.fixed(small_contains), item.code, where.code), "bool")
            return Value(call(self.fixed(runtime.contains), item.code, where.code), "bool")
        where = self.require(where, "sized")
        if self.loops and self.kind_of(where) != "map":
            self.refuse_longer(where)
        return Value(compare(item.code, ast.In(), where.code), "bool")

    def refuse_longer(self, value: Value, limit: int = LARGE_IN_LOOP) -> None:
        """Surrender when a text or list is so long that it must be charged."""
        size = call(self.fixed(len), value.code)
        self.emit(ast.If(compare(size, ast.Gt(), constant(limit)), [self.surrender()], []))

    # Arithmetic, indexing

    def add(self, left: Node, right: Node) -> Value:
        """Emit `+`: text inline."""
        a, b = self.value(left), self.value(right)
        for one, node in ((b, left), (a, right)):
            if isinstance(node, Constant) and type(node.value) is str:
                # Text that grows by a constant grows no more than the expression is long.
                if self.kind_of(one) != "string":
                    held = self.require(one, "string")
                    a, b = (a, held) if one is b else (held, b)
                return Value(ast.BinOp(a.code, ast.Add(), b.code), "string")
        if self.kind_of(a) == self.kind_of(b) == "string":
            made = self.atom(Value(ast.BinOp(a.code, ast.Add(), b.code), "string"))
            self.refuse_longer(made, LARGE)
            return made
        if self.kind_of(a) == self.kind_of(b) == "int":
            made = self.atom(Value(ast.BinOp(a.code, ast.Add(), b.code), "int"))
            limits = [made.code, constant(INT_MAX)]
            self.unless(ast.Compare(constant(INT_MIN), [ast.LtE(), ast.LtE()], limits))
            return made
        return Value(call(self.fixed(small_add), a.code, b.code))

    def index(self, operand: Node, key: Node) -> Value:
        """Emit `operand[key]`: list positions and string keys inline."""
        a = self.value(operand)
        known = key.value if isinstance(key, Constant) else None
        if type(known) is int and known >= 0 and self.kind_of(a) != "map":
            a = self.require(self.variable(self.hold(operand, a)), "list")
            return Value(subscript(a.code, constant(known)))
        a = self.variable(a)
        b = self.value(key)
        if self.kind_of(b) == "string":
            return Value(subscript(a.code, b.code))
        a, b = self.atom(a), self.atom(b)
        inline = subscript(a.code, b.code)
        exact = call(self.fixed(runtime.index), a.code, b.code)
        return Value(ast.IfExp(class_is(b.code, self.fixed(str)), inline, exact))

    def optional_index(self, operand: Node, key: Node) -> Value:
        """Emit `operand[?key]`."""
        codes = [self.value(operand).code, self.value(key).code]
        return Value(call(self.fixed(runtime.optional_index), *codes), "optional")

    def negation(self, operand: Node) -> Value:
        """Emit `!operand`."""
        return Value(negated(self.test(operand)), "bool")

    # Functions

    def size(self, operand: Node) -> Value:
        """Emit `size`: everything that has a length and is a CEL value has a size."""
        value = self.value(operand)
        return Value(call(self.fixed(len), value.code), "int")

    def affix(self, method: str, receiver: Node, argument: Node) -> Value:
        """Emit `startsWith` or `endsWith`."""
        value = self.hold(receiver, self.value(receiver))
        text = self.value(argument)
        if self.kind_of(text) != "string":
            text = self.require(text, "string")
        made = call(ast.Attribute(value.code, method, ast.Load()), text.code)
        # Only text has the method and takes text: whatever is evaluated after it knows so.
        self.learn(value, "string")
        return Value(made, "bool")

    def contains_text(self, receiver: Node, argument: Node) -> Value:
        """Emit `contains`."""
        value = self.require(self.hold(receiver, self.value(receiver)), "string")
        text = self.value(argument)
        if self.kind_of(text) != "string":
            text = self.require(text, "string")
        if self.loops:
            self.refuse_longer(value, LARGE)
        return Value(compare(text.code, ast.In(), value.code), "bool")

    def matched(self, receiver: Node, regex: Node) -> Value:
        """Emit `matches`: a constant pattern is compiled once."""
        from kpolicy.cel.library.standard import Found, matches, pattern

        value = self.value(receiver)
        known = regex.value if isinstance(regex, Constant) else None
        if type(known) is not str:
            return Value(call(self.fixed(matches), value.code, self.value(regex).code), "bool")
        try:
            found = Found(pattern(known))
        except CelError:
            return Value(call(self.fixed(matches), value.code, constant(known)), "bool")
        value = self.require(self.hold(receiver, value), "string")
        if self.loops:
            self.refuse_longer(value, LARGE_IN_LOOP)
        return Value(subscript(self.fixed(found), value.code), "bool")

    def converted(self, operand: Node) -> Value:
        """Emit `string(operand)`."""
        from kpolicy.cel.library.standard import to_string

        value = self.value(operand)
        if self.kind_of(value) == "string":
            return value
        return Value(call(self.fixed(to_string), value.code), "string")

    def dynamic(self, operand: Node) -> Value:
        """Emit `dyn(operand)`."""
        return self.value(operand)


_SPECIAL: Final[dict[tuple[str, int], Callable[..., Value]]] = {
    ("@in", 2): Calls.member,
    ("_+_", 2): Calls.add,
    ("_[_]", 2): Calls.index,
    ("_[?_]", 2): Calls.optional_index,
    ("!_", 1): Calls.negation,
    ("size", 1): Calls.size,
    ("startsWith", 2): lambda self, *args: self.affix("startswith", *args),
    ("endsWith", 2): lambda self, *args: self.affix("endswith", *args),
    ("contains", 2): Calls.contains_text,
    ("matches", 2): Calls.matched,
    ("string", 1): Calls.converted,
    ("dyn", 1): Calls.dynamic,
}


def _literal_strings(node: Node) -> frozenset[str] | None:
    """Return the elements of a list literal of strings, else None."""
    if not isinstance(node, ListNode) or node.optional:
        return None
    values = [e.value for e in node.elements if isinstance(e, Constant)]
    if len(values) != len(node.elements) or not all(type(v) is str for v in values):
        return None
    return frozenset(values)
