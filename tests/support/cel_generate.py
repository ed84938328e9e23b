"""Well-typed CEL programs and inputs, drawn by hypothesis, for comparing engines.

A program is source text over the variables of `VARIABLES`. Every node is drawn with its type, so
that the checker must accept it; values sit near the edges (64 bits, NaN, -0.0, astral characters,
odd keys).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from kpolicy.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    Type,
    list_of,
    map_of,
)
from kpolicy.cel.values import NANOS, Duration, Timestamp, UInt

INTS, STRINGS, COUNTS = list_of(INT), list_of(STRING), map_of(STRING, INT)

VARIABLES: dict[str, Type] = {
    "i": INT,
    "u": UINT,
    "d": DOUBLE,
    "s": STRING,
    "b": BOOL,
    "raw": BYTES,
    "ints": INTS,
    "words": STRINGS,
    "counts": COUNTS,
    "time": TIMESTAMP,
    "span": DURATION,
    "object": DYN,
}

INT_EDGES = [0, 1, -1, 2, 3, 7, 10, 2**31, 2**53, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), 1 - 2**63]
SMALL = [0, 1, 1, 2, 2, 3, 5]
UINT_EDGES = [0, 1, 2, 3, 5, 10, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
DOUBLE_EDGES = [0.0, -0.0, 1.0, 0.1, -1.5, 2.5, 3.0, 1e300, 5e-324, 9007199254740992.0, 1e19]
DOUBLE_INPUTS = [*DOUBLE_EDGES, float("inf"), float("-inf"), float("nan")]
WORDS = [
    "",
    "a",
    "b",
    "ab",
    "abc",
    "A",
    "é",
    "e\u0301",
    "😀",
    "a😀b",
    "it's",
    '"',
    "\\",
    "\n",
    " x ",
    "1",
    "0x1",
]
KEYS = ["a", "b", "spec", "name", "replicas", "labels", "items", "x-y"]
PATTERNS = ["a", "^a", "b$", "a.*b", "[a-c]+", "^$", ".", "😀"]


def literal(value: Any, style: int = 0) -> str:
    """Return a value as CEL source; `style` varies how strings are quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, UInt):
        return f"{int(value)}u"
    if isinstance(value, int):
        return str(value) if value >= 0 else f"({value})"
    if isinstance(value, float):
        return repr(value) if value >= 0 and str(value)[0] != "-" else f"({value!r})"
    if isinstance(value, bytes):
        return "b'" + "".join(f"\\x{byte:02x}" for byte in value) + "'"
    if isinstance(value, str):
        return _quoted(value, style)
    if isinstance(value, list):
        return "[" + ", ".join(literal(item, style) for item in value) + "]"
    return (
        "{" + ", ".join(f"{literal(k, style)}: {literal(v, style)}" for k, v in value.items()) + "}"
    )


def _quoted(text: str, style: int) -> str:
    if style == 1 and not set(text) & set('\\"\n'):
        return f'"{text}"'
    if style == 2 and not set(text) & set("'\n") and not text.endswith("\\"):
        return f"r'{text}'"
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n"}
    return (
        "'"
        + "".join(escapes.get(c, f"\\u{ord(c):04x}" if 127 < ord(c) < 65536 else c) for c in text)
        + "'"
    )


def json_value(random: Random, depth: int = 3) -> Any:
    """Return a JSON-shaped value."""
    shape = random.randrange(6) if depth else 0
    if shape < 3:
        return random.choice([*INT_EDGES, *WORDS, True, False, None, None, 0.5, 1.0, -0.0, 1e19])
    if shape == 3:
        return [json_value(random, depth - 1) for _ in range(random.randrange(4))]
    return json_object(random, depth - 1)


def json_object(random: Random, depth: int = 4) -> dict[str, Any]:
    """Return a JSON object over the keys that programs select."""
    return {random.choice(KEYS): json_value(random, depth) for _ in range(random.randrange(5))}


