"""What policies see of an object: what an API server has made of the manifest by then."""

from __future__ import annotations

import copy

import pytest
from vap_kit import CUSTOM_KIND, decisions, messages, resource, rule, run, vap


def pod(**container):
    return resource(
        "v1", "Pod", spec={"containers": [{"name": "c", "image": "i", **container}]}
    )  # fmt: skip


PODS = {"resourceRules": [rule("pods")]}


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (1, "1"), (0.5, "500m"), (1000000, "1M"), (0, "0"), ("0", "0"), (-1, "-1"),
        ("1000m", "1"), ("0.1", "100m"), ("1000", "1k"), ("1100", "1100"), ("100000k", "100M"),
        ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("0.5Gi", "512Mi"),
        ("1500Mi", "1500Mi"), ("0.1Gi", "107374182400m"), ("512", "512"),
    ],
)  # fmt: skip
def test_a_quantity_is_a_text_in_canonical_form(tmp_path, written, seen):
    policy = vap(
        {
            "expression": "false",
            "messageExpression": "object.spec.containers[0].resources.limits.q",
        },
        constraints=PODS,
    )
    report = run(tmp_path, [policy], [pod(resources={"limits": {"q": written}})])
    assert messages(report) == [seen]


def test_what_is_no_quantity_stays(tmp_path):
    """A manifest that a server refuses is still decided on, by what is written."""
    policy = vap("object.spec.containers[0].resources.limits.cpu == 'much'", constraints=PODS)
    report = run(tmp_path, [policy], [pod(resources={"limits": {"cpu": "much"}})])
    assert decisions(report) == {"a": "pass"}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("has(object.spec.containers[0].env)", False),
        ("has(object.spec.containers[0].resources.limits)", False),
        ("has(object.metadata.labels)", False),
        ("has(object.spec.volumes[0].emptyDir)", True),
        ("has(object.spec.containers[0].securityContext)", True),
    ],
)
def test_an_optional_list_or_map_that_is_empty_is_absent(tmp_path, expression, holds):
    """Structs are not: `emptyDir: {}` says something."""
    body = pod(env=[], resources={"limits": {}}, securityContext={})
    body["metadata"]["labels"] = {}
    body["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    report = run(tmp_path, [vap(expression, constraints=PODS)], [body])
    assert decisions(report) == {"a": "pass" if holds else "fail"}


def test_a_list_that_must_be_there_may_be_empty(tmp_path):
    body = resource("v1", "Pod", spec={"containers": []})
    policy = vap("object.spec.containers.size() == 0", constraints=PODS)
    assert decisions(run(tmp_path, [policy], [body])) == {"a": "pass"}


def test_rules_of_a_role_are_written_even_if_empty(tmp_path):
    group = "rbac.authorization.k8s.io"
    roles = [
        resource(f"{group}/v1", "Role", "empty", rules=[]),
        resource(f"{group}/v1", "Role", "none"),
    ]
    policy = vap(
        "has(object.rules) && object.rules != null",
        constraints={"resourceRules": [rule("roles", group)]},
    )
    assert decisions(run(tmp_path, [policy], roles)) == {"empty": "pass", "none": "fail"}


def test_a_custom_resource_is_as_written_but_for_its_labels(tmp_path):
    widget = resource("example.com/v1", "Widget", labels={}, spec={"sizes": [], "cpu": 0.5})
    policy = vap(
        "has(object.spec.sizes) && object.spec.cpu == 0.5 && !has(object.metadata.labels)",
        constraints={"resourceRules": [rule("widgets", "example.com")]},
    )
    assert decisions(run(tmp_path, [policy], [widget])) == {"a": "pass"}


def test_string_data_of_a_secret_has_gone_into_its_data(tmp_path):
    secret = resource(
        "v1", "Secret", data={"a": "b2xk", "b": "b2xk"}, stringData={"a": "new"}
    )  # fmt: skip
    policy = vap(
        "!has(object.stringData) && object.data == {'a': 'bmV3', 'b': 'b2xk'}",
        constraints={"resourceRules": [rule("secrets")]},
    )
    assert decisions(run(tmp_path, [policy], [secret])) == {"a": "pass"}


@pytest.mark.parametrize("where", ["input", "beside", "params"])
@pytest.mark.parametrize("groups", [["example.com"], ["*"]])
def test_a_custom_resource_has_the_defaults_of_its_definition(tmp_path, where, groups):
    definition = copy.deepcopy(CUSTOM_KIND)
    versions = definition["spec"]["versions"]
    spec = versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["size"]["default"] = 3
    policy = vap(
        "object.spec.size == 3",
        constraints={"resourceRules": [{**rule("widgets"), "apiGroups": groups}]},
    )
    widgets = [
        resource("example.com/v1", "Widget", "silent", spec={}),
        resource("example.com/v1", "Widget", "says", spec={"size": 4}),
    ]
    report = run(
        tmp_path,
        [policy, *([definition] if where == "beside" else [])],
        [*widgets, *([definition] if where == "input" else [])],
        params=[definition] if where == "params" else None,
    )
    found = decisions(report)
    assert (found["silent"], found["says"]) == ("pass", "fail")
