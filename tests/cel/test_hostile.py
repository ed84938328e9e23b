"""Hostile expressions and inputs end soon, in a clear `CelError`."""

from __future__ import annotations

import time
from functools import reduce
from typing import Any

import pytest

from kpolicy import cel
from kpolicy.cel.errors import BudgetExceeded, CelError

THOUSAND = list(range(1000))

#: Generous, since other work may share the machine; on an idle one each takes less than a second.
SECONDS = 5.0


def nested(macro: str, body: str, depth: int) -> str:
    for i in range(depth):
        body = f"l.{macro}(v{i}, {body})"
    return body


def doubling(step: str, result: str) -> str:
    source = result
    for i in range(40, 0, -1):
        source = f"cel.bind(s{i}, {step.format(f's{i - 1}')}, {source})"
    return source


def deep(levels: int) -> Any:
    return reduce(lambda inner, _: [inner], range(levels), 1)


TOO_DEAR = {
    "ten_nested_quantifiers": (nested("all", "true", 10), {"l": THOUSAND}),
    "ten_nested_maps": (nested("map", "l", 10), {"l": THOUSAND}),
    "ten_nested_sorts": (nested("sortBy", "1", 10), {"l": THOUSAND}),
    "twenty_nested_loops": (nested("exists", "false", 20), {"l": THOUSAND}),
    "a_thousand_long_literal": (
        f"cel.bind(l, {THOUSAND}, {nested('map', 'l', 9)})", {},
    ),
    "loops_one_after_another": (
        " && ".join(["l.all(v, l.all(w, v != -w - 1))"] * 200), {"l": THOUSAND},
    ),
    "absorbed_errors": ("l.all(a, l.exists(b, l.exists(c, a.x + b > c)))", {"l": THOUSAND}),
    "text_doubled": (f"cel.bind(s0, 'aaaaaaaaaa', {doubling('{0} + {0}', 's40')})", {}),
    "list_doubled": (f"cel.bind(s0, [1], {doubling('{0} + {0}', 's40')})", {}),
    "shared_lists_written_out": (f"cel.bind(s0, [1], {doubling('[{0}, {0}]', 's40')})", {}),
    "shared_lists_compared": (
        f"cel.bind(s0, [1], {doubling('[{0}, {0}]', 's40')} == {doubling('[{0}, {0}]', 's40')})",
        {},
    ),
    "membership_in_a_long_list": (
        "l.all(a, l.exists(b, a in l))", {"l": list(range(20_000))},
    ),
    "long_lists_compared": (
        "l.all(a, l == m)", {"l": list(range(20_000)), "m": list(range(20_000))},
    ),
    "long_texts_compared": (
        "l.all(a, x == y)", {"l": THOUSAND * 200, "x": "a" * 10**6, "y": "a" * 999_999 + "a"},
    ),
    "regex_over_long_text": (
        "l.all(a, x.matches('(a|b|c)*d*e*f*$'))", {"l": THOUSAND * 100, "x": "abc" * 10**5 + "!"},
    ),
    "long_lists_made_one_after_another": (
        " + ".join(["lists.range(999999).size()"] * 200), {},
    ),
    "long_lists_made_in_a_loop": ("l.map(x, lists.range(999999).size())", {"l": THOUSAND}),
    "long_texts_made_in_a_loop": (
        "l.map(x, s.replace('a', s).size())", {"l": THOUSAND, "s": "a" * 3000},
    ),
    "a_long_literal_in_a_loop": (f"l.map(x, {list(range(10_000))})", {"l": THOUSAND * 100}),
    "text_doubled_in_a_loop": ("l.map(a, x + x)", {"l": THOUSAND * 100, "x": "a" * 9000}),
}  # fmt: skip


@pytest.mark.parametrize(("source", "bindings"), TOO_DEAR.values(), ids=TOO_DEAR.keys())
def test_what_costs_too_much_stops(source: str, bindings: dict[str, Any]) -> None:
    """The error names the budget and the loop's place; nothing hangs."""
    began = time.perf_counter()
    with pytest.raises(BudgetExceeded, match="cost budget exceeded") as caught:
        cel.compile(source, check=False).evaluate(bindings)
    assert time.perf_counter() - began < SECONDS
    assert caught.value.hint
    assert caught.value.phase == "evaluate"
    assert caught.value.excerpt()


