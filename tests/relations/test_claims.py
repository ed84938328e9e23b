"""Volume claims and shared storage, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_values import claim_volume, names, obj, resource, snapshot, workload

from kpolicy.relations.claims import MOUNTS_CLAIM, SHARED_VOLUME_CLAIM, wider_claims
from kpolicy.relations.index import RelationIndex
from kpolicy.relations.model import Relation
from kpolicy.relations.storage import SHARED_VOLUME
from kpolicy.snapshot import Resource, Snapshot


def ask(found: Snapshot, relation: Relation, position: int = 0, back: bool = False) -> list[str]:
    """Return the names of what the resource at a position is related to."""
    index: RelationIndex = found.index(relation)
    return names(index.related(found.resources[position], None, back))


def mounter(name: str, claim: str, kind: str = "Deployment", space: str = "") -> dict[str, Any]:
    return workload(kind, name, space, volumes=[claim_volume(claim)])


def stateful(name: str = "web", *templates: str, space: str = "", **pod: Any) -> dict[str, Any]:
    extra = {"volumeClaimTemplates": [{"metadata": {"name": t}} for t in templates or ("data",)]}
    return workload("StatefulSet", name, space, extra=extra, **pod)


@pytest.mark.parametrize(
    ("claim", "reached"),
    [
        ("data-web-0", True),
        ("data-web-7", True),
        ("data-web-10", True),
        ("data-web-99999999999999999999", True),
        ("data-web-00", False),
        ("data-web-01", False),
        ("data-web-", False),
        ("data-web", False),
        ("data-web-x", False),
        ("data-web-1x", False),
        ("data-web-1-0", False),
        ("data-web--1", False),
        ("data-web-+1", False),
        ("data-web-١", False),
        ("xdata-web-0", False),
        ("data-web1-0", False),
    ],
)
def test_claims_of_a_stateful_set_for_any_ordinal(claim: str, reached: bool) -> None:
    """`<template>-<set>-<ordinal>` with the ordinal in canonical decimal form."""
    found = snapshot(stateful(), mounter("app", claim))
    assert ask(found, SHARED_VOLUME_CLAIM) == (["app"] if reached else [])
    assert ask(found, SHARED_VOLUME_CLAIM, 1) == (["web"] if reached else [])
    with_claim = snapshot(stateful(), obj("PersistentVolumeClaim", claim))
    assert ask(with_claim, MOUNTS_CLAIM) == ([claim] if reached else [])


def test_two_ordinals_are_two_claims() -> None:
    """Mounters of data-web-0 and data-web-1 share with the set, not with each other."""
    found = snapshot(stateful(), mounter("a", "data-web-0"), mounter("b", "data-web-1"))
    assert ask(found, SHARED_VOLUME_CLAIM) == ["a", "b"]
    assert ask(found, SHARED_VOLUME_CLAIM, 1) == ["web"]
    assert ask(found, SHARED_VOLUME_CLAIM, 2) == ["web"]


def test_a_set_whose_name_ends_in_a_number() -> None:
    """`data-web-1-0` belongs to the set web-1, not to the set web."""
    found = snapshot(stateful("web-1"), stateful("web"), mounter("a", "data-web-1-0"))
    assert ask(found, SHARED_VOLUME_CLAIM) == ["a"]
    assert ask(found, SHARED_VOLUME_CLAIM, 1) == []


def test_two_sets_with_one_family_of_claims() -> None:
    """Template `a-b` of set `c` and template `a` of set `b-c` make the same claims."""
    found = snapshot(stateful("c", "a-b"), stateful("b-c", "a"))
    assert ask(found, SHARED_VOLUME_CLAIM) == ["b-c"]


def test_a_template_hides_the_pod_volume_of_its_name() -> None:
    """The controller puts the template's claim in the place of the pod's own volume."""
    hidden = stateful("web", "data", volumes=[claim_volume("other", "data")])
    found = snapshot(hidden, mounter("a", "other"), mounter("b", "data-web-0"))
    assert ask(found, SHARED_VOLUME_CLAIM) == ["b"]
    assert ask(found, MOUNTS_CLAIM) == []


def test_generic_ephemeral_volumes() -> None:
    """`<pod>-<volume>` for a Pod; for a StatefulSet's pods with any ordinal; not for generated
    pods."""
    volume = {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {}}}
    for body, claim, reached in (
        (workload("Pod", "p", volumes=[volume]), "p-tmp", True),
        (workload("Pod", "p", volumes=[volume]), "p-0-tmp", False),
        (workload("StatefulSet", "s", volumes=[volume]), "s-0-tmp", True),
        (workload("StatefulSet", "s", volumes=[volume]), "s-01-tmp", False),
        (workload("StatefulSet", "s", volumes=[volume]), "s-tmp", False),
        (workload("Deployment", "d", volumes=[volume]), "d-tmp", False),
    ):
        found = snapshot(body, mounter("other", claim))
        assert ask(found, SHARED_VOLUME_CLAIM) == (["other"] if reached else []), claim


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [("", "default", True), ("a", "a", True), ("a", "b", False), ("", "a", False)],
)
def test_a_claim_belongs_to_its_namespace(one: str, other: str, shared: bool) -> None:
    """The same claim name in two namespaces is two claims; an absent namespace is default."""
    found = snapshot(mounter("x", "c", space=one), mounter("y", "c", space=other))
    assert ask(found, SHARED_VOLUME_CLAIM) == (["y"] if shared else [])


@pytest.mark.parametrize(
    "kind",
    ["Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob",
     "ReplicationController"],
)  # fmt: skip
def test_every_workload_kind_mounts(kind: str) -> None:
    """Wherever the kind keeps its pod spec; the hit points at the volume."""
    found = snapshot(mounter("x", "c", kind), mounter("y", "c"), obj("PersistentVolumeClaim", "c"))
    (hit,) = found.index(SHARED_VOLUME_CLAIM).hits(found.resources[0])
    assert hit.resource.name == "y"
    assert hit.here.pointer.endswith("/spec/volumes/0") or kind == "Pod"
    assert hit.there.pointer == "/spec/template/spec/volumes/0"
    assert ask(found, MOUNTS_CLAIM, 2, True) == ["x", "y"]


def test_two_claims_bound_to_one_volume() -> None:
    """By volumeName on one side and claimRef on the other, in any order, across namespaces."""
    volume = obj("PersistentVolume", "pv", spec={"claimRef": {"name": "b", "namespace": "two"}})
    claim = obj("PersistentVolumeClaim", "a", "one", spec={"volumeName": "pv"})
    apps = (mounter("x", "a", space="one"), mounter("y", "b", space="two"))
    for relation in (SHARED_VOLUME_CLAIM, SHARED_VOLUME):
        assert ask(snapshot(*apps, claim, volume), relation) == ["y"]
        assert ask(snapshot(*apps, claim), relation) == []
        assert ask(snapshot(*apps, volume), relation) == []


def test_a_linked_claim_reaches_a_stateful_set() -> None:
    """A claim bound to the volume of data-web-0 is shared with the set, whatever its name."""
    volume = obj("PersistentVolume", "pv", spec={"claimRef": {"name": "data-web-0"}})
    other = obj("PersistentVolumeClaim", "other", spec={"volumeName": "pv"})
    found = snapshot(stateful(), mounter("x", "other"), volume, other)
    assert ask(found, SHARED_VOLUME_CLAIM) == ["x"]
    assert ask(found, SHARED_VOLUME_CLAIM, 1) == ["web"]


NFS = {"nfs": {"server": "files", "path": "/export"}}
CSI = {"csi": {"driver": "d", "volumeHandle": "h"}}


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (NFS, NFS, True),
        (NFS, {"nfs": {"server": "FILES", "path": "/export/"}}, True),
        (NFS, {"nfs": {"server": "files", "path": "/other"}}, False),
        ({"hostPath": {"path": "/var/log"}}, {"hostPath": {"path": "/var/log/"}}, True),
        ({"hostPath": {"path": "/var/log"}}, {"hostPath": {"path": "/var/log/app"}}, False),
        ({"cephfs": {"monitors": ["b", "a"]}}, {"cephfs": {"monitors": ["a", "b"]}}, True),
        (
            {"rbd": {"monitors": ["a"], "image": "i"}},
            {"rbd": {"monitors": ["a"], "image": "j"}},
            False,
        ),
        ({"emptyDir": {}}, {"emptyDir": {}}, False),
        ({"configMap": {"name": "c"}}, {"configMap": {"name": "c"}}, False),
        ({"nfs": {}}, {"nfs": {}}, False),
        ({"hostPath": "x"}, {"hostPath": "x"}, False),
        ({"csi": {"driver": "d"}}, {"csi": {"driver": "d"}}, False),
    ],
)  # fmt: skip
def test_storage_reached_directly(one: Any, other: Any, shared: bool) -> None:
    """By what identifies it; what lives and dies with the pod is not shared."""
    found = snapshot(
        workload("Deployment", "x", volumes=[{"name": "v", **one}]),
        workload("Pod", "y", "elsewhere", volumes=[{"name": "w", **other}]),
    )
    assert ask(found, SHARED_VOLUME) == (["y"] if shared else [])
    assert ask(found, SHARED_VOLUME_CLAIM) == []


@pytest.mark.parametrize("source", [NFS, {"hostPath": {"path": "/d"}}])
def test_storage_reached_directly_and_through_a_claim(source: dict[str, Any]) -> None:
    """A PersistentVolume makes the claim and the storage one."""
    found = snapshot(
        workload("Deployment", "x", volumes=[{"name": "v", **source}]),
        mounter("y", "c"),
        obj("PersistentVolume", "pv", spec={**source, "claimRef": {"name": "c"}}),
    )
    assert ask(found, SHARED_VOLUME) == ["y"]


@pytest.mark.parametrize(("nodes", "shared"), [(("a", "a"), True), (("a", "b"), False)])
def test_local_volumes_are_on_their_node(nodes: tuple[str, str], shared: bool) -> None:
    """One path on two nodes is two disks."""
    volumes = [
        obj(
            "PersistentVolume",
            f"pv{i}",
            spec={
                "local": {"path": "/mnt/disk"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchFields": [node]}]}},
                "claimRef": {"name": f"c{i}"},
            },
        )
        for i, node in enumerate(nodes)
    ]
    found = snapshot(mounter("x", "c0"), mounter("y", "c1"), *volumes)
    assert ask(found, SHARED_VOLUME) == (["y"] if shared else [])
    inline = workload("Pod", "z", volumes=[{"name": "v", "hostPath": {"path": "/mnt/disk"}}])
    assert ask(snapshot(inline, mounter("x", "c0"), *volumes), SHARED_VOLUME) == []


def test_two_volumes_over_one_csi_handle() -> None:
    """Claims in two namespaces whose volumes have one driver and handle reach the same storage."""
    found = snapshot(
        mounter("x", "a", space="one"),
        mounter("y", "b", space="two"),
        obj("PersistentVolume", "p1", spec={**CSI, "claimRef": {"name": "a", "namespace": "one"}}),
        obj("PersistentVolume", "p2", spec={**CSI, "claimRef": {"name": "b", "namespace": "two"}}),
    )
    assert ask(found, SHARED_VOLUME) == ["y"]
    assert ask(found, SHARED_VOLUME_CLAIM) == []


def test_one_hit_for_each_pair_however_many_claims() -> None:
    """related() names a resource once; hits() shows each way."""
    both = [claim_volume("a", "v1"), claim_volume("b", "v2")]
    found = snapshot(
        workload("Deployment", "x", volumes=both), workload("Deployment", "y", volumes=both)
    )
    index = found.index(SHARED_VOLUME_CLAIM)
    assert names(index.related(found.resources[0])) == ["y"]
    assert [h.here.pointer[-1] for h in index.hits(found.resources[0])] == ["0", "1"]
    assert index.count(found.resources[0]) == 1


def copies(*placed: tuple[str, str]) -> list[Resource]:
    return [resource(mounter(name, "c"), path) for name, path in placed]


def test_copies_of_a_key_are_never_joined() -> None:
    """The same workload in two directories does not share a claim with itself."""
    found = Snapshot.of(copies(("app", "dev/app.yaml"), ("app", "prod/app.yaml")))
    assert ask(found, SHARED_VOLUME_CLAIM) == []
    assert not found.index(SHARED_VOLUME_CLAIM).any(found.resources[0])


def test_of_copies_the_nearest_counts() -> None:
    """dev's app belongs to dev's logger, although prod has one of the same key."""
    found = Snapshot.of(
        copies(
            ("app", "dev/app.yaml"),
            ("log", "dev/log.yaml"),
            ("app", "prod/app.yaml"),
            ("log", "prod/log.yaml"),
        )
    )
    index = found.index(SHARED_VOLUME_CLAIM)
    for r in found.resources:
        (hit,) = index.related(r)
        assert hit.resource.path.split("/")[0] == r.path.split("/")[0]
        assert index.count(r) == 1


def test_scopes_keep_trees_apart() -> None:
    """A base, overlays and clusters, each in its own scope, resolve on their own."""

    def tree(scope: str) -> list[Resource]:
        return [
            resource(mounter("app", "c"), f"{scope}/apps/app.yaml", scope),
            resource(mounter("log", "c"), f"{scope}/logging/log.yaml", scope),
            resource(obj("PersistentVolumeClaim", "c"), f"{scope}/storage/c.yaml", scope),
        ]

    alone = [resource(mounter("app", "c"), "clusters/test/app.yaml", "clusters/test")]
    found = Snapshot.of([*tree("clusters/dev"), *tree("clusters/prod"), *alone])
    for r in found.resources:
        index = found.index(SHARED_VOLUME_CLAIM)
        assert {h.resource.scope for h in index.related(r)} <= {r.scope}
        mounts = found.index(MOUNTS_CLAIM)
        assert {h.resource.scope for h in mounts.related(r)} <= {r.scope}
    (test,) = [r for r in found.resources if r.scope == "clusters/test"]
    assert not found.index(SHARED_VOLUME_CLAIM).any(test)


def test_without_scopes_folders_belong_together() -> None:
    """An app and its logger in different folders are found."""
    found = Snapshot.of(copies(("app", "apps/app.yaml"), ("log", "infra/logging/log.yaml")))
    assert ask(found, SHARED_VOLUME_CLAIM) == ["log"]


def test_unnamed_workloads_are_no_copies_of_each_other() -> None:
    """Objects with generateName have no key in common."""
    body = workload("Pod", "", volumes=[claim_volume("c")])
    found = snapshot(body, body)
    assert len(found.index(SHARED_VOLUME_CLAIM).related(found.resources[0])) == 1
    assert found.index(SHARED_VOLUME_CLAIM).count(found.resources[0]) == 1


@pytest.mark.parametrize(
    "volumes",
    [
        None, "x", 3, {}, ["x", None, 3], [{}], [{"persistentVolumeClaim": None}],
        [{"persistentVolumeClaim": "c"}], [{"persistentVolumeClaim": {"claimName": 3}}],
        [{"persistentVolumeClaim": {}}], [{"ephemeral": {}, "name": 3}], [{"ephemeral": {}}],
    ],
)  # fmt: skip
def test_odd_volumes_give_no_entries(volumes: Any) -> None:
    """Entries are total: a malformed body never raises."""
    found = snapshot(workload("Pod", "x", volumes=volumes), mounter("y", "c"))
    assert ask(found, SHARED_VOLUME) == []
    assert ask(found, MOUNTS_CLAIM) == []


def test_families_of_a_claim_name() -> None:
    """Every ordinal in the name, in the middle or at the end, may be that of a set."""
    assert list(wider_claims(("claim", "n", "a-0-b-12"))) == [
        ("claims", "n", "a-", "-b-12"),
        ("claims", "n", "a-0-b-", ""),
    ]
    assert list(wider_claims(("claim", "n", "plain"))) == []
    assert list(wider_claims(("claim", "n", "a-1" * 100_000))) == []
    assert list(wider_claims(("claims", "n", "a-", ""))) == []
    assert list(wider_claims(("volume", "pv-0"))) == []
