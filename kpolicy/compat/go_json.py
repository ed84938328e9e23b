"""Objects of built-in kinds as Go writes them to JSON, which kube-linter's `cel-expression` reads.

Go's structs have fields that are written even when nothing was given (`status: {}`, a selector that
is null), and leave out others although they were (empty lists, texts and maps). Source: the JSON
tags of the Go types, seen in what the program prints of an empty object of each kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_POD_SPEC: Mapping[str, Any] = {"containers": None}
_TEMPLATE: Mapping[str, Any] = {"metadata": {}, "spec": _POD_SPEC}
_ROLE_REF = {"roleRef": {"apiGroup": "", "kind": "", "name": ""}}
_CLAIM: Mapping[str, Any] = {"metadata": {}, "spec": {"resources": {}}, "status": {}}


def _workload(**spec: Any) -> Mapping[str, Any]:
    return {"spec": {"selector": None, "template": _TEMPLATE, **spec}, "status": {}}


#: What each kind has in any case, besides `metadata`; its status as far as it is a mapping.
_ZEROS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("", "ConfigMap"): {},
    ("", "Namespace"): {"spec": {}, "status": {}},
    ("", "PersistentVolume"): {"spec": {}, "status": {}},
    ("", "PersistentVolumeClaim"): _CLAIM,
    ("", "Pod"): {"spec": _POD_SPEC, "status": {}},
    ("", "ReplicationController"): {"spec": {}, "status": {"replicas": 0}},
    ("", "Secret"): {},
    ("", "Service"): {"spec": {}, "status": {"loadBalancer": {}}},
    ("", "ServiceAccount"): {},
    ("apps", "DaemonSet"): _workload(updateStrategy={}),
    ("apps", "Deployment"): _workload(strategy={}),
    ("apps", "ReplicaSet"): _workload(),
    ("apps", "StatefulSet"): _workload(serviceName="", updateStrategy={}),
    ("apps.openshift.io", "DeploymentConfig"): {
        "spec": {"replicas": 0, "strategy": {"resources": {}}, "test": False, "triggers": None},
        "status": {},
    },
    ("autoscaling", "HorizontalPodAutoscaler"): {
        "spec": {"maxReplicas": 0, "scaleTargetRef": {"kind": "", "name": ""}},
        "status": {"desiredReplicas": 0},
    },
    ("batch", "CronJob"): {
        "spec": {"jobTemplate": {"metadata": {}, "spec": {"template": _TEMPLATE}}, "schedule": ""},
        "status": {},
    },
    ("batch", "Job"): {"spec": {"template": _TEMPLATE}, "status": {}},
    ("keda.sh", "ScaledObject"): {
        "spec": {"scaleTargetRef": None, "triggers": None}, "status": {},
    },
    ("monitoring.coreos.com", "ServiceMonitor"): {
        "spec": {"endpoints": None, "namespaceSelector": {}, "selector": {}},
    },
    ("networking.k8s.io", "Ingress"): {"spec": {}, "status": {"loadBalancer": {}}},
    ("networking.k8s.io", "NetworkPolicy"): {"spec": {"podSelector": {}}},
    ("policy", "PodDisruptionBudget"): {"spec": {}, "status": {}},
    ("rbac.authorization.k8s.io", "ClusterRole"): {"rules": None},
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _ROLE_REF,
    ("rbac.authorization.k8s.io", "Role"): {"rules": None},
    ("rbac.authorization.k8s.io", "RoleBinding"): _ROLE_REF,
    ("storage.k8s.io", "StorageClass"): {"provisioner": ""},
}  # fmt: skip
#: The same of the items of lists, by the list's key.
_ITEMS: Mapping[str, Mapping[str, Any]] = {
    "containers": {"name": "", "resources": {}},
    "initContainers": {"name": "", "resources": {}},
    "ephemeralContainers": {"name": "", "resources": {}},
    "volumeClaimTemplates": _CLAIM,
    "volumeMounts": {"name": "", "mountPath": ""},
}
#: Flags whose false Go leaves out, as it cannot be told from their absence.
_FLAGS = frozenset(
    ("hostIPC", "hostNetwork", "hostPID", "paused", "readOnly", "stdin", "stdinOnce", "tty")
)
#: Maps that Go leaves out when they are empty; other empty mappings are structs.
_MAPS = frozenset(
    ("annotations", "binaryData", "data", "labels", "limits", "matchLabels", "nodeSelector",
     "parameters", "requests", "stringData")
)  # fmt: skip


def as_go_writes(body: Mapping[str, Any]) -> Any:
    """Return an object as JSON that Go wrote, its numbers as doubles as Go reads them.

    An object of a kind that Go has no type for is left as it is but for the numbers.
    """
    group = str(body.get("apiVersion") or "").rpartition("/")[0]
    zeros = _ZEROS.get((group, str(body.get("kind") or "")))
    if zeros is None:
        return _doubles(body)
    given = _written(body, "")
    return _filled(given, {"metadata": {}, **zeros})


def _doubles(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _doubles(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_doubles(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _written(value: Any, key: str) -> Any:
    """Return a value without what Go leaves out; `key` is the one under which it stands."""
    if isinstance(value, Mapping):
        if key in _MAPS:
            return _doubles(value)
        return {
            name: _written(item, name) for name, item in value.items() if not _left_out(name, item)
        }
    if isinstance(value, (list, tuple)):
        zeros = _ITEMS.get(key)
        items = [_written(item, "") for item in value]
        return [_filled(i, zeros) if zeros and isinstance(i, dict) else i for i in items]
    return _doubles(value)


def _left_out(name: str, value: Any) -> bool:
    if value is None or value == "" or value == []:
        return True
    if isinstance(value, Mapping):
        return not value and name in _MAPS
    return value is False and name in _FLAGS


def _filled(value: dict[str, Any], zeros: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with the fields that Go writes in any case."""
    filled = dict(value)
    for name, zero in zeros.items():
        there = filled.get(name)
        if isinstance(zero, Mapping):
            filled[name] = _filled(there if isinstance(there, dict) else {}, zero)
        elif name not in filled:
            filled[name] = _doubles(zero)
    return filled
