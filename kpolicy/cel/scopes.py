"""Resolves names before anything is emitted: the tree that evaluation works on.

After it every identifier is a local slot, a variable of the bindings or a constant; every call
knows its implementation; macros' variables are numbered, so that shadowing is settled. Source:
cel-spec doc/langdef.md ("Name Resolution").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from kpolicy.cel.errors import CelError
from kpolicy.cel.nodes import (
    Bind,
    Block,
    Call,
    Comprehension,
    ComprehensionKind,
    Constant,
    Identifier,
    ListNode,
    MapEntry,
    MapNode,
    Node,
    OptionalMap,
    Select,
    StructNode,
)
from kpolicy.cel.runtime import OPERATORS
from kpolicy.cel.values import MISSING
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.cel.dispatch import Callee


@dataclass(slots=True, repr=False, eq=False)
class Local(Node):
    """A macro's variable or a `cel.bind` name, by its slot."""

    slot: int
    name: str


@dataclass(slots=True, repr=False, eq=False)
class Variable(Node):
    """A declared variable: read from the bindings under exactly this name."""

    name: str


@dataclass(slots=True, repr=False, eq=False)
class Lookup(Node):
    """A name that no declaration fixes.

    The first of `candidates` (a full name, and the fields then selected) that is bound is meant;
    else `constant`.
    """

    candidates: tuple[tuple[str, tuple[str, ...]], ...]
    constant: Any
    text: str


@dataclass(slots=True, repr=False, eq=False)
class Apply(Node):
    """A call of a function, with the receiver as the first argument; or of an operator."""

    callee: Callee
    args: list[Node]


@dataclass(slots=True, repr=False, eq=False)
class Loop(Node):
    """A `Comprehension` with its variables' slots."""

    kind: ComprehensionKind
    range: Node
    slot: int
    slot2: int | None
    body: Node
    condition: Node | None
    names: tuple[str, ...]


@dataclass(slots=True, repr=False, eq=False)
class Let(Node):
    """Values bound to slots, each evaluated at its first use; then `body`."""

    slots: list[tuple[int, Node]]
    body: Node
    names: tuple[str, ...]


@dataclass(slots=True, repr=False, eq=False)
class OptionalLoop(Node):
    """An `OptionalMap` with its variable's slot."""

    target: Node
    slot: int
    body: Node
    flat: bool
    name: str


