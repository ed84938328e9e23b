"""The authorizer: its functions work on a bound one; without one its name is refused with why."""

from __future__ import annotations

import pytest

from kpolicy import cel
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.authorizer import AUTHORIZER_TYPE, Authorizer, Decision, Question


def evaluate(source: str) -> tuple[object, list[Question]]:
    asked: list[Question] = []

    def decide(question: Question) -> Decision:
        asked.append(question)
        if question.verb == "break":
            return Decision(False, error="no answer")
        return Decision(question.verb != "delete", reason="because")

    environment = cel.Environment(
        variables={"authorizer": AUTHORIZER_TYPE}, libraries=cel.kubernetes_libraries()
    )
    return environment.compile(source).evaluate({"authorizer": Authorizer(decide)}), asked


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("authorizer.path('/healthz').check('get').allowed()", True),
        ("authorizer.path('/healthz').check('delete').allowed()", False),
        ("authorizer.group('').resource('pods').check('list').reason()", "because"),
        ("authorizer.group('').resource('pods').check('break').errored()", True),
        ("authorizer.group('').resource('pods').check('break').error()", "no answer"),
        ("authorizer.group('').resource('pods').check('get').errored()", False),
        ("string(type(authorizer.path('/x')) == type(authorizer))", "false"),
    ],
)
def test_decisions(source: str, expected: object) -> None:
    """A bound authorizer's decision comes back with its parts."""
    assert evaluate(source)[0] == expected


def test_the_question_has_all_that_was_said() -> None:
    """Every step of the chain is part of what is asked, and nothing is asked before `check`."""
    source = (
        "authorizer.serviceAccount('ns', 'sa').group('apps').resource('deployments')"
        ".subresource('status').namespace('prod').name('web').fieldSelector('a=b')"
        ".labelSelector('c=d').check('update').allowed()"
    )
    answer, asked = evaluate(source)
    assert answer is True
    assert asked == [
        Question(
            "update", ("ns", "sa"), "", "apps", "deployments", "status", "prod", "web", "a=b", "c=d"
        )
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("authorizer.path(' ')", "path must not be empty"),
        ("authorizer.group('').resource('')", "resource must not be empty"),
        ("authorizer.serviceAccount('A', 'b')", "namespace"),
        ("authorizer.serviceAccount('a', 'b_c')", "name"),
    ],
)
def test_malformed_questions(source: str, message: str) -> None:
    """What the API server refuses to ask is refused here."""
    with pytest.raises(CelError, match=message):
        evaluate(source)


def test_it_is_refused_by_name_without_a_cluster() -> None:
    """A policy that names the authorizer is told why there is none, when it is compiled."""
    environment = cel.Environment(variables={}, libraries=cel.kubernetes_libraries())
    with pytest.raises(CelError, match="authorizer is not available in an offline gate"):
        environment.compile("authorizer.path('/healthz').check('get').allowed()")


@pytest.mark.parametrize("check", [True, False])
def test_its_reason_comes_with_an_unbound_name_too(check: bool) -> None:
    """Where any name may be a variable, the reason is said when it turns out to have no value."""
    program = cel.compile("authorizer.path('/healthz').check('get').allowed()", check=check)
    with pytest.raises(CelError, match=r"no such attribute: authorizer .*offline gate"):
        program.evaluate({})
