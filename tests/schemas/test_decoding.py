"""Typed decoding: wrong JSON types refuse an object of a built-in kind, nulls vanish from it."""

from __future__ import annotations

import pytest

from kpolicy.frozen import freeze
from kpolicy.schemas.decoding import Decoded, default_decoder

CONTAINERS = "/spec/template/spec/containers"


def decode(api_version: str, kind: str, **fields: object) -> Decoded:
    return default_decoder().decode(freeze({"apiVersion": api_version, "kind": kind, **fields}))


def deployment(**spec: object) -> Decoded:
    return decode("apps/v1", "Deployment", metadata={"name": "web"}, spec=spec)


def containers(*items: object) -> Decoded:
    return deployment(template={"spec": {"containers": list(items)}})


@pytest.mark.parametrize(
    ("decoded", "pointer", "expected", "found"),
    [
        (deployment(replicas="3"), "/spec/replicas", "an integer", "the string '3'"),
        (deployment(replicas=3.5), "/spec/replicas", "an integer", "the number 3.5"),
        (deployment(paused="no"), "/spec/paused", "true or false", "the string 'no'"),
        (deployment(template=[]), "/spec/template", "a mapping", "a list"),
        (deployment(replicas=True), "/spec/replicas", "an integer", "the boolean true"),
        (containers({"name": True}), f"{CONTAINERS}/0/name", "a string", "the boolean true"),
        (
            containers({"name": "a", "env": [{"name": "A", "value": 1}]}),
            f"{CONTAINERS}/0/env/0/value", "a string", "the number 1",
        ),
        (
            decode("v1", "ConfigMap", metadata={"name": "c", "labels": {"a/b": 1}}),
            "/metadata/labels/a~1b", "a string", "the number 1",
        ),
        (
            decode("v1", "Service", spec={"ports": [{"port": 80, "targetPort": {}}]}),
            "/spec/ports/0/targetPort", "an integer or a string", "a mapping",
        ),
        (deployment(template={"spec": {"containers": {}}}), CONTAINERS, "a list", "a mapping"),
        (
            containers({"name": "a", "ports": [{"containerPort": 2**31}]}),
            f"{CONTAINERS}/0/ports/0/containerPort", "an integer of 32 bits",
            "the number 2147483648",
        ),
        (
            decode("monitoring.coreos.com/v1", "ServiceMonitor",
                   spec={"selector": {"matchLabels": {"a": 1}}}),
            "/spec/selector/matchLabels/a", "a string", "the number 1",
        ),
        (
            decode("security.openshift.io/v1", "SecurityContextConstraints", volumes=[{}]),
            "/volumes/0", "a string", "a mapping",
        ),
        (
            decode("autoscaling/v2beta1", "HorizontalPodAutoscaler", spec={"minReplicas": "2"}),
            "/spec/minReplicas", "an integer", "the string '2'",
        ),
    ],
)  # fmt: skip
def test_wrong_json_type_is_named(
    decoded: Decoded, pointer: str, expected: str, found: str
) -> None:
    assert decoded.verdict == "wrong-type"
    assert decoded.wrong is not None
    assert (decoded.wrong.pointer, decoded.wrong.expected, decoded.wrong.found) == (
        pointer, expected, found,
    )  # fmt: skip


def test_the_first_wrong_field_is_the_one_named() -> None:
    wrong = deployment(replicas="3", paused=1).wrong
    assert wrong is not None and wrong.pointer == "/spec/replicas"


@pytest.mark.parametrize(
    "decoded",
    [
        deployment(replicas=3, extra={"undeclared": 1}),
        containers({"name": "a", "resources": {"limits": {"cpu": 1, "memory": 1.5, "x": "1e3"}}}),
        containers({"name": "a", "ports": [{"containerPort": 80}]}),
        decode("v1", "Service", spec={"ports": [{"port": 80, "targetPort": "http"}]}),
        decode("example.com/v1", "Widget", spec={"replicas": "3"}),
        decode("v1", "Secret", data={"a": "aGk=\n"}),
        decode(
            "apiextensions.k8s.io/v1", "CustomResourceDefinition",
            spec={"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {
                "properties": {"spec": {"default": {"a": 1}}}}}}]},
        ),
    ],
)  # fmt: skip
def test_right_types_pass(decoded: Decoded) -> None:
    assert decoded.verdict == "typed" and decoded.wrong is None


@pytest.mark.parametrize(
    "decoded",
    [
        containers({"name": "a", "resources": {"limits": {"cpu": "abc"}}}),
        containers({"name": "a", "resources": {"limits": {"cpu": ""}}}),
        decode("v1", "Secret", data={"a": "not base64!"}),
    ],
)
def test_a_value_that_its_type_refuses_leaves_the_object_untyped(decoded: Decoded) -> None:
    assert decoded.verdict == "untyped" and decoded.wrong is None


