"""The hand that writes generated code: blocks, temporaries, constants, facts and paths.

Only `ast` nodes are made; every identifier is one of ours (`b`, `v0`, `t0`, `k0`), and text of the
expression enters as `ast.Constant` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kpolicy.cel import placed_ast as ast
from kpolicy.cel.nodes import Constant, Node, Select
from kpolicy.cel.scopes import Apply, Local, Lookup, Variable, resolved_children
from kpolicy.cel.support import Surprise
from kpolicy.cel.values import MISSING, Optional
from kpolicy.records import dataclass

#: A path of constant steps from a local slot (an int) or a variable (its name).
Path = tuple[int | str, ...]

#: What is known of a value's type: a CEL type's short name, `sized` for list or map, or ''.
Kind = str


class Unsupported(Exception):
    """An expression that is left to exact evaluation."""


@dataclass(slots=True)
class Value:
    """A Python expression that gives a CEL value, and what is known of its type."""

    code: ast.expr
    kind: Kind = ""

    @property
    def atomic(self) -> bool:
        """Whether it costs nothing to repeat."""
        return isinstance(self.code, (ast.Name, ast.Constant))


@dataclass(frozen=True, slots=True)
class Target:
    """Statements that jump away; `escapes` when they leave loops at any depth (a return)."""

    statements: tuple[ast.stmt, ...]
    escapes: bool = False


def name(identifier: str) -> ast.Name:
    """Return a read of one of our identifiers."""
    return ast.Name(identifier, ast.Load())


def constant(value: Any) -> ast.Constant:
    """Return a literal."""
    return ast.Constant(value)


def call(function: ast.expr, *args: ast.expr) -> ast.Call:
    """Return a call."""
    return ast.Call(function, list(args), [])


def compare(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.Compare:
    """Return a comparison."""
    return ast.Compare(left, [operator], [right])


def negated(test: ast.expr) -> ast.expr:
    """Return `not test`, written the short way where there is one."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        opposite = _OPPOSITES.get(type(test.ops[0]))
        if opposite is not None:
            return ast.Compare(test.left, [opposite()], test.comparators)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if isinstance(test, ast.Constant):
        return constant(not test.value)
    return ast.UnaryOp(ast.Not(), test)


_OPPOSITES: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip


def subscript(value: ast.expr, key: ast.expr) -> ast.Subscript:
    """Return `value[key]`."""
    return ast.Subscript(value, key, ast.Load())


def class_is(value: ast.expr, kind: ast.expr, *, negate: bool = False) -> ast.expr:
    """Return `value.__class__ is kind`."""
    operator = ast.IsNot() if negate else ast.Is()
    return compare(ast.Attribute(value, "__class__", ast.Load()), operator, kind)


