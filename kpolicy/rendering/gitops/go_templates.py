"""The part of Go's text/template that ApplicationSets are written in.

Text with actions: fields (`.path.basename`, `$.a`), literals, parentheses, pipelines, `if`, `with`
and `range` (each with `else`), comments, trim markers, and the functions of `go_functions`. Not
there: variables, `define`, `template`, `block`. See https://pkg.go.dev/text/template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kpolicy.records import dataclass
from kpolicy.rendering.gitops.go_functions import FUNCTIONS, Missing, TemplateError, is_true, shown

__all__ = ["TemplateError", "render"]

_ACTION = re.compile(r"\{\{(?P<left>-[ \t\r\n])?(?P<body>.*?)(?P<right>[ \t\r\n]-)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<field>\$?(?:\.[A-Za-z_][\w]*)+|\$|\.)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<mark>[()|])
    )""",
    re.VERBOSE,
)
_BLOCKS = ("if", "with", "range")
#: Actions of one text, and items of one `range`: what people write has a handful.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Block:
    word: str
    condition: str
    body: tuple[Any, ...]
    otherwise: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Output:
    expression: str


def render(text: str, parameters: Mapping[str, Any], strict: bool = False) -> str:
    """Return `text` with its actions carried out.

    `strict` = a key that is not there is an error (`missingkey=error`). Raises `TemplateError`.
    """
    if "{{" not in text:
        return text
    nodes = _Parser(text).nodes
    return _Run(parameters, strict).all(nodes, parameters)


class _Parser:
    """Cuts a text into nodes: strings, outputs and blocks."""

    def __init__(self, text: str) -> None:
        self.pieces = self._pieces(text)
        self.at = 0
        self.nodes = self._until(())
        if self.at < len(self.pieces):
            raise TemplateError("{{end}} or {{else}} without its beginning")

    @staticmethod
    def _pieces(text: str) -> list[tuple[bool, str]]:
        """Return (is an action, text) of the pieces, blanks trimmed where markers say so."""
        found: list[tuple[bool, str]] = []
        end = 0
        trim = False
        for match in _ACTION.finditer(text):
            before = text[end : match.start()]
            before = before.lstrip() if trim else before
            found.append((False, before.rstrip() if match["left"] else before))
            found.append((True, match["body"].strip()))
            end, trim = match.end(), bool(match["right"])
        found.append((False, text[end:].lstrip() if trim else text[end:]))
        if len(found) > _MOST:
            raise TemplateError("more actions than are carried out here")
        return found

    def _until(self, ends: tuple[str, ...]) -> tuple[Any, ...]:
        nodes: list[Any] = []
        while self.at < len(self.pieces):
            is_action, piece = self.pieces[self.at]
            word = piece.split(None, 1)[0] if piece.split() else ""
            if is_action and word in ("end", "else"):
                if word not in ends:
                    break
                return tuple(nodes)
            self.at += 1
            if not is_action:
                nodes.append(piece)
            elif word in _BLOCKS:
                nodes.append(self._block(word, piece[len(word) :]))
            elif not piece.startswith("/*"):
                nodes.append(_Output(piece))
        if ends:
            raise TemplateError("a block lacks its {{end}}")
        return tuple(nodes)

    def _block(self, word: str, condition: str) -> _Block:
        body = self._until(("end", "else"))
        piece = self.pieces[self.at][1]
        self.at += 1
        otherwise: tuple[Any, ...] = ()
        if piece.startswith("else"):
            rest = piece[4:].strip()
            inner = rest.split(None, 1)
            if inner and inner[0] in ("if", "with"):
                otherwise = (self._block(inner[0], rest[len(inner[0]) :]),)
            else:
                otherwise = self._until(("end",))
                self.at += 1
        return _Block(word, condition, body, otherwise)


