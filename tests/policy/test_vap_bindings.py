"""Bindings, their actions and the parameters they bring to a ValidatingAdmissionPolicy."""

from __future__ import annotations

import pytest
import yaml
from vap_kit import binding, decisions, deployment, messages, resource, rule, run, vap

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}
LIMITS = "object.spec.replicas <= int(params.data.max)"
TOLD = {"expression": LIMITS, "messageExpression": "'at most ' + params.data.max"}


def limits(name: str = "limits", namespace: str = "", most: str = "3", **labels: str) -> dict:
    return resource("v1", "ConfigMap", name, namespace, labels=labels, data={"max": most})


def reference(**fields) -> dict:
    return {"paramRef": {"parameterNotFoundAction": "Deny", **fields}}


def by_config(*validations, **spec) -> dict:
    return vap(*validations or (TOLD,), paramKind=CONFIG_MAP, **spec)


def of_deployments(report) -> list[tuple[str, str]]:
    kept = [f for f in report.findings if f.resource.kind == "Deployment"]
    return [(f.outcome, f.message) for f in kept]


@pytest.mark.parametrize(
    ("actions", "severity"),
    [(["Deny"], "error"), (["Warn"], "warning"), (["Audit"], "info"),
     (["Deny", "Audit"], "error"), (["Audit", "Warn"], "warning")],
)  # fmt: skip
def test_actions_are_severities(tmp_path, actions, severity):
    report = run(tmp_path, [vap("false"), binding(*actions)], [deployment()])
    assert not report.problems
    (finding,) = report.findings
    assert finding.severity == severity
    assert finding.details["binding"] == "b"
    assert finding.details["validationActions"] == ", ".join(actions)


def test_a_policy_without_a_binding_denies_everywhere_and_that_is_said(tmp_path):
    report = run(tmp_path, [vap("false"), binding(policy="another")], [deployment()])
    (finding,) = report.findings
    assert finding.severity == "error"
    assert [n.message for n in report.notes] == [
        "no binding for p: applied as if bound to everything with Deny"
    ]


def test_bindings_in_the_scanned_input_bind_nothing(tmp_path):
    """A change under review must not take the force from a policy."""
    weak = binding("Audit", matchResources={"objectSelector": {"matchLabels": {"a": "b"}}})
    report = run(tmp_path, [vap("false")], [deployment(), weak])
    assert [(f.severity, f.outcome) for f in report.findings] == [("error", "fail")]


def test_the_strongest_of_several_bindings_counts_once(tmp_path):
    policies = [vap("false"), binding("Audit", name="soft"), binding("Deny", name="hard")]
    (finding,) = run(tmp_path, policies, [deployment()]).findings
    assert (finding.severity, finding.details["binding"]) == ("error", "hard")


def test_each_resource_has_the_severity_of_the_binding_that_meets_it(tmp_path):
    prod = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prod"}}}
    policies = [
        vap("false"),
        binding("Warn", name="all"),
        binding(name="prod", matchResources=prod),
    ]
    bodies = [deployment("a", "prod"), deployment("b", "dev")]
    found = {f.resource.name: f.severity for f in run(tmp_path, policies, bodies).findings}
    assert found == {"a": "error", "b": "warning"}


@pytest.mark.parametrize(
    ("match", "outcome"),
    [
        ({}, "fail"),
        ({"resourceRules": [rule("deployments", "apps")]}, "fail"),
        ({"resourceRules": [rule("pods")]}, "skip"),
        ({"excludeResourceRules": [rule("deployments", "apps")]}, "skip"),
        ({"objectSelector": {"matchLabels": {"a": "b"}}}, "skip"),
        ({"resourceRules": [rule("deployments", "apps", resourceNames=["web"])]}, "fail"),
        ({"resourceRules": [rule("deployments", "apps", resourceNames=["x"])]}, "skip"),
    ],
)
def test_match_resources_of_a_binding(tmp_path, match, outcome):
    report = run(tmp_path, [vap("false"), binding(matchResources=match)], [deployment()])
    assert decisions(report) == {"web": outcome}
    if outcome == "skip":
        assert messages(report)[0].startswith("skipped: binding b does not meet it: ")


@pytest.mark.parametrize("place", ["input", "params", "policies"])
def test_parameters_are_found_wherever_they_are(tmp_path, place):
    policies = [by_config(), binding(**reference(name="limits", namespace="default"))]
    bodies, params = [deployment()], []
    {"input": bodies, "params": params, "policies": policies}[place].append(limits())
    report = run(tmp_path, policies, bodies, params=params)
    assert of_deployments(report) == [("fail", "at most 3")]
    assert report.findings[0].details["params"] == "limits"
    assert not report.problems