class Emitter:
    """Collects statements and remembers what holds at the place being written."""

    def __init__(self) -> None:
        self.block: list[ast.stmt] = []
        self.constants: dict[str, Any] = {}
        self._constant_names: dict[tuple[type, Any], str] = {}
        self._temporaries = 0
        #: Paths already read, by the variable that holds them; facts: variables' kinds.
        self.paths: dict[Path, str] = {}
        self.facts: dict[str, Kind] = {}
        self.uses: dict[Path, int] = {}
        self.slots: dict[int, Value] = {}
        self.aliases: dict[int, Node] = {}
        self.loops = 0
        self.uses_cost = False

    # Blocks

    def emit(self, *statements: ast.stmt) -> None:
        """Add statements to the current block."""
        self.block.extend(statements)

    @contextmanager
    def branch(self) -> Iterator[list[ast.stmt]]:
        """Collect a block that may not run: what it learns is forgotten behind it."""
        outer, paths, facts = self.block, self.paths, self.facts
        self.block, self.paths, self.facts = [], dict(paths), dict(facts)
        try:
            yield self.block
        finally:
            self.block, self.paths, self.facts = outer, paths, facts

    def assign(self, identifier: str, code: ast.expr) -> None:
        """Emit `identifier = code`."""
        self.emit(ast.Assign([ast.Name(identifier, ast.Store())], code))

    def fresh(self) -> str:
        """Return a new temporary's name."""
        self._temporaries += 1
        return f"t{self._temporaries - 1}"

    def atom(self, value: Value) -> Value:
        """Return the value in a form that can be repeated."""
        if value.atomic:
            return value
        identifier = self.fresh()
        self.assign(identifier, value.code)
        if value.kind:
            self.facts[identifier] = value.kind
        return Value(name(identifier), value.kind)

    def variable(self, value: Value) -> Value:
        """Return the value so that Python's compiler does not warn of a literal in its place."""
        if isinstance(value.code, (ast.Name, ast.Subscript, ast.Call, ast.Attribute)):
            return value
        identifier = self.fresh()
        self.assign(identifier, value.code)
        return Value(name(identifier), value.kind)

    def fixed(self, value: Any) -> ast.expr:
        """Return a read of a value that the function carries with it."""
        if value is None or type(value) in (bool, str, bytes, int):
            return constant(value)
        if type(value) is float and value == value and value not in (_INFINITY, -_INFINITY):
            return constant(value)
        try:
            key = (type(value), value)
            known = self._constant_names.get(key)
        except TypeError:
            key, known = None, None
        if known is None or type(value) is float:
            known = f"k{len(self.constants)}"
            self.constants[known] = value
            if key is not None:
                self._constant_names[key] = known
        return name(known)

    def surrender(self) -> ast.stmt:
        """Return the statement that leaves the case to exact evaluation."""
        return ast.Raise(self.fixed(Surprise), None)

    def unless(self, test: ast.expr) -> None:
        """Surrender unless `test` holds."""
        self.emit(ast.If(negated(test), [self.surrender()], []))

    # Facts

    def kind_of(self, value: Value) -> Kind:
        """Return what is known of a value's type here."""
        if value.kind:
            return value.kind
        if isinstance(value.code, ast.Name):
            return self.facts.get(value.code.id, "")
        return ""

    def learn(self, value: Value, kind: Kind) -> None:
        """Remember the type of a value that is held by a variable."""
        if isinstance(value.code, ast.Name):
            self.facts[value.code.id] = kind

    def require(self, value: Value, kind: Kind) -> Value:
        """Return the value as an atom of `kind` (map, list, sized, string, bool), or surrender."""
        value = self.atom(value)
        known = self.kind_of(value)
        if known == kind or (kind == "sized" and known in ("map", "list")):
            return value
        if known and not (known == "sized" and kind in ("map", "list")):
            # The kinds contradict each other; the exact evaluation has the right error.
            self.emit(ast.If(constant(True), [self.surrender()], []))
            return Value(value.code, kind)
        if kind in ("map", "list", "sized"):
            patterns: list[ast.pattern] = []
            if kind != "list":
                patterns.append(ast.MatchMapping([], [], None))
            if kind != "map":
                patterns.append(ast.MatchSequence([ast.MatchStar(None)]))
            pattern = patterns[0] if len(patterns) == 1 else ast.MatchOr(patterns)
            cases = [
                ast.match_case(pattern, None, [ast.Pass()]),
                ast.match_case(ast.MatchAs(None, None), None, [self.surrender()]),
            ]
            self.emit(ast.Match(value.code, cases))
        elif kind in _CLASSES:
            self.unless(class_is(value.code, self.fixed(_CLASSES[kind])))
        self.learn(value, kind)
        return Value(value.code, kind)

    # Paths

    def path_of(self, node: Node) -> Path | None:
        """Return the path of a node that is one: `object.spec['x']`, `c.name`."""
        steps: list[int | str] = []
        while True:
            match node:
                case Local(slot=slot):
                    if slot in self.aliases:
                        node = self.aliases[slot]
                        continue
                    steps.append(slot)
                case Variable(name=text):
                    steps.append(text)
                case Lookup(candidates=candidates, constant=value) if value is MISSING:
                    root, fields = candidates[-1]
                    steps += [*reversed(fields), root]
                case Select(operand=operand, field=field, test=False, optional=False):
                    steps.append(field)
                    node = operand
                    continue
                case Apply(callee=callee, args=[operand, Constant(value=str(key))]) if (
                    callee.name == "_[_]"
                ):
                    steps.append(key)
                    node = operand
                    continue
                case _:
                    return None
            return tuple(reversed(steps))

    def count(self, root: Node) -> None:
        """Count how often each path is used, its prefixes with it."""
        pending = [root]
        while pending:
            node = pending.pop()
            path = self.path_of(node)
            if path is None:
                pending += resolved_children(node)
                continue
            for length in range(1, len(path) + 1):
                self.uses[path[:length]] = self.uses.get(path[:length], 0) + 1

    def read(self, path: Path) -> Value:
        """Return the value at a path, reading prefixes that are used again only once."""
        length = len(path)
        while length and path[:length] not in self.paths:
            length -= 1
        if length:
            code: ast.expr = name(self.paths[path[:length]])
        else:
            root, length = path[0], 1
            if isinstance(root, int):
                value = self.slots[root]
                code = value.code
            else:
                code = self.kept(path[:1], subscript(name("b"), constant(root)), path)
        for position in range(length, len(path)):
            step = path[position]
            if isinstance(code, ast.Name):
                self.facts[code.id] = "map"
            code = self.kept(path[: position + 1], subscript(code, constant(step)), path)
        kind = self.facts.get(code.id, "") if isinstance(code, ast.Name) else ""
        return Value(code, kind)

    def kept(self, prefix: Path, code: ast.expr, path: Path) -> ast.expr:
        """Hold a prefix in a variable when more than the rest of `path` uses it."""
        uses = self.uses.get(prefix, 0)
        following = self.uses.get(path[: len(prefix) + 1], 0) if len(prefix) < len(path) else 1
        if uses < 2 or uses <= following:
            return code
        identifier = self.fresh()
        self.assign(identifier, code)
        self.paths[prefix] = identifier
        return name(identifier)

    def hold(self, node: Node, value: Value) -> Value:
        """Return an atom of a value; if it is a path, later reads of it find it there."""
        if value.atomic:
            return value
        made = self.atom(value)
        path = self.path_of(node)
        if path is not None and isinstance(made.code, ast.Name):
            self.paths[path] = made.code.id
        return made


_INFINITY: Final = float("inf")
_CLASSES: Final[dict[str, type]] = {"string": str, "int": int, "bool": bool, "optional": Optional}
