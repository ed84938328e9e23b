"""The type checker: types found, names resolved, and every error with its place and a next step."""

from __future__ import annotations

import pytest

from kpolicy import cel
from kpolicy.cel.checker import declared_variables, qualified_name
from kpolicy.cel.errors import CelError, CelErrors
from kpolicy.cel.library import kubernetes_libraries
from kpolicy.cel.parser import parse
from kpolicy.cel.types import BOOL, DYN, INT, STRING, Type, parse_type

VARIABLES = {
    "i": INT,
    "s": STRING,
    "b": BOOL,
    "object": DYN,
    "counts": parse_type("map(string, int)"),
    "nested": parse_type("map(string, list(int))"),
    "maybe": parse_type("optional_type(int)"),
    "wrapped": parse_type("wrapper(int)"),
    "a.b": INT,
    "ns.x": STRING,
    "ns.inner.x": INT,
}


def type_of(source: str, *, container: str = "", **more: Type) -> Type | None:
    """Return the static type of an expression."""
    environment = cel.Environment({**VARIABLES, **more}, kubernetes_libraries(), container)
    return environment.compile(source).result_type


def errors_of(source: str, *, expected: Type | None = None, strict: bool = False) -> list[CelError]:
    """Return the checker's errors."""
    environment = cel.Environment(VARIABLES, kubernetes_libraries(), strict_literals=strict)
    with pytest.raises(CelErrors) as raised:
        environment.compile(source, expected=expected)
    assert {error.phase for error in raised.value.errors} == {"check"}
    return list(raised.value.errors)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("i + 1", "int"),
        ("object.spec", "dyn"),
        ("object.spec.x + 1", "int"),
        ("object.a + object.b", "dyn"),
        ("object.a == object.b", "bool"),
        ("[1, 'a']", "list(dyn)"),
        ("[]", "list(dyn)"),
        ("{}", "map(dyn, dyn)"),
        ("{'a': []}", "map(string, list(dyn))"),
        ("[[], [1]]", "list(list(int))"),
        ("{1: 'a', 'b': 2}", "map(dyn, dyn)"),
        ("counts.anything", "int"),
        ("nested.x[0]", "int"),
        ("b ? 1 : dyn('x')", "dyn"),
        ("b ? [] : [1]", "list(int)"),
        ("maybe.orValue(2)", "int"),
        ("counts[?'a']", "optional_type(int)"),
        ("counts.?a", "optional_type(int)"),
        ("counts.?a.orValue(0)", "int"),
        ("object.?spec.?replicas", "optional_type(dyn)"),
        ("nested.?a[0]", "optional_type(int)"),
        ("[?maybe, 3]", "list(int)"),
        ("{?'a': maybe}", "map(string, int)"),
        ("maybe.optMap(m, string(m))", "optional_type(string)"),
        ("maybe.optFlatMap(m, optional.of([m]))", "optional_type(list(int))"),
        ("optional.none()", "optional_type(dyn)"),
        ("[1].map(x, string(x))", "list(string)"),
        ("[1].map(x, x > 0, [x])", "list(list(int))"),
        ("counts.map(k, k)", "list(string)"),
        ("counts.filter(k, k != '')", "list(string)"),
        ("object.items.map(x, x.name)", "list(dyn)"),
        ("counts.all(k, v, k != '' && v > 0)", "bool"),
        ("['a'].transformList(n, w, w + string(n))", "list(string)"),
        ("counts.transformMap(k, v, double(v))", "map(string, double)"),
        ("counts.transformMapEntry(k, v, {v: k})", "map(int, string)"),
        ("[3, 1].sortBy(x, -x)", "list(int)"),
        ("cel.bind(x, [i], x[0] + 1)", "int"),
        ("type(1)", "type(int)"),
        ("type(1) == int", "bool"),
        ("int", "type(int)"),
        ("google.protobuf.Timestamp", "type(google.protobuf.Timestamp)"),
        ("timestamp('2020-01-01T00:00:00Z') - duration('1h')", "google.protobuf.Timestamp"),
        ("ip('1.1.1.1')", "net.IP"),
        ("quantity('1Mi').asInteger()", "int"),
        ("wrapped + 1", "int"),
        ("wrapped == null", "bool"),
        ("[wrapped, 1]", "list(wrapper(int))"),
        ("a.b", "int"),
        ("math.greatest(1, 2)", "int"),
        ("math.greatest([1, 2])", "int"),
    ],
)
def test_type(source: str, expected: str) -> None:
    """Expressions have the type that cel-go finds."""
    assert type_of(source) == parse_type(expected)


