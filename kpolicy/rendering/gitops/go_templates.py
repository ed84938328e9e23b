"""The part of Go's text/template that ApplicationSets are written in.

Text with actions: fields (`.path.basename`, `$.a`), literals, parentheses, pipelines, variables,
`if`, `with` and `range` (each with `else`), `define`, `template` and `block`, comments, trim
markers, and the functions of `go_functions`. Not there: `break` and `continue`.
See https://pkg.go.dev/text/template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import count
from types import MappingProxyType
from typing import Any

from kpolicy.records import dataclass
from kpolicy.rendering.gitops.go_functions import FUNCTIONS, Missing, TemplateError, is_true, shown

__all__ = ["TemplateError", "render"]

_ACTION = re.compile(r"\{\{(?P<left>-[ \t\r\n])?(?P<body>.*?)(?P<right>[ \t\r\n]-)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<field>(?:\$\w*)?(?:\.[A-Za-z_][\w]*)+|\$\w*|\.)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<mark>[()|])
    )""",
    re.VERBOSE,
)
_BLOCKS = ("if", "with", "range")
#: `$a := value`, `$a = value`, and in `range` `$key, $item := value`.
_SETTING = re.compile(r"\$(\w+)\s*(?:,\s*\$(\w+)\s*)?(:?=)(?!=)\s*(.+)", re.DOTALL)
_NAMED = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`)\s*(.*)', re.DOTALL)
#: Nodes that are carried out in all, however ranges and templates repeat them.
_LONGEST = 200_000
#: Templates that call each other, and blocks within blocks.
_DEEPEST = 50
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


@dataclass(frozen=True, slots=True)
class _Call:
    """`template "name" value`."""

    name: str
    value: str


def render(text: str, parameters: Mapping[str, Any], strict: bool = False) -> str:
    """Return `text` with its actions carried out.

    `strict` = a key that is not there is an error (`missingkey=error`). Raises `TemplateError`.
    """
    if "{{" not in text:
        return text
    parser = _Parser(text)
    return _Run(parameters, strict, parser.defined).all(parser.nodes, parameters)


class _Parser:
    """Cuts a text into nodes: strings, outputs and blocks."""

    def __init__(self, text: str) -> None:
        self.pieces = self._pieces(text)
        self.defined: dict[str, tuple[Any, ...]] = {}
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
            elif word in ("define", "block"):
                name, value = _name_and_value(piece[len(word) :], word)
                self.defined[name] = self._until(("end",))
                self.at += 1
                if word == "block":
                    nodes.append(_Call(name, value))
            elif word == "template":
                nodes.append(_Call(*_name_and_value(piece[len(word) :], word)))
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

    def __init__(
        self,
        root: Any,
        strict: bool,
        defined: Mapping[str, tuple[Any, ...]] = MappingProxyType({}),
        caller: _Run | None = None,
    ) -> None:
        self.root = root
        self.strict = strict
        self.defined = defined
        self.depth: int = 0 if caller is None else caller.depth + 1
        self.steps: Iterator[int] = count() if caller is None else caller.steps
        self.scopes: list[dict[str, Any]] = [{}]
        """Variables by name, the innermost block last."""

    def all(self, nodes: tuple[Any, ...], dot: Any) -> str:
        out = []
        for node in nodes:
            if next(self.steps) > _LONGEST:
                raise TemplateError("it takes more steps than are taken here")
            if isinstance(node, str):
                out.append(node)
            elif isinstance(node, _Output):
                setting = _SETTING.fullmatch(node.expression)
                if setting is None:
                    out.append(shown(self.value(node.expression, dot)))
                else:
                    self.set(setting, dot)
            elif isinstance(node, _Call):
                out.append(self.template(node, dot))
            else:
                self.scopes.append({})
                if len(self.scopes) > _DEEPEST:
                    raise TemplateError("its blocks are nested too deep")
                out.append(self.block(node, dot))
                self.scopes.pop()
        return "".join(out)

    def set(self, setting: re.Match[str], dot: Any) -> Any:
        """Declare or assign a variable, and return its value."""
        name, second, sign, expression = setting.groups()
        if second is not None:
            raise TemplateError("two variables are set by range alone")
        value = self.value(expression, dot)
        if sign == ":=":
            self.scopes[-1][name] = value
            return value
        for scope in reversed(self.scopes):
            if name in scope:
                scope[name] = value
                return value
        raise TemplateError(f"there is no variable ${name}")

    def template(self, called: _Call, dot: Any) -> str:
        """Return what a template that was defined gives for a value."""
        nodes = self.defined.get(called.name)
        if nodes is None:
            raise TemplateError(f'there is no template "{called.name}"')
        if self.depth >= _DEEPEST:
            raise TemplateError("its templates call each other too often")
        value = self.value(called.value, dot) if called.value else None
        return _Run(value, self.strict, self.defined, self).all(nodes, value)

    def block(self, block: _Block, dot: Any) -> str:
        setting = _SETTING.fullmatch(block.condition.strip())
        if block.word == "range":
            return self.range(block, setting, dot)
        value = self.value(block.condition, dot) if setting is None else self.set(setting, dot)
        if not is_true(value):
            return self.all(block.otherwise, dot)
        return self.all(block.body, value if block.word == "with" else dot)

    def range(self, block: _Block, setting: re.Match[str] | None, dot: Any) -> str:
        """Return the body for each item; `setting` names the item, or its key and it."""
        value = self.value(block.condition if setting is None else setting[4], dot)
        if not is_true(value):
            return self.all(block.otherwise, dot)
        if isinstance(value, Mapping):
            pairs = sorted(value.items(), key=lambda pair: str(pair[0]))
        elif isinstance(value, (list, tuple)):
            pairs = list(enumerate(value))
        else:
            raise TemplateError(f"range cannot go over {shown(value)}")
        out = []
        for key, item in pairs[:_MOST]:
            if setting is not None:
                first, second = setting[1], setting[2]
                named = {first: item} if second is None else {first: key, second: item}
                self.scopes[-1].update(named)
            self.scopes.append({})
            out.append(self.all(block.body, item))
            self.scopes.pop()
        return "".join(out)

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
            name, _, path = text.partition(".")
            start = self.variable(name[1:]) if name else dot
            return self.field(start, path), rest
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

    def variable(self, name: str) -> Any:
        """Return a variable; `$` alone is what the template was called with."""
        if not name:
            return self.root
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        raise TemplateError(f"there is no variable ${name}")

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


def _name_and_value(rest: str, word: str) -> tuple[str, str]:
    """Return the name in quotes and the expression after it."""
    found = _NAMED.fullmatch(rest)
    if found is None:
        raise TemplateError(f"{word} needs a name in quotes")
    return _string(found[1]), found[2]


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
