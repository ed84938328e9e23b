"""Snapshots: look-ups, copies, order, derived values, scopes of custom kinds."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_values import KINDS, obj, resource, snapshot

from kpolicy.frozen import freeze
from kpolicy.manifests.model import Document
from kpolicy.snapshot import Kinds, Resource, ResourceKey, Snapshot, resource_from

CRD = obj(
    "CustomResourceDefinition", "moons.x.io", "", "apiextensions.k8s.io/v1",
    spec={"group": "x.io", "names": {"kind": "Moon", "plural": "moons"}, "scope": "Cluster"},
)  # fmt: skip


def at(path: str, *bodies: dict[str, Any]) -> list[Resource]:
    return [resource(b, path, index=i) for i, b in enumerate(bodies)]


@pytest.mark.parametrize(
    ("body", "namespace", "key"),
    [
        (obj("Pod", "a"), "", ("", "Pod", "default", "a")),
        (obj("Pod", "a", "n"), "n", ("", "Pod", "n", "a")),
        (obj("Namespace", "a"), "", ("", "Namespace", "", "a")),
        (obj("Namespace", "a", "n"), "n", ("", "Namespace", "", "a")),
        (obj("Deployment", "a", "", "apps/v1beta1"), "", ("apps", "Deployment", "default", "a")),
        (obj("Pod"), "", ("", "Pod", "default", "")),
        ({"apiVersion": "v1", "kind": "Pod"}, "", ("", "Pod", "default", "")),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": None}, "", ("", "Pod", "default", "")),
    ],
)
def test_a_resource_and_its_key(body: dict[str, Any], namespace: str, key: tuple[str, ...]) -> None:
    """The key has the effective namespace, the resource the written one."""
    made = resource_from(Document(freeze(body), "a.yaml", 0), KINDS)
    assert made.namespace == namespace
    assert made.key == ResourceKey(*key)
    assert (made.group, made.version) == (key[0], body["apiVersion"].rpartition("/")[2])


def test_look_ups() -> None:
    """By key, by kind, by namespace and by body."""
    found = snapshot(obj("Pod", "a", "n"), obj("Pod", "b"), obj("Service", "a", "n"))
    pod_a, pod_b, service = found.resources
    assert found.get(ResourceKey("", "Pod", "n", "a")) is pod_a
    assert found.get(ResourceKey("", "Pod", "n", "b")) is None
    assert found.by_kind("", "Pod") == (pod_a, pod_b)
    assert found.in_namespace("n") == (pod_a, service)
    assert found.in_namespace("default") == (pod_b,)
    assert found.resource_of(service.body) is service
    assert found.resource_of(freeze(dict(service.body))) is None
    assert found.resource_of(service.body["metadata"]) is None
    assert found.resource_of(None) is None
    assert len(found) == 3
    assert list(found) == list(found.resources)


def test_resources_come_in_the_order_of_path_document_and_place() -> None:
    """Whatever order they were given in; items of a list by number, not by text."""

    def item(path: str, index: int, pointer: str = "") -> Resource:
        body = freeze(obj("Pod", f"{path}{index}{pointer}"))
        return resource_from(Document(body, path, index, pointer), KINDS)

    wanted = [
        item("a.yaml", 0, "/items/2"), item("a.yaml", 0, "/items/10"), item("a.yaml", 2),
        item("a.yaml", 10), item("a/b.yaml", 0), item("b.yaml", 0),
    ]  # fmt: skip
    for given in (wanted, wanted[::-1], wanted[3:] + wanted[:3]):
        assert list(Snapshot.of(given).resources) == wanted


def test_the_same_resource_twice_is_kept() -> None:
    """Copies are found together, reported by scope, and unnamed ones are not copies."""
    made = [
        resource(obj("Pod", "a"), "a.yaml"),
        resource(obj("Pod", "a", "default"), "b.yaml"),
        resource(obj("Pod", "a"), "c.yaml", "other"),
        resource(obj("Pod"), "d.yaml"),
        resource(obj("Pod"), "e.yaml"),
    ]
    found = Snapshot.of(made)
    assert found.copies(ResourceKey("", "Pod", "default", "a")) == tuple(made[:3])
    assert list(found.duplicates()) == [tuple(made[:2])]
    assert found.get(made[0].key, "other") is made[2]


def test_deriving_leaves_the_first_snapshot_as_it_was() -> None:
    """with_file and without_file give new values that share what stayed."""
    first = Snapshot.of([*at("a.yaml", obj("Pod", "a")), *at("b.yaml", obj("Pod", "b"))])
    assert len(first.by_kind("", "Pod")) == 2
    second = first.with_file("a.yaml", at("a.yaml", obj("Pod", "x"), obj("Service", "s")))
    third = second.without_file("b.yaml")
    assert [r.name for r in first.resources] == ["a", "b"]
    assert [r.name for r in second.resources] == ["x", "s", "b"]
    assert [r.name for r in third.resources] == ["x", "s"]
    assert [r.name for r in first.by_kind("", "Pod")] == ["a", "b"]
    assert [r.name for r in second.by_kind("", "Pod")] == ["x", "b"]
    assert second.files["b.yaml"] is first.files["b.yaml"]
    assert third.without_file("zzz") is third
    assert second.with_file("a.yaml", []).files.keys() == {"b.yaml"}


def test_a_file_holds_only_its_own_resources() -> None:
    """A resource of another path in with_file is a caller's mistake."""
    with pytest.raises(ValueError, match=r"b\.yaml"):
        Snapshot.of([]).with_file("a.yaml", at("b.yaml", obj("Pod", "b")))