def test_given_parameters_win_over_the_input(tmp_path):
    policies = [by_config(), binding(**reference(name="limits", namespace="default"))]
    bodies = [deployment(), limits(most="99")]
    report = run(tmp_path, policies, bodies, params=[limits(most="1")])
    assert of_deployments(report) == [("fail", "at most 1")]


@pytest.mark.parametrize(
    ("namespace", "given", "expected"),
    [
        ("", "", "at most 1"),
        ("shop", "", "at most 2"),
        ("", "shop", "at most 2"),
        ("shop", "default", "at most 1"),
    ],
)
def test_the_namespace_of_a_parameter(tmp_path, namespace, given, expected):
    """Without paramRef.namespace it is that of the request."""
    ref = reference(name="limits", **({"namespace": given} if given else {}))
    bodies = [
        deployment(namespace=namespace), limits(most="1"), limits(namespace="shop", most="2"),
    ]  # fmt: skip
    report = run(tmp_path, [by_config(), binding(**ref)], bodies)
    assert of_deployments(report) == [("fail", expected)]


def test_a_selector_takes_every_parameter_that_it_selects(tmp_path):
    ref = reference(selector={"matchLabels": {"use": "yes"}})
    bodies = [
        deployment(), limits("a", most="1", use="yes"), limits("b", most="2", use="yes"),
        limits("c", most="3"), limits("d", "other", most="4", use="yes"),
        limits("e", most="99", use="yes"),
    ]  # fmt: skip
    report = run(tmp_path, [by_config(), binding(**ref)], bodies)
    assert of_deployments(report) == [("fail", "at most 1"), ("fail", "at most 2")]
    assert {f.details["params"] for f in report.findings} == {"a", "b"}


def test_an_empty_selector_takes_all(tmp_path):
    bodies = [deployment(), limits("a", most="1"), limits("b", most="2")]
    report = run(tmp_path, [by_config(), binding(**reference(selector={}))], bodies)
    assert len(of_deployments(report)) == 2


@pytest.mark.parametrize("action", ["Deny", "Warn", "Audit"])
@pytest.mark.parametrize(
    ("not_found", "failure_policy", "expected"),
    [("Deny", "Fail", ("error", "error")), ("Allow", "Fail", ("skip", "")),
     ("Deny", "Ignore", ("skip", "")), ("Allow", "Ignore", ("skip", ""))],
)  # fmt: skip
def test_a_parameter_that_is_not_there(tmp_path, action, not_found, failure_policy, expected):
    """It is an error of configuration, which denies whatever the actions are."""
    ref = {"paramRef": {"name": "limits", "parameterNotFoundAction": not_found}}
    policies = [by_config(failurePolicy=failure_policy), binding(action, **ref)]
    (finding,) = run(tmp_path, policies, [deployment()]).findings
    outcome, severity = expected
    assert finding.outcome == outcome
    if outcome == "error":
        assert finding.severity == severity
        assert "no params found" in finding.message


def test_without_a_param_ref_params_are_null(tmp_path):
    report = run(tmp_path, [by_config("params == null"), binding()], [deployment(), limits()])
    assert of_deployments(report) == [("pass", "")]


def test_a_param_ref_without_a_param_kind_is_ignored(tmp_path):
    policies = [vap("false"), binding(**reference(name="limits"))]
    assert decisions(run(tmp_path, policies, [deployment()])) == {"web": "fail"}


def test_a_namespaced_parameter_for_a_cluster_scoped_object(tmp_path):
    policy = by_config("params.data.max == '3'", constraints={"resourceRules": [rule("nodes")]})
    node = resource("v1", "Node", "one")
    policies = [policy, binding(**reference(name="limits"))]
    report = run(tmp_path, policies, [node, limits()])
    assert "cluster-scoped resources" in report.findings[0].message
    policies = [policy, binding(**reference(name="limits", namespace="default"))]
    assert decisions(run(tmp_path, policies, [node, limits()])) == {"one": "pass"}


CUSTOM = {"apiVersion": "example.com/v1", "kind": "Limit"}


