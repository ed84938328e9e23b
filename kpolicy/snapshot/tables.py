"""What Kubernetes itself defines: its kinds, their plural names and whether they live in a
namespace.

Data only. A line of `_KINDS` is: API group (`-` = core), then `Kind:plural` for each kind; a
leading `!` marks a cluster-scoped kind. Source: the discovery documents of Kubernetes 1.33 and of
the older API versions that are still met in repositories.
"""

from __future__ import annotations

from typing import NamedTuple


class KindRow(NamedTuple):
    """One kind of an API group."""

    group: str
    kind: str
    plural: str
    namespaced: bool


_KINDS = """
- ConfigMap:configmaps Secret:secrets Service:services Endpoints:endpoints Event:events
- Pod:pods PodTemplate:podtemplates ReplicationController:replicationcontrollers
- PersistentVolumeClaim:persistentvolumeclaims LimitRange:limitranges ResourceQuota:resourcequotas
- ServiceAccount:serviceaccounts Binding:bindings
- !Namespace:namespaces !Node:nodes !PersistentVolume:persistentvolumes
- !ComponentStatus:componentstatuses
apps Deployment:deployments DaemonSet:daemonsets ReplicaSet:replicasets StatefulSet:statefulsets
apps ControllerRevision:controllerrevisions
extensions Deployment:deployments DaemonSet:daemonsets ReplicaSet:replicasets Ingress:ingresses
extensions NetworkPolicy:networkpolicies !PodSecurityPolicy:podsecuritypolicies
batch Job:jobs CronJob:cronjobs
autoscaling HorizontalPodAutoscaler:horizontalpodautoscalers Scale:scales
policy PodDisruptionBudget:poddisruptionbudgets !PodSecurityPolicy:podsecuritypolicies
policy Eviction:evictions
networking.k8s.io Ingress:ingresses NetworkPolicy:networkpolicies !IngressClass:ingressclasses
networking.k8s.io !IPAddress:ipaddresses !ServiceCIDR:servicecidrs
rbac.authorization.k8s.io Role:roles RoleBinding:rolebindings
rbac.authorization.k8s.io !ClusterRole:clusterroles !ClusterRoleBinding:clusterrolebindings
storage.k8s.io !StorageClass:storageclasses !CSIDriver:csidrivers !CSINode:csinodes
storage.k8s.io !VolumeAttachment:volumeattachments !VolumeAttributesClass:volumeattributesclasses
storage.k8s.io CSIStorageCapacity:csistoragecapacities
scheduling.k8s.io !PriorityClass:priorityclasses
coordination.k8s.io Lease:leases LeaseCandidate:leasecandidates
discovery.k8s.io EndpointSlice:endpointslices
events.k8s.io Event:events
node.k8s.io !RuntimeClass:runtimeclasses
certificates.k8s.io !CertificateSigningRequest:certificatesigningrequests
certificates.k8s.io !ClusterTrustBundle:clustertrustbundles
apiextensions.k8s.io !CustomResourceDefinition:customresourcedefinitions
apiregistration.k8s.io !APIService:apiservices
admissionregistration.k8s.io !ValidatingWebhookConfiguration:validatingwebhookconfigurations
admissionregistration.k8s.io !MutatingWebhookConfiguration:mutatingwebhookconfigurations
admissionregistration.k8s.io !ValidatingAdmissionPolicy:validatingadmissionpolicies
admissionregistration.k8s.io !ValidatingAdmissionPolicyBinding:validatingadmissionpolicybindings
admissionregistration.k8s.io !MutatingAdmissionPolicy:mutatingadmissionpolicies
admissionregistration.k8s.io !MutatingAdmissionPolicyBinding:mutatingadmissionpolicybindings
authentication.k8s.io !TokenReview:tokenreviews !SelfSubjectReview:selfsubjectreviews
authorization.k8s.io LocalSubjectAccessReview:localsubjectaccessreviews
authorization.k8s.io !SubjectAccessReview:subjectaccessreviews
authorization.k8s.io !SelfSubjectAccessReview:selfsubjectaccessreviews
authorization.k8s.io !SelfSubjectRulesReview:selfsubjectrulesreviews
flowcontrol.apiserver.k8s.io !FlowSchema:flowschemas
flowcontrol.apiserver.k8s.io !PriorityLevelConfiguration:prioritylevelconfigurations
internal.apiserver.k8s.io !StorageVersion:storageversions
storagemigration.k8s.io !StorageVersionMigration:storageversionmigrations
resource.k8s.io ResourceClaim:resourceclaims ResourceClaimTemplate:resourceclaimtemplates
resource.k8s.io !DeviceClass:deviceclasses !ResourceSlice:resourceslices
"""