def _listed(edges: list[Any], least: int) -> Callable[[Random], list[Any]]:
    return lambda random: [random.choice(edges) for _ in range(random.randrange(least, 5))]


def _counts(random: Random) -> dict[str, int]:
    return {random.choice(KEYS): random.choice(INT_EDGES) for _ in range(random.randrange(4))}


def _bytes(random: Random) -> bytes:
    return bytes(random.choice(b"\x00a\xc3\xa9\xff") for _ in range(random.randrange(4)))


LITERALS: dict[Type, Callable[[Random], Any]] = {
    INT: lambda random: random.choice(INT_EDGES if random.random() < 0.3 else SMALL),
    UINT: lambda random: UInt(random.choice(UINT_EDGES if random.random() < 0.5 else SMALL)),
    DOUBLE: lambda random: random.choice(DOUBLE_EDGES),
    STRING: lambda random: random.choice(WORDS),
    BYTES: _bytes,
    BOOL: lambda random: random.random() < 0.5,
    # Not empty: the type of `[]` is settled by its first use, which may be another.
    INTS: _listed(INT_EDGES, 1),
    STRINGS: _listed(WORDS, 1),
    COUNTS: lambda random: {"a": 1, **_counts(random)},
}
INPUTS: dict[Type, Callable[[Random], Any]] = {
    **LITERALS,
    DOUBLE: lambda random: random.choice(DOUBLE_INPUTS),
    INTS: _listed(INT_EDGES, 0),
    STRINGS: _listed(WORDS, 0),
    COUNTS: _counts,
    TIMESTAMP: lambda random: Timestamp(NANOS * random.choice(SECONDS)),
    DURATION: lambda random: Duration(NANOS * random.choice([0, 1, -90, 3600, 10**9])),
    DYN: json_object,
}
SECONDS = [0, 1_234_567_890, -62_135_596_800, 253_402_300_799]


@dataclass(frozen=True, slots=True)
class Case:
    """A program, its static type, its inputs, and the operators and functions in it."""

    source: str
    type: Type
    bindings: dict[str, Any] = field(hash=False)
    operators: frozenset[str] = frozenset()


