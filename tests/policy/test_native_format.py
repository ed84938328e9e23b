# ruff: noqa: E501 -- the tables read better whole
"""The native format is strict: each mistake is named with its place, all of them at once."""

from __future__ import annotations

from textwrap import dedent

import pytest

from kpolicy.policy.loader import Defaults, load_file
from kpolicy.policy.model import ForEach, Match

GOOD = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata:
  name: good
spec:
  title: A title
  severity: error
  category: security
  pack: mine
  default: true
  description: |
    Why.
  remediation: What to do.
  references: [https://example.com]
  params:
    allowed: {type: array, items: string, default: [a], description: which, enum: [a, b]}
  match:
    kinds: [workloads, apps/v1/Deployment]
    excludeKinds: [Job]
    namespaces: {include: ["team-*"], exclude: [kube-system]}
    names: {exclude: [old-*]}
    labels: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: Exists}]}
  matchConditions: [{name: a-condition, expression: 'true'}]
  filters: [{name: helper, expression: 'true'}]
  variables: [{name: x, expression: '1'}]
  validations:
    - forEach: {var: c, in: '[1]'}
      expression: c == variables.x
      messageExpression: "'no'"
      at: object
      related: object
  failurePolicy: Ignore
"""


def load(text):
    return load_file("p.yaml", dedent(text))


def problems(text):
    """Return (line, column, message) of each problem."""
    return [(p.location.line, p.location.column, p.message) for p in load(text).problems]


def spec(text):
    """Return a policy whose spec begins on line 6."""
    body = "".join(f"  {line}\n" for line in dedent(text).strip("\n").split("\n"))
    return f"apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata:\n  name: p\nspec:\n{body}"


def test_every_field_is_read():
    (policy,) = load(GOOD).policies
    assert (policy.id, policy.severity, policy.pack, policy.default) == (
        "good",
        "error",
        "mine",
        True,
    )
    assert policy.params[0].default == ["a"]
    assert policy.params[0].enum == ("a", "b")
    assert policy.match == Match(
        kinds=("workloads", "apps/v1/Deployment"),
        exclude_kinds=("Job",),
        namespaces=("team-*",),
        exclude_namespaces=("kube-system",),
        exclude_names=("old-*",),
        labels={
            "matchLabels": {"a": "b"},
            "matchExpressions": [{"key": "c", "operator": "Exists", "values": []}],
        },
    )
    (validation,) = policy.validations
    assert isinstance(validation.for_each, ForEach)
    assert validation.for_each.variable == "c"
    assert policy.failure_policy == "Ignore"
    assert (policy.location.path, policy.location.line) == ("p.yaml", 1)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("validation: []\nvalidations: [{expression: 'true'}]", (6, 3), 'unknown key "validation" in spec'),
        ("validations: [{expression: 'true'}]\nseverity: high", (7, 13), "spec.severity must be error, warning or info"),
        ("validations: [{expression: true}]", (6, 30), "spec.validations[0].expression must be a string, not the boolean true"),
        ("validations: [{expression: ''}]", (6, 30), "spec.validations[0].expression is empty"),
        ("validations: []", (6, 16), "spec.validations is empty"),
        ("validations: {expression: x}", (6, 16), "spec.validations must be a list, not a mapping"),
        ("validations: [x]", (6, 17), 'spec.validations[0] must be a mapping, not the string "x"'),
        ("validations: [{message: x}]", (6, 17), 'spec.validations[0] lacks "expression"'),
        ("title: [a]\nvalidations: [{expression: 'true'}]", (6, 10), "spec.title must be a string, not a list"),
        ("default: 'yes'\nvalidations: [{expression: 'true'}]", (6, 12), "spec.default must be true or false"),
        ("params: {x: {type: text}}\nvalidations: [{expression: 'true'}]", (6, 22), "spec.params.x.type must be"),
        ("params: {x: {type: integer, default: a}}\nvalidations: [{expression: 'true'}]", (6, 40), "spec.params.x.default must be an integer, not string"),
        ("params: {x: {type: array, items: string, default: [a, 1]}}\nvalidations: [{expression: 'true'}]", (6, 53), "spec.params.x.default must hold string items, but item 1 is integer"),
        ("params: {x: {type: string, enum: [a], default: b}}\nvalidations: [{expression: 'true'}]", (6, 50), "spec.params.x.default must be one of a, not b"),
        ("params: {x-y: {type: string}}\nvalidations: [{expression: 'true'}]", (6, 17), '"x-y" cannot be the name of a parameter'),
        ("match: {kinds: [deployment/x]}\nvalidations: [{expression: 'true'}]", (6, 19), '"deployment/x" is no kind'),
        ("match: {kinds: Pod}\nvalidations: [{expression: 'true'}]", (6, 18), "spec.match.kinds must be a list of strings"),
        ("match: {namespaces: [a]}\nvalidations: [{expression: 'true'}]", (6, 23), "spec.match.namespaces must be a mapping"),
        ("match: {labels: {matchExpressions: [{key: a, operator: In}]}}\nvalidations: [{expression: 'true'}]", (6, 39), "spec.match.labels.matchExpressions[0] needs values for In"),
        ("failurePolicy: fail\nvalidations: [{expression: 'true'}]", (6, 18), "spec.failurePolicy must be Fail or Ignore"),
        ("variables: [{name: x, expression: '1'}, {name: x, expression: '2'}]\nvalidations: [{expression: 'true'}]", (6, 50), 'spec.variables has two entries named "x"'),
        ("validations: [{expression: 'true', forEach: {var: object, in: '[]'}}]", (6, 53), 'spec.validations[0].forEach.var cannot be "object"'),
        ("match: {kinds: [Pod]}\nmatchConstraints: {}\nvalidations: [{expression: 'true'}]", (7, 21), "both match and matchConstraints"),
        ("matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [MAKE]}]}\nvalidations: [{expression: 'true'}]", (6, 107), '"MAKE" is no operation'),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(text, place, message):
    found = problems(spec(text))
    assert len(found) == 1, found
    assert found[0][:2] == place
    assert message in found[0][2]


def test_a_mistyped_key_gets_a_suggestion_and_an_excerpt():
    (problem,) = load(spec("sevrity: error\nvalidations: [{expression: 'true'}]")).problems
    assert 'did you mean "severity"?' in problem.hint
    assert "6 |   sevrity: error" in problem.hint
    caret = problem.hint.splitlines()[-1]
    shown = next(line for line in problem.hint.splitlines() if "sevrity:" in line)
    assert caret.index("^") == shown.index("sevrity")


def test_all_mistakes_of_all_documents_come_at_once():
    text = (
        spec("severity: bad\ntitle: 3\nvalidations: [{}]")
        + "---\n"
        + spec("nonsense: 1\nvalidations: 1")
    )
    messages = [m for _, _, m in problems(text)]
    assert len(messages) == 5
    assert any("nonsense" in m for m in messages)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", 'lacks "apiVersion"'),
        ("apiVersion: kpolicy.dev/v1\n", 'lacks "kind"'),
        ("apiVersion: kpolicy.dev/v2\nkind: Policy\n", 'no policy format reads "kpolicy.dev/v2"'),
        ("apiVersion: kpolicy.dev/v1\nkind: Polcy\n", '"Polcy" is no kind of policy'),
        ("- a\n", "a policy must be a mapping"),
        ("", "the file holds no policy"),
        ("a: [\n", "not YAML"),
        ("apiVersion: kpolicy.dev/v1\nkind: Policy\nspec: {validations: [{expression: 'true'}]}\n", 'the policy lacks "metadata"'),
        ("apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata: {name: Bad_Name}\nspec: {validations: [{expression: 'true'}]}\n", '"Bad_Name" is no policy id'),
        ("apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata: {name: a}\n", 'the policy lacks "spec"'),
        ("apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata: {name: a}\nspec:\n", '"spec" of the policy has no value'),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_said_so(text, message):
    loaded = load(text)
    assert loaded.policies == ()
    assert any(message in p.message for p in loaded.problems), loaded.problems


def test_a_key_that_stands_twice_is_a_problem():
    found = problems(spec("title: a\ntitle: b\nvalidations: [{expression: 'true'}]"))
    assert found == [(7, 3, 'key "title" stands twice in spec')]


def test_two_policies_with_one_id_are_a_problem():
    one = spec("validations: [{expression: 'true'}]")
    (problem,) = load(one + "---\n" + one).problems
    assert problem.message == 'policy id "p" is taken by another policy at p.yaml:1:1'
    assert problem.location.line == 8


def test_an_expression_that_yaml_takes_for_a_tag_asks_for_quotes():
    for text in ("validations: [{expression: !has(object.x)}]", "validations: [{expression: !x }]",
                 "validations:\n- expression: !has(object.x) && true"):  # fmt: skip
        (problem,) = load(spec(text)).problems
        assert "put the text in quotes" in problem.hint


def test_an_expression_begins_where_its_text_begins():
    """For a block scalar this is the first line of the text, not the indicator."""
    (policy,) = load(
        spec("validations:\n  - expression: |\n      true\n  - expression: 'true'")
    ).policies
    places = [v.expression.location for v in policy.validations]
    assert [(p.line, p.column) for p in places] == [(8, 9), (9, 19)]


def test_the_surroundings_decide_pack_and_default_where_the_policy_does_not():
    text = spec("validations: [{expression: 'true'}]")
    (policy,) = load_file("p.yaml", text, defaults=Defaults("folder", True)).policies
    assert (policy.pack, policy.default) == ("folder", True)
    said = spec("{pack: own, default: false, validations: [{expression: 'true'}]}").replace(
        "  {", "  {", 1
    )
    (policy,) = load_file("p.yaml", said, defaults=Defaults("folder", True)).policies
    assert (policy.pack, policy.default) == ("own", False)


def test_anchors_and_merges_work():
    (policy,) = load(spec(
        "variables:\n  - &v {name: a, expression: '1'}\n  - {<<: *v, name: b}\nvalidations: [{expression: 'true'}]"
    )).policies  # fmt: skip
    assert [(v.name, v.expression.source) for v in policy.variables] == [("a", "1"), ("b", "1")]


def test_aliases_that_blow_up_are_refused():
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(6)]
    (problem,) = load("\n".join(lines)).problems
    assert "expands to more than" in problem.message
