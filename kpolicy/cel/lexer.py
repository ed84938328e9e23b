"""Splits CEL source into tokens and decodes literals.

Source: the lexer rules of cel-go's CEL.g4 and cel-spec doc/langdef.md ("Syntax", "String and
bytes values").
"""

from __future__ import annotations

import re
from typing import Any, Final

from kpolicy.cel.errors import CelError, line_column
from kpolicy.cel.values import INT_MAX, UINT_MAX, UInt

#: A larger source is refused before it is read (cel-go's limit, which Kubernetes uses).
MAX_SOURCE = 100_000

_TOKEN: Final = re.compile(
    r"""
      (?P<space>(?:[ \t\r\n\f]+|//[^\n]*)+)
    | (?P<ident>(?![bBrR]{1,2}["'])[A-Za-z_][A-Za-z_0-9]*)
    | (?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?
              |[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    | (?P<uint>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])
    | (?P<int>0x[0-9a-fA-F]+|[0-9]+)
    | (?P<op>==|!=|<=|>=|&&|\|\||[<>\[\](){}.,\-!?:+*/%])
    | (?P<opening>[bB]?[rR]?(?:\"\"\"|'''|"|'))
    | (?P<quoted>`[A-Za-z0-9_.\-/\ ]+`)
    """,
    re.VERBOSE,
)

#: What follows an opening quote, up to and with the closing one; possessive, so linear.
_BODIES: Final = {
    '"': re.compile(r'([^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+)"'),
    "'": re.compile(r"([^'\\\r\n]*+(?:\\[^\r\n][^'\\\r\n]*+)*+)'"),
    '"""': re.compile(r'((?:[^"\\]++|\\.|"(?!""))*+)"""', re.DOTALL),
    "'''": re.compile(r"((?:[^'\\]++|\\.|'(?!''))*+)'''", re.DOTALL),
}
_RAW_BODIES: Final = {
    '"': re.compile(r'([^"\r\n]*+)"'),
    "'": re.compile(r"([^'\r\n]*+)'"),
    '"""': re.compile(r'((?:[^"]++|"(?!""))*+)"""'),
    "'''": re.compile(r"((?:[^']++|'(?!''))*+)'''"),
}
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\'\"`?])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|)"
)
_SIMPLE: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
}  # fmt: skip

_KEYWORDS: Final = frozenset(("true", "false", "null", "in"))

#: Words that are no identifiers, though a field may have their name (langdef, "Syntax").
RESERVED: Final = frozenset((
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in",
    "let", "loop", "package", "namespace", "null", "return", "true", "var", "void", "while",
))  # fmt: skip


class Tokens:
    """The tokens of a source: parallel lists of kinds, values and offsets, closed by `end`.

    A kind is an operator or keyword itself, or one of `ident`, `quoted`, `int`, `uint`, `float`,
    `literal` (strings and bytes; the value is decoded) and `end`.
    """

    __slots__ = ("kinds", "offsets", "values")

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.values: list[Any] = []
        self.offsets: list[int] = []


def syntax_error(source: str, offset: int, message: str, hint: str = "") -> CelError:
    """Return the error of a place that cannot be parsed."""
    line, column = line_column(source, offset)
    return CelError(message, phase="parse", line=line, column=column, hint=hint, source=source)


def tokenize(source: str) -> Tokens:
    """Split `source`; raises `CelError` (phase parse)."""
    if len(source) > MAX_SOURCE:
        raise CelError(
            f"the expression has {len(source):,} characters, the limit is {MAX_SOURCE:,}",
            phase="parse", line=1, column=1,
            hint="split it into variables",
        )  # fmt: skip
    tokens = Tokens()
    kinds, values, offsets = tokens.kinds, tokens.values, tokens.offsets
    position, size, match = 0, len(source), _TOKEN.match
    while position < size:
        found = match(source, position)
        if found is None:
            raise _unexpected(source, position)
        kind = found.lastgroup or ""
        start, position = position, found.end()
        if kind == "space":
            continue
        text: Any = found.group()
        if kind == "op":
            kind = text
        elif kind == "ident":
            if text in _KEYWORDS:
                kind = text
        elif kind == "opening":
            text, position = _literal(source, start, text)
            kind = "literal"
        elif kind == "quoted":
            text = text[1:-1]
        kinds.append(kind)
        values.append(text)
        offsets.append(start)
    kinds.append("end")
    values.append("")
    offsets.append(size)
    return tokens