class _Draws:
    """Draws expressions by type; the deeper, the sooner it ends at a leaf."""

    def __init__(self, random: Random, extended: bool = False) -> None:
        self.makers = _ALL_MAKERS if extended else _MAKERS
        self.random = random
        self.pick = random.randrange
        self.choose = random.choice
        self.used: set[str] = set()
        self.locals: list[tuple[str, Type]] = []
        self.style = random.randrange(3)
        self.body = json_object(random)

    def expression(self, kind: Type, depth: int) -> str:
        """Return an expression of a type."""
        if depth <= 0 or self.pick(6) == 0:
            return self.leaf(kind)
        return str(self.choose(self.makers[kind])(self, depth - 1))

    def leaf(self, kind: Type) -> str:
        """Return a variable or a literal."""
        local = [name for name, of in self.locals if of == kind and self.visible(name) == kind]
        named = [name for name, of in VARIABLES.items() if of == kind and not self.visible(name)]
        names = local * 3 + named
        if names and (self.pick(3) or kind not in LITERALS):
            return str(self.choose(names))
        if kind == DYN:
            return self.path()
        if kind == TIMESTAMP:
            return self.use("timestamp", "timestamp('2009-02-13T23:31:30Z')")
        if kind == DURATION:
            return self.use("duration", "duration('90s')")
        return literal(LITERALS[kind](self.random), self.style)

    def visible(self, name: str) -> Type | None:
        """Return the type of the innermost local of a name."""
        return next((of for known, of in reversed(self.locals) if known == name), None)

    def use(self, operator: str, text: str) -> str:
        self.used.add(operator)
        return text

    def path(self) -> str:
        """Return a way into a JSON value."""
        roots = [name for name, of in self.locals if of == DYN and self.visible(name) == DYN]
        if self.visible("object") is None:
            roots.append("object")
        if not roots:
            return "dyn(null)"
        text = str(self.choose(roots))
        value = self.body if text == "object" and "object" not in dict(self.locals) else None
        for _ in range(self.pick(3)):
            # Mostly a way that there is.
            known = [*value] if isinstance(value, dict) and value and self.pick(4) else KEYS
            key = str(self.choose(known))
            value = value.get(key) if isinstance(value, dict) else None
            if key == "x-y" or self.pick(4) == 0:
                text = self.use("_[_]", f"{text}[{literal(key)}]")
            else:
                text = self.use("select", f"{text}.{key}")
        return text

    # Makers, by what they answer

    def binary(self, operator: str, left: Type, right: Type, depth: int) -> str:
        a, b = self.expression(left, depth), self.expression(right, depth)
        return self.use(operator, f"({a} {operator} {b})")

    def conditional(self, kind: Type, depth: int) -> str:
        test = self.expression(BOOL, depth)
        a, b = self.expression(kind, depth), self.expression(kind, depth)
        return self.use("?:", f"({test} ? {a} : {b})")

    def call(self, name: str, argument: Type, depth: int) -> str:
        return self.use(name, f"{name}({self.expression(argument, depth)})")

    def method(self, name: str, receiver: Type, depth: int, *arguments: Type) -> str:
        target = self.expression(receiver, depth)
        rest = ", ".join(self.expression(a, depth) for a in arguments)
        return self.use(name, f"({target}).{name}({rest})")

    def index(self, depth: int, of: Type, key: Type) -> str:
        target = self.expression(of, depth)
        return self.use("_[_]", f"({target})[{self.expression(key, depth)}]")

    def comparison(self, depth: int) -> str:
        kind = self.choose([INT, UINT, DOUBLE, STRING, BYTES, BOOL, TIMESTAMP, DURATION])
        return self.binary(self.choose(["<", "<=", ">", ">=", "==", "!="]), kind, kind, depth)

    def equality(self, depth: int) -> str:
        kind = self.choose([INTS, STRINGS, COUNTS, BOOL, DYN])
        return self.binary(self.choose(["==", "!="]), kind, kind, depth)

    def mixed(self, depth: int) -> str:
        """Compare across types, by way of `dyn`."""
        left = self.choose([INT, UINT, DOUBLE, STRING, BOOL, DYN])
        right = self.choose([INT, UINT, DOUBLE, STRING, BOOL, DYN])
        a, b = self.expression(left, depth), self.expression(right, depth)
        operator = self.choose(["==", "!=", "<", ">="])
        return self.use(f"mixed{operator}", f"(dyn({a}) {operator} dyn({b}))")

    def membership(self, depth: int) -> str:
        left, right = self.choose([(INT, INTS), (STRING, STRINGS), (STRING, COUNTS)])
        return self.binary("in", left, right, depth)

    def odd_map(self, depth: int) -> str:
        """Look something up in a map whose keys are of several types."""
        keys = ["1", "2u", "true", "'a'", "0", "false", "'1'"]
        entries = [f"{key}: {n}" for n, key in enumerate(keys) if self.pick(2)]
        wanted = self.choose([*keys, "dyn(1.0)", "i", "dyn(u)", "b", "s", "dyn(d)"])
        return self.use("odd-map", f"(dyn({wanted}) in {{{', '.join(entries)}}})")

    def map_literal(self, depth: int) -> str:
        """Build a map with a key that may be the same as another."""
        a, b = self.expression(INT, depth), self.expression(INT, depth)
        return self.use("map-literal", f"{{'a': {a}, s: {b}}}")

    def presence(self, depth: int) -> str:
        return self.use("has", f"has({self.path()}.{self.choose(KEYS[:-1])})")

    def quantifier(self, depth: int) -> str:
        macro = self.choose(["all", "exists", "exists_one"])
        return self.macro(macro, BOOL, depth)

    def macro(self, macro: str, body: Type, depth: int) -> str:
        """Return a macro over a list, a map or a JSON value, whose variable may hide another."""
        ranged = self.choose([INTS, STRINGS, COUNTS, DYN])
        element = {INTS: INT, STRINGS: STRING, COUNTS: STRING, DYN: DYN}[ranged]
        target = self.expression(ranged, depth)
        name = str(self.choose(["x", "y", "i", "object"]))
        self.locals.append((name, element))
        inner = self.expression(body, depth)
        self.locals.pop()
        return self.use(macro, f"({target}).{macro}({name}, {inner})")

    # What cel-python's grammar lacks

    def within(self, locals_: list[tuple[str, Type]], kind: Type, depth: int) -> str:
        """Return an expression in which more local variables are visible."""
        self.locals += locals_
        text = self.expression(kind, depth)
        del self.locals[-len(locals_) :]
        return text

    def pairs(self) -> tuple[Type, list[tuple[str, Type]]]:
        """Choose what a macro with two variables goes over, and its variables."""
        ranged, key, value = self.choose(
            [(INTS, INT, INT), (STRINGS, INT, STRING), (COUNTS, STRING, INT)]
        )
        return ranged, [("k", key), (str(self.choose(["v", "i", "x"])), value)]

    def two_variables(self, macro: str, depth: int) -> str:
        ranged, names = self.pairs()
        target = self.expression(ranged, depth)
        body = self.within(names, BOOL, depth)
        return self.use(f"{macro}/2", f"({target}).{macro}(k, {names[1][0]}, {body})")

    def transformed(self, macro: str, kind: Type, depth: int) -> str:
        ranged, names = self.pairs()
        if macro != "transformList":
            ranged, names = COUNTS, [("k", STRING), ("v", INT)]
        target = self.expression(ranged, depth)
        test = f"{self.within(names, BOOL, depth)}, " if self.pick(2) else ""
        body = self.within(names, kind, depth)
        if macro == "transformMapEntry":
            body = f"{{{self.within(names, STRING, depth)}: {body}}}"
        return self.use(macro, f"({target}).{macro}(k, {names[1][0]}, {test}{body})")

    def bound(self, kind: Type, depth: int) -> str:
        of = self.choose([INT, STRING, INTS, BOOL, DYN])
        name = str(self.choose(["x", "y", "i", "object"]))
        value = self.expression(of, depth)
        body = self.within([(name, of)], kind, depth)
        return self.use("bind", f"cel.bind({name}, {value}, {body})")

    def optional(self, kind: Type, depth: int) -> str:
        """Return an optional of a type."""
        shape = self.pick(5)
        if shape == 0:
            return self.use("optional.of", f"optional.of({self.expression(kind, depth)})")
        if shape == 1 and kind == INT:
            return self.use(
                "[?]", f"({self.expression(INTS, depth)})[?{self.expression(INT, depth)}]"
            )
        if shape == 2 and kind == INT:
            return self.use(".?", f"({self.expression(COUNTS, depth)}).?{self.choose(KEYS[:-1])}")
        if shape == 3:
            target = self.optional(INT, depth - 1) if depth > 0 else "ints[?0]"
            body = self.within([("x", INT)], kind, depth)
            return self.use("optMap", f"({target}).optMap(x, {body})")
        inner = self.expression(kind, depth)
        return self.use("ofNonZeroValue", f"optional.ofNonZeroValue({inner})")

    def unwrapped(self, kind: Type, depth: int) -> str:
        default = self.expression(kind, depth)
        return self.use("orValue", f"({self.optional(kind, depth)}).orValue({default})")

    def optional_path(self, depth: int) -> str:
        keys = [str(self.choose(KEYS[:-1])) for _ in range(1 + self.pick(3))]
        text = "object" if self.visible("object") is None else self.path()
        text += "".join(self.choose([f".?{key}", f"[?{literal(key)}]"]) for key in keys)
        return self.use(".?", f"{text}.orValue({self.expression(DYN, depth)})")

    def presence_of_optional(self, depth: int) -> str:
        return self.use("hasValue", f"({self.optional(INT, depth)}).hasValue()")

    def optional_list(self, depth: int) -> str:
        a, b = self.optional(INT, depth), self.expression(INT, depth)
        return self.use("[?x]", f"[?{a}, {b}]")

    def optional_map(self, depth: int) -> str:
        a, b = self.optional(INT, depth), self.expression(INT, depth)
        return self.use("{?k: v}", f"{{?'a': {a}, 'b': {b}}}")

    def filtered(self, kind: Type, depth: int) -> str:
        target = self.expression(kind, depth)
        self.locals.append(("x", kind.parameters[0]))
        inner = self.expression(BOOL, depth)
        self.locals.pop()
        return self.use("filter", f"({target}).filter(x, {inner})")