@pytest.mark.parametrize(
    ("container", "source", "expected"),
    [
        ("", "ns.x", "string"),
        ("ns", "x", "string"),
        ("ns.inner", "x", "int"),
        ("ns.inner", "ns.x", "string"),
        ("ns.other", "x", "string"),
        ("ns", "inner.x", "int"),
        ("ns", "[{'x': true}].all(inner, inner.x)", "bool"),
        ("ns", "cel.bind(x, 1u, x)", "uint"),
        ("ns", "[1.5].map(i, i)", "list(double)"),
        ("ns", "[1.5].map(i, .i)", "list(int)"),
    ],
)
def test_container(container: str, source: str, expected: str) -> None:
    """Names are looked up from the innermost container outwards; macros' variables come first."""
    assert type_of(source, container=container) == parse_type(expected)


@pytest.mark.parametrize(
    ("source", "at", "message", "hint"),
    [
        ("objct.spec", (1, 1), "undeclared reference to 'objct'", "did you mean `object`?"),
        ("object.a.startWith('b')", (1, 19), "undeclared reference to method 'startWith'",
         "did you mean `startsWith`?"),
        ("sizeof(s)", (1, 7), "undeclared reference to function 'sizeof'", ""),
        ("match.greatest(1, 2)", (1, 15), "undeclared reference to function 'match.greatest'", ""),
        ("math.gretest(1, 2)", (1, 13), "undeclared reference to function 'math.gretest'",
         "did you mean `math.greatest`?"),
        ("size(1)", (1, 5), "found no matching overload for 'size' applied to '(int)'",
         "candidates: size(string), size(bytes), size(list(A)), size(map(A, B))"),
        ("1 + 'a'", (1, 3), "found no matching overload for '+' applied to '(int, string)'",
         "int + int"),
        ("s.startsWith(1)", (1, 13), "found no matching overload for 'startsWith' applied to "
         "'string.(int)'", "candidates: string.startsWith(string)"),
        ("startsWith(s, 'a')", (1, 11), "found no matching overload for 'startsWith'",
         "startsWith is a method: string.startsWith(string)"),
        ("s.int()", (1, 6), "found no matching overload for 'int' applied to 'string.()'",
         "int is no method: int(int)"),
        ("!i", (1, 1), "found no matching overload for '!' applied to '(int)'", "!bool"),
        ("b && i", (1, 3), "found no matching overload for '&&' applied to '(bool, int)'",
         "bool && bool"),
        ("i ? 1 : 2", (1, 3), "found no matching overload for '?:'", "bool ? A : A"),
        ("b ? 1 : 'a'", (1, 3), "applied to '(bool, int, string)'", ""),
        ("i.name", (1, 2), "type 'int' does not support field selection", ""),
        ("i.all(x, true)", (1, 1), "type 'int' cannot be the range of a comprehension",
         "must be list, map or dyn"),
        ("[1].all(x, x)", (1, 12), "expected type 'bool' but found 'int'", ""),
        ("[1].filter(x, 'a')", (1, 15), "expected type 'bool' but found 'string'", ""),
        ("[1].sortBy(x, [x])", (1, 15), "expected type 'string' but found 'list(int)'",
         "a sort key must have an order"),
        ("[?1]", (1, 3), "expected type 'optional_type(int)' but found 'int'", ""),
        ("{?'a': 1}", (1, 8), "expected type 'optional_type(int)' but found 'int'", ""),
        ("s.optMap(x, x)", (1, 1), "expected type 'optional_type(dyn)' but found 'string'", ""),
        ("[1].all(x)", (1, 8), "the macro 'all' takes other arguments", "written list.all(x"),
        ("Pod{name: 'a'}", (1, 4), "undeclared message type 'Pod'", "write a map literal"),
        ("i == 'a'", (1, 3), "found no matching overload for '==' applied to '(int, string)'",
         "A == A"),
        ("i in [s]", (1, 3), "found no matching overload for 'in'", "A in list(A)"),
        ("i == null", (1, 3), "applied to '(int, null_type)'", ""),
        ("b ||\n  i > 's'", (2, 5), "found no matching overload for '>'", "and 9 more"),
    ],
)  # fmt: skip
def test_error(source: str, at: tuple[int, int], message: str, hint: str) -> None:
    """An error says what and where, and what to do about it."""
    (error,) = errors_of(source)
    assert (error.line, error.column) == at
    assert message in error.message
    assert hint in error.hint
    assert error.source == source


def test_all_errors_at_once_in_order() -> None:
    """Every error of an expression is reported, one a cause, in the order of their places."""
    found = errors_of("nope.x + 1 > 2 &&\n  [i].exists(x, x.y == zap) || size(3) > 'a'")
    assert [(e.line, e.column) for e in found] == [(1, 1), (2, 18), (2, 24), (2, 36)]


