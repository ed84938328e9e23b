"""The index: hot keys, filters, tallies, directions, and what a change costs."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_values import KINDS, claim_volume, names, obj, resource, snapshot, workload

from kpolicy.relations import Entry, Filter, Relation, RelationIndex, Side, directory, relations
from kpolicy.relations.claims import MOUNTS_CLAIM, SHARED_VOLUME_CLAIM
from kpolicy.relations.index import Filer, tree_distance
from kpolicy.relations.selecting import SELECTS
from kpolicy.snapshot import Resource, Snapshot


def crowd(count: int, claim: str = "hot", prefix: str = "p") -> list[Resource]:
    return [
        resource(
            workload("Pod", f"{prefix}{i:05}", volumes=[claim_volume(claim)]),
            f"{prefix}{i:05}.yaml",
        )
        for i in range(count)
    ]


def test_every_name_is_in_the_directory_once() -> None:
    """Relations and their inverses are asked by name; names are unique."""
    found = directory(relations())
    assert found["mounts-claim"].relation is MOUNTS_CLAIM
    assert found["mounted-by"].relation is MOUNTS_CLAIM
    assert (found["mounts-claim"].reverse, found["mounted-by"].reverse) == (False, True)
    for relation in relations():
        assert found[relation.name].relation is relation
        assert relation.symmetric or relation.inverse or relation.name.startswith("kube-linter-")
        assert relation.description
    with pytest.raises(ValueError, match="mounts-claim"):
        directory([MOUNTS_CLAIM, Relation("mounts-claim", MOUNTS_CLAIM.left, MOUNTS_CLAIM.right)])


def test_a_hot_key_costs_its_answer() -> None:
    """10,000 mounters of one claim, 10 main and 10 helpers: a filter looks at each mounter once."""
    found = Snapshot.of(crowd(10_000))
    calls = 0

    def is_helper(r: Resource) -> bool:
        nonlocal calls
        calls += 1
        return r.name.endswith("00000") or r.name.endswith("999")

    helper = Filter("helper", is_helper)
    index = found.index(SHARED_VOLUME_CLAIM)
    mains = found.resources[500:10_000:950]
    pairs = [(m, hit) for m in mains for hit in index.related(m, helper)]
    assert len(mains) == 10
    assert len(pairs) == 10 * 11
    assert calls == 10_000
    assert sum(index.count(r, helper) for r in found.resources) == 10_000 * 11 - 11
    assert sum(index.count(r) for r in found.resources) == 10_000 * 9_999
    assert all(index.any(r) for r in found.resources)
    assert calls == 10_000


def test_counts_stop_at_a_limit() -> None:
    """With a limit the walk ends when it is reached."""
    service = resource(obj("Service", "s", spec={"selector": {"app": "a"}}), "s.yaml")
    pods = [
        resource(workload("Pod", f"p{i}", pod_labels={"app": "a"}), f"{i}.yaml") for i in range(9)
    ]
    found = Snapshot.of([service, *pods])
    index = found.index(SELECTS)
    assert index.count(service) == 9
    assert [index.count(service, None, False, n) for n in (1, 5, 9, 20)] == [1, 5, 9, 9]


def test_an_edit_files_only_the_changed_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deriving a snapshot computes entries for the new file alone, and keeps other buckets."""
    first = Snapshot.of([*crowd(50, "a"), *crowd(50, "b", "q")])
    index = first.index(SHARED_VOLUME_CLAIM)
    filed: list[str] = []
    original = Filer.file

    def counting(self: Filer, one: Resource) -> Any:
        filed.append(one.name)
        return original(self, one)

    monkeypatch.setattr(Filer, "file", counting)
    body = workload("Pod", "p00007", volumes=[claim_volume("b")])
    second = first.with_file("p00007.yaml", [resource(body, "p00007.yaml")])
    derived = second.index(SHARED_VOLUME_CLAIM)
    assert filed == ["p00007"]
    moved = second.files["p00007.yaml"][0]
    assert derived.count(moved) == 50
    assert index.count(first.files["p00007.yaml"][0]) == 49
    untouched = second.files["p00001.yaml"][0]
    assert untouched is first.files["p00001.yaml"][0]
    assert derived.count(untouched) == 48
    assert second.with_file("x.yaml", []).index(SHARED_VOLUME_CLAIM) is derived


def test_a_filters_memory_survives_an_edit() -> None:
    """After a change only new resources are put to the filter."""
    asked: list[str] = []

    def passes(r: Resource) -> bool:
        asked.append(r.name)
        return True

    chosen = Filter("all", passes)
    first = Snapshot.of(crowd(20))
    first.index(SHARED_VOLUME_CLAIM).related(first.resources[0], chosen)
    assert len(asked) == 20
    new = resource(workload("Pod", "new", volumes=[claim_volume("hot")]), "new.yaml")
    second = first.with_file("new.yaml", [new])
    assert len(second.index(SHARED_VOLUME_CLAIM).related(new, chosen)) == 20
    assert asked[20:] == ["new"]