def _arithmetic(kind: Type, operators: str) -> list[Callable[[_Draws, int], str]]:
    return [
        lambda g, d, o=operator: g.binary(o, kind, kind, d)  # type: ignore[misc]
        for operator in operators
    ]


_MAKERS: dict[Type, list[Callable[[_Draws, int], str]]] = {
    INT: [
        *_arithmetic(INT, "+-*/%"),
        lambda g, d: g.use("-_", f"-({g.expression(INT, d)})"),
        lambda g, d: g.call("size", g.choose([STRING, BYTES, INTS, STRINGS, COUNTS]), d),
        lambda g, d: g.call("int", g.choose([UINT, DOUBLE, STRING, INT, INT]), d),
        lambda g, d: g.index(d, INTS, INT),
        lambda g, d: g.use("_[_]", f"(ints + [1])[{g.pick(2)}]"),
        lambda g, d: g.index(d, COUNTS, STRING),
        lambda g, d: g.method(g.choose(["getFullYear", "getHours", "getDayOfWeek"]), TIMESTAMP, d),
        lambda g, d: g.conditional(INT, d),
    ],
    UINT: [
        *_arithmetic(UINT, "+-*/%"),
        lambda g, d: g.call("uint", g.choose([INT, DOUBLE, STRING]), d),
        lambda g, d: g.conditional(UINT, d),
    ],
    DOUBLE: [
        *_arithmetic(DOUBLE, "+-*/"),
        lambda g, d: g.use("-_", f"-({g.expression(DOUBLE, d)})"),
        lambda g, d: g.call("double", g.choose([INT, UINT, STRING]), d),
        lambda g, d: g.conditional(DOUBLE, d),
    ],
    STRING: [
        *_arithmetic(STRING, "+"),
        lambda g, d: g.call("string", g.choose([INT, UINT, DOUBLE, BOOL, STRING, BYTES]), d),
        lambda g, d: g.index(d, STRINGS, INT),
        lambda g, d: g.conditional(STRING, d),
    ],
    BYTES: [
        *_arithmetic(BYTES, "+"),
        lambda g, d: g.call("bytes", STRING, d),
        lambda g, d: g.conditional(BYTES, d),
    ],
    BOOL: [
        _Draws.comparison,
        _Draws.comparison,
        _Draws.equality,
        _Draws.mixed,
        _Draws.membership,
        _Draws.odd_map,
        _Draws.presence,
        _Draws.quantifier,
        _Draws.quantifier,
        lambda g, d: g.binary("&&", BOOL, BOOL, d),
        lambda g, d: g.binary("||", BOOL, BOOL, d),
        lambda g, d: g.use("!_", f"!({g.expression(BOOL, d)})"),
        lambda g, d: g.method(
            g.choose(["startsWith", "endsWith", "contains"]), STRING, d, STRING
        ),
        lambda g, d: g.use(
            "matches", f"({g.expression(STRING, d)}).matches({literal(g.choose(PATTERNS))})"
        ),
        lambda g, d: g.conditional(BOOL, d),
    ],
    INTS: [
        lambda g, d: g.binary("+", INTS, INTS, d),
        lambda g, d: g.filtered(INTS, d),
        lambda g, d: g.macro("map", INT, d),
        lambda g, d: g.conditional(INTS, d),
    ],
    STRINGS: [
        lambda g, d: g.binary("+", STRINGS, STRINGS, d),
        lambda g, d: g.filtered(STRINGS, d),
        lambda g, d: g.macro("map", STRING, d),
        lambda g, d: g.conditional(STRINGS, d),
    ],
    COUNTS: [
        _Draws.map_literal,
        lambda g, d: g.conditional(COUNTS, d),
    ],
    TIMESTAMP: [
        lambda g, d: g.binary("+", TIMESTAMP, DURATION, d),
        lambda g, d: g.binary("-", TIMESTAMP, DURATION, d),
        lambda g, d: g.conditional(TIMESTAMP, d),
    ],
    DURATION: [
        lambda g, d: g.binary("+", DURATION, DURATION, d),
        lambda g, d: g.binary("-", TIMESTAMP, TIMESTAMP, d),
        lambda g, d: g.conditional(DURATION, d),
    ],
    DYN: [
        lambda g, d: g.path(),
        lambda g, d: g.conditional(DYN, d),
        lambda g, d: g.use("dyn", f"dyn({g.expression(g.choose([INT, STRING, BOOL, DYN]), d)})"),
    ],
}  # fmt: skip