FAILING = {
    "a_literal_of_a_megabyte": ("'" + "a" * 10**6 + "'", {}, "the limit is 100,000"),
    "ten_thousand_parentheses": ("(" * 10_000 + "1" + ")" * 10_000, {}, "deeper than 250"),
    "open_parentheses": ("(" * 10_000, {}, "deeper than 250"),
    "a_long_ternary": ("true ? 1 : " * 5_000 + "2", {}, "deeper than 250"),
    "a_long_sum": ("1" + "+1" * 5_000, {}, "deeper than 250"),
    "a_long_selection": ("a" + ".b" * 20_000, {}, "deeper than 250"),
    "a_number_of_many_digits": ("1" * 90_000, {}, "out of range"),
    "a_regex_that_explodes": (
        "'x'.matches('((((a{100}){100}){100}){100}){100}')", {}, "invalid regular expression",
    ),
    "absorbed_errors_in_a_long_chain": ("x.y" + " || x.y" * 9_000, {"x": 1}, "no such key"),
    "an_endless_range": ("lists.range(100000000)", {}, "maximum"),
    "values_that_nest_too_deep": ("x == y", {"x": deep(5000), "y": deep(5000)}, "too deeply"),
    "digits_to_convert": ("int('1' + x)", {"x": "0" * 10**6}, "type conversion error"),
    "digits_of_a_duration": ("duration('1' + x + 's')", {"x": "0" * 10**6}, "type conversion"),
    "text_replaced_by_itself": (
        "x.replace('a', x).replace('a', x).replace('a', x)", {"x": "a" * 3000}, "at most|budget",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("source", "bindings", "message"), FAILING.values(), ids=FAILING.keys())
def test_what_is_too_large_is_refused(source: str, bindings: Any, message: str) -> None:
    began = time.perf_counter()
    with pytest.raises(CelError, match=message):
        cel.compile(source, check=False).evaluate(bindings)
    assert time.perf_counter() - began < SECONDS


HARMLESS = {
    "a_regex_that_backtracks_elsewhere": (
        "x.matches('(a+)+$')", {"x": "a" * 100_000 + "!"}, False,
    ),
    "many_negations": ("!" * 9_999 + "true", {}, False),
    "a_long_flat_conjunction": ("true" + " && true" * 9_000, {}, True),
}  # fmt: skip


@pytest.mark.parametrize(("source", "bindings", "value"), HARMLESS.values(), ids=HARMLESS.keys())
def test_what_only_looks_hostile_is_answered(source: str, bindings: Any, value: Any) -> None:
    began = time.perf_counter()
    assert cel.compile(source).evaluate(bindings) is value
    assert time.perf_counter() - began < SECONDS


def test_exceeding_the_budget_is_never_absorbed() -> None:
    source = f"({nested('all', 'true', 4)}) || true"
    with pytest.raises(BudgetExceeded):
        cel.compile(source).evaluate({"l": THOUSAND})


def test_the_budget_names_the_loop() -> None:
    with pytest.raises(BudgetExceeded) as caught:
        cel.compile("true &&\nl.all(x,\n  l.all(y, l.all(z, x != -1)))").evaluate({"l": THOUSAND})
    assert caught.value.line == 3
    assert "l.all" in caught.value.excerpt()


def test_the_budget_is_the_environments() -> None:
    libraries = cel.kubernetes_libraries()
    bindings = {"l": list(range(100))}
    source = "l.all(x, l.all(y, x + y >= 0))"
    assert cel.Environment(libraries=libraries).compile(source).evaluate(bindings) is True
    with pytest.raises(BudgetExceeded, match="more than 1,000 steps"):
        cel.Environment(libraries=libraries, budget=1_000).compile(source).evaluate(bindings)


def test_the_charge_of_nested_loops_does_not_depend_on_the_path_taken() -> None:
    """The generated code and the exact evaluation charge the inner loops alike."""
    environment = cel.Environment(libraries=cel.kubernetes_libraries(), budget=50_000)
    program = environment.compile("l.all(x, l.all(y, x + y < 1000))")
    for evaluate in (program.evaluate, program.evaluate_exactly):
        assert evaluate({"l": list(range(90))}) is True
        with pytest.raises(BudgetExceeded):
            evaluate({"l": list(range(200))})


def test_a_single_loop_over_the_input_is_not_charged() -> None:
    """It takes no longer than reading the input did."""
    environment = cel.Environment(libraries=cel.kubernetes_libraries(), budget=1_000)
    bindings = {"l": list(range(2_000))}
    assert environment.compile("l.all(x, x >= 0)").evaluate(bindings) is True
    with pytest.raises(BudgetExceeded):
        environment.compile("l.map(x, [x]).all(x, x[0] >= 0)").evaluate(bindings)


def test_many_short_inner_loops_still_end() -> None:
    source = nested("all", "true", 9)
    with pytest.raises(BudgetExceeded):
        cel.compile(source).evaluate({"l": list(range(8))})
