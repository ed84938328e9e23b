"""Odd bodies: whatever a manifest holds, entries, questions and explanations never raise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_values import KINDS, obj, resource
from relation_worlds import Seeded, world

from kpolicy.relations import Filer, relations
from kpolicy.relations.explain import explain
from kpolicy.relations.graph import FORMATS
from kpolicy.snapshot import Snapshot

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 3.5, "", "x", "{{ .Values.x }}", [], {}, [None], ["x"], [[]], [{}],
    {"x": None}, {"name": 3}, {"": ""}, [{"name": None}], "\ud800", "a" * 300,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all parts of a body."""
    found = [path] if path else []
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, child in items:
        found += places(child, (*path, key))
    return found


def spoiled(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """Return a copy of a body with the part at `path` replaced."""
    if not path:
        return by
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {k: spoiled(v, rest, by) if k == key else v for k, v in value.items()}
    return [spoiled(v, rest, by) if i == key else v for i, v in enumerate(value)]


def check(bodies: list[Any]) -> None:
    """File, ask and explain everything about `bodies`."""
    snapshot = Snapshot.of([resource(b, f"{i}.yaml") for i, b in enumerate(bodies)], KINDS)
    for relation in relations():
        filer = Filer(relation, snapshot.kinds)
        for one in snapshot.resources:
            for part in filer.file(one):
                for entry in part:
                    hash(entry.key)
        index = snapshot.index(relation)
        for one in snapshot.resources:
            index.related(one)
            index.related(one, None, True)
            index.count(one)
            list(index.missing(one))
    for one in snapshot.resources:
        explanation = explain(snapshot, one)
        for render in FORMATS.values():
            render(explanation)


@pytest.mark.parametrize("seed", range(30))
def test_bodies_with_one_odd_part(seed: int) -> None:
    """A valid world in which one part of each body is something else."""
    chance = Seeded(seed)
    bodies = []
    for body, _, _ in world(chance):
        kept = [p for p in places(body) if p not in (("kind",), ("apiVersion",))]
        bodies.append(spoiled(body, chance.pick(kept), chance.pick(ODD)))
    check(bodies)


@pytest.mark.parametrize(
    "body",
    [
        obj(
            "Gateway",
            "g",
            "",
            "gateway.networking.k8s.io/v1",
            spec={"listeners": [{"tls": {"certificateRefs": [{"name": "x"}]}}]},
        ),
        obj(
            "Route",
            "r",
            "",
            "route.openshift.io/v1",
            spec={"to": {"name": "a"}, "alternateBackends": [{"name": "b"}]},
        ),
        obj(
            "VerticalPodAutoscaler",
            "v",
            "",
            "autoscaling.k8s.io/v1",
            spec={"targetRef": {"kind": "X", "name": "y"}},
        ),
        obj(
            "SealedSecret",
            "s",
            "",
            "bitnami.com/v1alpha1",
            spec={"template": {"metadata": {"name": "x"}}},
        ),
        obj("Certificate", "c", "", "cert-manager.io/v1", spec={"secretName": "x"}),
        obj("ServiceAccount", "a", imagePullSecrets=[{"name": "x"}]),
        obj(
            "Rollout",
            "r",
            "",
            "argoproj.io/v1alpha1",
            spec={
                "template": {
                    "spec": {"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}
                }
            },
        ),
        obj(
            "CustomResourceDefinition",
            "c",
            "",
            "apiextensions.k8s.io/v1",
            spec={"group": "x.io", "names": {"kind": "K"}},
        ),
        obj(
            "PersistentVolume",
            "p",
            spec={
                "claimRef": {"name": "c", "namespace": "n"},
                "rbd": {"monitors": ["m"], "image": "i"},
            },
        ),
        obj(
            "DeploymentConfig",
            "d",
            "",
            "apps.openshift.io/v1",
            spec={"selector": {"a": "b"}, "template": {"metadata": {"labels": {"a": "b"}}}},
        ),
    ],
    ids=lambda body: body["kind"],
)
def test_every_part_of_other_kinds_may_be_odd(body: dict[str, Any]) -> None:
    """Each part of each body, replaced by each odd value."""
    filers = [Filer(relation, KINDS) for relation in relations()]
    for path in places(body):
        if path in (("kind",), ("apiVersion",)):
            continue
        for by in ODD:
            one = resource(spoiled(body, path, by), "a.yaml")
            for filer in filers:
                for part in filer.file(one):
                    for entry in part:
                        hash(entry.key)


@given(
    st.recursive(
        st.sampled_from(["x", 1, None, True]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["spec", "metadata", "template", "name", "selector", "labels"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_arbitrary_bodies(value: Any) -> None:
    """Whatever stands under spec and metadata of any kind."""
    kinds = ("Pod", "Service", "NetworkPolicy", "Ingress", "StatefulSet", "PersistentVolume")
    check([{"apiVersion": "v1", "kind": k, "metadata": value, "spec": value} for k in kinds])