def test_null_in_a_declared_field_is_absent() -> None:
    decoded = containers({"name": "a", "securityContext": {"capabilities": None}, "env": None})
    container = decoded.body["spec"]["template"]["spec"]["containers"][0]
    assert container == {"name": "a", "securityContext": {}}
    assert decoded.verdict == "typed"


def test_null_under_an_undeclared_key_or_in_a_map_stays() -> None:
    decoded = decode("v1", "ConfigMap", data={"a": None}, other=None, immutable=None)
    assert decoded.body == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "data": {"a": None},
        "other": None,
    }


def test_a_clean_body_is_handed_on_as_it_is() -> None:
    body = freeze({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}})
    assert default_decoder().decode(body).body is body


def test_the_pod_template_of_other_workloads_is_decoded() -> None:
    template = {"spec": {"containers": [{"name": "a", "env": None}]}}
    decoded = decode("apps.openshift.io/v1", "DeploymentConfig", spec={"template": template})
    assert decoded.body["spec"]["template"]["spec"]["containers"] == [{"name": "a"}]
    decoded = decode("apps.kruise.io/v1alpha1", "CloneSet", spec={"template": template})
    assert decoded.body["spec"]["template"]["spec"]["containers"] == [{"name": "a"}]
    job = {"jobTargetRef": {"template": template}}
    decoded = decode("keda.sh/v1alpha1", "ScaledJob", spec=job)
    inner = decoded.body["spec"]["jobTargetRef"]["template"]["spec"]
    assert inner["containers"] == [{"name": "a"}]
    wrong = decode("argoproj.io/v1alpha1", "Rollout", spec={"template": []}).wrong
    assert wrong is not None and wrong.pointer == "/spec/template"


def test_a_null_item_of_a_list_is_the_zero_value_of_its_type() -> None:
    pod = {"containers": [None, {"name": "a", "args": [None, "x"], "ports": [None]}]}
    decoded = decode("v1", "Pod", spec=pod)
    assert decoded.verdict == "typed"
    assert decoded.body["spec"]["containers"] == [
        {},
        {"name": "a", "args": ["", "x"], "ports": [{}]},
    ]


def test_workloads_of_versions_that_are_gone_are_decoded() -> None:
    template = {"spec": {"containers": [{"name": "a", "env": None}]}}
    for version, kind in (("extensions/v1beta1", "Deployment"), ("apps/v1beta2", "DaemonSet")):
        decoded = decode(version, kind, spec={"template": template})
        assert decoded.body["spec"]["template"]["spec"]["containers"] == [{"name": "a"}]
    job = {"jobTemplate": {"spec": {"template": template}}}
    decoded = decode("batch/v1beta1", "CronJob", spec=job)
    inner = decoded.body["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert inner["containers"] == [{"name": "a"}]


def test_an_object_that_stays_untyped_loses_its_nulls_too() -> None:
    limits = {"limits": {"cpu": "abc"}}
    pod = {"containers": [{"name": "a", "env": None, "resources": limits}]}
    decoded = decode("v1", "Pod", spec=pod)
    assert decoded.verdict == "untyped"
    assert decoded.body["spec"]["containers"] == [{"name": "a", "resources": limits}]


def test_a_type_that_reads_its_own_json_decides_whatever_else_is_wrong() -> None:
    """Go ends at a quantity it cannot read, and tells of that; the field is named all the same."""
    limits = {"name": "a", "resources": {"limits": {"cpu": False}}}
    decoded = deployment(replicas="3", template={"spec": {"containers": [limits]}})
    assert decoded.verdict == "untyped"
    assert decoded.wrong is not None and decoded.wrong.pointer == "/spec/replicas"
    port = {"name": "a", "livenessProbe": {"httpGet": {"port": True}}}
    assert containers(port, limits).verdict == "wrong-type"


def test_keys_are_read_in_their_order() -> None:
    """The probe comes before the resources: on the way from YAML to JSON keys are sorted."""
    container = {
        "name": "a",
        "resources": {"limits": {"cpu": "abc"}},
        "livenessProbe": {"httpGet": {"port": True}},
    }
    assert containers(container).verdict == "wrong-type"


def test_a_version_that_no_release_had_is_not_decoded() -> None:
    assert decode("apps/v9", "Deployment", spec={"replicas": "3"}).verdict == "untyped"
    assert decode("v9", "Pod").verdict == "untyped"
    assert decode("example.com/v9", "Pod").verdict == "typed"
