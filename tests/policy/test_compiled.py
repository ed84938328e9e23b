# ruff: noqa: E501 -- the tables read better whole
"""CEL mistakes are found when a policy is loaded, each at its own place in the file."""

from __future__ import annotations

from textwrap import dedent

import pytest
from scan_kit import toolbox

from kpolicy.policy.compiled import CompileContext, compile_policy
from kpolicy.policy.loader import load_file
from kpolicy.relations.index import directory


@pytest.fixture(scope="module")
def box():
    """What ships with kpolicy."""
    return toolbox()


def problems(box, text):
    """Return (line, column, message, hint) of each problem."""
    text = dedent(text)
    loaded = load_file("p.yaml", text)
    assert loaded.problems == ()
    context = CompileContext(
        box.libraries, frozenset(directory(box.relations)), None, {"p.yaml": text}
    )
    found = []
    for policy in loaded.policies:
        compiled, wrong = compile_policy(policy, context)
        assert (compiled is None) == bool(wrong)
        found += wrong
    return [(p.location.line, p.location.column, p.message, p.hint) for p in found]


HEAD = "apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("    - expression: true && nope\n", 6, 27),
        ("    - expression: 'true && nope'\n", 6, 28),
        ("    - expression: \"true && nope\"\n", 6, 28),
        ("    - expression: \"true &&\\tnope\"\n", 6, 29),
        ("    - expression: |\n        true &&\n          nope\n", 8, 11),
        ("    - expression: >-\n        true\n        && nope\n", 8, 12),
        ("    - expression: >\n\n        true\n\n        && nope\n", 10, 12),
        ("    - expression: true &&\n        nope\n", 7, 9),
        ("    - expression: '\"it''s\" == \"\" || nope'\n", 6, 37),
        ("    - {expression: nope}\n", 6, 20),
        ("    - expression: |  # a comment\n        nope\n", 7, 9),
        ("    - expression: 'true &&\n        nope'\n", 7, 9),
    ],
)  # fmt: skip
def test_the_column_inside_any_scalar_is_mapped(box, text, line, column):
    found = problems(box, HEAD + "  validations:\n" + text)
    assert len(found) == 1, found
    assert found[0][:2] == (line, column)
    assert "nope" in found[0][2]


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("validations: [{expression: 'objct.x'}]", "objct", "object"),
        ("validations: [{expression: 'object.x.startWith(\"a\")'}]", "startWith", "startsWith"),
        ("validations: [{expression: 'size(object, 1) == 1'}]", "size", ""),
        ("validations: [{expression: '1 + 1'}]", "bool", ""),
        ("validations: [{expression: 'true', messageExpression: '1'}]", "string", ""),
        ("variables: [{name: peers, expression: '[]'}]\nvalidations: [{expression: 'variables.pers == []'}]", 'no variable "pers"', "peers"),
        ("variables: [{name: a, expression: variables.b}, {name: b, expression: '1'}]\nvalidations: [{expression: 'true'}]", 'no variable "b"', "move it up"),
        ("params: {limit: {type: integer}}\nvalidations: [{expression: 'params.limt > 1'}]", 'no parameter "limt"', "limit"),
        ("params: {limit: {type: integer}}\nvalidations: [{expression: 'params[\"x\"] > 1'}]", 'no parameter "x"', ""),
        ("validations: [{expression: \"object.related('mount-claim') == []\"}]", 'no relation "mount-claim"', "mounts-claim"),
        ("validations: [{expression: \"object.related(object.kind) == []\"}]", "must be written as a string", ""),
        ("filters: [{name: helper, expression: 'true'}]\nvalidations: [{expression: \"object.related('mounts-claim', 'helpr') == []\"}]", 'no filter "helpr"', "helper"),
        ("filters: [{name: a, expression: \"item.isRelated('mounts-claim')\"}]\nvalidations: [{expression: 'true'}]", "a filter looks at its item", ""),
        ("filters: [{name: a, expression: 'object.x'}]\nvalidations: [{expression: 'true'}]", "object", ""),
        ("matchConditions: [{name: a, expression: 'variables.x'}]\nvalidations: [{expression: 'true'}]", "variables", ""),
        ("validations: [{expression: 'true', forEach: {var: c, in: '1'}}]", "must be a list, not int", ""),
        ("validations: [{expression: \"authorizer.group('').resource('pods').check('get').allowed()\"}]", "authorizer", "API server"),
        ("match: {kinds: [workload]}\nvalidations: [{expression: 'true'}]", '"workload" is no kind', "workloads"),
    ],
)  # fmt: skip
def test_a_cel_mistake_is_named_with_the_next_step(box, spec, message, hint):
    body = "".join(f"  {line}\n" for line in spec.split("\n"))
    found = problems(box, HEAD + body)
    assert len(found) == 1, found
    assert message in found[0][2]
    assert hint in found[0][3]


def test_all_cel_mistakes_of_a_policy_come_at_once(box):
    found = problems(
        box,
        HEAD
        + "  variables: [{name: x, expression: nope}]\n"
        + "  validations:\n    - {expression: also, messageExpression: wrong}\n    - expression: 1 +\n",
    )
    assert [f[0] for f in found] == [5, 7, 7, 8]


def test_a_macro_variable_hides_a_root(box):
    """`variables` and `params` inside a macro that names its variable so are that variable."""
    spec = "  validations: [{expression: 'object.items.all(params, params.any == 1)'}]\n"
    assert problems(box, HEAD + spec) == []


def test_what_a_policy_asks_for_is_known(box):
    text = HEAD + dedent("""\
      filters: [{name: helper, expression: 'true'}]
      variables: [{name: a, expression: "object.related('shared-volume-claim', 'helper')"}]
      validations: [{expression: "object.isRelated('selects') && object.countRelated('selects', 3) > 1"}]
    """).replace("\n", "\n  ").rstrip(" ").replace("filters", "  filters", 1)
    (policy,) = load_file("p.yaml", text).policies
    names = frozenset(directory(box.relations))
    compiled, wrong = compile_policy(policy, CompileContext(box.libraries, names))
    assert wrong == ()
    assert compiled.questions == (("shared-volume-claim", "helper"), ("selects", ""))
    assert compiled.joins


@pytest.mark.parametrize(
    ("expression", "joins"),
    [
        ("object.podSpec().hostNetwork", False),
        ("snapshot.get('v1', 'Pod', 'a', 'b').hasValue()", True),
        ("namespaceObject == null", True),
        ("object.namespaceLabels().size() > 0", True),
    ],
)
def test_what_looks_beyond_the_resource_is_a_join(box, expression, joins):
    text = f'{HEAD}  validations: [{{expression: "{expression}"}}]\n'
    (policy,) = load_file("p.yaml", text).policies
    compiled, wrong = compile_policy(policy, CompileContext(box.libraries))
    assert wrong == ()
    assert compiled.joins is joins