def test_caret_stands_below_the_place() -> None:
    """The excerpt shows the line with a caret, also behind a tab and an astral character."""
    (error,) = errors_of("'😀' == s &&\n\tnope")
    assert error.excerpt() == " nope\n ^"


@pytest.mark.parametrize(
    ("expected", "source", "fits"),
    [
        (BOOL, "i > 1", True),
        (BOOL, "object.spec.enabled", True),
        (BOOL, "i", False),
        (STRING, "'a' + s", True),
        (STRING, "object.message", True),
        (STRING, "1 + 1", False),
    ],
)
def test_expected_result(expected: Type, source: str, fits: bool) -> None:
    """A validation must be bool, a message a string; what is not known passes."""
    if fits:
        cel.Environment(VARIABLES).compile(source, expected=expected)
        return
    (error,) = errors_of(source, expected=expected)
    assert error.message == f"expected type '{expected}' but found 'int'"


@pytest.mark.parametrize(
    "source",
    [
        "[1, 'a'].size() > 0",
        "[1, 2.0]",
        "{'a': 1, 2: 3}",
        "{'a': 1, 'b': 'c'}",
        "[[1], ['a']]",
        "duration('1d')",
        "timestamp('yesterday')",
        "timestamp(-62135596801)",
        "s.matches('x++')",
        "matches(s, ')')",
        "s.find(')')",
        "s.findAll('(')",
    ],
)
def test_strict_literals(source: str) -> None:
    """What the API server refuses of literals is an error when it is asked for, and only then."""
    assert len(errors_of(source, strict=True)) == 1
    cel.Environment(VARIABLES, kubernetes_libraries()).compile(source)


@pytest.mark.parametrize(
    "source", ["'%s %d'.format(['a', 1])", "[1, 2]", "s.matches('a+')", "duration(s)"]
)
def test_strict_literals_pass(source: str) -> None:
    """Literals that the API server takes are taken; the arguments of format may be mixed."""
    cel.Environment(VARIABLES, kubernetes_libraries(), strict_literals=True).compile(source)


def test_undeclared_names_pass_without_declarations() -> None:
    """With no variables declared any name is dyn; functions are still checked."""
    environment = cel.Environment(None, kubernetes_libraries())
    assert environment.compile("anything.at.all + 1").result_type == INT
    with pytest.raises(CelError, match="undeclared reference to function 'nope'"):
        environment.compile("nope(anything)")


def test_long_chains_need_no_deep_stack() -> None:
    """A chain of two hundred operators is checked without deep recursion."""
    assert type_of(" + ".join(["i"] * 200)) == INT
    assert type_of(" && ".join(["b"] * 5000)) == BOOL


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a.b.c", "a.b.c"),
        (".a.b", ".a.b"),
        ("a", "a"),
        ("a.?b", None),
        ("a[0].b", None),
        ("f().b", None),
    ],
)
def test_qualified_name(source: str, name: str | None) -> None:
    """A chain of plain selections from an identifier is a qualified name."""
    assert qualified_name(parse(source)) == name


def test_declared_variables() -> None:
    """Variables are declared by type, by the name of a type, or by name alone."""
    assert declared_variables(None) is None
    assert declared_variables(["a"]) == {"a": DYN}
    assert declared_variables({"a": INT, "b": "list(int)"}) == {
        "a": INT,
        "b": parse_type("list(int)"),
    }
    with pytest.raises(ValueError, match="is not a CEL type"):
        declared_variables({"a": "list("})


@pytest.mark.parametrize(
    "text", ["int", "map(string, list(dyn))", "tuple(T, U)", "net.IP", "type(int)"]
)
def test_types_as_text(text: str) -> None:
    """A type is spelled as it is shown."""
    assert str(parse_type(text)) == text


@pytest.mark.parametrize("text", ["", "list(", "list(int", "int)", "map(int,)", "a b", "1"])
def test_malformed_types(text: str) -> None:
    """Text that is no type is refused."""
    with pytest.raises(ValueError, match="is not a CEL type"):
        parse_type(text)


@pytest.mark.parametrize(
    ("variables", "source", "expected"),
    [
        ({"x": "map(string, list(int))"}, "x.a[0]", "int"),
        ({"x": "timestamp", "y": "duration"}, "x - y", "google.protobuf.Timestamp"),
        ({"x": "list"}, "x.map(e, e)", "list(dyn)"),
        ({"x": Type("map")}, "x.a", "dyn"),
        ({"x": "null"}, "x == null", "bool"),
        (["x", "y.z"], "x + y.z", "dyn"),
        ([], "1", "int"),
    ],
)
def test_variables_of_compile(variables: object, source: str, expected: str) -> None:
    """`cel.compile` takes types, their text, or names alone."""
    assert cel.compile(source, variables=variables).result_type == parse_type(expected)  # type: ignore[arg-type]
