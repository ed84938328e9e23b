"""The registry's form, run over manifests: the sidecar definition agrees with `split-sidecar`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kpolicy
import pytest

pytest.importorskip("kpolicy_kubepattern", reason="the plugin is not installed")

HIDDEN = ["kube-system", "kube-public", "kube-node-lease"]


def condition(key: str, operator: str, *values: str) -> dict[str, Any]:
    """A condition of the registry's form."""
    return {"key": key, "operator": operator, "values": list(values)}


def actor(id_: str, names: list[str], apps: list[str], tiers: list[str]) -> dict[str, Any]:
    """A Pod with volumes that its name, `app` or `tier` marks."""
    return {
        "resource": "Pod",
        "id": id_,
        "filters": {
            "matchAll": [condition(".spec.volumes", "EXISTS")],
            "matchNone": [condition(".metadata.namespace", "EQUALS", *HIDDEN)],
            "matchAny": [
                condition(".metadata.name", "EQUALS", *names),
                condition(".metadata.labels.app", "EQUALS", *apps),
                condition(".metadata.labels.tier", "EQUALS", *tiers),
            ],
        },
    }


def sidecar(**changes: Any) -> dict[str, Any]:
    """A definition of the shape of the registry's."""
    main = actor(
        "main-app",
        ["application", "frontend", "backend", "api", "web", "service"],
        ["frontend", "backend", "application"],
        ["web", "api", "frontend", "backend"],
    )
    helper = actor(
        "sidecar",
        ["logging", "logger", "log", "log-collector", "log-shipper", "fluentd", "filebeat"],
        ["logging", "logger", "log-collector"],
        ["log-collector", "log-shipper", "logging", "monitoring", "metrics"],
    )
    spec = {
        "message": "Pod {{main-app.name}} ({{main-app.namespace}}) is apart from {{sidecar.name}}",
        "topology": "LEADER_FOLLOWER",
        "resources": [{**main, "leader": True}, helper],
        "actors": ["main-app", "sidecar"],
        "commonRelationships": [
            {
                "id": "shared-volume",
                "type": "MOUNTS",
                "weight": 1,
                "required": True,
                "shared": True,
                "resourceIds": ["main-app", "sidecar"],
            }
        ],
        "relationships": [],
    }
    return {
        "version": "kubepattern.it/v1",
        "kind": "Pattern",
        "metadata": {
            "name": "sidecar",
            "displayName": "Sidecar",
            "patternType": "STRUCTURAL",
            "severity": "INFO",
            "category": "architecture",
            "docUrl": "https://example.org/sidecar.md",
            "description": "A helper in a pod of its own.",
        },
        "spec": {**spec, **changes},
    }


def pod(name: str, labels: str, claim: str = "shared", namespace: str = "demo") -> str:
    return f"""\
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}
spec:
  containers:
    - {{name: c, image: "busybox:1.36", volumeMounts: [{{name: logs, mountPath: /logs}}]}}
  volumes:
    - name: logs
      persistentVolumeClaim: {{claimName: {claim}}}
"""


def workload(kind: str, name: str, labels: str, more: str = "") -> str:
    return f"""\
---
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}, namespace: demo}}
spec:
  {more}
  selector: {{matchLabels: {{{labels}}}}}
  template:
    metadata: {{labels: {{{labels}}}}}
    spec:
      containers: [{{name: c, image: "busybox:1.36"}}]
      volumes: [{{name: logs, persistentVolumeClaim: {{claimName: shared}}}}]
"""


CLAIM = """\
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared, namespace: demo}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
"""
APP = pod("backend-application", "app: backend, tier: api")
HELPER = pod("log-collector", "app: logging, tier: log-collector")


def scan(
    folder: Path,
    definition: dict[str, Any],
    manifests: str,
    select: tuple[str, ...] = (),
    **more: Any,
) -> kpolicy.Report:
    """Scan manifests with a definition as its only policy, unless `select` names others too."""
    (folder / "pattern.json").write_text(json.dumps(definition, indent=4))
    (folder / "manifests").mkdir(exist_ok=True)
    (folder / "manifests" / "all.yaml").write_text(manifests)
    return kpolicy.scan(
        folder / "manifests",
        policies=folder / "pattern.json",
        select=[definition["metadata"]["name"], *select],
        isolated=True,
        cache=False,
        **more,
    )


