"""What expressions mean, by the generated code and exactly, in tables with names that say so."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

import pytest

from kpolicy import cel
from kpolicy.cel.errors import CelError
from kpolicy.cel.types import DYN, STRING
from kpolicy.cel.values import Duration, KeyedMap, Timestamp, UInt, equal, type_of
from kpolicy.frozen import freeze

BODY = {
    "n": None, "t": True, "one": 1, "zero": 0, "big": 2**63 - 1, "f": 1.5,
    "s": "héllo👑", "nan": math.nan,
    "l": [1, "a", True], "e": {}, "m": {"a": 1, "b": {"c": None}}, "empty": [],
}  # fmt: skip
ENVIRONMENT = cel.Environment({"o": DYN, "u": DYN}, cel.kubernetes_libraries())


def both(source: str, bindings: Any = None) -> Any:
    """Evaluate by the generated code and exactly; they must agree."""
    program = ENVIRONMENT.compile(source, check=False)
    given = {"o": BODY, "u": UInt(3)} if bindings is None else bindings
    outcomes = []
    for evaluate in (program.evaluate, program.evaluate_exactly):
        try:
            outcomes.append(("value", evaluate(given)))
        except CelError as error:
            outcomes.append(("error", error))
    (kind, fast), (kind_exact, exact) = outcomes
    assert kind == kind_exact, f"generated: {fast!r}, exact: {exact!r}"
    if kind == "error":
        raise exact
    assert type_of(fast, ENVIRONMENT.opaque) == type_of(exact, ENVIRONMENT.opaque)
    assert equal(fast, exact) or fast != fast
    return exact


VALUES = {
    "true_is_not_one": ("true == 1", False),
    "true_in_a_list_is_not_one": ("[true] == [1]", False),
    "bound_true_is_not_one": ("o.t == 1", False),
    "bound_true_differs_from_one": ("o.t != 1", True),
    "bound_zero_is_not_false": ("o.zero == false", False),
    "one_equals_one_point_zero": ("o.one == 1.0", True),
    "uint_equals_int": ("u == 3", True),
    "text_never_equals_a_number": ("o.s == 1", False),
    "null_equals_null_only": ("o.n == null && o.zero != null && o.e != null", True),
    "nan_differs_from_itself": ("o.nan == o.nan || [o.nan] == [o.nan]", False),
    "minus_zero_equals_zero": ("-0.0 == 0.0", True),
    "minus_zero_keeps_its_sign": ("1.0 / -0.0", -math.inf),
    "division_truncates_toward_zero": ("[-7 / 2, 7 / -2, -7 / -2]", [-3, -3, 3]),
    "modulo_has_the_sign_of_the_left": ("[-7 % 2, 7 % -2, -7 % -2]", [-1, 1, -1]),
    "size_counts_code_points": ("size(o.s)", 6),
    "size_of_bytes_counts_bytes": ("size(b'héllo')", 6),
    "null_is_present": ("has(o.n)", True),
    "missing_is_absent": ("has(o.nope)", False),
    "has_below_an_empty_map": ("has(o.e.x)", False),
    "key_in_map": ("'a' in o.m && !('z' in o.m)", True),
    "needle_in_list_by_cel_equality": ("1.0 in o.l && true in o.l && !(0 in o.l)", True),
    "true_key_is_not_one": ("{true: 'b', 1: 'i'}[1] + {true: 'b', 1: 'i'}[true]", "ib"),
    "double_finds_int_key": ("{1: 'i'}[1.0]", "i"),
    "text_order_is_by_code_point": ("'\\U0001f600' > '\\uffff'", True),
    "numbers_are_ordered_across_types": ("o.one < 1.5 && u > 2.5 && o.f >= 1 && 2u > o.one", True),
    "bools_are_ordered": ("false < true", True),
    "or_absorbs_an_error_on_the_left": ("o.nope == 1 || true", True),
    "or_absorbs_an_error_on_the_right": ("true || o.nope == 1", True),
    "and_absorbs_an_error_on_the_left": ("o.nope == 1 && false", False),
    "and_absorbs_a_value_that_is_no_bool": ("o.one && false", False),
    "or_absorbs_a_value_that_is_no_bool": ("o.s || true", True),
    "all_absorbs_errors_when_one_is_false": ("o.l.all(x, x > 1)", False),
    "exists_absorbs_errors_when_one_is_true": ("o.l.exists(x, x < 2)", True),
    "exists_looks_behind_an_error": ("['a', 1].exists(x, x == 1 && x + 1 == 2)", True),
    "conditional_evaluates_one_branch": ("true ? 1 : o.nope", 1),
    "macros_go_over_keys": ("o.m.map(k, k)", ["a", "b"]),
    "two_variables_on_a_map": ("o.m.transformList(k, v, k)", ["a", "b"]),
    "two_variables_on_a_list": ("o.l.transformList(i, v, i)", [0, 1, 2]),
    "a_transformed_list_is_a_map_by_index": ("['a'].transformMap(i, v, v)[0]", "a"),
    "inner_variable_shadows_outer": ("[1].map(x, [2].map(x, x))[0][0]", 2),
    "outer_variable_is_back_behind_the_inner": ("[1].map(x, [2].map(x, x)[0] + x)", [3]),
    "a_variable_shadows_a_binding": ("[7].all(o, o == 7)", True),
    "exists_one_counts_all": ("[1, 2, 1].exists_one(x, x == 1)", False),
    "filter_keeps_elements": ("o.l.filter(x, x != 'a')", [1, True]),
    "map_with_a_condition": ("[1, 2, 3].map(x, x > 1, x * 2)", [4, 6]),
    "bind_is_lazy": ("cel.bind(x, o.nope, true || x == 1)", True),
    "bind_shadows": ("cel.bind(o, 1, o + 1)", 2),
    "optional_chain": ("o.?m.?b.?c.hasValue()", True),
    "optional_chain_ends_at_what_is_missing": ("o.?m.?x.?y.orValue('none')", "none"),
    "optional_index": ("o.l[?1].orValue('') + o.l[?9].orValue('z')", "az"),
    "optional_entries_are_left_out": ("{?'a': o.?nope, 'b': 1}", {"b": 1}),
    "optional_elements_are_left_out": ("[?o.?nope, ?o.?one]", [1]),
    "opt_map": ("o.?one.optMap(x, x + 1).value()", 2),
    "opt_flat_map": ("o.?m.optFlatMap(m, m.?a).value()", 1),
    "uint_arithmetic": ("u * 2u - 1u", UInt(5)),
    "conversion_truncates": ("int(-1.9)", -1),
    "double_to_text_as_go": ("string(1e6) + ' ' + string(0.5) + ' ' + string(1e-5)",
                          "1e+06 0.5 1e-05"),
    "type_of_type": ("type(type(1)) == type", True),
    "a_type_is_a_value": ("type(u) == uint && type(o.m) == map", True),
    "timestamps_add": ("timestamp('2024-02-28T00:00:00Z') + duration('24h')",
                       Timestamp(1_709_164_800_000_000_000)),
    "durations_parse_as_go": ("duration('1h1m1.5s')", Duration(3_661_500_000_000)),
    "time_zones": ("timestamp('2024-07-01T00:30:00Z').getHours('Europe/Berlin')", 2),
    "negative_offset_zone": ("timestamp('2024-07-01T00:30:00Z').getDate('-01:00')", 30),
    "int_keys_make_a_keyed_map": ("{1: 2}", KeyedMap([(1, 2)])),
    "a_list_may_be_a_tuple": ("(1, 2)"[:0] + "o.empty + [1]", [1]),
    "matches_finds_anywhere": ("o.s.matches('l+o')", True),
}  # fmt: skip


@pytest.mark.parametrize(("source", "value"), VALUES.values(), ids=VALUES.keys())
def test_value(source: str, value: Any) -> None:
    made = both(source)
    assert type_of(made) == type_of(value)
    assert equal(made, value) or (made == value)


ERRORS = {
    "overflow_of_addition": ("o.big + 1", "overflow"),
    "overflow_of_subtraction": ("-2 - o.big", "overflow"),
    "overflow_of_multiplication": ("o.big * 2", "overflow"),
    "overflow_of_negation": ("-(-9223372036854775807 - 1)", "overflow"),
    "overflow_of_division": ("(-9223372036854775807 - 1) / -1", "overflow"),
    "uint_underflow": ("u - 4u", "overflow"),
    "division_by_zero": ("o.one / o.zero", "division by zero"),
    "modulo_by_zero": ("1u % 0u", "modulus by zero"),
    "int_and_uint_do_not_add": ("1 + u", "no such overload"),
    "int_and_double_do_not_add": ("o.one + 1.5", "no such overload"),
    "text_and_number_do_not_add": ("'a' + o.one", "no such overload"),
    "true_does_not_add": ("o.t + 1", "no such overload"),
    "no_order_between_text_and_number": ("o.s < 1", "no such overload"),
    "no_order_between_bool_and_number": ("o.t < 1", "no such overload"),
    "no_order_of_lists": ("[1] < [2]", "no such overload"),
    "nan_is_not_ordered": ("o.nan < 1.0", "NaN"),
    "missing_key": ("o.nope", "no such key: nope"),
    "missing_key_below": ("o.m.x.y", "no such key: x"),
    "field_of_null": ("o.n.x", "no such key: x"),
    "has_on_text": ("has(o.s.x)", "no such key"),
    "has_below_what_is_missing": ("has(o.nope.x)", "no such key: nope"),
    "has_on_a_list": ("has(o.l.x)", "no such key"),
    "index_out_of_bounds": ("o.l[3]", "index out of bounds"),
    "negative_index": ("o.l[-1]", "index out of bounds"),
    "bool_index": ("o.l[true]", "invalid list index"),
    "in_text": ("'a' in o.s", "no such overload"),
    "or_of_error_and_false": ("o.nope == 1 || false", "no such key"),
    "and_of_error_and_true": ("true && o.nope == 1", "no such key"),
    "condition_that_is_no_bool": ("o.one ? 1 : 2", "no such overload"),
    "not_of_a_number": ("!o.one", "no such overload"),
    "logic_over_numbers": ("o.one && true", "no such overload"),
    "all_over_text": ("o.s.all(c, true)", "goes over a list or a map"),
    "all_with_errors_only": ("[0, 1].all(x, x.a)", "no such key"),
    "exists_with_an_error_and_no_true": ("[0, 1].exists(x, 1 / x == 2)", "division by zero"),
    "exists_one_keeps_errors": ("[0, 1].exists_one(x, 1 / x == 1)", "division by zero"),
    "map_keeps_errors": ("[0].map(x, 1 / x)", "division by zero"),
    "filter_by_no_bool": ("[0].filter(x, x)", "no such overload"),
    "repeated_key": ("{'a': 1, 'a': 2}", "duplicate key"),
    "repeated_number_key": ("{1: 1, 1u: 2}", "duplicate key"),
    "null_key": ("{null: 1}", "unsupported key type"),
    "text_is_no_int": ("int('1_0')", "type conversion error"),
    "text_is_no_bool": ("bool('yes')", "type conversion error"),
    "double_out_of_int": ("int(9223372036854775808.0)", "range"),
    "negative_to_uint": ("uint(-1)", "range"),
    "bytes_that_are_no_text": ("string(b'\\xff')", "UTF-8"),
    "unknown_zone": ("timestamp('2024-01-01T00:00:00Z').getHours('Mars/Olympus')", "time zone"),
    "impossible_date": ("timestamp('2023-02-29T00:00:00Z')", "type conversion error"),
    "time_out_of_range": ("timestamp('9999-12-31T23:59:59Z') + duration('1s')", "out of range"),
    "value_of_none": ("optional.none().value()", "optional.none()"),
    "unknown_function": ("nope(1)", "unbound function: nope"),
    "wrong_number_of_arguments": ("size(1, 2)", "no such overload: size"),
    "message_type": ("a.B{c: 1}", "unknown type: a.B"),
    "undeclared_variable": ("missing == 1", "missing"),
    "bad_regex": ("o.s.matches('(')", "invalid regular expression"),
    "dyn_is_no_value": ("dyn", "dyn"),
    "starts_with_a_list": ("o.s.startsWith(['h'])", "no such overload"),
    "method_of_another_type": ("o.l.startsWith('a')", "no such overload"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_error(source: str, message: str) -> None:
    with pytest.raises(CelError) as caught:
        both(source)
    assert message in caught.value.message
    assert caught.value.phase == "evaluate"
    assert caught.value.line == 1


def test_an_evaluation_error_points_at_the_operator() -> None:
    with pytest.raises(CelError) as caught:
        both("true &&\n  o.l.exists(x,\n    o.m.zzz == x)")
    assert (caught.value.line, caught.value.column) == (3, 8)
    assert caught.value.excerpt() == "    o.m.zzz == x)\n       ^"


@pytest.mark.parametrize(
    "wrap", [dict, freeze, MappingProxyType], ids=["dict", "frozen", "mapping"]
)
def test_any_mapping_is_a_map(wrap: Any) -> None:
    body = wrap({"spec": wrap({"replicas": 3})})
    assert both("has(o.spec.replicas) && o.spec.replicas >= 3 && size(o) == 1", {"o": body}) is True
    assert both("o.map(k, o[k].replicas)", {"o": body}) == [3]
    assert both("'spec' in o && !('x' in o)", {"o": body}) is True


def test_elements_are_handed_on_as_they_are() -> None:
    """An item keeps its identity, so that its place in the file can be found."""
    body = freeze({"l": [{"a": 1}, {"a": 2}]})
    found = both("o.l.filter(x, x.a == 2)[0]", {"o": body})
    assert found is body["l"][1]
    assert both("o.l.map(x, {'item': x})[0].item", {"o": body}) is body["l"][0]
    assert both("o.?l.orValue([])", {"o": body}) is body["l"]


def test_lists_made_by_an_expression_are_new_each_time() -> None:
    program = ENVIRONMENT.compile("true ? [1, 2] : []")
    program.evaluate({}).append(3)
    assert program.evaluate({}) == [1, 2]


class Lazy(dict[str, Any]):
    """Stands for `variables`: evaluates on first use."""

    def __missing__(self, key: str) -> Any:
        if key == "bad":
            raise CelError("variable 'bad' failed")
        self[key] = value = key.upper()
        return value

    def __contains__(self, key: object) -> bool:
        return key in ("x", "bad")


def test_a_lazy_map_is_asked_for_what_it_lacks() -> None:
    assert both("o.x + o.x", {"o": Lazy()}) == "XX"
    assert both("o.bad == 1 || true", {"o": Lazy()}) is True
    with pytest.raises(CelError, match="variable 'bad' failed"):
        both("o.bad == 1", {"o": Lazy()})
    assert both("'bad' in o && has(o.bad) && !has(o.y) && !('y' in o)", {"o": Lazy()}) is True
    assert both("o.?x.orValue('') + o.?y.orValue('-')", {"o": Lazy()}) == "X-"
    assert both("o[?'y'].hasValue()", {"o": Lazy()}) is False


# Names


def test_undeclared_names_are_looked_up_longest_first() -> None:
    program = cel.compile("a.b.c")
    assert program.evaluate({"a.b.c": 1, "a.b": {"c": 2}, "a": {"b": {"c": 3}}}) == 1
    assert program.evaluate({"a.b": {"c": 2}, "a": {"b": {"c": 3}}}) == 2
    assert program.evaluate({"a": {"b": {"c": 3}}}) == 3
    with pytest.raises(CelError, match="no such attribute"):
        program.evaluate({"b": 1})


def test_a_dotted_binding_hides_a_field_even_when_another_root_is_missing() -> None:
    program = cel.compile("object.spec.x == 1 || other.y")
    assert program.evaluate({"object": {"spec": {"x": 2}}, "object.spec": {"x": 1}}) is True


def test_a_binding_hides_a_type_name() -> None:
    assert cel.compile("int == 3", check=False).evaluate({"int": 3}) is True
    assert cel.compile("type(x) == int").evaluate({"x": 3}) is True


def test_names_are_looked_up_in_the_container_first() -> None:
    bindings = {"com.example.y": 1, "com.y": 2, "y": 3}
    assert cel.compile("y", container="com.example").evaluate(bindings) == 1
    assert cel.compile("y", container="com.other").evaluate(bindings) == 2
    assert cel.compile(".y", container="com.example").evaluate(bindings) == 3
    declared = cel.compile("y", container="com", variables={"com.y": STRING, "y": STRING})
    assert declared.evaluate(bindings) == 2


def test_a_local_variable_hides_a_namespace() -> None:
    assert cel.compile("[{'greatest': 1}].all(math, math.greatest == 1)").evaluate({}) is True


def test_references_functions_and_calls() -> None:
    program = cel.compile(
        "object.spec.x.startsWith('a') && params.y.all(p, related(p, 'k') == !p[0])", check=False
    )
    assert program.references == {"object", "params"}
    assert program.functions == {"startsWith", "related"}
    (call,) = program.calls("related")
    assert len(call.args) == 2
    assert program.calls("nope") == ()


def test_evaluate_is_one_plain_function_from_the_second_use_on() -> None:
    program = cel.compile("1 + x")
    assert program.evaluate is program.evaluate
    assert program.evaluate({"x": 1}) == 2
    assert repr(program) == "Program('1 + x')"
