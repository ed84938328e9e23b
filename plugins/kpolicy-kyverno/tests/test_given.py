"""What a gate cannot ask, given as data; and functions that need to ask nobody."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import kpolicy
import pytest
from kpolicy import cel

from kpolicy_kyverno.library import library
from kpolicy_kyverno.texts import functions

POLICY = """\
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: asks}
spec:
  %(more)s
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  variables:
    - name: answer
      expression: %(variable)s
  validations:
    - expression: %(test)s
      messageExpression: "'said ' + string(variables.answer)"
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: app, image: "acme/app:1"}]}
"""
CONTEXT = """\
apiVersion: cli.kyverno.io/v1alpha1
kind: Context
metadata: {name: context}
spec:
  images:
    - image: docker.io/acme/app:1
      config: {User: root, "Tag's": "\\"object.spec\\" é"}
  resources:
    - {apiVersion: v1, kind: ConfigMap, metadata: {name: given, namespace: a}, data: {k: v}}
  http:
    - {url: "https://acme.example/teams", response: {teams: [a, b]}}
    - {url: "https://acme.example/teams", method: POST, response: made}
  globalContext:
    - {name: teams, data: [x]}
    - {name: teams, projection: count, data: 7}
"""


def others() -> list[str]:
    return [entry.name for entry in entry_points(group="kpolicy") if entry.name != "kyverno"]


def run(
    tmp_path: Path, variable: str, test: str = "'false'", context: str = CONTEXT, more: str = ""
) -> kpolicy.Report:
    (tmp_path / "pod.yaml").write_text(POD)
    policies = tmp_path / "policies"
    policies.mkdir(exist_ok=True)
    policy = POLICY % {"variable": variable, "test": test, "more": more}
    (policies / "policy.yaml").write_text(policy)
    (policies / "context.yaml").write_text(context)
    return kpolicy.scan(
        tmp_path / "pod.yaml", policies=policies, builtin=False, isolated=True, cache=False,
        disable_plugins=others(),
    )  # fmt: skip


def said(report: kpolicy.Report) -> list[str]:
    assert not report.problems, report.problems
    return [finding.message for finding in report.findings]


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("image.GetMetadata('acme/app:1').config.User", "said root"),
        ("image.getMetadata(object.spec.containers[0].image).registry", "said index.docker.io"),
        ("image.GetMetadata('acme/app:1').config[\"Tag's\"]", 'said "object.spec" é'),
        ("http.Get('https://acme.example/teams').teams[1]", "said b"),
        ("http.get('https://acme.example/teams', {'a': 'b'}).teams.size()", "said 2"),
        ("http.Post('https://acme.example/teams', {'name': 'c'})", "said made"),
        ("globalContext.Get('teams')[0]", "said x"),
        ("globalContext.Get('teams', 'count')", "said 7"),
        ("resource.Get('v1', 'configmaps', 'a', 'given').data.k", "said v"),
        ("resource.list('v1', 'configmaps', 'a').items.size()", "said 1"),
        ("resource.List('v1', 'configmaps', 'b').items.size()", "said 0"),
        ("resource.List('v1', 'pods').items[0].metadata.name + ' http.Get('", "said web http.Get("),
    ],
)
def test_calls_are_answered_by_what_is_given(tmp_path: Path, variable: str, message: str) -> None:
    assert said(run(tmp_path, f'"{variable}"' if '"' not in variable else variable)) == [message]


@pytest.mark.parametrize(
    ("variable", "error"),
    [
        ("image.GetMetadata('acme/other:1').config.User", "no metadata of acme/other:1 is given"),
        ("http.Get('https://acme.example/x')", "no answer to GET https://acme.example/x is given"),
        ("globalContext.Get('teams', 'x')", "no entry teams, projection x is given"),
        ("resource.Get('v1', 'configmaps', 'a', 'x')", 'configmaps "a/x" not found'),
    ],
)
def test_what_is_not_given_is_an_error_of_the_evaluation(
    tmp_path: Path, variable: str, error: str
) -> None:
    (message,) = said(run(tmp_path, variable, "variables.answer == null"))
    assert error in message
    assert (
        said(run(tmp_path, variable, "variables.answer == null", more="failurePolicy: Ignore"))
        == []
    )


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("image.GetMetadata('a').config", "image.GetMetadata is refused: a gate asks no registry"),
        ("http.Get('https://a')", "http.Get is refused: an offline gate calls no services"),
        ("globalContext.Get('a')", "globalContext.Get is refused: the global context lives in"),
        ("http.Client('pem').Get('https://a')", "http.Client is refused: a gate calls no services"),
        ("random('[a-z]')", "random is refused: a gate decides the same each time"),
        ("x509.decode('pem').Subject", "x509 is refused: a gate reads no certificates"),
    ],
)
def test_without_data_the_call_is_refused_at_its_place(
    tmp_path: Path, variable: str, reason: str
) -> None:
    (problem,) = run(
        tmp_path, variable, context=CONTEXT.partition("spec:")[0] + "spec: {}"
    ).problems
    assert problem.message.startswith(reason)
    assert problem.location is not None
    assert problem.location.line == 11


def test_match_conditions_ask_nobody(tmp_path: Path) -> None:
    more = "matchConditions: [{name: a, expression: \"http.Get('https://a') == 1\"}]"
    (problem,) = run(tmp_path, "object.kind", more=more).problems
    assert problem.message == "http.Get is answered in variables and validations only"


def test_a_context_with_mistakes_is_told(tmp_path: Path) -> None:
    context = CONTEXT.replace("- image: docker.io/acme/app:1", "- name: app").replace(
        "{name: teams, data: [x]}", "{name: [teams], data: [x]}"
    )
    messages = [problem.message for problem in run(tmp_path, "1", context=context).problems]
    assert 'spec.images[0] lacks "image"' in messages
    assert any("spec.globalContext[0].name must be a string" in each for each in messages)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("sha256('a') == hash.sha256('a')", True),
        ("json.marshal({'b': [1, true, null], 'a': '<'})", '{"a":"\\u003c","b":[1,true,null]}'),
        ("json.unmarshal(json.marshal({'a': 1.5})).a", 1.5),
        ("yaml.parse('a: [1, x]').a", [1, "x"]),
        ("listObjToMap([{'k': 'a'}, {'k': 'b'}], [{'v': 1}, {'v': 2}], 'k', 'v')",
         {"a": 1, "b": 2}),
        ("math.round(2.345, 2)", 2.35),
        ("math.round(-2.5, 0)", -3.0),
        ("time.toCron(timestamp('2026-08-24T01:02:03Z'))", "2 1 24 8 1"),
        ("time.truncate(timestamp('2026-08-24T01:02:03Z'), duration('1h')) == "
         "timestamp('2026-08-24T01:00:00Z')", True),
        ("time.now() > timestamp('2026-01-01T00:00:00Z')", True),
        ("image('acme/app:1@sha256:' + hash.sha256('a')).tag()", "1"),
        ("image('acme/app').identifierWithSeparator()", ":latest"),
    ],
)  # fmt: skip
def test_functions_that_ask_nobody(source: str, value: Any) -> None:
    environment = cel.Environment({}, (*cel.kubernetes_libraries(), library()))
    program = environment.compile(source)
    assert program.evaluate({}) == value
    assert program.evaluate_exactly({}) == value


def test_the_clock_is_read_at_each_evaluation() -> None:
    environment = cel.Environment({}, (*cel.kubernetes_libraries(), library()))
    program = environment.compile("time.now()")
    assert program.evaluate({}) < program.evaluate({})


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("json.unmarshal('{')", "no JSON"),
        ("yaml.parse('a: [')", "no YAML"),
        ("listObjToMap([{}], [], 'k', 'v')", "equal length"),
        ("listObjToMap([{}], [{}], 'k', 'v')", "cannot be handled as a string"),
    ],
)
def test_functions_that_fail(source: str, error: str) -> None:
    environment = cel.Environment({}, (*cel.kubernetes_libraries(), library()))
    with pytest.raises(cel.CelError, match=error):
        environment.compile(source).evaluate({})


def test_every_function_is_documented() -> None:
    assert all(function.doc for function in functions())
