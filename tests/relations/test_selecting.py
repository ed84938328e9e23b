"""Selectors per API: what each selects, and what an absent or empty one means."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_values import names, obj, snapshot, workload

from kpolicy.relations import directory, relations
from kpolicy.snapshot import Snapshot

DIRECTORY = directory(relations())


def ask(found: Snapshot, name: str, position: int = 0) -> list[str]:
    relation, reverse = DIRECTORY[name]
    return names(found.index(relation).related(found.resources[position], None, reverse))


def pods() -> list[dict[str, Any]]:
    """Return workloads: web (app=web, tier=a), api (app=api), bare (no labels), other namespace."""
    return [
        workload("Deployment", "web", pod_labels={"app": "web", "tier": "a"}),
        workload("StatefulSet", "api", pod_labels={"app": "api"}),
        workload("Pod", "bare"),
        workload("Deployment", "far", "elsewhere", pod_labels={"app": "web"}),
        workload("CronJob", "nightly", pod_labels={"app": "web", "job": "1"}),
    ]


NOTHING: list[str] = []
ALL = ["web", "api", "bare", "nightly"]
WEB = {"matchLabels": {"app": "web"}}


def has(key: str, operator: str, *values: str) -> dict[str, Any]:
    """Return a selector of one expression."""
    term = {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
    return {"matchExpressions": [term]}


def labelled(**labels: str) -> dict[str, Any]:
    """Return a selector by labels."""
    return {"matchLabels": labels}


SPACE_B = {"matchLabels": {"kubernetes.io/metadata.name": "b"}}
SPACE_C = {"matchLabels": {"kubernetes.io/metadata.name": "c"}}
NOT_A = has("kubernetes.io/metadata.name", "NotIn", "a")


def service(**spec: Any) -> dict[str, Any]:
    return obj("Service", "s", spec=spec)


def policy(**spec: Any) -> dict[str, Any]:
    return obj("NetworkPolicy", "np", "", "networking.k8s.io/v1", spec=spec)


def budget(version: str = "v1", **spec: Any) -> dict[str, Any]:
    return obj("PodDisruptionBudget", "pdb", "", f"policy/{version}", spec=spec)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (service(selector={"app": "web"}), ["web", "nightly"]),
        (service(selector={"app": "web", "tier": "a"}), ["web"]),
        (service(selector={"app": "none"}), NOTHING),
        (service(selector={}), NOTHING),
        (service(selector=None), NOTHING),
        (service(), NOTHING),
        (service(selector={"app": "web"}, type="ExternalName"), NOTHING),
        (service(selector={"app": "web"}, type="externalname"), ["web", "nightly"]),
        (service(selector={"app": 3}), NOTHING),
        (obj("Service", "s", "elsewhere", spec={"selector": {"app": "web"}}), ["far"]),
        (policy(podSelector=WEB), ["web", "nightly"]),
        (policy(podSelector={}), ALL),
        (policy(), ALL),
        (policy(podSelector=has("app", "In", "api", "x")), ["api"]),
        (policy(podSelector=has("app", "NotIn", "web")), ["api", "bare"]),
        (policy(podSelector=has("job", "Exists")), ["nightly"]),
        (policy(podSelector=has("app", "DoesNotExist")), ["bare"]),
        (policy(podSelector=has("app", "Wrong")), NOTHING),
        (budget(selector=WEB), ["web", "nightly"]),
        (budget(selector={}), ALL),
        (budget(), NOTHING),
        (budget("v1beta1", selector={}), NOTHING),
        (budget("v1beta1", selector=WEB), ["web", "nightly"]),
        (budget("v1beta1"), NOTHING),
        (workload("Deployment", "d", pod_labels={"x": "y"}, selector=WEB), ["web", "nightly"]),
        (workload("Deployment", "d", pod_labels={"x": "y"}, selector={}), NOTHING),
        (workload("Deployment", "d", pod_labels={"app": "web"}), NOTHING),
        (
            workload("ReplicationController", "rc", pod_labels={"q": "z"}, selector={"app": "web"}),
            ["web", "nightly"],
        ),
        (workload("ReplicationController", "rc", pod_labels={"app": "api"}), ["api"]),
        (workload("ReplicationController", "rc", pod_labels={"app": "api"}, selector={}), ["api"]),
        (workload("Job", "j", pod_labels={"q": "z"}, selector=WEB), ["web", "nightly"]),
        (workload("Job", "j", pod_labels={"app": "web"}), NOTHING),
    ],
)  # fmt: skip
def test_selects(body: dict[str, Any], expected: list[str]) -> None:
    """Who is selected, and each of them is selected-by it in turn."""
    found = snapshot(body, *pods())
    assert ask(found, "selects") == expected
    for position, other in enumerate(found.resources[1:], 1):
        assert (found.resources[0].name in ask(found, "selected-by", position)) == (
            other.name in expected
        )


def space(name: str, **labels: str) -> dict[str, Any]:
    return obj("Namespace", name, labels=labels)


PEERS = [
    workload("Pod", "here", "a", pod_labels={"app": "web"}),
    workload("Pod", "there", "b", pod_labels={"app": "web"}),
    workload("Pod", "plain", "b"),
    space("a", team="x"),
    space("b", team="y", env="prod"),
]


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"podSelector": WEB}, ["here"]),
        ({"podSelector": {}}, ["here"]),
        ({"namespaceSelector": {}}, ["here", "there", "plain"]),
        ({"namespaceSelector": {}, "podSelector": WEB}, ["here", "there"]),
        ({"namespaceSelector": labelled(team="y")}, ["there", "plain"]),
        ({"namespaceSelector": labelled(team="y"), "podSelector": WEB}, ["there"]),
        ({"namespaceSelector": SPACE_B}, ["there", "plain"]),
        ({"namespaceSelector": SPACE_C}, NOTHING),
        ({"namespaceSelector": has("env", "DoesNotExist")}, ["here"]),
        ({"namespaceSelector": NOT_A}, ["there", "plain"]),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}}, NOTHING),
        ({}, NOTHING),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("rule", "field"), [("ingress", "from"), ("egress", "to")])
def test_network_policy_peers(
    peer: dict[str, Any], expected: list[str], rule: str, field: str
) -> None:
    """Peers by pods, by namespaces, by both; a namespace has its name for a label."""
    body = obj("NetworkPolicy", "np", "a", "networking.k8s.io/v1", spec={rule: [{field: [peer]}]})
    found = snapshot(*PEERS, body)
    assert ask(found, "allows-peer", 5) == expected
    for position in range(3):
        related = ask(found, "allowed-as-peer-by", position)
        assert related == (["np"] if found.resources[position].name in expected else [])


def test_a_namespace_that_is_not_in_the_input_has_only_its_name() -> None:
    """Without a Namespace object a selector by other labels does not hold."""
    body = obj(
        "NetworkPolicy", "np", "a", "networking.k8s.io/v1",
        spec={"ingress": [{"from": [{"namespaceSelector": labelled(team="y")}]}]},
    )  # fmt: skip
    assert ask(snapshot(PEERS[1], body), "allows-peer", 1) == []


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ({"labelSelector": WEB}, ["here"]),
        ({"labelSelector": {}}, ["here"]),
        ({}, NOTHING),
        ({"labelSelector": WEB, "namespaces": ["b"]}, ["there"]),
        ({"labelSelector": WEB, "namespaces": []}, ["here"]),
        ({"labelSelector": WEB, "namespaceSelector": {}}, ["here", "there"]),
        (
            {"labelSelector": WEB, "namespaces": ["b"], "namespaceSelector": labelled(team="x")},
            ["here", "there"],
        ),
        (
            {"labelSelector": {}, "matchLabelKeys": ["app"], "namespaceSelector": {}},
            ["here", "there"],
        ),
        ({"labelSelector": {}, "mismatchLabelKeys": ["app"], "namespaceSelector": {}}, ["plain"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["podAffinity", "podAntiAffinity"])
@pytest.mark.parametrize("strength", [REQUIRED, PREFERRED])
def test_affinity_terms(
    term: dict[str, Any], expected: list[str], field: str, strength: str
) -> None:
    """Absent selectors match nothing, namespaces add to those that are selected."""
    written = term if strength == REQUIRED else {"weight": 1, "podAffinityTerm": term}
    me = workload(
        "Deployment", "me", "a", pod_labels={"app": "web"}, affinity={field: {strength: [written]}}
    )
    found = snapshot(*PEERS, me)
    name = "affine-to" if field == "podAffinity" else "anti-affine-to"
    other = "anti-affine-to" if field == "podAffinity" else "affine-to"
    assert ask(found, name, 5) == expected
    assert ask(found, other, 5) == []


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ({"labelSelector": WEB}, ["here"]),
        ({"labelSelector": {}}, ["here"]),
        ({}, NOTHING),
        ({"labelSelector": {}, "matchLabelKeys": ["app"]}, ["here"]),
        ({"labelSelector": {}, "matchLabelKeys": ["absent"]}, ["here"]),
        ({"labelSelector": {"matchLabels": {"app": "x"}}}, NOTHING),
    ],
)
def test_topology_spread(constraint: dict[str, Any], expected: list[str]) -> None:
    """Only pods of the own namespace count."""
    me = workload(
        "Deployment", "me", "a", pod_labels={"app": "web"}, topologySpreadConstraints=[constraint]
    )
    assert ask(snapshot(*PEERS, me), "spreads-with", 5) == expected


def monitor(kind: str, **spec: Any) -> dict[str, Any]:
    return obj(kind, "m", "a", "monitoring.coreos.com/v1", spec=spec)


@pytest.mark.parametrize(
    ("spec", "services", "workloads"),
    [
        ({"selector": WEB}, ["sa"], ["here"]),
        ({"selector": {}}, ["sa"], ["here"]),
        ({}, ["sa"], ["here"]),
        ({"selector": WEB, "namespaceSelector": {"any": True}}, ["sa", "sb"], ["here", "there"]),
        ({"selector": WEB, "namespaceSelector": {"any": False}}, ["sa"], ["here"]),
        ({"selector": WEB, "namespaceSelector": {"any": "true"}}, ["sa"], ["here"]),
        ({"selector": WEB, "namespaceSelector": {"matchNames": ["b"]}}, ["sb"], ["there"]),
        (
            {"selector": WEB, "namespaceSelector": {"matchNames": ["a", "b"]}},
            ["sa", "sb"],
            ["here", "there"],
        ),
        ({"selector": {"matchLabels": {"app": "x"}}}, NOTHING, NOTHING),
    ],
)  # fmt: skip
def test_monitors(spec: dict[str, Any], services: list[str], workloads: list[str]) -> None:
    """A ServiceMonitor looks at Services' own labels, a PodMonitor at pods'."""
    others = [
        obj("Service", "sa", "a", labels={"app": "web"}),
        obj("Service", "sb", "b", labels={"app": "web"}),
        workload("Pod", "here", "a", pod_labels={"app": "web"}),
        workload("Pod", "there", "b", pod_labels={"app": "web"}),
    ]
    assert ask(snapshot(monitor("ServiceMonitor", **spec), *others), "monitors") == services
    assert ask(snapshot(monitor("PodMonitor", **spec), *others), "monitors") == workloads


def test_a_selector_is_filed_under_its_most_selective_equality() -> None:
    """A common label beside a rare one does not make the answer pass through the common bucket."""
    relation = DIRECTORY["selects"].relation
    crowd = [
        workload("Pod", f"p{i}", pod_labels={"app": "shop", "part": f"{i}"}) for i in range(50)
    ]
    found = snapshot(*crowd, service(selector={"app": "shop", "part": "7"}))
    index = found.index(relation)
    (hit,) = index.related(found.resources[-1])
    assert hit.resource.name == "p7"
    assert hit.there.key == ("pod", "default", "part", "7")
    for i in range(50):
        assert index.any(found.resources[i], None, True) == (i == 7)


def test_a_selector_with_very_many_values_is_still_answered() -> None:
    """Namespaces times values are not multiplied out beyond a bound."""
    values = [f"v{i}" for i in range(300)]
    term = {"labelSelector": has("app", "In", *values), "namespaces": values}
    me = workload("Pod", "me", "a", affinity={"podAffinity": {REQUIRED: [term]}})
    other = workload("Pod", "other", "v7", pod_labels={"app": "v9"})
    found = snapshot(me, other, workload("Pod", "no", "v7", pod_labels={"app": "x"}))
    index = found.index(DIRECTORY["affine-to"].relation)
    assert names(index.related(found.resources[0])) == ["other"]
    (entry,) = index.entries(found.resources[0])
    assert sum(map(len, entry.alternatives)) <= 10_000
