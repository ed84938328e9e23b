"""kube-linter's check templates as data: key, parameters, and the policy that does the work.

Source: kube-linter's published list of templates (keys, parameters, supported objects) and its
object kinds. A custom check is its template's policy with other parameters and kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Object kinds of a check's scope: name -> group/version/Kind texts ("*" as the version = any).
_RBAC = "rbac.authorization.k8s.io/v1"
DEPLOYMENT_LIKE = (
    "apps/*/Deployment", "apps/*/DaemonSet", "apps/*/StatefulSet", "apps/*/ReplicaSet",
    "apps.openshift.io/*/DeploymentConfig", "core/*/Pod", "core/*/ReplicationController",
    "batch/*/Job", "batch/*/CronJob",
)  # fmt: skip
OBJECT_KINDS: dict[str, tuple[str, ...]] = {
    "Any": ("*",),
    "ClusterRole": (f"{_RBAC}/ClusterRole",),
    "ClusterRoleBinding": (f"{_RBAC}/ClusterRoleBinding",),
    "CronJob": ("batch/v1/CronJob",),
    "DaemonSet": ("apps/v1/DaemonSet",),
    "Deployment": ("apps/v1/Deployment",),
    "DeploymentConfig": ("apps.openshift.io/v1/DeploymentConfig",),
    "DeploymentLike": DEPLOYMENT_LIKE,
    "HorizontalPodAutoscaler": tuple(
        f"autoscaling/{version}/HorizontalPodAutoscaler"
        for version in ("v1", "v2", "v2beta1", "v2beta2")
    ),
    "Ingress": ("networking.k8s.io/v1/Ingress",),
    "Job": ("batch/v1/Job",),
    "JobLike": ("batch/v1/Job", "batch/v1/CronJob"),
    "NetworkPolicy": ("networking.k8s.io/v1/NetworkPolicy",),
    "PersistentVolumeClaim": ("core/v1/PersistentVolumeClaim",),
    "Pod": ("core/v1/Pod",),
    "PodDisruptionBudget": ("policy/v1/PodDisruptionBudget",),
    "ReplicaSet": ("apps/v1/ReplicaSet",),
    "ReplicationController": ("core/v1/ReplicationController",),
    "Role": (f"{_RBAC}/Role",),
    "RoleBinding": (f"{_RBAC}/RoleBinding",),
    "ScaledObject": ("keda.sh/v1alpha1/ScaledObject",),
    "SecurityContextConstraints": ("security.openshift.io/v1/SecurityContextConstraints",),
    "Service": ("core/v1/Service",),
    "ServiceAccount": ("core/v1/ServiceAccount",),
    "ServiceMonitor": ("monitoring.coreos.com/v1/ServiceMonitor",),
    "StatefulSet": ("apps/v1/StatefulSet",),
}

#: Kinds with a pod template that are no DeploymentLike: a wide scope reaches them too.
_OLD_WORKLOADS = (
    "extensions/v1beta1/Deployment", "extensions/v1beta1/DaemonSet",
    "extensions/v1beta1/ReplicaSet",
)  # fmt: skip
PODS = DEPLOYMENT_LIKE + _OLD_WORKLOADS
_REPLICATED = (
    "apps/*/Deployment", "apps/*/StatefulSet", "apps/*/ReplicaSet", "core/*/ReplicationController",
    "apps.openshift.io/*/DeploymentConfig",
)  # fmt: skip
_ROLLED = (
    "apps/*/Deployment", "apps/*/DaemonSet", "apps/*/StatefulSet",
    "apps.openshift.io/*/DeploymentConfig",
)  # fmt: skip
_ANY = ("*",)


@dataclass(frozen=True, slots=True)
class TemplateParam:
    """A parameter of a template. `zero` is what kube-linter takes it to be when it is absent."""

    name: str
    type: str = "string"
    """string, integer, boolean, or array (of strings)."""
    required: bool = False
    zero: Any = ""
    enum: tuple[str, ...] = ()
    regex: bool = False
    """Whether its values are regular expressions (RE2)."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A template: its key, where it applies, its parameters and the policy that stands for it."""

    key: str
    title: str
    policy: str
    """Id of the policy of the pack kube-linter; "" = made in Python (`cel-expression`)."""
    supported: tuple[str, ...] = ("DeploymentLike",)
    """Object kinds of a check without a scope."""
    reach: tuple[str, ...] = PODS
    """Kinds that it can say something about, whatever the scope."""
    params: tuple[TemplateParam, ...] = ()
    description: str = ""


