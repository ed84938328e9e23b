"""Parses CEL source into nodes, expanding macros on the way.

A precedence parser of our own: docs/decisions/001-own-cel-parser.md says why. It follows the
grammar of cel-go (CEL.g4), and is bounded: nesting, and the depth of the tree it returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kpolicy.cel.declarations import Macro
from kpolicy.cel.errors import CelError
from kpolicy.cel.lexer import RESERVED, Tokens, decode_number, syntax_error, tokenize
from kpolicy.cel.nodes import (
    MAX_DEPTH,
    Call,
    Constant,
    Identifier,
    ListNode,
    MapEntry,
    MapNode,
    Node,
    Select,
    StructNode,
    children,
)  # fmt: skip

_BINARY: Final = {
    "||": (1, "_||_"), "&&": (2, "_&&_"),
    "==": (3, "_==_"), "!=": (3, "_!=_"), "<": (3, "_<_"), "<=": (3, "_<=_"),
    ">": (3, "_>_"), ">=": (3, "_>=_"), "in": (3, "@in"),
    "+": (4, "_+_"), "-": (4, "_-_"), "*": (5, "_*_"), "/": (5, "_/_"), "%": (5, "_%_"),
}  # fmt: skip

_SPELLING: Final = {
    "end": "the end of the expression", "ident": "an identifier", "quoted": "a quoted field",
    "int": "a number", "uint": "a number", "float": "a number", "literal": "a string",
}  # fmt: skip


class Expander:
    """What a macro may ask of the parser while it rewrites a call."""

    __slots__ = ("_count", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._count = 0

    def error(self, offset: int, message: str) -> CelError:
        """Return the error to raise for a malformed use at `offset`."""
        return syntax_error(self.source, offset, message)

    def fresh_name(self) -> str:
        """Return an identifier that no source can spell."""
        self._count += 1
        return f"@fresh:{self._count}"


def parse(source: str, macros: Iterable[Macro] = ()) -> Node:
    """Return the tree of `source`; raises `CelError` (phase parse) with line and column."""
    return _Parser(source, macros).parse()


class _Parser:
    def __init__(self, source: str, macros: Iterable[Macro]) -> None:
        self.source = source
        tokens: Tokens = tokenize(source)
        self.kinds, self.values, self.offsets = tokens.kinds, tokens.values, tokens.offsets
        self.position = 0
        self.depth = 0
        self.expander = Expander(source)
        self.macros: Mapping[tuple[str, bool], Sequence[Macro]] = _by_name(macros)

    def parse(self) -> Node:
        if self.kinds[0] == "end":
            raise self.error("the expression is empty")
        try:
            node = self.expression()
        except RecursionError:
            raise self.error("the expression nests too deeply to be read here") from None
        if self.kinds[self.position] != "end":
            raise self.unexpected("the end of the expression")
        _check_depth(node, self.source)
        return node

    # -- errors and small steps

    def error(self, message: str, hint: str = "", position: int | None = None) -> CelError:
        at = self.position if position is None else position
        return syntax_error(self.source, self.offsets[at], message, hint)

    def unexpected(self, wanted: str) -> CelError:
        kind, value = self.kinds[self.position], self.values[self.position]
        shown = str(value) if len(str(value)) <= 40 else str(value)[:37] + "..."
        found = _SPELLING.get(kind, "") if kind == "end" else f"'{shown}'"
        hint = ""
        if wanted == "the end of the expression" and kind in ("ident", "literal", "int"):
            hint = "is an operator missing before it?"
        return self.error(f"unexpected {found}, expected {wanted}", hint)

    def expect(self, kind: str) -> int:
        """Step over a token of `kind` and return its offset."""
        if self.kinds[self.position] != kind:
            raise self.unexpected(_SPELLING.get(kind, f"'{kind}'"))
        self.position += 1
        return self.offsets[self.position - 1]

    def accept(self, kind: str) -> bool:
        if self.kinds[self.position] == kind:
            self.position += 1
            return True
        return False

    # -- expressions: two Python frames for a level of nesting, three with arguments

    def expression(self) -> Node:
        """Parse `or ? or : expression` with explicit stacks for operators and conditionals."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(
                f"the expression nests deeper than {MAX_DEPTH} levels", "split it into variables"
            )
        pending: list[tuple[int, Node, Node]] = []
        condition: tuple[int, Node] | None = None
        while True:
            operands = [self.operand()]
            operators: list[tuple[int, str, int]] = []
            while True:
                entry = _BINARY.get(self.kinds[self.position])
                level = entry[0] if entry else 0
                while operators and operators[-1][0] >= level:
                    if operators[-1][0] == level <= 2:
                        break
                    _reduce(operands, operators)
                if entry is None:
                    break
                operators.append((level, entry[1], self.offsets[self.position]))
                self.position += 1
                operands.append(self.operand())
            node = operands[0]
            if condition is not None:
                self.expect(":")
                pending.append((*condition, node))
                condition = None
            elif self.kinds[self.position] == "?":
                condition = (self.expect("?"), node)
            else:
                break
        for offset, test, chosen in reversed(pending):
            node = Call(offset, "_?_:_", None, [test, chosen, node])
        self.depth -= 1
        return node

    def operand(self) -> Node:
        """Parse prefix operators, a primary, and what is applied to it."""
        kind, start = self.kinds[self.position], self.position
        count = 0
        if kind == "!" or kind == "-":
            while self.kinds[self.position] == kind:
                self.position += 1
            count = self.position - start
            following = self.kinds[self.position]
            if following in ("!", "-"):
                raise self.error(
                    f"unexpected '{following}' after '{kind}'", f"write {kind}({following}...)"
                )
        if kind == "-" and count == 1 and self.kinds[self.position] in ("int", "float"):
            node = self.number(self.offsets[start])
            count = 0
        else:
            kind_here, offset = self.kinds[self.position], self.offsets[self.position]
            if kind_here == "ident" or kind_here == ".":
                name = self.name()
                if self.kinds[self.position] == "(":
                    opening = self.offsets[self.position]
                    node = self.expanded(opening, name, None, self.arguments())
                else:
                    node = Identifier(self.offsets[self.position - 1], name)
            elif kind_here == "(":
                self.position += 1
                node = self.expression()
                self.expect(")")
            elif kind_here == "[":
                node = self.list_literal()
            elif kind_here == "{":
                self.position += 1
                node = MapNode(offset, self.entries(self.expression))
            else:
                node = self.literal()
        while True:
            following = self.kinds[self.position]
            offset = self.offsets[self.position]
            if following == ".":
                self.position += 1
                optional = self.accept("?")
                field_kind, field = self.kinds[self.position], self.values[self.position]
                if field_kind not in ("ident", "quoted"):
                    raise self.unexpected("a field name")
                self.position += 1
                if field_kind == "ident" and not optional and self.kinds[self.position] == "(":
                    opening = self.offsets[self.position]
                    node = self.expanded(opening, field, node, self.arguments())
                else:
                    node = Select(offset, node, field, optional=optional)
            elif following == "[":
                self.position += 1
                function = "_[?_]" if self.accept("?") else "_[_]"
                index = self.expression()
                self.expect("]")
                node = Call(offset, function, None, [node, index])
            elif following == "{" and (name := _qualified(node)):
                node = self.struct(name)
            else:
                break
        if count % 2 == 1:
            node = Call(self.offsets[start], "!_" if kind == "!" else "-_", None, [node])
        return node

    def arguments(self) -> list[Node]:
        self.expect("(")
        args: list[Node] = []
        if not self.accept(")"):
            args.append(self.expression())
            while self.accept(","):
                args.append(self.expression())
            self.expect(")")
        return args

    def expanded(self, offset: int, name: str, target: Node | None, args: list[Node]) -> Node:
        """Return the call, rewritten where a macro of that name and arity says so."""
        for macro in self.macros.get((name, target is not None), ()):
            if macro.arity is None or macro.arity == len(args):
                made = macro.expand(self.expander, offset, target, args)
                if made is not None:
                    return made
        return Call(offset, name, target, args)

    def name(self) -> str:
        """Step over an identifier, with its leading dot."""
        dot = "." if self.accept(".") else ""
        name = self.values[self.position]
        if self.kinds[self.position] != "ident":
            raise self.unexpected("an identifier")
        if name in RESERVED:
            raise self.error(f"reserved identifier: {name}", "it may only name a field")
        self.position += 1
        return dot + str(name)

    def number(self, start: int) -> Node:
        """Step over a number whose sign, if any, is at `start`."""
        offset = self.offsets[self.position]
        kind, text = self.kinds[self.position], self.values[self.position]
        self.position += 1
        return Constant(start, decode_number(self.source, start, kind, text, start < offset))

    def literal(self) -> Node:
        kind, value = self.kinds[self.position], self.values[self.position]
        offset = self.offsets[self.position]
        if kind in ("int", "uint", "float"):
            return self.number(offset)
        if kind == "true" or kind == "false":
            value = kind == "true"
        elif kind == "null":
            value = None
        elif kind != "literal":
            raise self.unexpected("an expression")
        self.position += 1
        return Constant(offset, value)

    def list_literal(self) -> Node:
        offset = self.expect("[")
        elements: list[Node] = []
        optional: list[int] = []
        if self.accept(","):
            self.expect("]")
            return ListNode(offset, elements)
        while not self.accept("]"):
            if self.accept("?"):
                optional.append(len(elements))
            elements.append(self.expression())
            if not self.accept(","):
                self.expect("]")
                break
        return ListNode(offset, elements, frozenset(optional))

    def entries(self, key: Any) -> list[MapEntry]:
        """Parse `key: value, ...}` behind the opening brace."""
        made: list[MapEntry] = []
        if self.accept(","):
            self.expect("}")
            return made
        while not self.accept("}"):
            optional = self.accept("?")
            name = key()
            self.expect(":")
            made.append(MapEntry(name, self.expression(), optional))
            if not self.accept(","):
                self.expect("}")
                break
        return made

    def struct_key(self) -> Node:
        if self.kinds[self.position] not in ("ident", "quoted"):
            raise self.unexpected("a field name")
        self.position += 1
        return Constant(self.offsets[self.position - 1], self.values[self.position - 1])

    def struct(self, name: str) -> Node:
        offset = self.expect("{")
        return StructNode(offset, name, self.entries(self.struct_key))


