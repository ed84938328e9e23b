"""The generated code and the exact evaluation give the same value, or both fail."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kpolicy import cel
from kpolicy.cel.errors import CelError
from kpolicy.cel.values import Optional, UInt, type_of

ENVIRONMENT = cel.Environment(libraries=cel.kubernetes_libraries(), budget=20_000)

NUMBERS = ["0", "1", "-1", "2u", "0u", "1.0", "-0.0", "1e300", "9223372036854775807", "0.0/0.0"]
TEXTS = ["'a'", "'b'", "'ab'", "''", "b'a'", "'1'"]
OTHERS = ["true", "false", "null", "[]", "{}", "[1, 'a']", "{'a': 1, 'b': [2]}", "{1: 2, true: 3}"]
NAMES = ["x", "y", "o", "o.a", "o.b", "o.b.a", "o.l", "o.b['a']", "x.a"]
BINARY = ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in", "&&", "||", "&&", "||"]
UNARY = ["!({})", "-({})", "size({})", "({}).size()", "string({})", "int({})", "dyn({})",
         "type({}) == int", "type({})", "has(({}).a)", "({}).a", "({})[0]", "({})['a']",
         "({}).?a", "({})[?0]", "({}).?a.orValue(1)", "optional.of({}).hasValue()",
         "({}).startsWith('a')", "({}).contains('a')", "({}).matches('^a')", "bool({})",
         "double({})", "({}).?a.optMap(q, q + 1)", "[?({}).?a]", "{{'k': {}}}", "({}).lowerAscii()",
         "cel.bind(z, {}, z == z)",
         "({}) in ['a', 'b']", "({}).distinct()", "({}).sum()"]  # fmt: skip
LOOPS = ["({}).all(v, {})", "({}).exists(v, {})", "({}).exists_one(v, {})", "({}).filter(v, {})",
         "({}).map(v, {})", "({}).map(v, v != 1, {})", "({}).all(i, v, {})",
         "({}).exists(i, v, {})", "({}).transformList(i, v, {})", "({}).transformMap(i, v, {})",
         "({}).filter(v, {}).map(v, [v])", "({}).sortBy(v, {})", "cel.bind(v, {}, {})",
         "({}).transformMapEntry(i, v, {{v: {}}})"]  # fmt: skip


def _compose(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        st.tuples(st.sampled_from(UNARY), inner).map(lambda t: t[0].format(t[1])),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}) ? ({t[1]}) : ({t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"[{t[0]}, {t[1]}]"),
        st.tuples(st.sampled_from(LOOPS), inner, inner).map(lambda t: t[0].format(t[1], t[2])),
    )


EXPRESSIONS = st.recursive(
    st.sampled_from([*NAMES, *NAMES, "v", "v", *NUMBERS, *TEXTS, *OTHERS]), _compose, max_leaves=12
)
SCALARS = st.sampled_from(
    [0, 1, 2, -1, True, False, None, "a", "b", "ab", "", 1.0, 0.5, -0.0, math.nan, UInt(1), UInt(7),
     b"a", 2**63 - 1]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "l"]), inner, max_size=3),
    ),
    max_leaves=6,
)
OBJECTS = st.fixed_dictionaries(
    {}, optional={"a": VALUES, "b": st.dictionaries(st.sampled_from(["a", "b"]), VALUES),
                  "l": st.lists(VALUES, max_size=3)},
)  # fmt: skip
BINDINGS = st.fixed_dictionaries(
    {"x": VALUES, "o": OBJECTS},
    optional={"y": VALUES, "v": SCALARS, "o.a": SCALARS, "int": SCALARS},
)  # fmt: skip


def _shape(value: Any) -> Any:
    """Return a form in which only the same CEL values are equal."""
    if isinstance(value, (list, tuple)):
        return "list", [_shape(item) for item in value]
    if isinstance(value, Optional):
        return "optional", _shape(value.value) if value.has_value else None
    kind = type_of(value, ENVIRONMENT.opaque).name
    if kind == "map":
        return kind, sorted((repr(_shape(k)), _shape(value[k])) for k in value)
    return kind, repr(value)


def _outcome(evaluate: Any, bindings: Any) -> Any:
    try:
        return _shape(evaluate(bindings))
    except CelError as error:
        assert error.phase == "evaluate"
        assert error.line > 0, f"the error has no place: {error.message}"
        return "error"


@settings(
    max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(EXPRESSIONS, BINDINGS)
@example("x == 1 || o.b", {"x": 1, "o.b": 2, "o": {"b": True}})
@example("[true] == [1]", {"x": 1, "o": {}})
@example("o.l.exists(v, v.a) || true", {"x": 1, "o": {"l": [1]}})
def test_generated_code_agrees_with_exact_evaluation(source: str, bindings: Any) -> None:
    """For expressions of any types over values of any types, and names that hide others."""
    try:
        program = ENVIRONMENT.compile(source, check=False)
    except CelError as error:
        assert "sortBy" in error.message, error
        return
    expected = _outcome(program.evaluate_exactly, bindings)
    assert _outcome(program.evaluate, bindings) == expected