@dataclass(slots=True, repr=False, eq=False)
class Failure(Node):
    """A node that fails whenever it is evaluated: an unknown function, a message type."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """What the names of an environment stand for."""

    variables: frozenset[str] | None
    constants: Mapping[str, Any]
    container: str
    callee: Callable[[str, int, bool], Callee | None]
    """The function of a name, number of arguments (with the receiver) and call style."""
    has_function: Callable[[str], bool]
    struct: Callable[[str], Callee | None]
    """What makes a message type of a name: a function of that name and the fields."""

    def candidates(self, name: str) -> Iterator[str]:
        """Yield the full names that `name` may stand for, innermost container first."""
        if name.startswith("."):
            yield name[1:]
            return
        scope = self.container
        while scope:
            yield f"{scope}.{name}"
            scope = scope.rpartition(".")[0]
        yield name


@dataclass(slots=True, repr=False, eq=False)
class Resolved:
    """A resolved tree, and what it refers to."""

    root: Node
    slots: int
    references: frozenset[str]
    functions: frozenset[str]
    calls: dict[str, list[Call]] = field(default_factory=dict)


def resolve(root: Node, names: Names) -> Resolved:
    """Return the resolved tree of a parsed one; the parsed one is left unchanged."""
    resolver = _Resolver(names)
    made = resolver.visit(root)
    return Resolved(
        made,
        resolver.count,
        frozenset(resolver.references),
        frozenset(resolver.calls),
        resolver.calls,
    )


class _Resolver:
    def __init__(self, names: Names) -> None:
        self.names = names
        self.count = 0
        self.scope: dict[str, int] = {}
        self.references: set[str] = set()
        self.calls: dict[str, list[Call]] = {}

    def slot(self) -> int:
        self.count += 1
        return self.count - 1

    def visit(self, node: Node) -> Node:
        method: Callable[[Any], Node] = getattr(self, f"visit_{type(node).__name__}")
        return method(node)

    def within(self, added: Mapping[str, int], node: Node) -> Node:
        """Resolve a node with more local names in scope."""
        outer = self.scope
        self.scope = {**outer, **added}
        try:
            return self.visit(node)
        finally:
            self.scope = outer

    # Names

    def visit_Constant(self, node: Constant) -> Node:
        return node

    def visit_Identifier(self, node: Identifier) -> Node:
        return self.named(node, node.name, ())

    def visit_Select(self, node: Select) -> Node:
        if not node.test and not node.optional:
            chain = chain_of(node)
            if chain is not None and chain[0] not in self.scope:
                return self.chained(node, chain)
        return Select(node.offset, self.visit(node.operand), node.field, node.test, node.optional)

    def chained(self, node: Select, chain: list[str]) -> Node:
        """Resolve `a.b.c` that begins at no local name: the longest bound prefix is meant."""
        if self.names.variables is None:
            root: Node = node
            while isinstance(root, Select):
                root = root.operand
            made = self.named(root, chain[0], tuple(chain[1:]))
            if isinstance(made, Lookup):
                made.offset = node.offset
            return made
        for length in range(len(chain), 1, -1):
            found = self.declared(node, ".".join(chain[:length]))
            if found is not None:
                return _selected(found, node, len(chain) - length)
        root = self.named(node, chain[0], ())
        return _selected(root, node, len(chain) - 1)

    def declared(self, node: Node, name: str) -> Node | None:
        for full in self.names.candidates(name):
            if self.names.variables is not None and full in self.names.variables:
                self.references.add(full)
                return Variable(node.offset, full)
            if full in self.names.constants:
                return Constant(node.offset, self.names.constants[full])
        return None

    def named(self, node: Node, name: str, fields: tuple[str, ...]) -> Node:
        """Resolve an identifier; `fields` belong to a chain that the bindings decide."""
        if name in self.scope:
            return Local(node.offset, self.scope[name], name)
        if self.names.variables is not None:
            found = self.declared(node, name)
            if found is not None:
                return found
        candidates: list[tuple[str, tuple[str, ...]]] = []
        constant: Any = MISSING
        for length in range(len(fields), -1, -1):
            dotted = ".".join([name, *fields[:length]])
            for full in self.names.candidates(dotted):
                candidates.append((full, fields[length:]))
                if full in self.names.constants and constant is MISSING and length == len(fields):
                    constant = self.names.constants[full]
        if constant is MISSING:
            self.references.add(name.lstrip("."))
        text = ".".join([name, *map(spelled, fields)])
        return Lookup(node.offset, tuple(candidates), constant, text)

    # Calls

    def visit_Call(self, node: Call) -> Node:
        args = node.args
        function = node.function
        if node.target is not None:
            chain = chain_of(node.target)
            if chain is not None and chain[0] not in self.scope:
                for full in self.names.candidates(".".join([*chain, function])):
                    if self.names.has_function(full):
                        return self.call(node, full, [self.visit(a) for a in args], member=False)
            operands = [self.visit(node.target), *(self.visit(a) for a in args)]
            return self.call(node, function, operands, member=True)
        operands = [self.visit(a) for a in args]
        if function in _LAZY:
            return Call(node.offset, function, None, operands)
        for full in self.names.candidates(function):
            if self.names.has_function(full):
                return self.call(node, full, operands, member=False)
        return self.call(node, function.lstrip("."), operands, member=False)

    def call(self, node: Call, name: str, operands: list[Node], *, member: bool) -> Node:
        if name not in OPERATORS:
            self.calls.setdefault(name, []).append(node)
        callee = self.names.callee(name, len(operands), member)
        if callee is None:
            if self.names.has_function(name):
                style = "a method" if member else "a function"
                message = f"no such overload: {name} as {style} of {len(operands)} arguments"
            else:
                message = f"unbound function: {name}"
            return Failure(node.offset, message)
        return Apply(node.offset, callee, operands)

    # Literals and macros

    def visit_ListNode(self, node: ListNode) -> Node:
        return ListNode(node.offset, [self.visit(e) for e in node.elements], node.optional)

    def visit_MapNode(self, node: MapNode) -> Node:
        return MapNode(
            node.offset,
            [MapEntry(self.visit(e.key), self.visit(e.value), e.optional) for e in node.entries],
        )

    def visit_StructNode(self, node: StructNode) -> Node:
        make = self.names.struct(node.name)
        if make is None:
            return Failure(node.offset, f"unknown type: {node.name} (there are no message types)")
        fields = MapNode(node.offset, node.entries)
        return Apply(
            node.offset, make, [Constant(node.offset, node.name), self.visit_MapNode(fields)]
        )

    def visit_Comprehension(self, node: Comprehension) -> Node:
        ranged = self.visit(node.range)
        slot = self.slot()
        added = {node.variable: slot}
        slot2 = None
        names: tuple[str, ...] = (node.variable,)
        if node.variable2 is not None:
            slot2 = self.slot()
            added[node.variable2] = slot2
            names = (node.variable, node.variable2)
        condition = None if node.condition is None else self.within(added, node.condition)
        body = self.within(added, node.body)
        return Loop(node.offset, node.kind, ranged, slot, slot2, body, condition, names)

    def visit_Bind(self, node: Bind) -> Node:
        value = self.visit(node.value)
        slot = self.slot()
        body = self.within({node.variable: slot}, node.body)
        return Let(node.offset, [(slot, value)], body, (node.variable,))

    def visit_Block(self, node: Block) -> Node:
        added: dict[str, int] = {}
        slots: list[tuple[int, Node]] = []
        for number, part in enumerate(node.slots):
            value = self.within(added, part)
            slot = self.slot()
            slots.append((slot, value))
            added[f"@index{number}"] = slot
        return Let(node.offset, slots, self.within(added, node.result), tuple(added))

    def visit_OptionalMap(self, node: OptionalMap) -> Node:
        target = self.visit(node.target)
        slot = self.slot()
        body = self.within({node.variable: slot}, node.body)
        return OptionalLoop(node.offset, target, slot, body, node.flat, node.variable)


#: Operators that do not evaluate all their operands.
_LAZY = frozenset(("_&&_", "_||_", "_?_:_"))


def spelled(field: str) -> str:
    """Return a field's name as a selection spells it."""
    return field if field.isidentifier() else f"`{field}`"