def definition(scope: str) -> dict:
    return resource(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", "limits.example.com",
        spec={"group": "example.com", "scope": scope, "versions": [],
              "names": {"kind": "Limit", "plural": "limits"}},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "namespace", "ref_namespace", "outcome"),
    [
        (None, "", "", "fail"),
        (None, "shop", "", "error"),
        (None, "shop", "shop", "fail"),
        ("Cluster", "", "", "fail"),
        ("Cluster", "", "shop", "error"),
        ("Namespaced", "", "", "fail"),
        ("Namespaced", "shop", "", "error"),
        ("Namespaced", "shop", "shop", "fail"),
    ],
)
def test_parameters_of_a_custom_kind(tmp_path, scope, namespace, ref_namespace, outcome):
    """They are found by kind and name even where nobody defines the kind."""
    param = {**resource("example.com/v1", "Limit", "limits", namespace), "max": 3}
    ref = reference(name="limits", **({"namespace": ref_namespace} if ref_namespace else {}))
    policies = [vap("object.spec.replicas <= params.max", paramKind=CUSTOM), binding(**ref)]
    bodies = [deployment(), param, *([definition(scope)] if scope else [])]
    assert [o for o, _ in of_deployments(run(tmp_path, policies, bodies))] == [outcome]


def test_an_unbound_policy_takes_the_parameters_that_are_given(tmp_path):
    report = run(tmp_path, [by_config()], [deployment(), limits("in-input")], params=[limits()])
    assert of_deployments(report) == [("fail", "at most 3")]


def test_a_definition_and_parameters_may_stand_in_a_policy_file(tmp_path):
    param = {**resource("example.com/v1", "Limit", "limits"), "max": 3}
    policies = [
        vap("object.spec.replicas <= params.max", paramKind=CUSTOM),
        binding(**reference(name="limits")), param, definition("Cluster"),
    ]  # fmt: skip
    report = run(tmp_path, policies, [deployment()])
    assert decisions(report) == {"web": "fail"}
    assert not report.problems


def test_what_no_policy_takes_is_noted_where_its_kind_is_known(tmp_path):
    custom = resource("example.com/v1", "Limit", "unused")
    beside = [resource("v1", "Secret"), definition("Namespaced"), custom]
    report = run(tmp_path, [by_config(), limits(), *beside], [deployment()])
    assert not report.problems
    unused = [n.message for n in report.notes if "no policy takes this" in n.message]
    assert [text.partition("no policy takes this ")[2] for text in unused] == [
        "Secret as a parameter: left aside",
        "Limit as a parameter: left aside",
    ]


def test_what_may_be_a_policy_that_no_format_reads_is_a_problem(tmp_path):
    strange = resource("policies.example.com/v1", "StrictPolicy")
    report = run(tmp_path, [by_config(), limits(), strange], [deployment()])
    assert [p.message for p in report.problems] == [
        'no policy format reads "policies.example.com/v1"'
    ]


def test_a_list_as_kubectl_prints_it(tmp_path):
    listed = {"apiVersion": "v1", "kind": "List", "items": [vap("false"), binding("Warn")]}
    (finding,) = run(tmp_path, [listed], [deployment()]).findings
    assert (finding.policy, finding.severity) == ("p", "warning")


def broken(**changes) -> dict:
    policy = vap("true")
    for path, value in changes.items():
        at = policy
        *parents, last = path.split("__")
        for name in parents:
            at = at[int(name)] if isinstance(at, list) else at[name]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return policy


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (broken(spec__matchConstraints=None), "matchConstraints"),
        (broken(spec__matchConstraints__resourceRules=[]), "resource rule"),
        (broken(spec__validations=[]), "validation or an audit annotation"),
        (broken(spec__failurePolicy="Maybe"), "failurePolicy"),
        (broken(spec__matchConstraints__matchPolicy="Fuzzy"), "matchPolicy"),
        (broken(spec__matchConstraints__resourceRules__0__operations=["PATCH"]), "PATCH"),
        (broken(spec__matchConstraints__objectSelector={"matchExpressions": [
            {"key": "a", "operator": "Near"}]}), "label selector"),
        (vap({"expression": "true", "reason": "Because"}), "reason"),
        (vap({"message": "no expression"}), "expression"),
        (broken(metadata__name="Not A Name"), "name"),
        (vap("true", paramKind={"kind": "ConfigMap"}), "apiVersion"),
        (vap("true", variables=[{"name": "a b", "expression": "1"}]), "variable"),
        (vap("true", version="v2"), "v2"),
        (binding("Block"), "Block"),
        (binding("Deny", "Warn"), "together"),
        (binding("Audit", "Audit"), "listed twice"),
        (binding(paramRef={"parameterNotFoundAction": "Deny"}), "either a name or a selector"),
    ],
)  # fmt: skip
def test_what_the_api_server_refuses_is_a_problem_with_its_place(tmp_path, policy, text):
    report = run(tmp_path, [policy, vap("false", name="other")], [deployment()])
    assert text in str(report.problems[0])
    assert report.problems[0].location.line
    assert {f.policy for f in report.findings} == {"other"}


