"""Objects as Go writes them."""

from __future__ import annotations

from kpolicy.compat.go_json import as_go_writes


def test_an_empty_deployment_has_what_go_writes_in_any_case() -> None:
    assert as_go_writes({"apiVersion": "apps/v1", "kind": "Deployment"}) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {},
        "spec": {
            "selector": None,
            "strategy": {},
            "template": {"metadata": {}, "spec": {"containers": None}},
        },
        "status": {},
    }


def test_what_is_given_stays_and_numbers_are_doubles() -> None:
    written = as_go_writes(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "a", "labels": {}, "annotations": {"x": ""}},
            "spec": {"hostNetwork": False, "priority": 3, "containers": [{"name": "c", "env": []}]},
        }
    )
    assert written["metadata"] == {"name": "a", "annotations": {"x": ""}}
    assert written["spec"] == {"priority": 3.0, "containers": [{"name": "c", "resources": {}}]}
    assert isinstance(written["spec"]["priority"], float)


def test_a_custom_resource_is_left_as_it_is() -> None:
    body = {"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"a": [], "b": None}}
    assert as_go_writes(body) == body