class _Run:
    """Carries a template out on parameters."""

    def __init__(self, root: Any, strict: bool) -> None:
        self.root = root
        self.strict = strict

    def all(self, nodes: tuple[Any, ...], dot: Any) -> str:
        out = []
        for node in nodes:
            if isinstance(node, str):
                out.append(node)
            elif isinstance(node, _Output):
                out.append(shown(self.value(node.expression, dot)))
            else:
                out.append(self.block(node, dot))
        return "".join(out)

    def block(self, block: _Block, dot: Any) -> str:
        value = self.value(block.condition, dot)
        if not is_true(value):
            return self.all(block.otherwise, dot)
        if block.word == "range":
            items = list(value.values()) if isinstance(value, Mapping) else value
            if not isinstance(items, (list, tuple)):
                raise TemplateError(f"range cannot go over {shown(value)}")
            return "".join(self.all(block.body, item) for item in items[:_MOST])
        return self.all(block.body, value if block.word == "with" else dot)

    def value(self, expression: str, dot: Any) -> Any:
        tokens = _tokens(expression)
        value, rest = self.pipeline(tokens, dot)
        if rest:
            raise TemplateError(f'unexpected "{rest[0][1]}" in {{{{{expression}}}}}')
        return value

    def pipeline(self, tokens: list[tuple[str, str]], dot: Any) -> tuple[Any, list[Any]]:
        """Return the value of `command | command ...` and the tokens after it."""
        value, tokens = self.command(tokens, dot, ())
        while tokens and tokens[0] == ("mark", "|"):
            value, tokens = self.command(tokens[1:], dot, (value,))
        return value, tokens

    def command(
        self, tokens: list[tuple[str, str]], dot: Any, piped: tuple[Any, ...]
    ) -> tuple[Any, list[tuple[str, str]]]:
        if not tokens:
            raise TemplateError("an action is empty")
        kind, text = tokens[0]
        name = text if kind == "word" and text not in ("true", "false", "nil") else ""
        if name:
            tokens = tokens[1:]
        arguments: list[Any] = []
        while tokens and tokens[0] not in (("mark", "|"), ("mark", ")")):
            value, tokens = self.operand(tokens, dot)
            arguments.append(value)
        if name:
            return self.call(name, (*arguments, *piped)), tokens
        if len(arguments) != 1 or piped:
            raise TemplateError(f'"{text}" is no function')
        return arguments[0], tokens

    def operand(self, tokens: list[tuple[str, str]], dot: Any) -> tuple[Any, list[tuple[str, str]]]:
        (kind, text), rest = tokens[0], tokens[1:]
        if kind == "string":
            return _string(text), rest
        if kind == "number":
            return (float(text) if "." in text else int(text)), rest
        if kind == "field":
            start = self.root if text.startswith("$") else dot
            return self.field(start, text.lstrip("$")), rest
        if kind == "word":
            if text in ("true", "false", "nil"):
                return {"true": True, "false": False, "nil": None}[text], rest
            return self.call(text, ()), rest
        if text != "(":
            raise TemplateError(f'unexpected "{text}"')
        value, rest = self.pipeline(rest, dot)
        if not rest or rest[0] != ("mark", ")"):
            raise TemplateError('a "(" is not closed')
        rest = rest[1:]
        if rest and rest[0][0] == "field" and rest[0][1].startswith(".") and len(rest[0][1]) > 1:
            return self.field(value, rest[0][1]), rest[1:]
        return value, rest

    def field(self, value: Any, path: str) -> Any:
        for key in filter(None, path.split(".")):
            if isinstance(value, Mapping) and key in value:
                value = value[key]
            elif self.strict or not isinstance(value, (Mapping, Missing)):
                raise TemplateError(f'there is no "{key}" in {path}')
            else:
                value = Missing()
        return value

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        function = FUNCTIONS.get(name)
        if function is None:
            raise TemplateError(f'the function "{name}" is not known here')
        try:
            return function(*arguments)
        except TemplateError:
            raise
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise TemplateError(f"{name}: {error}") from None


def _tokens(expression: str) -> list[tuple[str, str]]:
    found = []
    at = 0
    while expression[at:].strip():
        match = _TOKEN.match(expression, at)
        if match is None or match.lastgroup is None:
            raise TemplateError(f"cannot be read here: {{{{{expression}}}}}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def _string(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text[1:-1])
