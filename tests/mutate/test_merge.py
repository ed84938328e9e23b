"""Apply configurations are merged as server-side apply merges, and never into what is atomic."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpolicy import schemas
from kpolicy.mutate.errors import MutationError
from kpolicy.mutate.merge import merged
from kpolicy.schemas.model import Schema


def schema(group: str = "apps", version: str = "v1", kind: str = "Deployment") -> Schema:
    found = schemas.load().schema_for(group, version, kind)
    assert found is not None
    return found


POD = schema("", "v1", "Pod")


def spec(live: Any, patch: Any, of: Schema = POD) -> Any:
    return merged({"spec": live}, {"spec": patch}, of)["spec"]


def names(items: Any) -> list[str]:
    return [item["name"] for item in items]


def test_fields_that_are_not_named_stay() -> None:
    live = {"replicas": 2, "paused": True}
    assert spec(live, {"replicas": 3}, schema()) == {"replicas": 3, "paused": True}


def test_labels_merge_key_by_key() -> None:
    body = {"metadata": {"name": "a", "labels": {"x": "1", "y": "1"}}}
    patch = {"metadata": {"labels": {"y": "2", "z": "2"}}}
    assert merged(body, patch, POD)["metadata"] == {
        "name": "a",
        "labels": {"x": "1", "y": "2", "z": "2"},
    }


def test_an_item_of_a_list_is_found_by_its_key() -> None:
    live = {"volumes": [{"name": "x"}, {"name": "y"}]}
    patch = {"volumes": [{"name": "y", "hostPath": {"path": "a"}}]}
    assert spec(live, patch)["volumes"] == [
        {"name": "x"},
        {"name": "y", "hostPath": {"path": "a"}},
    ]


@pytest.mark.parametrize(
    ("live", "patch", "expected"),
    [
        ("a", "b", "ab"),
        ("abc", "nb", "anbc"),
        ("abc", "ca", "bca"),
        ("ab", "ba", "ba"),
        ("", "ab", "ab"),
        ("aab", "ac", "acb"),
    ],
)
def test_new_items_stand_where_the_patch_has_them(live: str, patch: str, expected: str) -> None:
    found = spec(
        {"volumes": [{"name": n} for n in live]}, {"volumes": [{"name": n} for n in patch]}
    )
    assert "".join(names(found["volumes"])) == expected


@given(
    live=st.lists(st.sampled_from("abcdef"), unique=True),
    patch=st.lists(st.sampled_from("abcdefgh"), unique=True),
)
def test_merging_lists_loses_and_doubles_nothing(live: list[str], patch: list[str]) -> None:
    """All items of both are there once, and those of the patch in its order."""
    body = {"volumes": [{"name": n, "hostPath": {"path": "/"}} for n in live]}
    found = spec(body, {"volumes": [{"name": n} for n in patch]})["volumes"] or []
    assert sorted(names(found)) == sorted({*live, *patch})
    assert [n for n in names(found) if n in patch] == patch
    assert {n["name"] for n in found if "hostPath" in n} == set(live)
    again = spec({"volumes": found}, {"volumes": [{"name": n} for n in patch]})["volumes"]
    assert (again or []) == found


def test_a_key_that_is_left_out_has_its_default() -> None:
    """Ports are told apart by number and protocol, which is TCP where nobody says otherwise."""
    live = {"containers": [{"name": "c", "ports": [{"containerPort": 53, "protocol": "UDP"},
                                                   {"containerPort": 53}]}]}  # fmt: skip
    patch = {"containers": [{"name": "c", "ports": [{"containerPort": 53, "name": "dns"}]}]}
    assert spec(live, patch)["containers"][0]["ports"] == [
        {"containerPort": 53, "protocol": "UDP"},
        {"containerPort": 53, "name": "dns"},
    ]


def test_a_set_takes_each_value_once() -> None:
    body = {"metadata": {"finalizers": ["a/x", "a/y"]}}
    patch = {"metadata": {"finalizers": ["a/y", "a/z"]}}
    assert merged(body, patch, POD)["metadata"]["finalizers"] == ["a/x", "a/y", "a/z"]


def test_null_takes_a_field_away() -> None:
    assert spec({"replicas": 2, "paused": True}, {"replicas": None}, schema()) == {"paused": True}


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"tolerations": [{"key": "a"}]}, ".spec.tolerations"),
        ({"containers": [{"name": "c", "args": ["x"]}]}, ".spec.containers[0].args"),
        ({"nodeSelector": {"a": "b"}}, ".spec.nodeSelector"),
        ({"imagePullSecrets": [{"name": "s"}]}, ".spec.imagePullSecrets[0]"),
    ],
)
def test_what_is_atomic_is_refused(patch: Any, path: str) -> None:
    with pytest.raises(MutationError, match="may not mutate atomic arrays, maps or structs") as at:
        spec({}, patch)
    assert path in str(at.value)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"hostNetwrk": True}, r"\.spec\.hostNetwrk"),
        ({"hostNetwork": "yes"}, r"\.spec\.hostNetwork"),
        ({"volumes": [{"emptyDir": {}}]}, 'without the key "name"'),
        ({"volumes": [{"name": "a"}, {"name": "a"}]}, "two items of the same key"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(patch: Any, message: str) -> None:
    with pytest.raises(MutationError, match=message):
        spec({}, patch)


DEFINITION = {
    "spec": {
        "group": "g.io",
        "names": {"kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["id", "side"],
                                        "items": {
                                            "type": "object",
                                            "properties": {
                                                "id": {"type": "integer"},
                                                "side": {"type": "string", "default": "left"},
                                                "colour": {"type": "string"},
                                            },
                                        },
                                    },
                                    "whole": {
                                        "type": "object",
                                        "x-kubernetes-map-type": "atomic",
                                        "properties": {"a": {"type": "string"}},
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    }
}


def test_a_custom_resource_merges_as_its_definition_says() -> None:
    widget = schemas.load().with_custom_resources(DEFINITION).schema_for("g.io", "v1", "Widget")
    assert widget is not None
    live = {"parts": [{"id": 1, "colour": "red"}, {"id": 1, "side": "right"}]}
    patch = {"parts": [{"id": 1, "side": "left", "colour": "blue"}]}
    assert spec(live, patch, widget)["parts"] == [
        {"id": 1, "colour": "blue", "side": "left"},
        {"id": 1, "side": "right"},
    ]
    with pytest.raises(MutationError, match=r"\.spec\.whole"):
        spec({}, {"whole": {"a": "b"}}, widget)