def test_content_hash_follows_content() -> None:
    """Equal content, equal hash; a changed body, path or scope changes it."""
    one = Snapshot.of(at("a.yaml", obj("Pod", "a")))
    assert one.content_hash == Snapshot.of(at("a.yaml", obj("Pod", "a"))).content_hash
    others = [
        Snapshot.of(at("a.yaml", obj("Pod", "b"))),
        Snapshot.of(at("b.yaml", obj("Pod", "a"))),
        Snapshot.of([resource(obj("Pod", "a"), "a.yaml", "s")]),
        Snapshot.of([]),
    ]
    assert len({s.content_hash for s in (one, *others)}) == 5
    back = one.with_file("a.yaml", at("a.yaml", obj("Pod", "b")))
    assert back.content_hash == others[0].content_hash


def test_a_definition_makes_its_kind_cluster_scoped() -> None:
    """Custom resources are filed by what their definition says, and follow when it changes."""
    moon = resource(obj("Moon", "luna", "", "x.io/v1"), "moon.yaml")
    assert moon.key.namespace == "default"
    both = Snapshot.of([moon, resource(CRD, "crd.yaml")])
    (filed,) = both.by_kind("x.io", "Moon")
    assert filed.key == ResourceKey("x.io", "Moon", "", "luna")
    assert filed.body is moon.body
    assert both.kinds.plural("x.io", "Moon") == "moons"
    without = both.without_file("crd.yaml")
    assert without.by_kind("x.io", "Moon")[0].key.namespace == "default"
    again = without.with_file("crd.yaml", [resource(CRD, "crd.yaml")])
    assert again.by_kind("x.io", "Moon")[0].key.namespace == ""
    more = again.with_file("two.yaml", at("two.yaml", obj("Moon", "phobos", "", "x.io/v1")))
    assert [r.key.namespace for r in more.by_kind("x.io", "Moon")] == ["", ""]


def test_given_custom_kinds_stay() -> None:
    """What the caller knows of custom kinds does not depend on definitions in the snapshot."""
    from kpolicy.snapshot.kinds import CustomKind

    kinds = Kinds.of(custom=[CustomKind("x.io", "Moon", "moons", False)])
    moon = resource(obj("Moon", "luna", "", "x.io/v1"), "moon.yaml", kinds=kinds)
    found = Snapshot.of([moon], kinds)
    assert found.resources[0].key.namespace == ""
    assert not found.kinds.namespaced("x.io", "Moon")


def test_a_snapshot_is_made_by_of() -> None:
    """The constructor says so."""
    with pytest.raises(TypeError, match=r"Snapshot\.of"):
        Snapshot()


def test_the_namespace_of_a_resource() -> None:
    """The Namespace object in the same scope, None for cluster-scoped kinds or when absent."""
    found = Snapshot.of(
        [
            resource(obj("Namespace", "shop"), "a.yaml"),
            resource(obj("Pod", "a", "shop"), "b.yaml"),
            resource(obj("Pod", "a", "shop"), "c.yaml", "dev"),
            resource(obj("Pod", "a"), "d.yaml"),
        ]
    )
    namespace, pod, other_scope, other_namespace = found.resources
    assert found.namespace_of(pod) is namespace
    assert found.namespace_of(other_scope) is None
    assert found.namespace_of(other_namespace) is None
    assert found.namespace_of(namespace) is None


def test_many_files_change_at_once() -> None:
    """with_files is the same as one with_file after another, and derives each view once."""
    first = Snapshot.of(
        [*at("a.yaml", obj("Pod", "a")), *at("b.yaml", obj("Pod", "b")), *at("c.yaml", CRD)]
    )
    assert len(first.by_kind("", "Pod")) == 2
    new = {"a.yaml": at("a.yaml", obj("Pod", "x"), obj("Pod", "y")), "b.yaml": [],
           "d.yaml": at("d.yaml", obj("Moon", "m", "", "x.io/v1"))}  # fmt: skip
    second = first.with_files(new)
    step = first
    for path, resources in new.items():
        step = step.with_file(path, resources)
    assert [r.key for r in second.resources] == [r.key for r in step.resources]
    assert second.content_hash == step.content_hash
    assert [r.name for r in second.by_kind("", "Pod")] == ["x", "y"]
    assert second.by_kind("x.io", "Moon")[0].key.namespace == ""
    assert first.with_files({}).content_hash == first.content_hash
    with pytest.raises(ValueError, match=r"b\.yaml"):
        first.with_files({"a.yaml": at("b.yaml", obj("Pod", "b"))})


def test_of_two_definitions_the_last_in_order_wins() -> None:
    """The answer does not depend on the order in which files were read."""
    other = {**CRD, "spec": {**CRD["spec"], "scope": "Namespaced"}}
    parts = [
        resource(CRD, "a.yaml"),
        resource(other, "b.yaml"),
        resource(obj("Moon", "m", "", "x.io/v1"), "m.yaml"),
    ]
    for given in (parts, parts[::-1]):
        found = Snapshot.of(given)
        assert found.by_kind("x.io", "Moon")[0].key.namespace == "default"
    derived = Snapshot.of(parts[1:]).with_file("a.yaml", parts[:1])
    assert derived.by_kind("x.io", "Moon")[0].key.namespace == "default"
