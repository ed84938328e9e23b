"""What an exported policy looks like, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scan_kit import policy

from kpolicy import cel
from kpolicy.config.model import Config
from kpolicy.engine.plan import make_plan
from kpolicy.engine.request import ScanRequest
from kpolicy.export import Exported, Options, Refusal
from kpolicy.export.cost import Estimate, estimate
from kpolicy.export.releases import refused_by
from kpolicy.export.text import as_yaml
from kpolicy.export.vap import export_policy
from kpolicy.manifests.model import Limits
from kpolicy.manifests.yaml_documents import Parsed, parse
from kpolicy.plugins.manager import make_toolbox

ENVIRONMENT = cel.Environment(libraries=cel.kubernetes_libraries())
ITEMS = """
match: {kinds: [workloads]}
validations:
  - forEach: {var: c, in: object.containers()}
    expression: "!(c.?securityContext.?privileged.orValue(false))"
"""


def exported(tmp_path: Path, text: str, options: Options | None = None) -> Exported:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    request = ScanRequest(policy_paths=(str(path),), builtin=False)
    toolbox = make_toolbox((), False)
    plan = make_plan(toolbox, request, Config())
    assert plan.problems == ()
    (unit,) = plan.units
    return export_policy(
        unit.compiled, unit.params, plan.kinds, toolbox.libraries, options or Options()
    )


def spec(tmp_path: Path, text: str, options: Options | None = None) -> Any:
    return exported(tmp_path, policy("p", text), options).documents[0]["spec"]


def refusal(tmp_path: Path, text: str, options: Options | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        exported(tmp_path, policy("p", text), options)
    return caught.value


def test_a_for_each_becomes_one_expression_and_a_message_that_names_the_items(
    tmp_path: Path,
) -> None:
    (validation,) = spec(tmp_path, ITEMS + "    message: privileged")["validations"]
    assert validation == {
        "expression": "variables.containers.all(c, !c.?securityContext.?privileged.orValue(false))",
        "message": "privileged",
        "messageExpression": "'privileged: ' + variables.containers.filter(c, "
        "c.?securityContext.?privileged.orValue(false))"
        ".map(c, string(c.?name.orValue('an item without a name'))).join(', ')",
    }


def test_helpers_read_the_pod_spec_of_the_kinds_that_are_matched(tmp_path: Path) -> None:
    kinds = "match: {kinds: [Pod, CronJob, Deployment]}\nvalidations: [{expression: %s}]"
    variables = spec(tmp_path, kinds % '"object.podSpec().hostNetwork != true"')["variables"]
    assert variables == [
        {
            "name": "podSpec",
            "expression": "object.kind == 'Pod' ? object.?spec.orValue({}) : "
            "object.kind == 'CronJob' ? "
            "object.?spec.?jobTemplate.?spec.?template.?spec.orValue({}) : "
            "object.?spec.?template.?spec.orValue({})",
        }
    ]


def test_kinds_become_rules_by_group(tmp_path: Path) -> None:
    text = """
    match: {kinds: [Deployment, Job, apps/v1/StatefulSet], excludeKinds: [Job]}
    validations: [{expression: "true"}]
    """
    match = spec(tmp_path, text)["matchConstraints"]
    rules = [(r["apiGroups"], r["apiVersions"], r["resources"]) for r in match["resourceRules"]]
    assert rules == [
        (["apps"], ["*"], ["deployments"]),
        (["extensions"], ["*"], ["deployments"]),
        (["batch"], ["*"], ["jobs"]),
        (["apps"], ["v1"], ["statefulsets"]),
    ]
    assert match["excludeResourceRules"][0]["resources"] == ["jobs"]
    assert match["matchPolicy"] == "Exact"


def test_namespaces_and_names_become_match_conditions(tmp_path: Path) -> None:
    text = """
    match: {kinds: [Pod], namespaces: {exclude: [kube-system, "test-*"]}, names: {include: [web]}}
    validations: [{expression: "true"}]
    """
    conditions = {c["name"]: c["expression"] for c in spec(tmp_path, text)["matchConditions"]}
    assert conditions["names"] == "object.metadata.?name.orValue('') in ['web']"
    assert conditions["excluded-namespaces"].startswith("!request.namespace.matches('^(")


@pytest.mark.parametrize(
    ("severity", "actions", "expected"),
    [("error", (), ["Deny"]), ("warning", (), ["Warn"]), ("info", (), ["Audit"]),
     ("info", ("Deny", "Audit"), ["Deny", "Audit"])],
)  # fmt: skip
def test_the_binding_acts_by_severity(
    tmp_path: Path, severity: str, actions: tuple[str, ...], expected: list[str]
) -> None:
    text = f"severity: {severity}\nvalidations: [{{expression: 'true'}}]"
    options = Options(actions=actions)
    binding = exported(tmp_path, policy("p", text), options).documents[-1]
    assert binding["spec"] == {"policyName": "p", "validationActions": expected}


PARAMS = """
params:
  names: {type: array, default: [a, b]}
  most: {type: integer, default: 3}
  on: {type: boolean, default: true}
