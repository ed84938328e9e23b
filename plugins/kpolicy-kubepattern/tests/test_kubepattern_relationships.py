"""Each relationship of both forms, over manifests: where it holds, and where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kpolicy
import pytest
import yaml

pytest.importorskip("kpolicy_kubepattern", reason="the plugin is not installed")


def registry(
    resources: list[tuple[str, str]], relationships: list[dict[str, Any]], **spec: Any
) -> dict[str, Any]:
    """A definition whose leader is the first of `resources` (id, kind)."""
    made = [
        {"resource": kind, "id": id_, "leader": i == 0} for i, (id_, kind) in enumerate(resources)
    ]
    return {
        "version": "kubepattern.it/v1",
        "kind": "Pattern",
        "metadata": {"name": "p", "displayName": "P", "severity": "CRITICAL"},
        "spec": {
            "message": "found",
            "topology": "SINGLE",
            "resources": made,
            "actors": [resources[0][0]],
            "relationships": relationships,
            **spec,
        },
    }


def tie(
    type_: str, *ids: str, required: bool = True, shared: bool = True, **more: Any
) -> dict[str, Any]:
    """A relationship of the registry's form."""
    return {"type": type_, "required": required, "shared": shared, "resourceIds": list(ids), **more}


def custom(target: dict[str, Any], dependencies: list[Any], relationships: Any) -> dict[str, Any]:
    """A custom resource."""
    return {
        "apiVersion": "kubepattern.dev/v1",
        "kind": "Pattern",
        "metadata": {"name": "p"},
        "spec": {
            "displayName": "P",
            "category": "c",
            "severity": "MEDIUM",
            "message": "{{target.kind}} {{ target.metadata.namespace }}/{{target.metadata.name}}",
            "target": {"plural": "x", **target},
            "dependencies": dependencies,
            "relationships": relationships,
        },
    }


def found(folder: Path, definition: dict[str, Any], manifests: str) -> list[str]:
    """The names of the resources that a definition finds."""
    (folder / "p.yaml").write_text(yaml.safe_dump(definition))
    (folder / "m.yaml").write_text(manifests)
    report = kpolicy.scan(
        folder / "m.yaml", policies=folder / "p.yaml", select=["p"], isolated=True, cache=False
    )
    assert report.invalid == ()
    assert {f.outcome for f in report.findings} <= {"fail"}
    return [f.resource.name for f in report.findings]


PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: tied, labels: {app: a}}
spec:
  serviceAccountName: robot
  containers: [{name: c, image: "x:1", envFrom: [{configMapRef: {name: settings}}]}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Pod
metadata: {name: alone, labels: {app: b}}
spec: {containers: [{name: c, image: "x:1"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: a}}
"""


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("MOUNTS", "PersistentVolumeClaim"),
        ("USES_CONFIG", "ConfigMap"),
        ("USES_SA", "ServiceAccount"),
        ("EXPOSES", "Service"),
    ],
)
def test_a_pod_and_what_it_is_tied_to(type_: str, kind: str, tmp_path: Path) -> None:
    """Shared: the tied pod; not shared: the other one; both ways round."""
    resources = [("pod", "Pod"), ("other", kind)]
    assert found(tmp_path, registry(resources, [tie(type_, "pod", "other")]), PODS) == ["tied"]
    lacking = registry(resources, [tie(type_, "pod", "other", shared=False)])
    assert found(tmp_path, lacking, PODS) == ["alone"]
    back = registry(resources[::-1], [tie(type_, "other", "pod")])
    assert len(found(tmp_path, back, PODS)) == 1


def test_other_namespaces_are_others(tmp_path: Path) -> None:
    definition = registry(
        [("pod", "Pod"), ("other", "ConfigMap")], [tie("USES_CONFIG", "pod", "other")]
    )
    manifests = PODS.replace("{name: settings}\n", "{name: settings, namespace: far}\n")
    assert found(tmp_path, definition, manifests) == []


NAMESPACES = """\
apiVersion: v1
kind: Namespace
metadata: {name: bounded}
---
apiVersion: v1
kind: Namespace
metadata: {name: boundless}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: q, namespace: bounded}
spec: {hard: {pods: "4"}}
"""


def test_namespaces_without_a_quota(tmp_path: Path) -> None:
    """The registry's definition of a missing ResourceQuota has this shape."""
    resources = [("ns", "Namespace"), ("quota", "ResourceQuota")]
    ties = [tie("IS_NAMESPACE_OF", "ns", "quota", shared=False)]
    definition = registry(resources, ties, message="Namespace {{ns.name}}")
    assert found(tmp_path, definition, NAMESPACES) == ["boundless"]
    assert found(tmp_path, registry(resources, [{**ties[0], "shared": True}]), NAMESPACES) == [
        "bounded"
    ]


OWNED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec: {selector: {matchLabels: {a: b}}, template: {spec: {containers: [{name: c, image: "x:1"}]}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: r
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: d, controller: true}]
spec: {selector: {matchLabels: {a: b}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: p
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: r, controller: true}]
spec: {containers: [{name: c, image: "x:1"}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: orphan}
spec: {selector: {matchLabels: {a: b}}}
"""


def test_owners(tmp_path: Path) -> None:
    owns = registry([("d", "Deployment"), ("r", "ReplicaSet")], [tie("OWNS", "d", "r")])
    assert found(tmp_path, owns, OWNED) == ["d"]
    orphans = registry(
        [("r", "ReplicaSet"), ("d", "Deployment")], [tie("OWNS", "r", "d", shared=False)]
    )
    assert found(tmp_path, orphans, OWNED) == ["orphan"]
    manages = registry([("r", "ReplicaSet"), ("p", "Pod")], [tie("MANAGES", "r", "p")])
    assert found(tmp_path, manages, OWNED) == ["r"]


WIDGETS = """\
apiVersion: widgets.templates.krateo.io/v1beta1
kind: Table
metadata: {name: shown, namespace: shop}
---
apiVersion: widgets.templates.krateo.io/v1beta1
kind: Table
metadata: {name: lost, namespace: shop}
---
apiVersion: widgets.templates.krateo.io/v1beta1
kind: Panel
metadata: {name: panel, namespace: shop}
spec:
  resourcesRefs:
    items:
      - {id: a, name: shown, namespace: shop, resource: tables, verb: GET}
      - {id: b, name: lost, namespace: other, resource: tables, verb: GET}
      - {id: c, name: lost, namespace: shop, resource: rows, verb: GET}
"""


def test_widgets_that_nothing_refers_to(tmp_path: Path) -> None:
    """The threshold counts only where some relationship gives points, as the registry means it."""
    resources = [("table", "Table"), ("panel", "Panel"), ("row", "Row")]
    vetoes = [tie("REFERENCES_KRATEO", "table", id_, shared=False) for id_ in ("panel", "row")]
    definition = registry(resources, vetoes, minRelationshipPoints=1)
    assert found(tmp_path, definition, WIDGETS) == ["lost"]
    points = [
        tie("REFERENCES_KRATEO", "table", id_, required=False, weight=0.5)
        for id_ in ("panel", "row")
    ]
    some = registry(resources, points, minRelationshipPoints=0.5)
    assert found(tmp_path, some, WIDGETS) == ["shown"]
    assert found(tmp_path, registry(resources, points, minRelationshipPoints=1), WIDGETS) == []


def pair(*common: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A definition of pairs: a pod whose `role` is main, and one whose role is side."""
    made = registry([("main", "Pod"), ("side", "Pod")], [], topology="LEADER_FOLLOWER", **spec)
    for resource in made["spec"]["resources"]:
        rule = {"key": "metadata.labels.role", "operator": "EQUALS", "values": [resource["id"]]}
        resource["filters"] = {"matchAll": [rule]}
    made["spec"].update(actors=["main", "side"], commonRelationships=list(common))
    return made


def role_pod(
    name: str, role: str, config: str = "", app: str = "x", namespace: str = "shop"
) -> str:
    env = f"envFrom: [{{configMapRef: {{name: {config}}}}}]" if config else ""
    return f"""\
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{role: {role}, app: {app}}}}}
spec:
  serviceAccountName: {name}
  containers:
    - name: c
      image: "x:1"
      {env}
"""


SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: shop}
spec: {selector: {app: web}}
"""


@pytest.mark.parametrize(
    ("type_", "manifests", "count"),
    [
        ("USES_CONFIG", role_pod("a", "main", "one") + role_pod("b", "side", "one"), 1),
        ("USES_CONFIG", role_pod("a", "main", "one") + role_pod("b", "side", "two"), 0),
        ("USES_SA", role_pod("a", "main") + role_pod("b", "side").replace("Name: b", "Name: a"), 1),
        ("USES_SA", role_pod("a", "main") + role_pod("b", "side"), 0),
        ("IS_NAMESPACE_OF", role_pod("a", "main") + role_pod("b", "side"), 1),
        ("IS_NAMESPACE_OF", role_pod("a", "main") + role_pod("b", "side", namespace="far"), 0),
        (
            "EXPOSES",
            SERVICE + role_pod("a", "main", app="web") + role_pod("b", "side", app="web"),
            1,
        ),
        ("EXPOSES", SERVICE + role_pod("a", "main", app="web") + role_pod("b", "side"), 0),
    ],
)
def test_what_two_pods_have_in_common(
    type_: str, manifests: str, count: int, tmp_path: Path
) -> None:
    """Required and shared pairs those that have it, required and not shared all others."""
    assert len(found(tmp_path, pair(tie(type_, "main", "side")), manifests)) == count
    without = pair(tie(type_, "main", "side", shared=False))
    assert len(found(tmp_path, without, manifests)) == 1 - count


def test_points_of_pairs(tmp_path: Path) -> None:
    manifests = role_pod("a", "main", "one") + role_pod("b", "side", "one")
    ties = [
        tie("USES_CONFIG", "main", "side", required=False, weight=2),
        tie("USES_SA", "main", "side", required=False, shared=False, weight=1),
        tie("EXPOSES", "main", "side", required=False, weight=4),
    ]
    for minimum, count in ((3, 1), (3.5, 0), (0, 1)):
        definition = pair(*ties, minCommonRelationshipPoints=minimum)
        assert len(found(tmp_path, definition, manifests)) == count


def test_a_leader_without_its_own_relationships_has_no_pairs(tmp_path: Path) -> None:
    manifests = role_pod("a", "main", "one") + role_pod("b", "side", "one")
    definition = pair(tie("USES_CONFIG", "main", "side"))
    definition["spec"]["resources"].append({"resource": "Service", "id": "service"})
    definition["spec"]["relationships"] = [tie("EXPOSES", "main", "service")]
    assert found(tmp_path, definition, manifests) == []
    exposed = SERVICE + manifests.replace("app: x", "app: web")
    assert found(tmp_path, definition, exposed) == ["a"]


CONFIGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: used, namespace: shop, labels: {tier: web}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: unused, namespace: shop, labels: {tier: web}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: shop}
spec:
  template:
    spec:
      containers: [{name: c, image: "x:1"}]
      volumes:
        - {name: a, configMap: {name: used}}
        - {name: b, emptyDir: {}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: e, namespace: far}
spec: {template: {spec: {volumes: [{name: a, configMap: {name: unused}}]}}}
"""
BY_NAME = {
    "targetPath": "metadata.name",
    "dependencyPath": "spec.template.spec.volumes[*].configMap.name",
    "operator": "EQUALS",
}
SAME_NAMESPACE = {
    "targetPath": "metadata.namespace",
    "dependencyPath": "metadata.namespace",
    "operator": "EQUALS",
}
CONFIG_MAP = {"kind": "ConfigMap", "apiVersion": "v1"}
DEPLOYMENT = {"id": "d", "kind": "Deployment", "apiVersion": "apps/v1"}


@pytest.mark.parametrize(
    ("group", "criteria", "names"),
    [
        ("matchNone", [SAME_NAMESPACE, BY_NAME], ["unused"]),
        ("matchNone", [BY_NAME], []),
        ("matchAll", [SAME_NAMESPACE, BY_NAME], ["used"]),
        ("matchAny", [BY_NAME], ["used", "unused"]),
    ],
)
def test_custom_criteria(group: str, criteria: list[Any], names: list[str], tmp_path: Path) -> None:
    ties = {group: [{"with": "d", "type": "custom", "criteria": criteria}]}
    assert found(tmp_path, custom(CONFIG_MAP, [DEPLOYMENT], ties), CONFIGS) == names


def test_criteria_see_the_pods_of_workloads(tmp_path: Path) -> None:
    """A dependency on Pods meets the pod that a Deployment's template describes."""
    by_name = {**BY_NAME, "dependencyPath": "spec.volumes[*].configMap.name"}
    ties = {"matchNone": [{"with": "p", "type": "custom", "criteria": [by_name, SAME_NAMESPACE]}]}
    pods = {"id": "p", "kind": "Pod", "apiVersion": "v1"}
    assert found(tmp_path, custom(CONFIG_MAP, [pods], ties), CONFIGS) == ["unused"]


def test_a_dependency_filter_leaves_candidates_out(tmp_path: Path) -> None:
    rule = {"path": "spec.replicas", "operator": "EXISTS"}
    filtered = {**DEPLOYMENT, "filters": {"matchAll": [rule]}}
    ties = {"matchNone": [{"with": "d", "type": "custom", "criteria": [BY_NAME]}]}
    assert found(tmp_path, custom(CONFIG_MAP, [filtered], ties), CONFIGS) == ["used", "unused"]


def test_owners_to_any_depth(tmp_path: Path) -> None:
    dependency = {"id": "p", "kind": "Pod", "apiVersion": "v1"}
    owns = {"matchAll": [{"with": "p", "type": "owns"}]}
    deployment = {"kind": "Deployment", "apiVersion": "apps/v1"}
    assert found(tmp_path, custom(deployment, [dependency], owns), OWNED) == ["d"]
    owned = {"matchAll": [{"with": "d", "type": "ownedBy"}]}
    pod = {"kind": "Pod", "apiVersion": "v1"}
    assert found(tmp_path, custom(pod, [DEPLOYMENT], owned), OWNED) == ["p"]


def test_selectors(tmp_path: Path) -> None:
    pods = {"id": "p", "kind": "Pod", "apiVersion": "v1"}
    service = {"kind": "Service", "apiVersion": "v1"}
    selects = {"matchAll": [{"with": "p", "type": "selects"}]}
    assert found(tmp_path, custom(service, [pods], selects), PODS) == ["front"]
    unexposed = {"matchNone": [{"with": "s", "type": "selectedBy"}]}
    target = {"kind": "Pod", "apiVersion": "v1"}
    definition = custom(target, [{"id": "s", **service}], unexposed)
    assert found(tmp_path, definition, PODS) == ["alone"]


def test_a_pattern_without_relationships_finds_what_its_filters_pass(tmp_path: Path) -> None:
    rule = {"path": "metadata.labels.tier", "operator": "EQUALS", "values": ["web"]}
    target = {**CONFIG_MAP, "filters": {"matchAll": [rule]}}
    definition = custom(target, [], {})
    assert found(tmp_path, definition, CONFIGS) == ["used", "unused"]
    report = kpolicy.scan(
        tmp_path / "m.yaml", policies=tmp_path / "p.yaml", select=["p"], isolated=True, cache=False
    )
    first = report.findings[0]
    assert (first.message, first.severity) == ("ConfigMap shop/used", "warning")


def test_the_namespace_is_the_effective_one(tmp_path: Path) -> None:
    rule = {"path": "metadata.namespace", "operator": "EQUALS", "values": ["default"]}
    target = {"kind": "Pod", "apiVersion": "v1", "filters": {"matchNone": [rule]}}
    assert found(tmp_path, custom(target, [], {}), PODS) == []


def test_a_list_of_patterns(tmp_path: Path) -> None:
    """As `kubectl get patterns -o json` prints them."""
    one = custom(CONFIG_MAP, [], {})
    two = {**one, "metadata": {"name": "q", "uid": "u", "resourceVersion": "1"}, "status": {}}
    listed = {"apiVersion": "v1", "kind": "List", "items": [one, two]}
    (tmp_path / "p.json").write_text(json.dumps(listed))
    (tmp_path / "m.yaml").write_text(CONFIGS)
    report = kpolicy.scan(
        tmp_path / "m.yaml",
        policies=tmp_path / "p.json",
        select=["p", "q"],
        isolated=True,
        cache=False,
    )
    assert [f.policy for f in report.findings].count("q") == 2
