"""The lexer and parser: literals, precedence, places of errors, and the bounds."""

from __future__ import annotations

import pytest

from kpolicy.cel.errors import CelError
from kpolicy.cel.library import kubernetes_libraries
from kpolicy.cel.macros import standard_macros
from kpolicy.cel.nodes import (
    MAX_DEPTH,
    Bind,
    Block,
    Call,
    Comprehension,
    Constant,
    ListNode,
    Node,
    Select,
    children,
)
from kpolicy.cel.parser import parse
from kpolicy.cel.values import UInt

MACROS = (*standard_macros(), *(m for library in kubernetes_libraries() for m in library.macros))


def parsed(source: str) -> Node:
    return parse(source, MACROS)


def shape(node: Node) -> str:
    """Return the tree as prefix text."""
    name = getattr(node, "function", None) or getattr(node, "field", None) or ""
    name = name or str(getattr(node, "name", "") or getattr(node, "value", ""))
    below = " ".join(shape(child) for child in children(node))
    return f"({name} {below})" if below else name


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 2 * 3", "(_+_ 1 (_*_ 2 3))"),
        ("1 - 2 - 3", "(_-_ (_-_ 1 2) 3)"),
        ("1 < 2 == true", "(_==_ (_<_ 1 2) True)"),
        ("a || b && c", "(_||_ a (_&&_ b c))"),
        ("a ? b : c ? d : e", "(_?_:_ a b (_?_:_ c d e))"),
        ("!a.b", "(!_ (b a))"),
        ("-a.b * 2", "(_*_ (-_ (b a)) 2)"),
        ("!!a", "a"),
        ("!!!a", "(!_ a)"),
        ("--a", "a"),
        ("a in b in c", "(@in (@in a b) c)"),
        ("x[0].y[?1]", "(_[?_] (y (_[_] x 0)) 1)"),
        ("-1.f(2)", "(f -1 2)"),
        ("3 -1", "(_-_ 3 1)"),
        ("a && b && c && d", "(_&&_ (_&&_ a b) (_&&_ c d))"),
        ("(a)", "a"),
        (".a.b", "(b .a)"),
        ("42.f()", "(f 42)"),
        ("1 // comment\n + 2", "(_+_ 1 2)"),
    ],
)
def test_precedence_and_association(source: str, expected: str) -> None:
    assert shape(parsed(source)) == expected


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("0x1F", 31), ("-0x8000000000000000", -(2**63)), ("-9223372036854775808", -(2**63)),
        ("007", 7), ("1u", UInt(1)), ("0xFFu", UInt(255)),
        ("18446744073709551615U", UInt(2**64 - 1)),
        (".5", 0.5), ("1e3", 1000.0), ("-1.5E-1", -0.15), ("'a'", "a"),
        ('"""a\n"b""c"""', 'a\n"b""c'),
        ("'''it's'''", "it's"), (r"r'\n'", r"\n"), (r"'\x41\X42\103\u0044\U00000045'", "ABCDE"),
        (r"'\a\b\f\n\r\t\v\\\?\"\'\`'", "\a\b\f\n\r\t\v\\?\"'`"), (r"b'\xff\377\n'", b"\xff\xff\n"),
        ("b'ÿ'", "ÿ".encode()), (r"br'\x41'", rb"\x41"), ("'''a\r\nb\rc'''", "a\nb\nc"),
        ("null", None), ("true", True), ("'👑'", "👑"), ("R'a'", "a"), ("B'''a'''", b"a"),
    ],
)  # fmt: skip
def test_literals(source: str, value: object) -> None:
    node = parsed(source)
    assert isinstance(node, Constant)
    assert (type(node.value), node.value) == (type(value), value)


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        ("", 1, 1, "empty"),
        ("1 +", 1, 4, "end of the expression"),
        ("a b", 1, 3, "unexpected 'b'"),
        ("1.", 1, 3, "a field name"),
        ("a..b", 1, 3, "a field name"),
        ("self.in", 1, 6, "a field name"),
        ("self.true", 1, 6, "a field name"),
        ("-!true", 1, 2, "unexpected '!'"),
        ("!-x", 1, 2, "unexpected '-'"),
        ("as", 1, 1, "reserved identifier: as"),
        ("while(1)", 1, 1, "reserved identifier: while"),
        ("a =\n= b", 1, 3, "unexpected character '='"),
        ("a\n  && #", 2, 6, "unexpected character '#'"),
        ("'abc", 1, 1, "not closed"),
        ("'a\nb'", 1, 1, "not closed"),
        (r"'\q'", 1, 1, r"unknown escape sequence \q"),
        (r"'\400'", 1, 1, r"unknown escape sequence \4"),
        (r"'\ud800'", 1, 1, "no Unicode code point"),
        (r"'\U00110000'", 1, 1, "no Unicode code point"),
        (r"b'\u0041'", 1, 1, "not allowed in bytes"),
        ("9223372036854775808", 1, 1, "out of range"),
        ("18446744073709551616u", 1, 1, "out of range"),
        ("1e400", 1, 1, "out of range"),
        ("f(1,)", 1, 5, "unexpected ')'"),
        ("{1}", 1, 3, "expected ':'"),
        ("[1 2]", 1, 4, "expected ']'"),
        ("a ? b ? c : d : e", 1, 7, "expected ':'"),
        ("has(a)", 1, 5, "field selection"),
        ("has(a.?b)", 1, 6, "field selection"),
        ("[1].all(a.b, true)", 1, 10, "simple name"),
        ("[1].all(.a, true)", 1, 10, "simple name"),
        ("[1].all(a, a, true)", 1, 12, "both variables"),
        ("a.`b!`", 1, 3, "unexpected character"),
        ("`a`", 1, 1, "an expression"),
        ("a.`b`()", 1, 6, "unexpected '('"),
    ],
)
def test_rejected_source_is_explained(source: str, line: int, column: int, message: str) -> None:
    """Each has the phase, the line, the column and what was expected."""
    with pytest.raises(CelError) as caught:
        parsed(source)
    error = caught.value
    assert (error.phase, error.line, error.column) == ("parse", line, column)
    assert message in error.message


