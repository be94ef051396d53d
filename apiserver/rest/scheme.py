"""Which kinds upstream's schemes know, in whatever version: objects of those are of the wrong kind or version, not unknown. Pure.

Upstream: pkg/apis/*/install.
"""

from __future__ import annotations

from apiserver.registry.catalog import Catalog

_TEXT = """
admission.k8s.io/v1 AdmissionReview
admission.k8s.io/v1beta1 AdmissionReview
admissionregistration.k8s.io/v1alpha1 ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
admissionregistration.k8s.io/v1alpha1 MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
admissionregistration.k8s.io/v1beta1 ValidatingWebhookConfiguration MutatingWebhookConfiguration
admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding
admissionregistration.k8s.io/v1beta1 MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
apps/v1beta1 Deployment DeploymentRollback Scale StatefulSet ControllerRevision
apps/v1beta2 Deployment Scale StatefulSet DaemonSet ReplicaSet ControllerRevision
authentication.k8s.io/v1 TokenRequest
authentication.k8s.io/v1alpha1 SelfSubjectReview
authentication.k8s.io/v1beta1 SelfSubjectReview TokenReview
authorization.k8s.io/v1beta1 SelfSubjectRulesReview SelfSubjectAccessReview SubjectAccessReview LocalSubjectAccessReview
autoscaling/v1 Scale
batch/v1beta1 CronJob
certificates.k8s.io/v1alpha1 ClusterTrustBundle
certificates.k8s.io/v1beta1 CertificateSigningRequest ClusterTrustBundle PodCertificateRequest
coordination.k8s.io/v1alpha2 LeaseCandidate
coordination.k8s.io/v1beta1 Lease LeaseCandidate
discovery.k8s.io/v1beta1 EndpointSlice
events.k8s.io/v1beta1 Event
extensions/v1beta1 Deployment DeploymentRollback Scale DaemonSet Ingress ReplicaSet NetworkPolicy
flowcontrol.apiserver.k8s.io/v1beta1 FlowSchema PriorityLevelConfiguration
flowcontrol.apiserver.k8s.io/v1beta2 FlowSchema PriorityLevelConfiguration
flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema PriorityLevelConfiguration
imagepolicy.k8s.io/v1alpha1 ImageReview
internal.apiserver.k8s.io/v1alpha1 StorageVersion
networking.k8s.io/v1beta1 Ingress IngressClass IPAddress ServiceCIDR
node.k8s.io/v1alpha1 RuntimeClass
node.k8s.io/v1beta1 RuntimeClass
policy/v1 Eviction
policy/v1beta1 PodDisruptionBudget Eviction
rbac.authorization.k8s.io/v1alpha1 Role RoleBinding ClusterRole ClusterRoleBinding
rbac.authorization.k8s.io/v1beta1 Role RoleBinding ClusterRole ClusterRoleBinding
resource.k8s.io/v1alpha3 DeviceTaintRule ResourcePoolStatusRequest
resource.k8s.io/v1beta1 DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice
resource.k8s.io/v1beta2 DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate ResourceSlice
scheduling.k8s.io/v1alpha2 Workload PodGroup
scheduling.k8s.io/v1beta1 PriorityClass
storage.k8s.io/v1alpha1 VolumeAttachment CSIStorageCapacity VolumeAttributesClass
storage.k8s.io/v1beta1 StorageClass VolumeAttachment CSIDriver CSINode CSIStorageCapacity VolumeAttributesClass
storagemigration.k8s.io/v1beta1 StorageVersionMigration
apiextensions.k8s.io/v1 ConversionReview
apiextensions.k8s.io/v1beta1 CustomResourceDefinition ConversionReview
apiregistration.k8s.io/v1beta1 APIService
v1 PodStatusResult ComponentStatus SerializedReference RangeAllocation
"""

_UNSERVED = frozenset((version, kind) for version, *kinds in map(str.split, _TEXT.strip().splitlines()) for kind in kinds)
_META = frozenset(f"{verb}Options" for verb in ("Create", "Delete", "Get", "List", "Patch", "Update")) | {"WatchEvent"}
"""Kinds that every group version has."""
_V1 = frozenset(("APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "List", "Status"))
_LEGACY = "pkg/api/legacyscheme/scheme.go:30"
_OWN = {
    "apiextensions.k8s.io": "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55",
    "apiregistration.k8s.io": "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28",
}
"""Groups whose servers have schemes of their own, that know no other group."""


def scheme_of(group: str) -> str:
    """The name of the scheme in which a group's kinds are registered."""
    return _OWN.get(group, _LEGACY)


def registered(catalog: Catalog, group: str, api_version: str, kind: str) -> bool:
    """Whether the scheme of `group` knows a kind."""
    if api_version == "v1" and kind in _V1:
        return True
    other = api_version.rpartition("/")[0]
    if scheme_of(other) != scheme_of(group):
        return False
    if kind in _META:
        return any(s.resource.api_version == api_version and not s.resource.custom for s in catalog)
    return any(_known(catalog, api_version, k) for k in {kind, kind.removesuffix("List")})


def _known(catalog: Catalog, api_version: str, kind: str) -> bool:
    if (api_version, kind) in _UNSERVED:
        return True
    served = catalog.by_kind(api_version, kind)
    return served is not None and not served.resource.custom