def _with_extensions() -> dict[Type, list[Callable[[_Draws, int], str]]]:
    made = {kind: [*makers] for kind, makers in _MAKERS.items()}
    for kind in (INT, BOOL, STRING, INTS, DYN):
        made[kind] += [
            lambda g, d, k=kind: g.bound(k, d),  # type: ignore[misc]
            lambda g, d, k=kind: g.unwrapped(k, d),  # type: ignore[misc]
        ]
    made[BOOL] += [
        lambda g, d: g.two_variables(g.choose(["all", "exists", "existsOne"]), d),
        _Draws.presence_of_optional,
    ]
    made[INTS] += [lambda g, d: g.transformed("transformList", INT, d), _Draws.optional_list]
    made[STRINGS] += [lambda g, d: g.transformed("transformList", STRING, d)]
    made[COUNTS] += [
        lambda g, d: g.transformed("transformMap", INT, d),
        lambda g, d: g.transformed("transformMapEntry", INT, d),
        _Draws.optional_map,
    ]
    made[DYN] += [_Draws.optional_path]
    return made


_ALL_MAKERS = _with_extensions()

#: What the extensions draw.
EXTENSIONS = {
    "all/2", "exists/2", "existsOne/2", "transformList", "transformMap", "transformMapEntry",
    "bind", "optional.of", "ofNonZeroValue", "[?]", ".?", "optMap", "orValue", "hasValue", "[?x]",
    "{?k: v}",
}  # fmt: skip


def make_case(random: Random, depth: int = 5, *, extended: bool = False) -> Case:
    """Return a program and its inputs; `extended` draws what cel-python's grammar lacks, too."""
    draws = _Draws(random, extended)
    depth = random.randint(2, depth)
    kind = random.choice([BOOL, BOOL, BOOL, INT, UINT, DOUBLE, STRING, INTS, STRINGS, BYTES])
    source = str(random.choice(draws.makers[kind])(draws, depth - 1))
    names = set(re.findall(r"[a-z]+", source))
    bindings = {n: INPUTS[of](random) for n, of in VARIABLES.items() if n in names}
    if "object" in bindings:
        bindings["object"] = draws.body
    return Case(source, kind, bindings, frozenset(draws.used))


def cases(depth: int = 5, *, extended: bool = False) -> st.SearchStrategy[Case]:
    """Return programs with inputs; each from one drawn seed, so that no two are near copies."""
    return st.randoms(use_true_random=True).map(
        lambda random: make_case(random, depth, extended=extended)
    )