def test_the_second_binding_of_a_name_is_a_problem_and_binds_nothing(tmp_path):
    policies = [vap("false"), binding("Audit"), binding("Deny")]
    report = run(tmp_path, policies, [deployment()])
    assert 'binding "b" is taken by another one' in str(report.problems[0])
    assert [f.severity for f in report.findings] == ["info"]


def test_unknown_fields_are_ignored_with_a_note(tmp_path):
    policy = vap("false", severity="high")
    report = run(tmp_path, [policy, binding(enforcement="x")], [deployment()])
    assert decisions(report) == {"web": "fail"}
    notes = [n.message for n in report.notes]
    assert any("spec.severity is unknown" in text for text in notes)
    assert any("spec.enforcement is unknown" in text for text in notes)


def test_what_collections_leave_out_is_read_as_they_mean_it(tmp_path):
    policy = vap("false")
    del policy["spec"]["matchConstraints"]["resourceRules"][0]["operations"]
    bound = binding()
    del bound["spec"]["validationActions"]
    report = run(tmp_path, [policy, bound], [deployment()])
    assert [(f.outcome, f.severity) for f in report.findings] == [("fail", "error")]
    assert len(report.notes) == 2


def test_the_configuration_can_change_the_severity(tmp_path):
    from kpolicy.config.model import Config

    config = Config(severity={"p": "info"})
    (finding,) = run(tmp_path, [vap("false"), binding()], [deployment()], config=config).findings
    assert finding.severity == "info"


def test_a_second_scan_from_the_cache_decides_the_same(tmp_path):
    policies = [by_config(), binding("Warn", **reference(name="limits")), limits()]
    first = run(tmp_path, policies, [deployment()])
    second = run(tmp_path, policies, [deployment()])
    assert first.findings == second.findings
    assert first.findings[0].severity == "warning"


def test_parameters_that_cannot_be_read_are_a_usage_error(tmp_path):
    from kpolicy.errors import UsageError

    with pytest.raises(UsageError, match="params"):
        run(tmp_path, [by_config()], [deployment()], param_paths=(str(tmp_path / "none"),))


def test_the_command_line(tmp_path, monkeypatch):
    """The acceptance of the issue: a decision for each matching pair."""
    import json

    from click.testing import CliRunner

    from kpolicy.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources").mkdir()
    for name, documents in {
        "policy.yaml": [by_config()],
        "binding.yaml": [binding(**reference(name="limits", namespace="default"))],
        "params.yaml": [limits()],
        "resources/a.yaml": [deployment(), deployment("small", replicas=1)],
    }.items():
        (tmp_path / name).write_text(yaml.safe_dump_all(documents))
    words = "scan -p policy.yaml -p binding.yaml resources/ --no-builtin --results all"
    result = CliRunner().invoke(
        main, [*words.split(), "--format", "json", "--params", "params.yaml"]
    )
    found = json.loads(result.stdout)["findings"]
    assert [(f["resource"]["name"], f["outcome"]) for f in found] == [
        ("web", "fail"), ("small", "pass"),
    ]  # fmt: skip
    assert found[0]["details"]["reason"] == "Invalid"
    assert result.exit_code == 1


def test_a_trace_reads_the_parameter(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from kpolicy.cli.main import main

    monkeypatch.chdir(tmp_path)
    policies = [by_config(), binding(**reference(name="limits"))]
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump_all(policies))
    (tmp_path / "in.yaml").write_text(yaml.safe_dump_all([deployment(), limits()]))
    words = "trace p --resource Deployment/web -p policy.yaml --no-builtin in.yaml"
    shown = CliRunner().invoke(main, words.split()).stdout
    assert "object.spec.replicas <= int(params.data.max) => false" in shown
    assert 'params.data.max => "3"' in shown
    assert "=> fail: at most 3" in shown


def test_a_policy_is_explained(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from kpolicy.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(by_config()))
    shown = CliRunner().invoke(main, ["explain", "p", "-p", "policy.yaml", "--no-builtin"]).stdout
    assert "Looks at: deployments of apps (CREATE, UPDATE)" in shown