#: Widespread custom kinds, for repositories that do not carry the definitions.
_CUSTOM = """
apps.openshift.io DeploymentConfig:deploymentconfigs
route.openshift.io Route:routes
project.openshift.io !Project:projects
security.openshift.io !SecurityContextConstraints:securitycontextconstraints
image.openshift.io ImageStream:imagestreams !Image:images
user.openshift.io !User:users !Group:groups !Identity:identities
oauth.openshift.io !OAuthClient:oauthclients
quota.openshift.io !ClusterResourceQuota:clusterresourcequotas
argoproj.io Rollout:rollouts Application:applications AppProject:appprojects
argoproj.io ApplicationSet:applicationsets Workflow:workflows CronWorkflow:cronworkflows
argoproj.io WorkflowTemplate:workflowtemplates !ClusterWorkflowTemplate:clusterworkflowtemplates
argoproj.io AnalysisTemplate:analysistemplates !ClusterAnalysisTemplate:clusteranalysistemplates
serving.knative.dev Service:services Configuration:configurations Revision:revisions Route:routes
apps.kruise.io CloneSet:clonesets StatefulSet:statefulsets DaemonSet:daemonsets
keda.sh ScaledObject:scaledobjects ScaledJob:scaledjobs
keda.sh TriggerAuthentication:triggerauthentications
keda.sh !ClusterTriggerAuthentication:clustertriggerauthentications
autoscaling.k8s.io VerticalPodAutoscaler:verticalpodautoscalers
autoscaling.k8s.io VerticalPodAutoscalerCheckpoint:verticalpodautoscalercheckpoints
monitoring.coreos.com ServiceMonitor:servicemonitors PodMonitor:podmonitors Probe:probes
monitoring.coreos.com Prometheus:prometheuses PrometheusRule:prometheusrules
monitoring.coreos.com Alertmanager:alertmanagers AlertmanagerConfig:alertmanagerconfigs
gateway.networking.k8s.io !GatewayClass:gatewayclasses Gateway:gateways HTTPRoute:httproutes
gateway.networking.k8s.io GRPCRoute:grpcroutes TCPRoute:tcproutes
gateway.networking.k8s.io TLSRoute:tlsroutes UDPRoute:udproutes
gateway.networking.k8s.io ReferenceGrant:referencegrants BackendTLSPolicy:backendtlspolicies
cert-manager.io Certificate:certificates Issuer:issuers !ClusterIssuer:clusterissuers
cert-manager.io CertificateRequest:certificaterequests
external-secrets.io ExternalSecret:externalsecrets SecretStore:secretstores
external-secrets.io !ClusterExternalSecret:clusterexternalsecrets
external-secrets.io !ClusterSecretStore:clustersecretstores
bitnami.com SealedSecret:sealedsecrets
kyverno.io Policy:policies !ClusterPolicy:clusterpolicies
kyverno.io !ClusterCleanupPolicy:clustercleanuppolicies
templates.gatekeeper.sh !ConstraintTemplate:constrainttemplates
config.gatekeeper.sh Config:configs
networking.istio.io VirtualService:virtualservices DestinationRule:destinationrules
networking.istio.io Gateway:gateways ServiceEntry:serviceentries Sidecar:sidecars
cilium.io CiliumNetworkPolicy:ciliumnetworkpolicies
cilium.io !CiliumClusterwideNetworkPolicy:ciliumclusterwidenetworkpolicies
crd.projectcalico.org NetworkPolicy:networkpolicies !GlobalNetworkPolicy:globalnetworkpolicies
snapshot.storage.k8s.io VolumeSnapshot:volumesnapshots
snapshot.storage.k8s.io !VolumeSnapshotClass:volumesnapshotclasses
snapshot.storage.k8s.io !VolumeSnapshotContent:volumesnapshotcontents
kustomize.toolkit.fluxcd.io Kustomization:kustomizations
helm.toolkit.fluxcd.io HelmRelease:helmreleases
metrics.k8s.io PodMetrics:pods !NodeMetrics:nodes
"""


def _parse(table: str) -> tuple[KindRow, ...]:
    rows = []
    for line in table.split("\n"):
        group, *kinds = line.split() or [""]
        for entry in kinds:
            kind, _, plural = entry.lstrip("!").partition(":")
            namespaced = not entry.startswith("!")
            rows.append(KindRow(group if group != "-" else "", kind, plural, namespaced))
    return tuple(rows)


def built_in_kinds() -> tuple[KindRow, ...]:
    """Return the kinds that every Kubernetes API server knows."""
    return _parse(_KINDS)


def custom_kinds() -> tuple[KindRow, ...]:
    """Return widespread kinds of custom resources."""
    return _parse(_CUSTOM)
