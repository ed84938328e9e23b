"""Writes a tree as CEL text that cel-python can parse, for the reference engine.

cel-python's grammar lacks optional syntax, two-variable macros, bindings, qualified functions and
some more; these become calls of helper functions (`x_...`) and macros that it has. Names are
mangled, so that no variable meets a keyword, a function or a macro of cel-python; strings and
special numbers are bound as variables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Any

from kpolicy.cel import nodes
from kpolicy.cel.checker import Declarations, qualified_name
from kpolicy.cel.errors import CelError
from kpolicy.cel.values import UInt
from kpolicy.records import dataclass

#: Standard functions that cel-python computes itself.
NATIVE_FUNCTIONS = frozenset((
    "size", "int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration", "matches",
))  # fmt: skip
NATIVE_METHODS = frozenset((
    "size", "contains", "startsWith", "endsWith", "matches", "getFullYear", "getMonth", "getDate",
    "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds",
    "getMilliseconds",
))  # fmt: skip

#: Texts of bound values that are longer are evaluated once, and not copied.
_MAX_COPIED = 2000

_BINARY = {
    "_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%", "_==_": "==", "_!=_": "!=",
    "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "@in": "in", "_&&_": "&&", "_||_": "||",
}  # fmt: skip


@dataclass(slots=True)
class ReferenceText:
    """The text, and what must be bound when it is evaluated."""

    text: str = ""
    #: Bound names of variables: mangled name to the names that it may have in the bindings.
    variables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    #: Library functions: mangled name to (function, is a method).
    functions: dict[str, tuple[str, bool]] = field(default_factory=dict)


def write(
    root: nodes.Node, declarations: Declarations, bound: frozenset[str], lenient: bool = False
) -> ReferenceText:
    """Return the text of a tree; `bound` are the names of the bindings (dotted ones matter).

    With `lenient`, cel-python's own `has` is not used: what it is asked of may have no fields.
    """
    writer = _Writer(declarations, bound, lenient)
    writer.made.text = writer.write(root)
    return writer.made


class _Writer:
    def __init__(self, declarations: Declarations, bound: frozenset[str], lenient: bool) -> None:
        self.lenient = lenient
        self.declarations = declarations
        self.bound = bound
        self.made = ReferenceText()
        self.scopes: list[dict[str, str]] = []

    def write(self, node: nodes.Node) -> str:
        """Return the text of a node, in parentheses where it is no primary."""
        writer: Callable[[Any], str] = getattr(self, f"write_{type(node).__name__}")
        return writer(node)

    @contextmanager
    def scope(self, names: dict[str, str]) -> Iterator[None]:
        self.scopes.append(names)
        try:
            yield
        finally:
            self.scopes.pop()

    def local(self, name: str) -> str | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def fresh(self, name: str) -> str:
        """Return a variable name for a macro's variable; one for each depth, so that none is
        hidden.
        """
        return f"l{len(self.scopes)}_{_plain(name)}"

    # Leaves

    def write_Constant(self, node: nodes.Constant) -> str:
        value = node.value
        match value:
            case None:
                return "null"
            case bool():
                return "true" if value else "false"
            case UInt():
                return f"{int(value)}u"
            case int():
                return f"({value})"
            case float() if math.isfinite(value) and not _is_negative_zero(value):
                return f"({value!r})"
            case str() if re.fullmatch(r"[ !#-&(-\[\]-~]*", value):
                return f"'{value}'"
        return self.constant(value)

    def constant(self, value: Any) -> str:
        name = f"c{len(self.made.constants)}"
        self.made.constants[name] = value
        return name

    def write_Identifier(self, node: nodes.Identifier) -> str:
        return self.local(node.name) or self.variable(node.name) or self.unbound(node.name)

    def unbound(self, name: str) -> str:
        return self.bind_variable(name, tuple(self.declarations.candidates(name)))

    def variable(self, name: str) -> str | None:
        """Return what a global name stands for, if anything declares or binds it."""
        for full in self.declarations.candidates(name):
            declared = self.declarations.variables
            if full in self.bound or (declared is not None and full in declared):
                return self.bind_variable(full, (full,))
            if full in self.declarations.constants:
                return self.constant(NamedConstant(full))
        return None

    def bind_variable(self, name: str, candidates: tuple[str, ...]) -> str:
        mangled = f"v_{_plain(name)}"
        self.made.variables[mangled] = candidates
        return mangled

    def write_Select(self, node: nodes.Select) -> str:
        name = qualified_name(node)
        if name is not None and self.local(name.partition(".")[0]) is None:
            found = self.variable(name)
            if found is not None:
                return found
        operand = self.write(node.operand)
        quoted = self.write_Constant(nodes.Constant(node.offset, node.field))
        if node.optional:
            return f"x_optional_select({operand}, {quoted})"
        if _may_be_optional(node.operand) or (node.test and self.lenient):
            return f"x_{'has' if node.test else 'select'}({operand}, {quoted})"
        plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", node.field)
        selected = f"{operand}.{node.field}" if plain and not _is_word(node.field) else None
        selected = selected or f"{operand}[{quoted}]"
        return f"has({selected})" if node.test else selected

    # Calls

    def write_Call(self, node: nodes.Call) -> str:
        name, arguments = node.function, node.args
        if node.target is not None:
            return self.method(node, node.target)
        if name in _BINARY:
            sides = f" {_BINARY[name]} ".join(map(self.write, arguments))
            return f"({sides})"
        match name:
            case "!_":
                return f"(!{self.write(arguments[0])})"
            case "-_":
                return f"(-({self.write(arguments[0])}))"
            case "_?_:_":
                return "({} ? {} : {})".format(*map(self.write, arguments))
            case "_[_]" if not _may_be_optional(arguments[0]):
                return f"{self.write(arguments[0])}[{self.write(arguments[1])}]"
            case "_[_]":
                return self.helper("index", arguments)
            case "_[?_]":
                return self.helper("optional_index", arguments)
            case "dyn":
                return f"({self.write(arguments[0])})"
            case "type":
                return self.helper("type", arguments)
        return self.function(name, arguments, method=False)

    def method(self, node: nodes.Call, target: nodes.Node) -> str:
        prefix = qualified_name(target)
        if prefix is not None and self.local(prefix.partition(".")[0]) is None:
            full = f"{prefix}.{node.function}"
            if self.declarations.function(full):
                return self.function(full, node.args, method=False)
        return self.function(node.function, [target, *node.args], method=True)

    def function(self, name: str, arguments: Sequence[nodes.Node], *, method: bool) -> str:
        found = self.declarations.function(name)
        if found is None:
            # Unchecked programs may call what is not there: an error when it is reached.
            return f"x_unbound({self.constant(name)})"
        full = found.name
        native = NATIVE_METHODS if method else NATIVE_FUNCTIONS
        if full in native and all(
            o.implementation.__module__ == _STANDARD for o in found.overloads
        ):
            first, *rest = map(self.write, arguments)
            if method:
                return f"{first}.{full}({', '.join(rest)})"
            return f"{full}({', '.join([first, *rest])})"
        mangled = f"f{'m' if method else 'g'}_{_plain(full)}"
        self.made.functions[mangled] = (full, method)
        return f"{mangled}({', '.join(map(self.write, arguments))})"

    def helper(self, name: str, arguments: Sequence[nodes.Node]) -> str:
        return f"x_{name}({', '.join(map(self.write, arguments))})"

    # Aggregates

    def write_ListNode(self, node: nodes.ListNode) -> str:
        text = f"[{', '.join(map(self.write, node.elements))}]"
        if not node.optional:
            return text
        return f"x_list({text}, [{', '.join(map(str, sorted(node.optional)))}])"

    def write_MapNode(self, node: nodes.MapNode) -> str:
        if not any(entry.optional for entry in node.entries):
            pairs = [f"{self.write(e.key)}: {self.write(e.value)}" for e in node.entries]
            return f"{{{', '.join(pairs)}}}"
        keys = ", ".join(self.write(e.key) for e in node.entries)
        values = ", ".join(self.write(e.value) for e in node.entries)
        optional = ", ".join(str(i) for i, e in enumerate(node.entries) if e.optional)
        return f"x_map([{keys}], [{values}], [{optional}])"

    def write_StructNode(self, node: nodes.StructNode) -> str:
        raise CelError(f"undeclared message type {node.name!r}", phase="check")

    # Macros

    def write_Comprehension(self, node: nodes.Comprehension) -> str:
        ranged = self.write(node.range)
        variable = self.fresh(node.variable)
        names = {node.variable: variable}
        if node.variable2 is not None:
            # Each round is one [key, value] pair, and the two variables are its parts.
            ranged = f"x_entries({ranged})"
            names = {node.variable: f"{variable}[0]", node.variable2: f"{variable}[1]"}
        else:
            # cel-python would iterate over a string, too.
            ranged = f"x_elements({ranged})"
        with self.scope(names):
            body = self.write(node.body)
            if node.kind in ("transformMap",):
                body = f"[{variable}[0], {body}]"
            if node.condition is not None:
                ranged = f"{ranged}.filter({variable}, {self.write(node.condition)})"
        match node.kind:
            case "all" | "exists" | "exists_one" | "filter":
                return f"{ranged}.{node.kind}({variable}, {body})"
            case "map" | "transformList":
                return f"{ranged}.map({variable}, {body})"
            case "transformMap":
                return f"x_map_of({ranged}.map({variable}, {body}))"
            case "transformMapEntry":
                return f"x_merged({ranged}.map({variable}, {body}))"
            case "sortBy":
                keys = f"{ranged}.map({variable}, {body})"
                return f"x_sorted({ranged}, {keys})"

    def write_Bind(self, node: nodes.Bind) -> str:
        # As with slots, the value is written where it is used: one that fails and is not used does
        # no harm. Names of macros' variables differ by depth, so none is caught on the way.
        value = self.write(node.value)
        if len(value) < _MAX_COPIED:
            with self.scope({node.variable: value}):
                return self.write(node.body)
        variable = self.fresh(node.variable)
        with self.scope({node.variable: variable}):
            return f"[{value}].map({variable}, {self.write(node.body)})[0]"

    def write_Block(self, node: nodes.Block) -> str:
        # Slots are written where they are used: cel.block is about sharing, not about meaning.
        slots: dict[str, str] = {}
        with self.scope(slots):
            for index, slot in enumerate(node.slots):
                slots[f"@index{index}"] = self.write(slot)
            return self.write(node.result)

    def write_OptionalMap(self, node: nodes.OptionalMap) -> str:
        variable = self.fresh(node.variable)
        target = self.write(node.target)
        with self.scope({node.variable: variable}):
            mapped = f"x_held({target}).map({variable}, {self.write(node.body)})"
        return f"x_{'flat' if node.flat else 'first'}({mapped})"


@dataclass(frozen=True, slots=True)
class NamedConstant:
    """A constant or type name of the environment, to be looked up when the program is made."""

    name: str


_STANDARD = "kpolicy.cel.standard"


def _plain(name: str) -> str:
    """Return a name as an identifier that no other name gives."""
    return re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):x}_", name)


def _is_word(name: str) -> bool:
    return name in ("in", "true", "false", "null")


def _is_negative_zero(value: float) -> bool:
    return value == 0 and math.copysign(1, value) < 0


def _may_be_optional(node: nodes.Node) -> bool:
    """Say whether a node's value can be an optional, which cel-python cannot select from."""
    match node:
        case nodes.Select():
            return node.optional or _may_be_optional(node.operand)
        case nodes.Call(function="_[_]"):
            return _may_be_optional(node.args[0])
        case nodes.Call(function="_?_:_"):
            return any(map(_may_be_optional, node.args[1:]))
        case nodes.Call(function=name):
            return name == "_[?_]" or name in ("of", "none", "ofNonZeroValue", "or", "optional")
        case nodes.OptionalMap():
            return True
    return False
