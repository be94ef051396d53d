"""The columns of every kind's table. Pure data; the cells are made in the modules beside.

A column is written `Name`, or `Name:type`, with a description: `@core.v1.PodStatus.podIP` takes a field's own. Columns after `|` are
shown with -o wide only (priority 1). Upstream: pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kubepy.api.resource import Resource
from kubepy.api.schema.definitions import definitions


@dataclass(frozen=True, slots=True)
class Column:
    """One metav1.TableColumnDefinition; `priority` 0 is always shown, 1 with -o wide."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


Columns = tuple[str | tuple[str, str], ...]
"""What stands in the table: "Name" and "Age" alone, the others as (name and type, description); "|" starts the wide ones."""

_WORKLOAD: Columns = (
    ("Containers", "Names of each container in the template."),
    ("Images", "Images referenced by each container in the template."),
)
_WEBHOOKS: Columns = (
    "Name",
    ("Webhooks:integer", "Webhooks indicates the number of webhooks registered in this configuration"),
    "Age",
)
_POLICY_BINDING: Columns = (
    "Name",
    ("PolicyName", "PolicyName indicates the policy definition which the policy binding binded to"),
    ("ParamRef", "ParamRef indicates the param resource which sets the configuration param"),
    "Age",
)
_PARAM_KIND = ("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy")
_EVENTS: Columns = (
    ("Last Seen", "@core.v1.Event.lastTimestamp"),
    ("Type", "@core.v1.Event.type"),
    ("Reason", "@core.v1.Event.reason"),
    ("Object", "@core.v1.Event.involvedObject"),
    ("Subobject+", "@core.v1.ObjectReference.fieldPath"),
    ("Source+", "@core.v1.Event.source"),
    ("Message", "@core.v1.Event.message"),
    ("First Seen+", "@core.v1.Event.firstTimestamp"),
    ("Count+", "@core.v1.Event.count"),
    "Name+",
)
_LEGACY_SIGNER = """\
Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. If empty, it will be defaulted:
 1. If it's a kubelet client certificate, it is assigned
    "kubernetes.io/kube-apiserver-client-kubelet".
 2. If it's a kubelet serving certificate, it is assigned
    "kubernetes.io/kubelet-serving".
 3. Otherwise, it is assigned "kubernetes.io/legacy-unknown".
Distribution of trust for signers happens out of band. You can select on this field using `spec.signerName`."""

