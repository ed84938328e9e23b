"""API versions that can be exchanged by their name alone, so that a fix may do it unseen.

From the "Deprecated API Migration Guide" (kubernetes.io/docs/reference/using-api/
deprecation-guide): kinds for which it lists no notable change between the two versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpolicy.policy.model import Edit

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource

_STORAGE = "CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment"
_RBAC = "ClusterRole ClusterRoleBinding Role RoleBinding"

#: Old API version, new API version, kinds.
_SAME = (
    ("apiregistration.k8s.io/v1beta1", "apiregistration.k8s.io/v1", "APIService"),
    ("autoscaling/v2beta2", "autoscaling/v2", "HorizontalPodAutoscaler"),
    ("batch/v1beta1", "batch/v1", "CronJob"),
    ("coordination.k8s.io/v1beta1", "coordination.k8s.io/v1", "Lease"),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "flowcontrol.apiserver.k8s.io/v1", "FlowSchema"),
    ("networking.k8s.io/v1beta1", "networking.k8s.io/v1", "IngressClass"),
    ("node.k8s.io/v1beta1", "node.k8s.io/v1", "RuntimeClass"),
    ("policy/v1beta1", "policy/v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1", _RBAC),
    ("scheduling.k8s.io/v1beta1", "scheduling.k8s.io/v1", "PriorityClass"),
    ("storage.k8s.io/v1beta1", "storage.k8s.io/v1", _STORAGE),
)


def renaming_of(resource: Resource, replacement: str) -> tuple[Edit, ...]:
    """Return the fix that gives a resource its new apiVersion; () where more has to change."""
    for old, new, kinds in _SAME:
        if (old, new) == (resource.api_version, replacement) and resource.kind in kinds.split():
            if resource.kind == "PodDisruptionBudget" and not _selects(resource):
                # An empty selector selects nothing in v1beta1, and every pod in v1.
                return ()
            return (Edit("replace", "/apiVersion", new),)
    return ()


def _selects(resource: Resource) -> bool:
    spec = resource.body.get("spec")
    selector = spec.get("selector") if isinstance(spec, dict) else None
    return isinstance(selector, dict) and any(selector.values())