def test_trailing_commas_are_allowed_in_lists_and_maps() -> None:
    assert isinstance(parsed("[1, 2,]"), ListNode)
    assert shape(parsed("{'a': 1,}")) == "( a 1)"
    assert parsed("[,]") == ListNode(0, [])


def test_reserved_words_may_name_fields_and_methods() -> None:
    assert shape(parsed("a.for.while()")) == "(while (for a))"


def test_quoted_fields() -> None:
    node = parsed("self.`content-type`.`a.b/c d`")
    assert isinstance(node, Select)
    assert node.field == "a.b/c d"


def test_macros_make_their_own_nodes() -> None:
    node = parsed("l.map(x, x > 1, x.all(i, v, has(v.a)))")
    assert isinstance(node, Comprehension)
    assert (node.kind, node.variable) == ("map", "x")
    assert isinstance(node.body, Comprehension)
    assert (node.body.variable, node.body.variable2) == ("i", "v")
    assert isinstance(parsed("cel.bind(x, 1, x)"), Bind)
    assert isinstance(parsed("cel.block([1], cel.index(0))"), Block)


def test_calls_that_only_look_like_macros_stay_calls() -> None:
    assert isinstance(parsed("x.bind(a, 1, a)"), Call)
    assert isinstance(parsed("l.all(x)"), Call)


@pytest.mark.parametrize("opening, closing", ["()", "[]", ("f(", ")"), ("{1:", "}"), ("a[", "]")])
def test_nesting_is_bounded(opening: str, closing: str) -> None:
    """One level below the bound parses, ten thousand levels are a clear error."""
    fine = MAX_DEPTH - 2
    parsed(opening * fine + "1" + closing * fine)
    with pytest.raises(CelError, match="nests deeper than 250 levels"):
        parsed(opening * 10_000 + "1" + closing * 10_000)


@pytest.mark.parametrize("source", ["1" + "+1" * 300, "a" + ".b" * 300, "true ? 1 : " * 300 + "2"])
def test_the_depth_of_chains_is_bounded(source: str) -> None:
    with pytest.raises(CelError, match="nests deeper than 250 levels"):
        parsed(source)


def test_long_flat_chains_parse() -> None:
    """Thousands of terms make a tree of logarithmic depth, in the order of the source."""
    node = parsed(" && ".join(f"x{i}" for i in range(5_000)))
    names = []
    pending, depth = [(node, 1)], 0
    while pending:
        each, level = pending.pop()
        depth = max(depth, level)
        if isinstance(each, Call):
            pending += [(child, level + 1) for child in reversed(each.args)]
        else:
            names.append(shape(each))
    assert names == [f"x{i}" for i in range(5_000)]
    assert depth <= 15


def test_the_source_is_bounded() -> None:
    with pytest.raises(CelError, match="1,000,002 characters, the limit is 100,000"):
        parsed("'" + "a" * 1_000_000 + "'")


def test_an_error_shows_its_line_with_a_caret() -> None:
    with pytest.raises(CelError) as caught:
        parsed("a &&\n\tb c")
    assert caught.value.excerpt() == " b c\n   ^"