COLUMNS: dict[tuple[str, str], Columns] = {
    ("", "pods"): (
        "Name",
        ("Ready", "The aggregate readiness state of this pod for accepting traffic."),
        ("Status", "The aggregate status of the containers in this pod."),
        (
            "Restarts",
            "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
        ),
        "Age",
        "|",
        ("IP", "@core.v1.PodStatus.podIP"),
        ("Node", "@core.v1.PodSpec.nodeName"),
        ("Nominated Node", "@core.v1.PodStatus.nominatedNodeName"),
        ("Readiness Gates", "@core.v1.PodSpec.readinessGates"),
    ),
    ("", "podtemplates"): ("Name", *_WORKLOAD, ("Pod Labels", "The labels for the pod template.")),
    ("policy", "poddisruptionbudgets"): (
        "Name",
        ("Min Available", "The minimum number of pods that must be available."),
        ("Max Unavailable", "The maximum number of pods that may be unavailable."),
        ("Allowed Disruptions:integer", "Calculated number of pods that may be disrupted at this time."),
        "Age",
    ),
    ("", "replicationcontrollers"): (
        "Name",
        ("Desired:integer", "@core.v1.ReplicationControllerSpec.replicas"),
        ("Current:integer", "@core.v1.ReplicationControllerStatus.replicas"),
        ("Ready:integer", "@core.v1.ReplicationControllerStatus.readyReplicas"),
        "Age",
        "|",
        *_WORKLOAD,
        ("Selector", "@core.v1.ReplicationControllerSpec.selector"),
    ),
    ("apps", "replicasets"): (
        "Name",
        ("Desired:integer", "@apps.v1.ReplicaSetSpec.replicas"),
        ("Current:integer", "@apps.v1.ReplicaSetStatus.replicas"),
        ("Ready:integer", "@apps.v1.ReplicaSetStatus.readyReplicas"),
        "Age",
        "|",
        *_WORKLOAD,
        ("Selector", "@apps.v1.ReplicaSetSpec.selector"),
    ),
    ("apps", "daemonsets"): (
        "Name",
        ("Desired:integer", "@apps.v1.DaemonSetStatus.desiredNumberScheduled"),
        ("Current:integer", "@apps.v1.DaemonSetStatus.currentNumberScheduled"),
        ("Ready:integer", "@apps.v1.DaemonSetStatus.numberReady"),
        ("Up-to-date:integer", "@apps.v1.DaemonSetStatus.updatedNumberScheduled"),
        ("Available:integer", "@apps.v1.DaemonSetStatus.numberAvailable"),
        ("Node Selector", "@core.v1.PodSpec.nodeSelector"),
        "Age",
        "|",
        *_WORKLOAD,
        ("Selector", "@apps.v1.DaemonSetSpec.selector"),
    ),
    ("apps", "statefulsets"): ("Name", ("Ready", "Number of the pod with ready state"), "Age", "|", *_WORKLOAD),
    ("apps", "deployments"): (
        "Name",
        ("Ready", "Number of the pod with ready state"),
        ("Up-to-date", "@apps.v1.DeploymentStatus.updatedReplicas"),
        ("Available", "@apps.v1.DeploymentStatus.availableReplicas"),
        "Age",
        "|",
        *_WORKLOAD,
        ("Selector", "@apps.v1.DeploymentSpec.selector"),
    ),
    ("apps", "controllerrevisions"): (
        "Name",
        ("Controller", "Controller of the object"),
        ("Revision", "@apps.v1.ControllerRevision.revision"),
        "Age",
    ),
    ("batch", "jobs"): (
        "Name",
        ("Status", "Status of the job."),
        ("Completions", "@batch.v1.JobStatus.succeeded"),
        ("Duration", "Time required to complete the job."),
        "Age",
        "|",
        *_WORKLOAD,
        ("Selector", "@batch.v1.JobSpec.selector"),
    ),
    ("batch", "cronjobs"): (
        "Name",
        ("Schedule", "@batch.v1.CronJobSpec.schedule"),
        ("Timezone", "@batch.v1.CronJobSpec.timeZone"),
        ("Suspend:boolean", "@batch.v1.CronJobSpec.suspend"),
        ("Active:integer", "@batch.v1.CronJobStatus.active"),
        ("Last Schedule", "@batch.v1.CronJobStatus.lastScheduleTime"),
        "Age",
        "|",
        *_WORKLOAD,
        ("Selector", "@batch.v1.JobSpec.selector"),
    ),
    ("", "services"): (
        "Name",
        ("Type", "@core.v1.ServiceSpec.type"),
        ("Cluster-IP", "@core.v1.ServiceSpec.clusterIP"),
        ("External-IP", "@core.v1.ServiceSpec.externalIPs"),
        ("Port(s)", "@core.v1.ServiceSpec.ports"),
        "Age",
        "|",
        ("Selector", "@core.v1.ServiceSpec.selector"),
    ),
    ("networking.k8s.io", "ingresses"): (
        "Name",
        ("Class", "The name of the IngressClass resource that should be used for additional configuration"),
        ("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
        ("Address", "Address is a list containing ingress points for the load-balancer"),
        ("Ports", "Ports of TLS configurations that open"),
        "Age",
    ),
    ("networking.k8s.io", "ingressclasses"): (
        "Name",
        ("Controller", "Controller that is responsible for handling this class"),
        ("Parameters", "A reference to a resource with additional parameters"),
        "Age",
    ),
    ("networking.k8s.io", "networkpolicies"): ("Name", ("Pod-Selector", "@networking.v1.NetworkPolicySpec.podSelector"), "Age"),
    ("networking.k8s.io", "servicecidrs"): ("Name", ("CIDRs", "@networking.v1.ServiceCIDRSpec.cidrs"), "Age"),
    ("networking.k8s.io", "ipaddresses"): ("Name", ("ParentRef", "@networking.v1.IPAddressSpec.parentRef")),
    ("", "endpoints"): ("Name", ("Endpoints", "@core.v1.Endpoints.subsets"), "Age"),
    ("discovery.k8s.io", "endpointslices"): (
        "Name",
        ("AddressType", "@discovery.v1.EndpointSlice.addressType"),
        ("Ports", "@discovery.v1.EndpointSlice.ports"),
        ("Endpoints", "@discovery.v1.EndpointSlice.endpoints"),
        "Age",
    ),
    ("", "nodes"): (
        "Name",
        ("Status", "The status of the node"),
        ("Roles", "The roles of the node"),
        "Age",
        ("Version", "@core.v1.NodeSystemInfo.kubeletVersion"),
        "|",
        ("Internal-IP", "@core.v1.NodeStatus.addresses"),
        ("External-IP", "@core.v1.NodeStatus.addresses"),
        ("OS-Image", "@core.v1.NodeSystemInfo.osImage"),
        ("Kernel-Version", "@core.v1.NodeSystemInfo.kernelVersion"),
        ("Container-Runtime", "@core.v1.NodeSystemInfo.containerRuntimeVersion"),
    ),
    ("", "events"): _EVENTS,
    ("events.k8s.io", "events"): _EVENTS,
    ("", "namespaces"): ("Name", ("Status", "The status of the namespace"), "Age"),
    ("", "secrets"): ("Name", ("Type", "@core.v1.Secret.type"), ("Data", "@core.v1.Secret.data"), "Age"),
    ("", "configmaps"): ("Name", ("Data", "@core.v1.ConfigMap.data"), "Age"),
    ("", "serviceaccounts"): ("Name", "Age"),
    ("", "componentstatuses"): (
        "Name",
        ("Status", "Status of the component conditions"),
        ("Message", "Message of the component conditions"),
        ("Error", "Error of the component conditions"),
    ),
    ("", "resourcequotas"): (
        "Name",
        ("Request", "Request represents a minimum amount of cpu/memory that a container may consume."),
        (
            "Limit",
            "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.",
        ),
        "Age",
    ),
    ("", "persistentvolumes"): (
        "Name",
        ("Capacity", "@core.v1.PersistentVolumeSpec.capacity"),
        ("Access Modes", "@core.v1.PersistentVolumeSpec.accessModes"),
        ("Reclaim Policy", "@core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy"),
        ("Status", "@core.v1.PersistentVolumeStatus.phase"),
        ("Claim", "@core.v1.PersistentVolumeSpec.claimRef"),
        ("StorageClass", "StorageClass of the pv"),
        ("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
        ("Reason", "@core.v1.PersistentVolumeStatus.reason"),
        "Age",
        "|",
        ("VolumeMode", "@core.v1.PersistentVolumeSpec.volumeMode"),
    ),
    ("", "persistentvolumeclaims"): (
        "Name",
        ("Status", "@core.v1.PersistentVolumeClaimStatus.phase"),
        ("Volume", "@core.v1.PersistentVolumeClaimSpec.volumeName"),
        ("Capacity", "@core.v1.PersistentVolumeClaimStatus.capacity"),
        ("Access Modes", "@core.v1.PersistentVolumeClaimStatus.accessModes"),
        ("StorageClass", "StorageClass of the pvc"),
        ("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
        "Age",
        "|",
        ("VolumeMode", "@core.v1.PersistentVolumeClaimSpec.volumeMode"),
    ),
    ("autoscaling", "horizontalpodautoscalers"): (
        "Name",
        ("Reference", "@autoscaling.v2.HorizontalPodAutoscalerSpec.scaleTargetRef"),
        ("Targets", "@autoscaling.v2.HorizontalPodAutoscalerSpec.metrics"),
        ("MinPods", "@autoscaling.v2.HorizontalPodAutoscalerSpec.minReplicas"),
        ("MaxPods", "@autoscaling.v2.HorizontalPodAutoscalerSpec.maxReplicas"),
        ("Replicas", "@autoscaling.v2.HorizontalPodAutoscalerStatus.currentReplicas"),
        "Age",
    ),
    ("autoscaling", "scale"): (
        "Name ",
        ("Desired:integer", "@autoscaling.v1.ScaleSpec.replicas"),
        ("Available:integer", "@autoscaling.v1.ScaleStatus.replicas"),
        "Age",
    ),
    ("rbac.authorization.k8s.io", "rolebindings"): (
        "Name",
        ("Role", "~rbac.v1.RoleBinding.roleRef"),
        "Age",
        "|",
        ("Users", "Users in the roleBinding"),
        ("Groups", "Groups in the roleBinding"),
        ("ServiceAccounts", "ServiceAccounts in the roleBinding"),
    ),
    ("rbac.authorization.k8s.io", "clusterrolebindings"): (
        "Name",
        ("Role", "~rbac.v1.ClusterRoleBinding.roleRef"),
        "Age",
        "|",
        ("Users", "Users in the clusterRoleBinding"),
        ("Groups", "Groups in the clusterRoleBinding"),
        ("ServiceAccounts", "ServiceAccounts in the clusterRoleBinding"),
    ),
    ("certificates.k8s.io", "certificatesigningrequests"): (
        "Name",
        "Age",
        ("SignerName", _LEGACY_SIGNER),
        ("Requestor", "Base64-encoded PKCS#10 CSR data"),
        ("RequestedDuration", "@certificates.v1.CertificateSigningRequestSpec.expirationSeconds"),
        ("Condition", "Conditions applied to the request, such as approval or denial."),
    ),
    ("coordination.k8s.io", "leases"): ("Name", ("Holder", "@coordination.v1.LeaseSpec.holderIdentity"), "Age"),
    ("storage.k8s.io", "storageclasses"): (
        "Name",
        ("Provisioner", "@storage.v1.StorageClass.provisioner"),
        ("ReclaimPolicy", "@storage.v1.StorageClass.reclaimPolicy"),
        ("VolumeBindingMode", "@storage.v1.StorageClass.volumeBindingMode"),
        ("AllowVolumeExpansion", "@storage.v1.StorageClass.allowVolumeExpansion"),
        "Age",
    ),
    ("storage.k8s.io", "volumeattributesclasses"): ("Name", ("DriverName", "@storage.v1.VolumeAttributesClass.driverName"), "Age"),
    ("storage.k8s.io", "volumeattachments"): (
        "Name",
        ("Attacher:name", "@storage.v1.VolumeAttachmentSpec.attacher"),
        ("PV", "@storage.v1.VolumeAttachmentSource.persistentVolumeName"),
        ("Node", "@storage.v1.VolumeAttachmentSpec.nodeName"),
        ("Attached:boolean", "@storage.v1.VolumeAttachmentStatus.attached"),
        "Age",
    ),
    ("storage.k8s.io", "csinodes"): (
        "Name",
        ("Drivers:integer", "Drivers indicates the number of CSI drivers registered on the node"),
        "Age",
    ),
    ("storage.k8s.io", "csidrivers"): (
        "Name",
        ("AttachRequired:boolean", "@storage.v1.CSIDriverSpec.attachRequired"),
        ("PodInfoOnMount:boolean", "@storage.v1.CSIDriverSpec.podInfoOnMount"),
        ("StorageCapacity:boolean", "@storage.v1.CSIDriverSpec.storageCapacity"),
        ("TokenRequests", "@storage.v1.CSIDriverSpec.tokenRequests"),
        ("RequiresRepublish:boolean", "@storage.v1.CSIDriverSpec.requiresRepublish"),
        ("Modes", "@storage.v1.CSIDriverSpec.volumeLifecycleModes"),
        "Age",
    ),
    ("scheduling.k8s.io", "priorityclasses"): (
        "Name",
        ("Value:integer", "@scheduling.v1.PriorityClass.value"),
        ("Global-Default:boolean", "@scheduling.v1.PriorityClass.globalDefault"),
        "Age",
        ("PreemptionPolicy", "@scheduling.v1.PriorityClass.preemptionPolicy"),
    ),
    ("node.k8s.io", "runtimeclasses"): ("Name", ("Handler", ""), "Age"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): _WEBHOOKS,
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): _WEBHOOKS,
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): (
        "Name",
        ("Validations:integer", "Validations indicates the number of validation rules defined in this configuration"),
        _PARAM_KIND,
        "Age",
    ),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): _POLICY_BINDING,
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"): (
        "Name",
        ("Mutations:integer", "Mutation indicates the number of mutations rules defined in this configuration"),
        _PARAM_KIND,
        "Age",
    ),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): _POLICY_BINDING,
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): (
        "Name",
        ("PriorityLevel", "@flowcontrol.v1.PriorityLevelConfigurationReference.name"),
        ("MatchingPrecedence", "@flowcontrol.v1.FlowSchemaSpec.matchingPrecedence"),
        ("DistinguisherMethod", "@flowcontrol.v1.FlowSchemaSpec.distinguisherMethod"),
        "Age",
        ("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
    ),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): (
        "Name",
        ("Type", "@flowcontrol.v1.PriorityLevelConfigurationSpec.type"),
        ("NominalConcurrencyShares", "@flowcontrol.v1.LimitedPriorityLevelConfiguration.nominalConcurrencyShares"),
        ("Queues", "@flowcontrol.v1.QueuingConfiguration.queues"),
        ("HandSize", "@flowcontrol.v1.QueuingConfiguration.handSize"),
        ("QueueLengthLimit", "@flowcontrol.v1.QueuingConfiguration.queueLengthLimit"),
        "Age",
    ),
    ("resource.k8s.io", "deviceclasses"): ("Name", "Age"),
    ("resource.k8s.io", "resourceclaims"): (
        "Name",
        ("State", "A summary of the current state (allocated, pending, reserved, etc.)."),
        "Age",
    ),
    ("resource.k8s.io", "resourceclaimtemplates"): ("Name", "Age"),
    ("resource.k8s.io", "resourceslices"): (
        "Name",
        ("Node", "@resource.v1.ResourceSliceSpec.nodeName"),
        ("Driver", "@resource.v1.ResourceSliceSpec.driver"),
        ("Pool", "@resource.v1.ResourcePool.name"),
        "Age",
    ),
    ("apiregistration.k8s.io", "apiservices"): (
        "Name",
        ("Service", "The reference to the service that hosts this API endpoint."),
        ("Available", "Whether this service is available."),
        "Age",
    ),
}

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def describe(source: str) -> str:
    """The text of a column description; `@` takes a field's, `~` the same as it was before it said "immutable"."""
    if source[:1] not in ("@", "~"):
        return source
    name, _, field = source[1:].rpartition(".")
    properties = definitions()[name if name.startswith("io.") else f"io.k8s.api.{name}"]["properties"]
    text: str = properties[field].get("description", "")
    return text.removesuffix(" This field is immutable.") if source[0] == "~" else text


