"""When Kubernetes stopped, or will stop, to serve an API version, and what takes its place.

Facts of the "Deprecated API Migration Guide" (kubernetes.io/docs/reference/using-api/
deprecation-guide) for what was removed before the oldest bundled release; later removals are read
off the bundled schemas.
"""

from __future__ import annotations

from dataclasses import dataclass

from kpolicy.schemas.bundle import bundled_versions, load, releases_of


@dataclass(frozen=True, slots=True)
class Retirement:
    """The end of an API version: releases as minor numbers (of 1.x), 0 = not known or not yet."""

    deprecated: int
    removed: int
    replacement: str = ""
    """The apiVersion to use instead; "" = there is none."""


def _rows(
    api_version: str, kinds: str, deprecated: int, removed: int, replacement: str = ""
) -> dict[tuple[str, str], Retirement]:
    return {(api_version, k): Retirement(deprecated, removed, replacement) for k in kinds.split()}


_RBAC = "ClusterRole ClusterRoleBinding Role RoleBinding"
_FLOW = "flowcontrol.apiserver.k8s.io"
_FLOWS = "FlowSchema PriorityLevelConfiguration"
_STORAGE = "storage.k8s.io"
_WEBHOOKS = "MutatingWebhookConfiguration ValidatingWebhookConfiguration"
_REVIEWS = "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview"

_TABLE: dict[tuple[str, str], Retirement] = {
    **_rows("extensions/v1beta1", "DaemonSet Deployment ReplicaSet", 9, 16, "apps/v1"),
    **_rows("extensions/v1beta1", "NetworkPolicy", 9, 16, "networking.k8s.io/v1"),
    **_rows("extensions/v1beta1", "PodSecurityPolicy", 10, 16),
    **_rows("extensions/v1beta1", "Ingress", 14, 22, "networking.k8s.io/v1"),
    **_rows("apps/v1beta1", "Deployment StatefulSet", 9, 16, "apps/v1"),
    **_rows("apps/v1beta2", "DaemonSet Deployment ReplicaSet StatefulSet", 9, 16, "apps/v1"),
    **_rows("admissionregistration.k8s.io/v1beta1", _WEBHOOKS, 16, 22,
            "admissionregistration.k8s.io/v1"),
    **_rows("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", 16, 22,
            "apiextensions.k8s.io/v1"),
    **_rows("apiregistration.k8s.io/v1beta1", "APIService", 19, 22, "apiregistration.k8s.io/v1"),
    **_rows("authentication.k8s.io/v1beta1", "TokenReview", 19, 22, "authentication.k8s.io/v1"),
    **_rows("authorization.k8s.io/v1beta1", f"{_REVIEWS} SubjectAccessReview", 19, 22,
            "authorization.k8s.io/v1"),
    **_rows("certificates.k8s.io/v1beta1", "CertificateSigningRequest", 19, 22,
            "certificates.k8s.io/v1"),
    **_rows("coordination.k8s.io/v1beta1", "Lease", 19, 22, "coordination.k8s.io/v1"),
    **_rows("networking.k8s.io/v1beta1", "Ingress IngressClass", 19, 22, "networking.k8s.io/v1"),
    **_rows("rbac.authorization.k8s.io/v1beta1", _RBAC, 17, 22, "rbac.authorization.k8s.io/v1"),
    **_rows("rbac.authorization.k8s.io/v1alpha1", _RBAC, 17, 24, "rbac.authorization.k8s.io/v1"),
    **_rows("scheduling.k8s.io/v1beta1", "PriorityClass", 14, 22, "scheduling.k8s.io/v1"),
    **_rows("scheduling.k8s.io/v1alpha1", "PriorityClass", 17, 24, "scheduling.k8s.io/v1"),
    **_rows(f"{_STORAGE}/v1beta1", "CSIDriver CSINode StorageClass VolumeAttachment", 19, 22,
            f"{_STORAGE}/v1"),
    **_rows("batch/v1beta1", "CronJob", 21, 25, "batch/v1"),
    **_rows("batch/v2alpha1", "CronJob", 8, 21, "batch/v1"),
    **_rows("discovery.k8s.io/v1beta1", "EndpointSlice", 21, 25, "discovery.k8s.io/v1"),
    **_rows("events.k8s.io/v1beta1", "Event", 19, 25, "events.k8s.io/v1"),
    **_rows("autoscaling/v2beta1", "HorizontalPodAutoscaler", 22, 25, "autoscaling/v2"),
    **_rows("autoscaling/v2beta2", "HorizontalPodAutoscaler", 23, 26, "autoscaling/v2"),
    **_rows("policy/v1beta1", "PodDisruptionBudget", 21, 25, "policy/v1"),
    **_rows("policy/v1beta1", "PodSecurityPolicy", 21, 25),
    **_rows("node.k8s.io/v1beta1", "RuntimeClass", 20, 25, "node.k8s.io/v1"),
    **_rows("node.k8s.io/v1alpha1", "RuntimeClass", 20, 24, "node.k8s.io/v1"),
    **_rows(f"{_STORAGE}/v1beta1", "CSIStorageCapacity", 24, 27, f"{_STORAGE}/v1"),
    **_rows(f"{_FLOW}/v1beta1", _FLOWS, 23, 26, f"{_FLOW}/v1"),
    **_rows(f"{_FLOW}/v1beta2", _FLOWS, 26, 29, f"{_FLOW}/v1"),
    **_rows(f"{_FLOW}/v1beta3", _FLOWS, 29, 32, f"{_FLOW}/v1"),
    **_rows("v1", "ComponentStatus", 19, 0),
    **_rows("v1", "Endpoints", 33, 0, "discovery.k8s.io/v1 EndpointSlice"),
}  # fmt: skip


def retirement_of(api_version: str, kind: str) -> Retirement | None:
    """Return when an API version of a kind was deprecated and removed; None while it is in use.

    Beyond the table, an API version that an older bundled release served and a newer one does not
    is removed in the first that does not; the replacement is then the best version still served.
    """
    known = _TABLE.get((api_version, kind))
    if known is not None:
        return known
    group, _, version = api_version.rpartition("/")
    served = releases_of(group, version, kind)
    newest = bundled_versions()[-1]
    if served is None or served[1] == newest:
        return None
    others = [schema.name for schema in load().versions_of(group, kind)]
    replacement = ""
    if others:
        kept = sorted((v for g, v, k in load().kinds if g == group and k == kind), key=_rank)
        replacement = f"{group}/{kept[-1]}" if group else kept[-1]
    return Retirement(0, int(served[1].partition(".")[2]) + 1, replacement)


def _rank(version: str) -> tuple[int, str]:
    """Order versions as Kubernetes does: stable above beta above alpha."""
    stage = 0 if "alpha" in version else 1 if "beta" in version else 2
    return stage, version