def pairs(report: kpolicy.Report, policy: str) -> set[tuple[str, str]]:
    """The resource of each finding and the first that it names."""
    return {
        (str(f.resource), str(f.related[0].resource)) for f in report.findings if f.policy == policy
    }


SHAPES = {
    "two pods and their claim": CLAIM + APP + HELPER,
    "no claim in the input": APP + HELPER,
    "another claim": APP + pod("log-collector", "app: logging", claim="other"),
    "another namespace": APP + pod("log-collector", "app: logging", namespace="other"),
    "a hidden namespace": pod("web", "app: backend", namespace="kube-system")
    + pod("log", "app: logging", namespace="kube-system"),
    "two applications": APP + pod("web", "app: frontend"),
    "two helpers": HELPER + pod("logger", "app: logger"),
    "by name": pod("web", "a: b") + pod("fluentd", "a: b"),
    "by tier": pod("one", "tier: web") + pod("two", "tier: monitoring"),
    "two helpers of one application": APP + HELPER + pod("logger", "app: logger"),
    "workloads": workload("Deployment", "shop", "app: backend")
    + workload("StatefulSet", "ship", "tier: log-shipper"),
}
SPLIT = {
    "two pods and their claim": 1,
    "no claim in the input": 1,
    "by name": 1,
    "by tier": 1,
    "two helpers of one application": 2,
    "workloads": 1,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_sidecar_definition_agrees_with_split_sidecar(shape: str, tmp_path: Path) -> None:
    """Both name the same pairs: the application, and the helper first of the related."""
    report = scan(tmp_path, sidecar(), SHAPES[shape], select=("split-sidecar",))
    assert report.invalid == ()
    found = pairs(report, "sidecar")
    assert found == pairs(report, "split-sidecar")
    assert len(found) == SPLIT.get(shape, 0)


def test_the_finding_stands_at_the_volume_and_names_helper_and_claim(tmp_path: Path) -> None:
    report = scan(tmp_path, sidecar(), CLAIM + APP + HELPER)
    (finding,) = report.findings
    assert finding.message == "Pod backend-application (demo) is apart from log-collector"
    assert (finding.severity, finding.place.location.line) == ("info", 14)
    assert [str(related.resource) for related in finding.related] == [
        "Pod/demo/log-collector",
        "PersistentVolumeClaim/demo/shared",
    ]


def test_a_workload_without_pods_is_none(tmp_path: Path) -> None:
    """`replicas: 0` makes no pod that could be found in a cluster."""
    manifests = workload("Deployment", "shop", "app: backend", "replicas: 0") + HELPER
    assert scan(tmp_path, sidecar(), manifests).findings == ()
    again = manifests.replace("replicas: 0", "replicas: 1")
    assert len(scan(tmp_path, sidecar(), again).findings) == 1


def test_the_pod_of_a_controller_in_the_input_stands_for_it(tmp_path: Path) -> None:
    """An export of a cluster holds Deployment and pods; only the pod is one."""
    owned = APP.replace(
        "labels:",
        "ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: shop, uid: u, "
        "controller: true}], labels:",
    )
    manifests = workload("ReplicaSet", "shop", "app: backend") + owned + HELPER
    assert pairs(scan(tmp_path, sidecar(), manifests), "sidecar") == {
        ("Pod/demo/backend-application", "Pod/demo/log-collector")
    }


def test_several_processes_find_the_same(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    for number in range(20):
        text = CLAIM + APP.replace("demo", f"ns{number}") + HELPER.replace("demo", f"ns{number}")
        (tmp_path / "manifests" / f"{number}.yaml").write_text(text)
    one = scan(tmp_path, sidecar(), APP + HELPER)
    two = scan(tmp_path, sidecar(), APP + HELPER, jobs=2)
    assert len(one.findings) == 21
    assert one.findings == two.findings