def _regex(name: str, description: str, required: bool = False) -> TemplateParam:
    return TemplateParam(name, "string", required, regex=True, description=description)


def _texts(name: str, description: str, regex: bool = False) -> TemplateParam:
    return TemplateParam(name, "array", zero=(), regex=regex, description=description)


_REQUIREMENT = TemplateParam(
    "requirementsType", "string", True, enum=("request", "limit", "any"),
    description="Which value is read: the request, the limit, or any of the two.",
)  # fmt: skip
_LEAST = TemplateParam(
    "minReplicas", "integer", zero=0, description="The least number of replicas."
)
_BINDINGS = ("Role", "ClusterRole", "ClusterRoleBinding", "RoleBinding")
_BINDING_KINDS = (f"{_RBAC}/ClusterRoleBinding", f"{_RBAC}/RoleBinding")


def _map_params(what: str) -> tuple[TemplateParam, ...]:
    return (
        _regex("key", f"Key of the {what}; a leading ! turns the expression round.", True),
        _regex("value", f"Value of the {what}; absent = any."),
    )


def templates() -> dict[str, Template]:
    """Return every template by its key, sorted."""
    return {template.key: template for template in _TEMPLATES}


_TEMPLATES = (
    Template(
        "access-to-resources", "Access to Resources", "access-to-secrets", _BINDINGS,
        _BINDING_KINDS,
        (
            TemplateParam("flagRolesNotFound", "boolean", zero=False,
                          description="Report roles, too, that are bound but not found."),
            _texts("resources", "Resources, as regular expressions.", regex=True),
            _texts("verbs", "Verbs, as regular expressions.", regex=True),
        ),
        "A role that is bound gives access to these resources with these verbs.",
    ),
    Template(
        "anti-affinity", "Anti affinity not specified", "no-anti-affinity", reach=_REPLICATED,
        params=(
            _LEAST,
            _regex("topologyKey", "The key over which replicas are spread; absent = the node."),
        ),
        description="Several replicas, and nothing keeps them apart.",
    ),
    Template(
        "cel-expression", "CEL", "", ("Any",), _ANY,
        (
            TemplateParam(
                "check", "string", True,
                description=(
                    "A CEL expression over `object` and `objects` (all of the directory); the "
                    "text it gives is the finding, an empty one means none."
                ),
            ),
        ),
        "A CEL expression says what is wrong.",
    ),
    Template(
        "cluster-admin-role-binding", "cluster-admin Role Binding", "cluster-admin-role-binding",
        ("ClusterRoleBinding",), (f"{_RBAC}/ClusterRoleBinding",),
        description="Something is bound to cluster-admin.",
    ),
    Template(
        "cpu-requirements", "CPU Requirements", "unset-cpu-requirements",
        params=(
            _REQUIREMENT,
            TemplateParam("lowerBoundMillis", "integer", zero=0,
                          description="From this many thousandths of a CPU on ..."),
            TemplateParam("upperBoundMillis", "integer", zero=None,
                          description="... to this many; absent = without an upper bound."),
        ),
        description="A container's CPU request or limit lies inside a range.",
    ),
    Template(
        "dangling-horizontalpodautoscaler", "Dangling HorizontalPodAutoscalers",
        "dangling-horizontalpodautoscaler", ("HorizontalPodAutoscaler",),
        OBJECT_KINDS["HorizontalPodAutoscaler"],
        description="A HorizontalPodAutoscaler whose target is not there.",
    ),
    Template(
        "dangling-ingress", "Dangling Ingress", "dangling-ingress", ("Ingress",),
        OBJECT_KINDS["Ingress"],
        description="An Ingress whose services or ports are not there.",
    ),
    Template(
        "dangling-networkpolicy", "Dangling NetworkPolicies", "dangling-networkpolicy",
        reach=OBJECT_KINDS["NetworkPolicy"],
        description="A NetworkPolicy that selects no pod.",
    ),
    Template(
        "dangling-networkpolicypeer-podselector", "Dangling NetworkPolicyPeer PodSelector",
        "dangling-networkpolicypeer-podselector", reach=OBJECT_KINDS["NetworkPolicy"],
        description="A peer of a NetworkPolicy that selects no pod.",
    ),
    Template(
        "dangling-service", "Dangling Services", "dangling-service",
        reach=OBJECT_KINDS["Service"],
        params=(_texts("ignoredLabels", "Labels of the selector that pods need not have."),),
        description="A Service that selects no pod.",
    ),
    Template(
        "dangling-servicemonitor", "Dangling Service Monitor", "dangling-servicemonitor",
        ("ServiceMonitor",), OBJECT_KINDS["ServiceMonitor"],
        description="A ServiceMonitor that selects no Service.",
    ),
    Template(
        "deprecated-service-account-field", "Deprecated Service Account Field",
        "deprecated-service-account-field",
        description="The deprecated field serviceAccount is used.",
    ),
    Template(
        "disallowed-api-obj", "Disallowed API Objects", "no-extensions-v1beta", ("Any",), _ANY,
        (
            _regex("group", "The API group; absent = any."),
            _regex("version", "The API version; absent = any."),
            _regex("kind", "The kind; absent = any."),
        ),
        "Objects of an API group, version or kind that is not wanted.",
    ),
    Template(
        "dnsconfig-options", "DnsConfig Options", "dnsconfig-options",
        params=(
            TemplateParam("key", description="Name of the option."),
            TemplateParam("value", description="The value that it must have."),
        ),
        description="A pod without a DNS option of this name and value.",
    ),
    Template(
        "duplicate-env-var", "Duplicate Environment Variables", "duplicate-env-var",
        description="A container names an environment variable twice.",
    ),
    Template(
        "env-value-from", "Environment variables with ValueFrom", "env-value-from",
        params=(
            _texts("ignoredSecrets", "Secrets that come from elsewhere.", regex=True),
            _texts("ignoredConfigMaps", "ConfigMaps that come from elsewhere.", regex=True),
        ),
        description="An environment variable from a Secret or ConfigMap key that is not there.",
    ),
    Template(
        "env-var", "Environment Variables", "env-var-secret",
        params=(
            _regex("name", "Name of the variable; a leading ! turns the expression round.", True),
            _regex("value", "Its value; absent = any."),
        ),
        description="An environment variable of this name and value.",
    ),
    Template(
        "forbidden-annotation", "Forbidden Annotation", "no-forbidden-annotation", ("Any",), _ANY,
        _map_params("annotation"), "Objects with this annotation.",
    ),
    Template(
        "forbidden-service-types", "Forbidden Service Types", "exposed-services", ("Service",),
        OBJECT_KINDS["Service"],
        (_texts("forbiddenServiceTypes", "Types that are reported."),),
        "A Service of a type that is not wanted.",
    ),
    Template("host-ipc", "Host IPC", "host-ipc", description="Pods in the node's IPC namespace."),
    Template(
        "host-mounts", "Host Mounts", "sensitive-host-mounts",
        params=(_texts("dirs", "Host paths, as regular expressions.", regex=True),),
        description="A container mounts one of these paths of its node.",
    ),
    Template(
        "host-network", "Host Network", "host-network",
        description="Pods in the node's network namespace.",
    ),
    Template("host-pid", "Host PID", "host-pid", description="Pods that see the node's processes."),
    Template(
        "hpa-minimum-replicas", "HorizontalPodAutoscaler Minimum replicas",
        "hpa-minimum-three-replicas", ("HorizontalPodAutoscaler",),
        OBJECT_KINDS["HorizontalPodAutoscaler"], (_LEAST,),
        "A HorizontalPodAutoscaler that goes below a number of replicas.",
    ),
    Template(
        "image-pull-policy", "Image Pull Policy", "no-forbidden-pull-policy",
        params=(
            TemplateParam("forbiddenPolicies", "array", zero=(),
                          enum=("Always", "IfNotPresent", "Never"),
                          description="Policies that are reported."),
        ),
        description="A container with an image pull policy that is not wanted.",
    ),
    Template(
        "job-ttl-seconds-after-finished", "ttlSecondsAfterFinished impact for standalone and "
        "managed Job objects", "job-ttl-seconds-after-finished", ("JobLike",),
        OBJECT_KINDS["JobLike"],
        description="A Job without ttlSecondsAfterFinished, or a CronJob with it.",
    ),
    Template(
        "latest-tag", "Latest Tag", "latest-tag",
        params=(
            _texts("blockList", "Images that are reported.", regex=True),
            _texts("allowList", "The only images that are not reported.", regex=True),
        ),
        description="A container image that is blocked, or not allowed.",
    ),
    Template(
        "liveness-port", "Liveness Port Exposed", "liveness-port",
        description="A liveness probe on a port that its container does not list.",
    ),
    Template(
        "liveness-probe", "Liveness Probe Not Specified", "no-liveness-probe",
        description="A container without a liveness probe.",
    ),
    Template(
        "memory-requirements", "Memory Requirements", "unset-memory-requirements",
        params=(
            _REQUIREMENT,
            TemplateParam("lowerBoundMB", "integer", zero=0,
                          description="From this many mebibytes on ..."),
            TemplateParam("upperBoundMB", "integer", zero=None,
                          description="... to this many; absent = without an upper bound."),
        ),
        description="A container's memory request or limit lies inside a range.",
    ),
    Template(
        "minimum-replicas", "Minimum replicas", "minimum-three-replicas", reach=_REPLICATED,
        params=(_LEAST,),
        description="Fewer replicas than wanted.",
    ),
    Template(
        "mismatching-selector", "Mismatching Selector", "mismatching-selector",
        description="A workload whose selector does not match its own pods.",
    ),
    Template(
        "no-node-affinity", "Node Affinity", "no-node-affinity",
        description="Pods without a node affinity.",
    ),
    Template(
        "non-existent-service-account", "Non-existent Service Account",
        "non-existent-service-account",
        description="Pods whose service account is not there.",
    ),
    Template(
        "non-isolated-pod", "Non Isolated Pods", "non-isolated-pod", ("NetworkPolicy",),
        description="Pods that no NetworkPolicy selects.",
    ),
    Template(
        "pdb-max-unavailable", "No pod disruptions allowed - maxUnavailable",
        "pdb-max-unavailable", ("PodDisruptionBudget",), OBJECT_KINDS["PodDisruptionBudget"],
        description="A PodDisruptionBudget with a maxUnavailable of zero.",
    ),
    Template(
        "pdb-min-available", "No pod disruptions allowed - minAvailable", "pdb-min-available",
        ("PodDisruptionBudget",), OBJECT_KINDS["PodDisruptionBudget"],
        description="A PodDisruptionBudget that needs every replica.",
    ),
    Template(
        "pdb-unhealthy-pod-eviction-policy", ".spec.unhealthyPodEvictionPolicy in PDB is set to "
        "default", "pdb-unhealthy-pod-eviction-policy", ("PodDisruptionBudget",),
        OBJECT_KINDS["PodDisruptionBudget"],
        description="A PodDisruptionBudget that does not say when unhealthy pods may go.",
    ),
    Template(
        "ports", "Ports", "ssh-port",
        params=(
            TemplateParam("port", "integer", zero=0, description="The container port."),
            _regex("protocol", "Its protocol; absent = any."),
        ),
        description="A container lists this port.",
    ),
    Template(
        "priority-class-name", "Priority class name", "priority-class-name",
        params=(_texts("acceptedPriorityClassNames", "Names that are accepted."),),
        description="Pods with another priority class than those accepted.",
    ),
    Template(
        "privilege-escalation-container", "Privilege Escalation on Containers",
        "privilege-escalation-container",
        description="A container that may gain privileges.",
    ),
    Template(
        "privileged", "Privileged Containers", "privileged-container",
        description="A privileged container.",
    ),
    Template(
        "privileged-ports", "Privileged Ports", "privileged-ports",
        description="A container that listens below port 1024.",
    ),
    Template(
        "read-only-root-fs", "Read-only Root Filesystems", "no-read-only-root-fs",
        description="A container that can write to its root file system.",
    ),
    Template(
        "read-secret-from-env-var", "Read Secret From Environment Variables",
        "read-secret-from-env-var",
        description="A container that takes a Secret from its environment.",
    ),
    Template(
        "readiness-port", "Readiness Port Not Open", "readiness-port",
        description="A readiness probe on a port that its container does not list.",
    ),
    Template(
        "readiness-probe", "Readiness Probe Not Specified", "no-readiness-probe",
        description="A container without a readiness probe.",
    ),
    Template(
        "required-annotation", "Required Annotation", "required-annotation-email", ("Any",), _ANY,
        _map_params("annotation"), "Objects without this annotation.",
    ),
    Template(
        "required-label", "Required Label", "required-label-owner", ("Any",), _ANY,
        _map_params("label"), "Objects without this label.",
    ),
    Template(
        "restart-policy", "Restart policy", "restart-policy",
        description="Pods with another restart policy than Always or OnFailure.",
    ),
    Template(
        "run-as-non-root", "Run as non-root user", "run-as-non-root",
        description="A container that may run as root.",
    ),
    Template(
        "scc-deny-privileged-container", "SecurityContextConstraints allowPrivilegedContainer",
        "scc-deny-privileged-container", ("SecurityContextConstraints",),
        OBJECT_KINDS["SecurityContextConstraints"],
        (
            TemplateParam("allowPrivilegedContainer", "boolean", zero=False,
                          description="The value that is reported."),
        ),
        "A SecurityContextConstraints with this value of allowPrivilegedContainer.",
    ),
    Template(
        "service-account", "Service Account", "default-service-account",
        params=(_regex("serviceAccount", "Service accounts that are reported.", True),),
        description="Pods with a service account that is not wanted.",
    ),
    Template(
        "sorted-keys", "Sorted Keys", "sorted-keys", ("Any",), _ANY,
        (
            TemplateParam("recursive", "boolean", zero=False,
                          description="Look into nested mappings too."),
        ),
        "Mappings whose keys are not in order.",
    ),
    Template(
        "startup-port", "Startup Port Exposed", "startup-port",
        description="A startup probe on a port that its container does not list.",
    ),
    Template(
        "statefulset-volumeclaimtemplate-annotation", "StatefulSet VolumeClaimTemplate Annotation",
        "claim-template-annotation", reach=("apps/*/StatefulSet",),
        params=(TemplateParam("annotation", required=True, description="Key of the annotation."),),
        description="A claim template without this annotation.",
    ),
    Template(
        "target-port", "Target Port", "invalid-target-ports", ("DeploymentLike", "Service"),
        (*PODS, "core/v1/Service"),
        description="A port name or number that Kubernetes refuses.",
    ),
    Template(
        "unsafe-proc-mount", "Unsafe Proc Mount", "unsafe-proc-mount",
        description="A container with an unmasked /proc.",
    ),
    Template(
        "unsafe-sysctls", "Unsafe Sysctls", "unsafe-sysctls",
        params=(_texts("unsafeSysCtls", "Beginnings of names that are reported."),),
        description="Pods that set kernel parameters which are not isolated.",
    ),
    Template(
        "update-configuration", "Update configuration", "no-rolling-update-strategy",
        reach=_ROLLED,
        params=(
            _regex("strategyTypeRegex", "Strategies that are accepted.", True),
            TemplateParam("maxPodsUnavailable", description="The greatest maxUnavailable."),
            TemplateParam("minPodsUnavailable", description="The least maxUnavailable."),
            TemplateParam("maxSurge", description="The greatest maxSurge."),
            TemplateParam("minSurge", description="The least maxSurge."),
        ),
        description="An update strategy that is not accepted.",
    ),
    Template(
        "use-namespace", "Use Namespaces for Administrative Boundaries between Resources",
        "use-namespace", ("DeploymentLike", "Service"), _ANY,
        description="Objects in the default namespace.",
    ),
    Template(
        "verify-container-capabilities", "Verify container capabilities",
        "drop-net-raw-capability",
        params=(
            TemplateParam("forbiddenCapabilities", "array", zero=(), regex=True,
                          description="Capabilities that are to be dropped; [all] alone = all."),
            TemplateParam("exceptions", "array", zero=(), regex=True,
                          description="With [all]: capabilities that may be added all the same."),
        ),
        description="A container that adds, or does not drop, a capability.",
    ),
    Template(
        "wildcard-in-rules", "Wildcard Use in Role and ClusterRole Rules", "wildcard-in-rules",
        ("Role", "ClusterRole"), (f"{_RBAC}/Role", f"{_RBAC}/ClusterRole"),
        description="A rule with * for resources or verbs.",
    ),
    Template(
        "writable-host-mount", "Writable Host Mounts", "writable-host-mount",
        description="A container that can write to a path of its node.",
    ),
)  # fmt: skip


def narrowed(scope: tuple[str, ...], reach: tuple[str, ...]) -> tuple[str, ...]:
    """Return the kinds that both a scope and a template's reach name, () where none is."""
    if "*" in scope:
        return reach
    if "*" in reach:
        return scope
    both = [_both(a, b) for a in scope for b in reach]
    return tuple(dict.fromkeys(kind for kind in both if kind))


def _both(a: str, b: str) -> str:
    group_a, version_a, kind_a = a.split("/")
    group_b, version_b, kind_b = b.split("/")
    if (group_a, kind_a) != (group_b, kind_b):
        return ""
    if version_a == version_b or version_b == "*":
        return a
    return b if version_a == "*" else ""