validations:
  - expression: "!params.on || object.metadata.name in params.names || params.most > 3"
"""


def test_parameters_are_written_into_the_policy(tmp_path: Path) -> None:
    found = spec(tmp_path, PARAMS)
    assert found["variables"] == [{"name": "names", "expression": "['a', 'b']"}]
    assert found["validations"][0]["expression"] == (
        "!true || object.metadata.name in variables.names || 3 > 3"
    )


def test_parameters_are_read_from_a_config_map(tmp_path: Path) -> None:
    options = Options(params="configmap", namespace="policies")
    vap, config_map, binding = exported(tmp_path, policy("p", PARAMS), options).documents
    assert vap["spec"]["paramKind"] == {"apiVersion": "v1", "kind": "ConfigMap"}
    assert config_map["data"] == {"most": "3", "names": "a\nb", "on": "true"}
    assert config_map["metadata"] == {"name": "p", "namespace": "policies"}
    assert binding["spec"]["paramRef"]["parameterNotFoundAction"] == "Deny"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("match: {kinds: [Service]}\nvalidations: [{expression: \"object.isRelated('selects')\"}]",
         "isRelated() looks at other resources"),
        ("validations: [{expression: \"snapshot.list('v1', 'Pod').size() > 0\"}]",
         "snapshot.list() looks at other resources"),
        ("validations: [{expression: \"object.metadata.name.isNamed(['a'])\"}]",
         "isNamed() is kpolicy's or a plugin's"),
        ("validations: [{expression: 'math.greatest(1, 2) == 2'}]", "no API server has it"),
        ("validations: [{expression: '[[1]].flatten().size() == 1'}]",
         "flatten: Kubernetes has it since 1.34 and takes it in new policies from 1.35"),
        ('match: {kinds: ["*Set"]}\nvalidations: [{expression: "true"}]', "by a glob"),
    ],
)  # fmt: skip
def test_what_admission_cannot_say_is_refused_with_its_place(
    tmp_path: Path, text: str, reason: str
) -> None:
    found = refusal(tmp_path, text)
    assert reason in found.reason
    assert found.location is not None
    assert found.location.path.endswith("policy.yaml")


def test_a_newer_release_takes_more(tmp_path: Path) -> None:
    text = "validations: [{expression: '[[1]].flatten().size() == 1'}]"
    assert spec(tmp_path, text, Options(release=(1, 35)))["validations"]


def test_a_flattened_list_of_a_for_each_needs_no_flatten(tmp_path: Path) -> None:
    text = """
    match: {kinds: [Pod]}
    validations:
      - forEach: {var: e, in: "object.containers().map(c, c.?env.orValue([])).flatten()"}
        expression: e.name != 'X'
        messageExpression: e.name
    """
    (validation,) = spec(tmp_path, text)["validations"]
    assert validation["expression"] == (
        "variables.containers.all(c, c.?env.orValue([]).all(e, e.name != 'X'))"
    )
    assert ".flatten(" not in validation["messageExpression"]


def test_what_may_cost_too_much_is_refused_with_the_number(tmp_path: Path) -> None:
    loops = "object.a.all(a, a.b.all(b, b.c.all(c, c.d.all(d, d.matches(object.re)))))"
    found = refusal(tmp_path, f'validations: [{{expression: "{loops}"}}]')
    assert found.reason == (
        "an expression may cost 1,751,324,867; an API server lets none pass whose estimate is "
        "above 10,000,000"
    )


@pytest.mark.parametrize(
    ("source", "cost"),
    [
        ("object.spec.replicas", 3),
        ("[1, 2, 3]", 10),
        ("'abc' == 'abc'", 1),
        ("'a'.startsWith('abcdefghijkl')", 2),
        ("x ? [1].size() : y", 1 + 11),
        ("a && b || !c", 1 + 1 + 2),
        ("[1, 2].all(i, i > 0)", 10 + 2 * (2 + 3) + 1),
        ("[1, 2].exists(i, i > 0)", 10 + 2 * (2 + 4) + 1),
        ("[1, 2].map(i, i + 1)", 10 + 10 + 2 * (2 + 12) + 1),
        ("[1, 2].filter(i, i > 0)", 10 + 10 + 2 * (2 + 13) + 1),
        ("[1, 2].filter(i, i > 0).all(i, true)", (10 + 10 + 2 * (2 + 13) + 1) + 2 * 3 + 1),
        ("'0123456789'.matches('abcd')", 2),
    ],
)
def test_the_estimate_counts_as_an_api_server_does(source: str, cost: int) -> None:
    assert estimate(ENVIRONMENT.parse(source), {}).cost == cost


def test_a_variable_s_size_is_known_to_its_readers() -> None:
    small = estimate(ENVIRONMENT.parse("variables.x.all(i, i)"), {"x": Estimate(0, 2)})
    large = estimate(ENVIRONMENT.parse("variables.x.all(i, i)"), {})
    assert small.cost < large.cost


@pytest.mark.parametrize(
    ("source", "release", "accepted"),
    [
        ("a.?b.hasValue()", (1, 28), False),
        ("a.?b.hasValue()", (1, 29), True),
        ("sets.contains(a, b)", (1, 29), False),
        ("sets.contains(a, b)", (1, 30), True),
        ("ip('::1').family() == 6", (1, 30), False),
        ("ip('::1').family() == 6", (1, 31), True),
        ("m.all(k, v, k == v)", (1, 32), False),
        ("m.all(k, v, k == v)", (1, 33), True),
        ("'a'.upperAscii() == string(1)", (1, 30), True),
        ("isMask(a)", (1, 37), False),
    ],
)
def test_releases_accept_what_the_release_before_them_had(
    source: str, release: tuple[int, int], accepted: bool
) -> None:
    assert (refused_by(ENVIRONMENT.parse(source), release) is None) is accepted


@given(
    st.dictionaries(
        st.text(max_size=8) | st.sampled_from(["y", "n", "1e3", "0o7", "~"]),
        st.text(max_size=100) | st.sampled_from(["y", "NO", "1_0", ".5", "0b1", "1e3", "null", ""]),
    )
)
def test_texts_stay_texts_to_kubernetes(texts: dict[str, str]) -> None:
    written = as_yaml([{"data": texts}]).encode("utf-8", "replace")
    (document,) = parse(written, Limits())
    assert isinstance(document, Parsed)
    assert document.body == {"data": texts}


def test_yaml_reads_back(tmp_path: Path) -> None:
    documents = exported(tmp_path, policy("p", ITEMS)).documents
    assert list(yaml.safe_load_all(as_yaml(documents))) == list(documents)