def _reduce(operands: list[Node], operators: list[tuple[int, str, int]]) -> None:
    """Join the topmost operands; a run of `&&` or `||` becomes a balanced tree."""
    level, function, offset = operators.pop()
    offsets = [offset]
    if level <= 2:
        while operators and operators[-1][0] == level:
            offsets.append(operators.pop()[2])
        offsets.reverse()
    terms = operands[-len(offsets) - 1 :]
    del operands[-len(terms) :]
    operands.append(_balanced(function, terms, offsets, 0, len(terms)))


def _balanced(function: str, terms: list[Node], offsets: list[int], low: int, high: int) -> Node:
    if high - low == 1:
        return terms[low]
    middle = (low + high + 1) // 2
    left = _balanced(function, terms, offsets, low, middle)
    right = _balanced(function, terms, offsets, middle, high)
    return Call(offsets[middle - 1], function, None, [left, right])


def _qualified(node: Node) -> str:
    """Return the dotted name that `node` spells, or ''."""
    parts: list[str] = []
    while isinstance(node, Select) and not node.optional and not node.test:
        parts.append(node.field)
        node = node.operand
    if not isinstance(node, Identifier):
        return ""
    return ".".join([node.name, *reversed(parts)])


def _by_name(macros: Iterable[Macro]) -> Mapping[tuple[str, bool], Sequence[Macro]]:
    made: dict[tuple[str, bool], list[Macro]] = {}
    for macro in macros:
        made.setdefault((macro.name, macro.member), []).append(macro)
    return made


def _check_depth(root: Node, source: str) -> None:
    """Refuse a tree that later passes could not walk by recursion."""
    pending = [(root, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise syntax_error(
                source, node.offset, f"the expression nests deeper than {MAX_DEPTH} levels",
                "split it into variables",
            )  # fmt: skip
        pending += [(child, depth + 1) for child in children(node)]
