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
_INTERNAL = "__internal"
_PACKAGES = {"": "core", "events.k8s.io": "core", "internal.apiserver.k8s.io": "apiserverinternal"}
_LEGACY = "pkg/api/legacyscheme/scheme.go:30"
_OWN = {
    "apiextensions.k8s.io": "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55",
    "apiregistration.k8s.io": "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28",
}
"""Groups whose servers have schemes of their own, that know no other group."""


def scheme_of(group: str) -> str:
    """The name of the scheme in which a group's kinds are registered."""
    return _OWN.get(group, _LEGACY)


def parse_version(api_version: str) -> tuple[str, str]:
    """(group, version) of an apiVersion; raises ValueError with Go's text."""
    if api_version.count("/") > 1:
        raise ValueError(f"unexpected GroupVersion string: {api_version}")
    group, _, version = api_version.rpartition("/")
    return group, version


def registered(catalog: Catalog, group: str, api_version: str, kind: str) -> bool:
    """Whether the scheme of `group` knows a kind, be it in the internal version of the kind's group."""
    if api_version == "v1" and kind in _V1:
        return True
    other, version = parse_version(api_version)
    if scheme_of(other) != scheme_of(group):
        return False
    if kind in _META:
        return any(s.resource.api_version == api_version and not s.resource.custom for s in catalog)
    names = {kind, kind.removesuffix("List")}
    if version == _INTERNAL:
        return any(k in names and v.rpartition("/")[0] == other for v, k in _UNSERVED) or any(
            s.resource.kind in names and s.resource.group == other and not s.resource.custom for s in catalog
        )
    return any(_known(catalog, api_version, k) for k in names)


def problem(catalog: Catalog, wanted: tuple[str, str], api_version: str, kind: str) -> str:
    """Why the decoder of one kind (`wanted`: apiVersion, kind) cannot take an object of another; empty where it can convert it.

    An apiVersion without a version means the internal one. Raises ValueError for one that cannot be parsed.
    """
    want_group = parse_version(wanted[0])[0]
    group, version = parse_version(api_version)
    if not version:
        group, version = group or want_group, _INTERNAL
    internal = version == _INTERNAL
    full = f"{group}/{version}" if group else version
    if not registered(catalog, want_group, full, kind):
        where = f'the internal version of group "{group}"' if internal else f'version "{full}"'
        return f'no kind "{kind}" is registered for {where} in scheme "{scheme_of(want_group)}"'
    if kind == wanted[1]:
        return ""
    return f"converting ({_package(group) if internal else version}.{kind}) to ({_package(want_group)}.{wanted[1]}): unknown conversion"


def _package(group: str) -> str:
    """The Go package of a group's internal types."""
    return _PACKAGES.get(group) or group.split(".")[0]


def _known(catalog: Catalog, api_version: str, kind: str) -> bool:
    if (api_version, kind) in _UNSERVED:
        return True
    served = catalog.by_kind(api_version, kind)
    return served is not None and not served.resource.custom
