"""What is asked of a flattened list is asked of nested lists, and comes to the same."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpolicy import cel
from kpolicy.cel.writer import write
from kpolicy.export.items import flattens
from kpolicy.export.nested import Nesting, renamed

ENVIRONMENT = cel.Environment(libraries=cel.kubernetes_libraries())

#: Definitions of `variables.all`: of lists in lists, sieved, added up, chosen.
LISTS = (
    "object.lists.map(c, c).flatten()",
    "object.lists.map(c, c.map(m, m + 1)).flatten()",
    "object.lists.map(c, c.filter(m, m > 1).map(x, x)).flatten()",
    "object.lists.map(c, c).flatten().filter(n, n != 2)",
    "object.lists.map(c, c).flatten() + [7]",
    "object.flag ? object.lists.map(c, c).flatten() : [1]",
    "object.lists.map(c, [c].map(m, m)).flatten(2)",
)
#: Questions; `c`, `m` and `n` stand for something else in the definitions.
QUESTIONS = (
    "object.own.all(c, c in variables.all)",
    "object.own.exists(m, !(m in variables.all))",
    "variables.all.exists(n, n == 3)",
    "object.own.exists(c, variables.all.all(m, m != c))",
    "variables.all.size() == 0",
    "size(variables.all) > 0",
    "variables.all.filter(x, x > 2).size() != 0",
)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("definition", LISTS)
@given(
    lists=st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=3),
    own=st.lists(st.integers(0, 4), max_size=3),
    flag=st.booleans(),
)
def test_a_question_has_the_same_answer(
    definition: str, question: str, lists: list[list[int]], own: list[int], flag: bool
) -> None:
    nesting = Nesting(needed=True)
    nesting.variable("all", ENVIRONMENT.parse(definition))
    nested = nesting.rewrite(ENVIRONMENT.parse(question))
    assert not flattens(nested)
    given = {"object": {"lists": lists, "own": own, "flag": flag}}
    flat = ENVIRONMENT.compile(definition).evaluate(given)
    expected = ENVIRONMENT.compile(question).evaluate({**given, "variables": {"all": flat}})
    assert ENVIRONMENT.compile(write(nested)).evaluate(given) == expected


def test_a_server_that_has_flatten_is_asked_as_written() -> None:
    nesting = Nesting(needed=False)
    nesting.variable("all", ENVIRONMENT.parse(LISTS[0]))
    question = ENVIRONMENT.parse(QUESTIONS[0])
    assert nesting.rewrite(question) is question


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("a.map(x, x.map(x, x) + [x])", "a.map(b2, b2.map(b1, b1) + [b2])"),
        ("x.filter(x, x > 1)", "x.filter(b1, b1 > 1)"),
        ("a.?b.optMap(x, x + y)", "a.?b.optMap(b1, b1 + y)"),
    ],
)
def test_macros_get_other_names(source: str, written: str) -> None:
    """A name inside of a macro is the innermost one's; names that are free stay."""
    fresh = (f"b{number}" for number in count(1))
    assert write(renamed(ENVIRONMENT.parse(source), fresh)) == written