def name_column() -> Column:
    """The Name column of every table."""
    return Column("Name", format="name", description=describe(f"@{_META}.name"))


def created_column() -> Column:
    """The second column of kinds that have no table of their own: the creation time, as a date."""
    return Column("Created At", "date", description=describe(f"@{_META}.creationTimestamp"))


@lru_cache(maxsize=256)
def _columns(group: str, plural: str) -> tuple[Column, ...]:
    spec = COLUMNS.get((group, plural))
    if spec is None:
        return (name_column(), created_column())
    out = []
    priority = 0
    for entry in spec:
        if entry == "|":
            priority = 1
            continue
        title, source = (entry, "") if isinstance(entry, str) else entry
        wide = title.endswith("+")
        title, _, kind = title.removesuffix("+").partition(":")
        format = "name" if kind == "name" or title == "Name" else ""
        title = title.strip()
        if title == "Name":
            source = f"@{_META}.name"
        elif title == "Age":
            source = f"@{_META}.creationTimestamp"
        kind = "string" if kind in ("", "name") else kind
        out.append(Column(title, kind, format, describe(source), 1 if wide else priority))
    return tuple(out)


def columns_for(resource: Resource) -> tuple[Column, ...]:
    """The columns of a resource's table: its own, or Name and Created At."""
    return _columns(resource.group, resource.plural)


def scale_columns() -> tuple[Column, ...]:
    """The columns of autoscaling/v1 Scale."""
    return _columns("autoscaling", "scale")