def chain_of(node: Node) -> list[str] | None:
    """Return ["a", "b", "c"] for `a.b.c`, else None."""
    fields: list[str] = []
    while isinstance(node, Select) and not node.test and not node.optional:
        fields.append(node.field)
        node = node.operand
    if not isinstance(node, Identifier):
        return None
    return [node.name, *reversed(fields)]


def _selected(root: Node, node: Node, count: int) -> Node:
    """Return `root` with the last `count` selections of the chain `node` applied."""
    selections: list[Select] = []
    while len(selections) < count:
        assert isinstance(node, Select)
        selections.append(node)
        node = node.operand
    if isinstance(root, (Variable, Constant, Lookup)):
        root.offset = node.offset
    for selection in reversed(selections):
        root = Select(selection.offset, root, selection.field)
    return root


def resolved_children(node: Node) -> list[Node]:
    """Return the nodes directly below a resolved node, in the order of evaluation."""
    match node:
        case Select():
            return [node.operand]
        case Apply() | Call():
            return node.args
        case ListNode():
            return node.elements
        case MapNode():
            return [part for entry in node.entries for part in (entry.key, entry.value)]
        case Loop():
            middle = [node.condition] if node.condition is not None else []
            return [node.range, *middle, node.body]
        case Let():
            return [*(value for _, value in node.slots), node.body]
        case OptionalLoop():
            return [node.target, node.body]
    return []


__all__ = [
    "Apply", "CelError", "Failure", "Let", "Local", "Lookup", "Loop", "Names", "OptionalLoop",
    "Resolved", "Variable", "resolve", "resolved_children", "spelled",
]  # fmt: skip
