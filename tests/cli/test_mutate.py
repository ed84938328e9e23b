"""`kpolicy eval --mutate` prints documents as MutatingAdmissionPolicies leave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from kpolicy.cli.main import main

GROUP = "admissionregistration.k8s.io"
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
        "resources": ["pods"]}  # fmt: skip


def configuration(expression: str) -> dict[str, Any]:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def patch(expression: str) -> dict[str, Any]:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def label(key: str, value: str) -> dict[str, Any]:
    return configuration(f"Object{{metadata: Object.metadata{{labels: {{'{key}': {value}}}}}}}")


def policy(
    *mutations: dict[str, Any], name: str = "p", version: str = "v1", **spec: Any
) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [PODS]},
            "mutations": list(mutations),
            "reinvocationPolicy": "Never",
            **spec,
        },
    }


def binding(policy: str = "p", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": f"{policy}-binding"},
        "spec": {"policyName": policy, **spec},
    }


def pod(name: str = "web", namespace: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    containers = [{"name": "app", "image": "app:1"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"containers": containers, **spec}}  # fmt: skip


def run(root: Path, policies: list[Any], objects: list[Any], *arguments: str) -> Result:
    (root / "policy.yaml").write_text(yaml.safe_dump_all(policies))
    (root / "object.yaml").write_text(yaml.safe_dump_all(objects))
    words = ["--mutate", str(root / "policy.yaml"), "-f", str(root / "object.yaml"), *arguments]
    return CliRunner().invoke(main, ["eval", *words])


def changed(root: Path, policies: list[Any], *objects: Any) -> Any:
    result = run(root, policies, list(objects) or [pod()])
    assert result.exit_code == 0, result.stderr
    return yaml.safe_load(result.stdout)


def labels(body: Any) -> Any:
    return body["metadata"].get("labels", {})


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_an_apply_configuration_is_merged(tmp_path: Path, version: str) -> None:
    expression = """
    Object{spec: Object.spec{initContainers: [
      Object.spec.initContainers{name: "proxy", image: "mesh:1", restartPolicy: "Always"}]}}
    """
    found = changed(tmp_path, [policy(configuration(expression), version=version), binding()],
                    pod(initContainers=[{"name": "init", "image": "i:1"}]))  # fmt: skip
    assert [c["name"] for c in found["spec"]["initContainers"]] == ["init", "proxy"]
    assert found["spec"]["containers"] == pod()["spec"]["containers"]


def test_a_json_patch_is_applied(tmp_path: Path) -> None:
    expression = """
    [JSONPatch{op: "add", path: "/metadata/labels", value: {}},
     JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("a/b"), value: "1"},
     JSONPatch{op: "add", path: "/spec/containers/-",
               value: Object.spec.containers{name: "extra", image: "e:1"}}]
    """
    found = changed(tmp_path, [policy(patch(expression)), binding()])
    assert labels(found) == {"a/b": "1"}
    assert [c["name"] for c in found["spec"]["containers"]] == ["app", "extra"]


def test_a_mutation_sees_what_the_one_before_it_made(tmp_path: Path) -> None:
    """Variables too are computed anew."""
    count = {"name": "count", "expression": "size(object.metadata.?labels.orValue({}))"}
    both = [label("a", "string(variables.count)"), label("b", "string(variables.count)")]
    found = changed(tmp_path, [policy(*both, variables=[count]), binding()])
    assert labels(found) == {"a": "0", "b": "1"}


def test_policies_run_in_the_order_of_their_names(tmp_path: Path) -> None:
    last = "object.metadata.?labels.?x.orValue('') + "
    policies = [
        policy(label("x", f"{last}'b'"), name="b"),
        policy(label("x", f"{last}'a'"), name="a"),
    ]
    found = changed(tmp_path, [*policies, binding("a"), binding("b")])
    assert labels(found) == {"x": "ab"}


@pytest.mark.parametrize(("again", "seen"), [("Never", "absent"), ("IfNeeded", "present")])
def test_a_policy_that_asks_for_it_runs_again(tmp_path: Path, again: str, seen: str) -> None:
    first = policy(
        label("seen", "'late' in object.metadata.?labels.orValue({}) ? 'present' : 'absent'"),
        name="a", reinvocationPolicy=again,
    )  # fmt: skip
    found = changed(
        tmp_path, [first, policy(label("late", "'1'"), name="b"), binding("a"), binding("b")]
    )
    assert labels(found)["seen"] == seen


def test_what_a_binding_and_conditions_leave_out_stays(tmp_path: Path) -> None:
    bound = binding(matchResources={"namespaceSelector": {"matchLabels": {"env": "test"}}})
    condition = {"name": "not-c", "expression": "object.metadata.name != 'c'"}
    policies = [policy(label("x", "'1'"), matchConditions=[condition]), bound]
    namespace = {"apiVersion": "v1", "kind": "Namespace",
                 "metadata": {"name": "ns", "labels": {"env": "test"}}}  # fmt: skip
    objects = [pod("a"), pod("b", "ns"), pod("c", "ns"), namespace]
    result = run(tmp_path, policies, objects, "--format", "json")
    assert {b["metadata"]["name"]: labels(b) for b in json.loads(result.stdout)["items"]} == {
        "a": {}, "b": {"x": "1"}, "c": {}, "ns": {"env": "test"},
    }  # fmt: skip
    assert 'Pod/c left alone by p: match condition "not-c" is false' in result.stderr
    assert "Pod/a left alone by p: binding p-binding does not meet it" in result.stderr


def test_parameters_come_from_files(tmp_path: Path) -> None:
    params = {"apiVersion": "v1", "kind": "ConfigMap",
              "metadata": {"name": "cfg", "namespace": "default"}, "data": {"v": "7"}}  # fmt: skip
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    reference = {"name": "cfg", "namespace": "default", "parameterNotFoundAction": "Deny"}
    policies = [
        policy(label("x", "params.data.v"), paramKind={"apiVersion": "v1", "kind": "ConfigMap"}),
        binding(paramRef=reference),
    ]
    result = run(tmp_path, policies, [pod()], "--params", str(tmp_path / "params.yaml"))
    assert labels(yaml.safe_load(result.stdout)) == {"x": "7"}
    result = run(tmp_path, policies, [pod()])
    assert result.exit_code == 1
    assert "refused by p: failed to configure binding: no params found" in result.stderr


def test_a_custom_resource_needs_its_definition_to_be_merged(tmp_path: Path) -> None:
    rule = {**PODS, "apiGroups": ["g.io"], "resources": ["widgets"]}
    given = policy(configuration("Object{spec: Object.spec{parts: [Object.spec.parts{id: 2}]}}"),
                   matchConstraints={"resourceRules": [rule]})  # fmt: skip
    widget = {"apiVersion": "g.io/v1", "kind": "Widget", "metadata": {"name": "w"},
              "spec": {"parts": [{"id": 1}]}}  # fmt: skip
    result = run(tmp_path, [given, binding()], [widget])
    assert result.exit_code == 1
    assert "nobody says how g.io/v1 Widget merges" in result.stderr
    parts = {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
        "items": {"type": "object", "properties": {"id": {"type": "integer"}}},
    }  # fmt: skip
    inner = {"spec": {"type": "object", "properties": {"parts": parts}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.g.io"},
        "spec": {"group": "g.io", "scope": "Namespaced",
                 "names": {"kind": "Widget", "plural": "widgets"},
                 "versions": [{"name": "v1", "served": True, "storage": True,
                               "schema": {"openAPIV3Schema": {"type": "object",
                                                              "properties": inner}}}]},
    }  # fmt: skip
    found = changed(tmp_path, [given, binding(), definition], widget)
    assert found["spec"]["parts"] == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("mutation", "message"),
    [
        (patch("[JSONPatch{op: 'remove', path: '/spec/none'}]"),
         'mutation 2 (JSONPatch): operation 1, remove /spec/none: there is no "none" at '),
        (patch("[JSONPatch{op: 'add', path: '/spec/hostNetwork', value: 'yes'}]"),
         "the patched object does not decode: spec.hostNetwork: expected"),
        (configuration("Object{spec: Object.specx{hostNetwork: true}}"),
         'unexpected type name "Object.specx", expected "Object.spec"'),
        (configuration("Object{spec: Object.spec{nodeName: object.spec.none}}"), "no such key"),
        (configuration("Object{spec: Object.spec{tolerations: []}}"), "may not mutate atomic"),
    ],
)  # fmt: skip
def test_what_fails_is_told_with_policy_and_mutation(
    tmp_path: Path, mutation: dict[str, Any], message: str
) -> None:
    given = [policy(label("x", "'1'"), mutation), binding()]
    result = run(tmp_path, given, [pod()])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "error: Pod/web refused by p: mutation 2 (" in result.stderr
    assert message in result.stderr
    given[0]["spec"]["failurePolicy"] = "Ignore"
    result = run(tmp_path, given, [pod()])
    assert result.exit_code == 0
    assert labels(yaml.safe_load(result.stdout)) == {"x": "1"}
    assert "failure ignored of p" in result.stderr


def test_a_test_that_does_not_hold_leaves_the_object(tmp_path: Path) -> None:
    expression = """[JSONPatch{op: "test", path: "/metadata/name", value: "other"},
                     JSONPatch{op: "remove", path: "/spec"}]"""
    result = run(tmp_path, [policy(patch(expression)), binding()], [pod()])
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout) == pod()
    assert "mutation 1 (JSONPatch) is not applied: operation 1, test /metadata/name" in (
        result.stderr
    )


@pytest.mark.parametrize(
    ("mutation", "message"),
    [
        (configuration("Object.spec{}"), "expected type 'Object' but found 'Object.spec'"),
        (configuration("'teapot'"), "expected type 'Object' but found 'string'"),
        (patch("[JSONPatch{op: 1}]"), "expected type 'string' but found 'int'"),
        (patch("[JSONPatch{operation: 'add'}]"), "undefined field 'operation' in JSONPatch"),
        (patch("Object{}"), "expected type 'list(JSONPatch)' but found 'Object'"),
        (configuration("Object{x: variables.none}"), 'no variable "none"'),
        ({"patchType": "JSONPatch"}, 'lacks "jsonPatch"'),
        ({"patchType": "Merge", "jsonPatch": {"expression": "[]"}}, '"Merge"'),
    ],
)
def test_what_does_not_check_is_an_error_of_the_policy(
    tmp_path: Path, mutation: dict[str, Any], message: str
) -> None:
    result = run(tmp_path, [policy(mutation), binding()], [pod()])
    assert result.exit_code == 2
    assert message in result.stderr
    assert "policy.yaml:" in result.stderr


def test_types_of_mutations_exist_in_mutations_alone(tmp_path: Path) -> None:
    condition = {"name": "c", "expression": "Object{a: 1}.a == 1"}
    result = run(tmp_path, [policy(label("x", "'1'"), matchConditions=[condition])], [pod()])
    assert result.exit_code == 2
    assert "undeclared message type 'Object'" in result.stderr


def test_without_a_binding_it_is_said(tmp_path: Path) -> None:
    result = run(tmp_path, [policy(label("x", "'1'"))], [pod()])
    assert labels(yaml.safe_load(result.stdout)) == {"x": "1"}
    assert "no binding for p: applied as if bound to everything" in result.stderr


def test_what_is_deleted_is_not_changed(tmp_path: Path) -> None:
    rule = {**PODS, "operations": ["*"]}
    given = policy(label("x", "'1'"), matchConstraints={"resourceRules": [rule]})
    result = run(tmp_path, [given, binding()], [pod()], "--operation", "DELETE")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "there is no object to change" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "--mutate", "p.yaml", "1 + 1"], "leave out EXPR"),
        (["eval", "--mutate", "p.yaml"], "needs -f FILE"),
        (["eval", "1", "--format", "json"], "--format needs --mutate"),
        (["eval", "--mutate", "p.yaml", "-f", "o.yaml", "--var", "a=1"], "--var is for"),
    ],
)
def test_flags_that_do_not_go_together(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_policy_that_changes_nothing_is_said_to_be_none(tmp_path: Path) -> None:
    validating = policy()
    validating["kind"] = "ValidatingAdmissionPolicy"
    del validating["spec"]["mutations"], validating["spec"]["reinvocationPolicy"]
    validating["spec"]["validations"] = [{"expression": "true"}]
    result = run(tmp_path, [validating], [pod()])
    assert result.exit_code == 2
    assert "no MutatingAdmissionPolicy in" in result.stderr
