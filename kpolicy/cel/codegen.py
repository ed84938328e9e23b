"""Generates the Python function of an expression, as `ast` nodes.

The function answers the ordinary case, JSON-shaped values of the expected types, inline and with
real loops. It never guesses: whatever else it meets (a missing key, another type, a huge operand)
raises, and `Program` evaluates exactly instead. Expressions are pure, so nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kpolicy.cel import placed_ast as ast
from kpolicy.cel import runtime
from kpolicy.cel.codegen_calls import Calls
from kpolicy.cel.codegen_loops import Loops
from kpolicy.cel.codegen_optionals import Optionals, is_optional
from kpolicy.cel.cost import multiplies
from kpolicy.cel.emitter import (
    Target,
    Unsupported,
    Value,
    call,
    compare,
    constant,
    name,
    negated,
    subscript,
)
from kpolicy.cel.nodes import Call, Constant, ListNode, MapNode, Node, Select
from kpolicy.cel.scopes import (
    Apply,
    Failure,
    Let,
    Local,
    Lookup,
    Loop,
    OptionalLoop,
    Resolved,
    Variable,
    resolved_children,
)
from kpolicy.cel.support import LoopTooDear
from kpolicy.cel.values import MISSING, make_map
from kpolicy.records import dataclass


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated function as a module of one definition, and the values it carries."""

    module: ast.Module
    constants: Mapping[str, Any]

    def function(self, slow: Callable[..., Any]) -> Callable[..., Any]:
        """Compile and return the function; `slow(bindings, context)` takes what it leaves."""
        namespace: dict[str, Any] = {**self.constants, "slow": slow, "__builtins__": {}}
        exec(compile(self.module, "<cel>", "exec"), namespace)
        made: Callable[..., Any] = namespace["evaluate"]
        return made

    def source(self) -> str:
        """Return the function as Python source, with its constants as comments."""
        notes = [f"# {key} = {_shown(value)}" for key, value in self.constants.items()]
        return "\n".join([*notes, self.code()])

    def code(self) -> str:
        """Return the function alone as Python source."""
        return ast.unparse(self.module)


def _shown(value: Any) -> str:
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


def generate(resolved: Resolved, source: str, budget: int) -> Generated:
    """Return the function of a resolved tree; raises `Unsupported` for one it cannot express."""
    return _Generator(resolved, source, budget).generate()