def _unexpected(source: str, offset: int) -> CelError:
    character = source[offset]
    hints = {
        "=": "equality is ==", "&": "logical and is &&", "|": "logical or is ||",
        "`": "a quoted field is made of letters, digits and _ . - / space",
        "#": "a comment begins with //",
    }  # fmt: skip
    return syntax_error(
        source, offset, f"unexpected character {character!r}", hints.get(character, "")
    )


def _literal(source: str, start: int, opening: str) -> tuple[str | bytes, int]:
    """Return the decoded literal that begins at `start` and the offset behind it."""
    prefix = opening.rstrip("\"'").lower()
    quotes = opening[len(prefix) :]
    raw = "r" in prefix
    found = (_RAW_BODIES if raw else _BODIES)[quotes].match(source, start + len(opening))
    if found is None:
        raise syntax_error(
            source, start, f"the string is not closed by {quotes}",
            "" if len(quotes) == 3 else 'a string over several lines is written """..."""',
        )  # fmt: skip
    body = found.group(1)
    if "\r" in body:
        body = body.replace("\r\n", "\n").replace("\r", "\n")
    if "b" in prefix:
        return _decode_bytes(source, start, body, raw), found.end()
    if raw or "\\" not in body:
        return body, found.end()

    def replace(escape: re.Match[str]) -> str:
        simple, *hexes, octal = escape.groups()
        if simple:
            return _SIMPLE[simple]
        digits = next((h for h in hexes if h), None)
        if digits is None and octal is None:
            raise _bad_escape(source, start, escape.string, escape.start())
        code = int(digits, 16) if digits else int(octal, 8)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise syntax_error(source, start, f"{escape.group()} is no Unicode code point")
        return chr(code)

    return _ESCAPE.sub(replace, body), found.end()


def _decode_bytes(source: str, start: int, body: str, raw: bool) -> bytes:
    try:
        if raw or "\\" not in body:
            return body.encode()
        parts: list[bytes] = []
        position = 0
        for escape in _ESCAPE.finditer(body):
            parts.append(body[position : escape.start()].encode())
            position = escape.end()
            simple, byte, short, long, octal = escape.groups()
            if simple:
                parts.append(_SIMPLE[simple].encode())
            elif byte or octal:
                parts.append(bytes([int(byte, 16) if byte else int(octal, 8)]))
            elif short or long:
                raise syntax_error(
                    source, start, f"{escape.group()} is not allowed in bytes",
                    "write the bytes as \\xHH or the character itself",
                )  # fmt: skip
            else:
                raise _bad_escape(source, start, body, escape.start())
        parts.append(body[position:].encode())
        return b"".join(parts)
    except UnicodeEncodeError:
        raise syntax_error(source, start, "the literal holds no valid Unicode text") from None


def _bad_escape(source: str, start: int, body: str, at: int) -> CelError:
    return syntax_error(
        source, start, f"unknown escape sequence {body[at : at + 2]!s} in a string",
        "a backslash is written \\\\, or the string r'...'",
    )  # fmt: skip


def decode_number(source: str, offset: int, kind: str, text: str, negative: bool) -> Any:
    """Return the int, `UInt` or float that a token spells; raises `CelError` out of range."""
    if kind == "float":
        value = float(text)
        if value in (float("inf"),):
            raise syntax_error(source, offset, f"the double {text} is out of range")
        return -value if negative else value
    if kind == "uint":
        number = _integer(text[:-1])
        if number > UINT_MAX:
            raise syntax_error(source, offset, f"the uint {_short(text)} is out of range")
        return UInt(number)
    number = _integer(text)
    if number > INT_MAX + negative:
        raise syntax_error(
            source, offset, f"the int {'-' * negative}{_short(text)} is out of range"
        )
    return -number if negative else number


def _integer(text: str) -> int:
    if text.startswith("0x"):
        return int(text, 16)
    # Python refuses to convert thousands of digits; none of them fits 64 bits anyway.
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= 20 else UINT_MAX + 1


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
