"""THE table of kinds: one entry per resource that the API serves. Pure data; routes, discovery, OpenAPI, CLI, GC iterate it.

Nothing else may list kinds. Custom resources are further `Resource` values, made at run time from their CRDs.
The order is discovery's: groups by priority, then resources by name; within a group the preferred version comes first.
"""

from __future__ import annotations

from kubepy.api.resource import FULL, Resource, Subresource

__all__ = ["FULL", "RESOURCES", "Resource", "Subresource", "by_kind", "find", "preferred", "resource"]

ALL = ("all",)
EXT = ("api-extensions",)
READ_WRITE = ("get", "patch", "update")
CONNECT = ("create", "get")
PROXY = ("create", "delete", "get", "patch", "update")

_SCALE = Subresource("scale", "Scale", READ_WRITE, group="autoscaling", version="v1")


def _status(kind: str) -> Subresource:
    return Subresource("status", kind, READ_WRITE)


RESOURCES: tuple[Resource, ...] = (
        Resource("", "v1", "bindings", "Binding", "binding", True, verbs=("create",)),
        Resource("", "v1", "componentstatuses", "ComponentStatus", "componentstatus", False, verbs=("get", "list"),
        short_names=("cs",)),
        Resource("", "v1", "configmaps", "ConfigMap", "configmap", True, short_names=("cm",)),
        Resource("", "v1", "endpoints", "Endpoints", "endpoints", True, short_names=("ep",)),
        Resource("", "v1", "events", "Event", "event", True, short_names=("ev",), storage_group="", storage_version="v1",
        selectable_fields=("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent",
        "source", "type")),
        Resource("", "v1", "limitranges", "LimitRange", "limitrange", True, short_names=("limits",)),
        Resource("", "v1", "namespaces", "Namespace", "namespace", False, verbs=("create", "delete", "get", "list", "patch", "update",
        "watch"), short_names=("ns",), subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace"),),
        selectable_fields=("status.phase",)),
        Resource("", "v1", "nodes", "Node", "node", False, short_names=("no",), subresources=(Subresource("proxy", "NodeProxyOptions",
        PROXY), _status("Node"),), selectable_fields=("spec.unschedulable",)),
        Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "persistentvolumeclaim", True, short_names=("pvc",),
        subresources=(_status("PersistentVolumeClaim"),)),
        Resource("", "v1", "persistentvolumes", "PersistentVolume", "persistentvolume", False, short_names=("pv",),
        subresources=(_status("PersistentVolume"),)),
        Resource("", "v1", "pods", "Pod", "pod", True, short_names=("po",), categories=ALL, subresources=(Subresource("attach",
        "PodAttachOptions", CONNECT), Subresource("binding", "Binding", ("create",)), Subresource("ephemeralcontainers", "Pod",
        READ_WRITE), Subresource("eviction", "Eviction", ("create",), group="policy", version="v1"), Subresource("exec",
        "PodExecOptions", CONNECT), Subresource("log", "Pod", ("get",)), Subresource("portforward", "PodPortForwardOptions", CONNECT),
        Subresource("proxy", "PodProxyOptions", PROXY), Subresource("resize", "Pod", READ_WRITE), _status("Pod"),),
        selectable_fields=("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName", "spec.host")),
        Resource("", "v1", "podtemplates", "PodTemplate", "podtemplate", True),
        Resource("", "v1", "replicationcontrollers", "ReplicationController", "replicationcontroller", True, short_names=("rc",),
        categories=ALL, subresources=(_SCALE, _status("ReplicationController"),), selectable_fields=("status.replicas",)),
        Resource("", "v1", "resourcequotas", "ResourceQuota", "resourcequota", True, short_names=("quota",),
        subresources=(_status("ResourceQuota"),)),
        Resource("", "v1", "secrets", "Secret", "secret", True, selectable_fields=("type",)),
        Resource("", "v1", "serviceaccounts", "ServiceAccount", "serviceaccount", True, short_names=("sa",),
        subresources=(Subresource("token", "TokenRequest", ("create",), group="authentication.k8s.io", version="v1"),)),
        Resource("", "v1", "services", "Service", "service", True, short_names=("svc",), categories=ALL,
        subresources=(Subresource("proxy", "ServiceProxyOptions", PROXY), _status("Service"),), selectable_fields=("spec.clusterIP",
        "spec.type")),
        Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", "apiservice", False, categories=EXT,
        subresources=(_status("APIService"),)),
        Resource("apps", "v1", "controllerrevisions", "ControllerRevision", "controllerrevision", True),
        Resource("apps", "v1", "daemonsets", "DaemonSet", "daemonset", True, short_names=("ds",), categories=ALL,
        subresources=(_status("DaemonSet"),)),
        Resource("apps", "v1", "deployments", "Deployment", "deployment", True, short_names=("deploy",), categories=ALL,
        subresources=(_SCALE, _status("Deployment"),)),
        Resource("apps", "v1", "replicasets", "ReplicaSet", "replicaset", True, short_names=("rs",), categories=ALL,
        subresources=(_SCALE, _status("ReplicaSet"),)),
        Resource("apps", "v1", "statefulsets", "StatefulSet", "statefulset", True, short_names=("sts",), categories=ALL,
        subresources=(_SCALE, _status("StatefulSet"),)),
        Resource("events.k8s.io", "v1", "events", "Event", "event", True, short_names=("ev",), storage_group="", storage_version="v1",
        selectable_fields=("reason", "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "regarding.apiVersion",
        "regarding.resourceVersion", "regarding.fieldPath", "reportingController", "type")),
        Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", "selfsubjectreview", False,
        verbs=("create",)),
        Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", "tokenreview", False, verbs=("create",)),
        Resource("authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", "localsubjectaccessreview",
        True, verbs=("create",)),
        Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", "selfsubjectaccessreview", False,
        verbs=("create",)),
        Resource("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", "selfsubjectrulesreview", False,
        verbs=("create",)),
        Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", "subjectaccessreview", False,
        verbs=("create",)),
        Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "horizontalpodautoscaler", True,
        short_names=("hpa",), categories=ALL, subresources=(_status("HorizontalPodAutoscaler"),), storage_version="v2"),
        Resource("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "horizontalpodautoscaler", True,
        short_names=("hpa",), categories=ALL, subresources=(_status("HorizontalPodAutoscaler"),), storage_version="v2"),
        Resource("batch", "v1", "cronjobs", "CronJob", "cronjob", True, short_names=("cj",), categories=ALL,
        subresources=(_status("CronJob"),)),
        Resource("batch", "v1", "jobs", "Job", "job", True, categories=ALL, subresources=(_status("Job"),),
        selectable_fields=("status.successful",)),
        Resource("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", "certificatesigningrequest",
        False, short_names=("csr",), subresources=(Subresource("approval", "CertificateSigningRequest", READ_WRITE),
        _status("CertificateSigningRequest"),), selectable_fields=("spec.signerName",)),
        Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", "ingressclass", False),
        Resource("networking.k8s.io", "v1", "ingresses", "Ingress", "ingress", True, short_names=("ing",),
        subresources=(_status("Ingress"),)),
        Resource("networking.k8s.io", "v1", "ipaddresses", "IPAddress", "ipaddress", False, short_names=("ip",)),
        Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "networkpolicy", True, short_names=("netpol",)),
        Resource("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", "servicecidr", False,
        subresources=(_status("ServiceCIDR"),)),
        Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "poddisruptionbudget", True, short_names=("pdb",),
        subresources=(_status("PodDisruptionBudget"),)),
        Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", "clusterrolebinding", False),
        Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", "clusterrole", False),
        Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", "rolebinding", True),
        Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", "role", True),
        Resource("storage.k8s.io", "v1", "csidrivers", "CSIDriver", "csidriver", False),
        Resource("storage.k8s.io", "v1", "csinodes", "CSINode", "csinode", False),
        Resource("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", "csistoragecapacity", True),
        Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", "storageclass", False, short_names=("sc",)),
        Resource("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", "volumeattachment", False,
        subresources=(_status("VolumeAttachment"),)),
        Resource("storage.k8s.io", "v1", "volumeattributesclasses", "VolumeAttributesClass", "volumeattributesclass", False,
        short_names=("vac",)),
        Resource("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", "MutatingAdmissionPolicy",
        "mutatingadmissionpolicy", False, categories=EXT, hashed_version="v1beta1"),
        Resource("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybinding", False, categories=EXT, hashed_version="v1beta1"),
        Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration",
        "mutatingwebhookconfiguration", False, categories=EXT),
        Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy",
        "validatingadmissionpolicy", False, categories=EXT, subresources=(_status("ValidatingAdmissionPolicy"),)),
        Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybinding", False, categories=EXT),
        Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration",
        "validatingwebhookconfiguration", False, categories=EXT),
        Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "customresourcedefinition",
        False, short_names=("crd", "crds"), categories=EXT, subresources=(_status("CustomResourceDefinition"),), hashed_version="v1beta1"),
        Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", "priorityclass", False, short_names=("pc",)),
        Resource("coordination.k8s.io", "v1", "leases", "Lease", "lease", True),
        Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", "runtimeclass", False),
        Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "endpointslice", True),
        Resource("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", "deviceclass", False),
        Resource("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", "resourceclaim", True,
        subresources=(_status("ResourceClaim"),)),
        Resource("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate", "resourceclaimtemplate", True),
        Resource("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", "resourceslice", False, selectable_fields=("spec.nodeName",
        "spec.driver")),
        Resource("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema", "flowschema", False,
        subresources=(_status("FlowSchema"),)),
        Resource("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration",
        "prioritylevelconfiguration", False, subresources=(_status("PriorityLevelConfiguration"),)),
)  # fmt: skip

_BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}
_BY_KIND = {(r.api_version, r.kind): r for r in RESOURCES}


def _first(key: str) -> dict[tuple[str, str], Resource]:
    out: dict[tuple[str, str], Resource] = {}
    for r in RESOURCES:
        out.setdefault((r.group, getattr(r, key)), r)
    return out


_PREFERRED = _first("kind") | _first("plural")


def find(group: str, version: str, plural: str) -> Resource | None:
    """The built-in resource of that path, or None."""
    return _BY_PATH.get((group, version, plural))


def by_kind(api_version: str, kind: str) -> Resource | None:
    """The built-in resource whose objects carry that apiVersion (`apps/v1`) and kind, or None."""
    return _BY_KIND.get((api_version, kind))


def preferred(group: str, kind_or_plural: str) -> Resource | None:
    """The resource in the version that discovery prefers, by kind (`Deployment`) or plural (`deployments`), or None."""
    return _PREFERRED.get((group, kind_or_plural))


def resource(name: str) -> Resource:
    """The resource named `pods` or `deployments.apps`, in the preferred version; KeyError when there is none."""
    plural, _, group = name.partition(".")
    found = _PREFERRED.get((group, plural))
    if found is None:
        raise KeyError(name)
    return found