class _Generator(Calls, Loops, Optionals):
    """Visits a resolved tree: `value` gives a Python expression, `jump` a conditional jump."""

    def __init__(self, resolved: Resolved, source: str, budget: int) -> None:
        super().__init__()
        self.source = source
        self.resolved = resolved
        self.budget = budget
        self.multiplies = False

    def generate(self) -> Generated:
        root = self.resolved.root
        self.multiplies = multiplies(root)
        self.count(root)
        self.guard_names(root)
        preamble, self.block = self.block, []
        self.result(root)
        body = [*preamble, *self.block]
        if self.uses_cost:
            body.insert(0, ast.Assign([ast.Name("cost", ast.Store())], constant(0)))
        slow = call(name("slow"), name("b"), name("context"))
        handlers = [ast.ExceptHandler(self.fixed(Exception), None, [ast.Return(slow)])]
        if self.uses_cost:
            again: list[ast.stmt] = [ast.Raise(None, None)]
            handlers.insert(0, ast.ExceptHandler(self.fixed(LoopTooDear), None, again))
        function = ast.FunctionDef(
            "evaluate",
            ast.arguments([], [ast.arg("b"), ast.arg("context")], None, [], [], None,
                          [constant(None)]),
            [ast.Try(body, handlers, [], [])],
            [],
        )  # fmt: skip
        module = ast.Module([function], [])
        return Generated(module, self.constants)

    def result(self, node: Node) -> None:
        """Emit the evaluation of the whole and its return."""
        match node:
            case Call(function="_&&_" | "_||_", args=[left, right]):
                absorbing = node.function == "_||_"
                leave = Target((ast.Return(constant(absorbing)),), escapes=True)
                self.jump(left, absorbing, leave)
                self.result_of_test(right)
            case Let(body=body):
                self.bind(node)
                self.result(body)
            case _ if self.is_test(node):
                self.result_of_test(node)
            case _:
                code = self.value(node).code
                if self.multiplies:
                    code = call(self.fixed(runtime.bounded), code)
                self.emit(ast.Return(code))

    def result_of_test(self, node: Node) -> None:
        """Emit the return of a node that must be a bool."""
        match node:
            case Call(function="_&&_" | "_||_"):
                self.result(node)
            case Loop(kind="all" | "exists"):
                self.jump(node, False, Target((ast.Return(constant(False)),), escapes=True))
                self.emit(ast.Return(constant(True)))
            case _:
                self.emit(ast.Return(self.test(node)))

    def guard_names(self, root: Node) -> None:
        """Surrender when the bindings hold a dotted name, which would hide a field.

        One undeclared root that is read at once and is the only binding leaves no room for one.
        """
        roots: set[str] = set()
        others: set[str] = set()
        pending = [root]
        while pending:
            node = pending.pop()
            pending += resolved_children(node)
            if isinstance(node, Lookup):
                names = [candidate for candidate, _ in node.candidates]
                if node.constant is MISSING:
                    roots.add(names.pop())
                others.update(names)
        others -= roots
        if not others:
            return
        unbound = call(
            ast.Attribute(self.fixed(frozenset(others)), "isdisjoint", ast.Load()), name("b")
        )
        refuse = ast.If(negated(unbound), [self.surrender()], [])
        if len(roots) != 1:
            self.emit(refuse)
            return
        (only,) = roots
        code = subscript(name("b"), constant(only))
        identifier = self.fresh()
        self.assign(identifier, code)
        self.paths[(only,)] = identifier
        count = compare(call(self.fixed(len), name("b")), ast.NotEq(), constant(1))
        self.emit(ast.If(count, [refuse], []))

    # Values

    def value(self, node: Node) -> Value:
        """Emit what `node` needs and return the expression of its value."""
        path = self.path_of(node)
        if path is not None:
            return self.read(path)
        method: Callable[[Any], Value] = getattr(self, f"value_{type(node).__name__}")
        return method(node)

    def value_Constant(self, node: Constant) -> Value:
        return Value(self.fixed(node.value), _kind(node.value))

    def value_Local(self, node: Local) -> Value:
        if node.slot in self.aliases:
            return self.value(self.aliases[node.slot])
        return self.slots[node.slot]

    def value_Variable(self, node: Variable) -> Value:
        return Value(subscript(name("b"), constant(node.name)))

    def value_Lookup(self, node: Lookup) -> Value:
        # Bindings that would hide a constant's name were refused by guard_names.
        return Value(self.fixed(node.constant))

    def value_Failure(self, node: Failure) -> Value:
        self.emit(ast.If(constant(True), [self.surrender()], []))
        return Value(constant(None))

    def value_Select(self, node: Select) -> Value:
        if is_optional(node):
            return self.value_optional(node)
        if node.test and is_optional(node.operand):
            return self.tested(node)
        operand = self.value(node.operand)
        if node.test:
            operand = self.require(self.hold(node.operand, operand), "map")
            return Value(compare(constant(node.field), ast.In(), operand.code), "bool")
        return Value(subscript(self.variable(operand).code, constant(node.field)))

    def value_ListNode(self, node: ListNode) -> Value:
        if not node.optional:
            elements = [self.value(e).code for e in node.elements]
            return Value(ast.List(elements, ast.Load()), "list")
        result = self.fresh()
        self.assign(result, ast.List([], ast.Load()))
        for position, element in enumerate(node.elements):
            value = self.value(element)
            if position in node.optional:
                self.append_present(result, value, lambda code: code)
            else:
                self.append(result, value.code)
        return Value(name(result), "list")

    def append_present(
        self, result: str, value: Value, item: Callable[[ast.expr], ast.expr]
    ) -> None:
        """Emit: append what an optional holds, if anything."""
        value = self.require(value, "optional")
        with self.branch() as block:
            self.append(result, item(ast.Attribute(value.code, "value", ast.Load())))
        self.emit(ast.If(ast.Attribute(value.code, "has_value", ast.Load()), block, []))

    def value_MapNode(self, node: MapNode) -> Value:
        keys = [e.key.value if isinstance(e.key, Constant) else MISSING for e in node.entries]
        distinct = all(type(key) is str for key in keys) and len(set(keys)) == len(keys)
        if distinct and not any(e.optional for e in node.entries):
            values = [self.value(e.value).code for e in node.entries]
            return Value(ast.Dict([constant(key) for key in keys], values), "map")
        result = self.fresh()
        self.assign(result, ast.List([], ast.Load()))
        for entry in node.entries:
            key = self.atom(self.value(entry.key)).code
            value = self.value(entry.value)

            def pair(code: ast.expr, key: ast.expr = key) -> ast.expr:
                return ast.Tuple([key, code], ast.Load())

            if entry.optional:
                self.append_present(result, value, pair)
            else:
                self.append(result, pair(value.code))
        return Value(call(self.fixed(make_map), name(result)), "map")

    def value_Let(self, node: Let) -> Value:
        self.bind(node)
        return self.value(node.body)

    def bind(self, node: Let) -> None:
        for slot, value in node.slots:
            if isinstance(value, Constant) or self.path_of(value) is not None:
                self.aliases[slot] = value
            else:
                self.slots[slot] = self.atom(self.value(value))

    def value_OptionalLoop(self, node: OptionalLoop) -> Value:
        return self.value_optional(node)

    # Logic

    def is_test(self, node: Node) -> bool:
        """Say whether a node is made of jumps: logic or a quantifier."""
        match node:
            case Call(function=function):
                return function != "_?_:_"
            case Loop(kind=kind):
                return kind in ("all", "exists")
            case Apply(callee=callee):
                return callee.name == "!_"
            case Let(body=body):
                return self.is_test(body)
        return False

    def value_Call(self, node: Call) -> Value:
        if node.function == "_?_:_":
            return self.conditional(node)
        return Value(self.test(node), "bool")

    def conditional(self, node: Call) -> Value:
        condition, chosen, other = node.args
        test = self.test(condition)
        result = self.fresh()
        with self.branch() as first:
            a = self.value(chosen)
            kind_a = self.kind_of(a)
            simple_a = not first
            self.assign(result, a.code)
        with self.branch() as second:
            b = self.value(other)
            kind = kind_a if kind_a == self.kind_of(b) else ""
            simple_b = not second
            self.assign(result, b.code)
        if simple_a and simple_b:
            return Value(ast.IfExp(test, a.code, b.code), kind)
        self.emit(ast.If(test, first, second))
        return Value(name(result), kind)

    def test(self, node: Node) -> ast.expr:
        """Emit what `node` needs and return an expression that is exactly True or False."""
        match node:
            case Call(function="_&&_" | "_||_", args=[left, right]):
                return self.logical(left, right, node.function == "_||_")
            case Apply(callee=callee, args=[operand]) if callee.name == "!_":
                return negated(self.test(operand))
        value = self.value(node)
        if self.kind_of(value) == "bool":
            return value.code
        return self.require(value, "bool").code

    def logical(self, left: Node, right: Node, absorbing: bool) -> ast.expr:
        first = self.test(left)
        with self.branch() as block:
            second = self.test(right)
        if not block:
            return ast.BoolOp(ast.Or() if absorbing else ast.And(), [first, second])
        result = self.fresh()
        self.assign(result, first)
        test: ast.expr = name(result)
        with self.extended(block):
            self.assign(result, second)
        self.emit(ast.If(negated(test) if absorbing else test, block, []))
        return name(result)

    def jump(self, node: Node, when: bool, target: Target) -> None:
        """Emit: if `node` is `when`, jump; else go on behind."""
        match node:
            case Call(function="_&&_" | "_||_", args=[left, right]):
                if (node.function == "_||_") == when:
                    self.jump(left, when, target)
                    self.jump(right, when, target)
                    return
                first = self.test(left)
                with self.branch() as block:
                    self.jump(right, when, target)
                self.emit(ast.If(first if when else negated(first), block, []))
            case Apply(callee=callee, args=[operand]) if callee.name == "!_":
                self.jump(operand, not when, target)
            case Call(function="_?_:_", args=[condition, chosen, other]):
                test = self.test(condition)
                with self.branch() as first_block:
                    self.jump(chosen, when, target)
                with self.branch() as second_block:
                    self.jump(other, when, target)
                self.emit(ast.If(test, first_block or [ast.Pass()], second_block))
            case Loop(kind="all" | "exists"):
                self.jump_quantifier(node, when, target)
            case Let(body=body):
                self.bind(node)
                self.jump(body, when, target)
            case _:
                code = self.test(node)
                test = code if when else negated(code)
                self.emit(ast.If(test, list(target.statements), []))

    def operands(self, nodes: Sequence[Node]) -> list[Value]:
        """Return the values of nodes that are all evaluated."""
        return [self.value(node) for node in nodes]


def _kind(value: Any) -> str:
    return {str: "string", bool: "bool", int: "int", float: "double"}.get(type(value), "")


__all__ = ["Generated", "Unsupported", "generate"]