def test_what_has_no_entries_costs_nothing_and_has_no_hits() -> None:
    """A resource that takes no part in a relation is not in its index."""
    found = snapshot(obj("ConfigMap", "c"), obj("Pod", "p"))
    index = found.index(SHARED_VOLUME_CLAIM)
    for one in found.resources:
        assert index.entries(one) == ()
        assert index.related(one) == []
        assert index.count(one) == 0
        assert not index.any(one)


def test_entries_are_plain_data() -> None:
    """Whatever a relation files can travel between processes as JSON does."""
    import json

    body = workload(
        "StatefulSet", "s", "n",
        pod_labels={"a": "b"}, selector={"matchLabels": {"a": "b"}},
        extra={"volumeClaimTemplates": [{"metadata": {"name": "d"}}]},
        containers=[{"envFrom": [{"secretRef": {"name": "x"}}]}],
    )  # fmt: skip
    one = resource(body)
    for relation in relations():
        for part in Filer(relation, KINDS).file(one):
            for entry in part:
                json.dumps(entry)
                hash(entry.key)


def test_an_index_needs_no_bodies() -> None:
    """Existence and counts are answered from references that carry only key, scope and place."""

    class Stub:
        def __init__(self, one: Resource) -> None:
            self.key, self.scope, self.path, self.order = one.key, one.scope, one.path, one.order

    filer = Filer(SHARED_VOLUME_CLAIM, KINDS)
    pairs = [(Stub(r), filer.file(r)) for r in crowd(5)]
    index = RelationIndex.from_entries(SHARED_VOLUME_CLAIM, pairs)
    assert index.count(pairs[0][0]) == 4
    assert index.any(pairs[0][0])
    assert index.missing(pairs[0][0]) is not None


def test_a_relation_made_in_python() -> None:
    """What a plugin writes: two sides, keys, an inverse."""

    def label(name: str) -> Any:
        def entries(one: Resource, _kinds: Any) -> Any:
            value = one.body["metadata"].get("labels", {}).get(name)
            return [Entry((value,))] if value else []

        return entries

    follows = Relation(
        "follows", Side(("Pod",), label("follows")), Side(("*",), label("is")), inverse="leads"
    )
    found = snapshot(
        obj("Pod", "a", labels={"follows": "x"}), obj("Service", "b", labels={"is": "x"})
    )
    index = found.index(follows)
    assert names(index.related(found.resources[0])) == ["b"]
    assert names(index.related(found.resources[1], None, True)) == ["a"]
    assert index.related(found.resources[1]) == []


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("a.yaml", "a.yaml", 0),
        ("a.yaml", "b.yaml", 1),
        ("d/a.yaml", "d/b.yaml", 1),
        ("d/a.yaml", "a.yaml", 2),
        ("d/a.yaml", "e/a.yaml", 3),
        ("d/x/a.yaml", "d/y/a.yaml", 3),
        ("d/x/a.yaml", "e/x/a.yaml", 5),
    ],
)
def test_distance_in_the_tree(one: str, other: str, distance: int) -> None:
    """Steps between directories; the same file is nearest."""
    assert tree_distance(one, other) == tree_distance(other, one) == distance


def test_every_relation_is_documented() -> None:
    """docs/joins.md names each relation and its way back."""
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "joins.md").read_text(encoding="utf-8")
    for name in directory(relations()):
        assert f"`{name}`" in text or name.startswith("kube-linter-"), name


def test_nothing_is_filed_while_nobody_refers() -> None:
    """A relation whose left side is empty keeps no buckets, and wakes with the first reference."""
    pod = resource(obj("Pod", "p"), "p.yaml")
    claim = resource(obj("PersistentVolumeClaim", "c"), "c.yaml")
    first = Snapshot.of([pod, claim])
    index = first.index(MOUNTS_CLAIM)
    assert index._drawers[""].dormant
    assert not index.any(claim, None, True)
    second = first.with_file("d.yaml", [resource(obj("PersistentVolumeClaim", "d"), "d.yaml")])
    assert second.index(MOUNTS_CLAIM)._drawers[""].dormant
    mounter = resource(workload("Pod", "m", volumes=[claim_volume("d")]), "m.yaml")
    third = second.with_file("m.yaml", [mounter])
    assert names(third.index(MOUNTS_CLAIM).related(mounter)) == ["d"]
    assert third.index(MOUNTS_CLAIM).count(third.files["d.yaml"][0], None, True) == 1
    assert third.index(MOUNTS_CLAIM).count(claim, None, True) == 0
