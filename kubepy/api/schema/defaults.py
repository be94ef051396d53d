"""Static defaults by definition: if the field is unset, this constant. Pure data, applied in the decoder's pass.

Upstream: the context-free parts of pkg/apis/*/v1/defaults.go and of `+default=` markers. An empty dict or list stands for "an
empty struct", whose own defaults follow. Covered here, for every group: everything in the table below.

Not here, because they depend on other fields, on the object's name or on the clock (they belong to the strategies):
Container.imagePullPolicy and ImageVolumeSource.pullPolicy (tag); requests from limits, pod-level requests and limits,
Pod.spec.enableServiceLinks and host ports under hostNetwork (Pods only, not templates); Volume without a source → emptyDir;
ReplicationController selector and labels from the template; everything of Job (CronJob's templates have none of it);
Deployment, DaemonSet and StatefulSet `rollingUpdate` when the type is RollingUpdate (the type and the fields inside are here);
Service targetPort, sessionAffinityConfig, internal/externalTrafficPolicy, allocateLoadBalancerNodePorts, ingress ipMode;
Namespace's name label; Node allocatable; LimitRange items; HPA behavior; NetworkPolicy policyTypes; RBAC Subject.apiGroup;
DeviceRequest count; DeviceTaint timeAdded; CustomResourceDefinition names and storedVersions.
ResourceList quantities are rounded up to thousandths by the decoder itself.
"""

from __future__ import annotations

from typing import Any

_RBD = {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}
_SCALE_IO = {"storageMode": "ThinProvisioned", "fsType": "xfs"}
_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
_MODE = {"defaultMode": 0o644}
_WEBHOOK = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
}
_METRICS = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]

_BY_PACKAGE: dict[str, dict[str, dict[str, Any]]] = {
    "io.k8s.api.core.v1": {
        "AzureDiskVolumeSource": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
        "ConfigMapVolumeSource": _MODE,
        "Container": _CONTAINER,
        "ContainerPort": {"protocol": "TCP"},
        "DownwardAPIVolumeSource": _MODE,
        "EndpointPort": {"protocol": "TCP"},
        "EphemeralContainer": _CONTAINER,
        "FileKeySelector": {"optional": False},
        "GRPCAction": {"service": ""},
        "HTTPGetAction": {"path": "/", "scheme": "HTTP"},
        "HostPathVolumeSource": {"type": ""},
        "ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
        "ISCSIVolumeSource": {"iscsiInterface": "default"},
        "NamespaceStatus": {"phase": "Active"},
        "ObjectFieldSelector": {"apiVersion": "v1"},
        "PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
        "PersistentVolumeClaimStatus": {"phase": "Pending"},
        "PersistentVolumeStatus": {"phase": "Pending"},
        "PodSpec": {
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
            "schedulerName": "default-scheduler",
        },
        "Probe": {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
        "ProjectedVolumeSource": _MODE,
        "RBDPersistentVolumeSource": _RBD,
        "RBDVolumeSource": _RBD,
        "ReplicationControllerSpec": {"replicas": 1},
        "ScaleIOPersistentVolumeSource": _SCALE_IO,
        "ScaleIOVolumeSource": _SCALE_IO,
        "Secret": {"type": "Opaque"},
        "SecretVolumeSource": _MODE,
        "ServiceAccountTokenProjection": {"expirationSeconds": 3600},
        "ServicePort": {"protocol": "TCP"},
        "ServiceSpec": {"sessionAffinity": "None", "type": "ClusterIP"},
    },
    "io.k8s.api.apps.v1": {
        "DaemonSetSpec": {"revisionHistoryLimit": 10},
        "DaemonSetUpdateStrategy": {"type": "RollingUpdate"},
        "DeploymentSpec": {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
        "DeploymentStrategy": {"type": "RollingUpdate"},
        "ReplicaSetSpec": {"replicas": 1},
        "RollingUpdateDaemonSet": {"maxUnavailable": 1, "maxSurge": 0},
        "RollingUpdateDeployment": {"maxUnavailable": "25%", "maxSurge": "25%"},
        "StatefulSetPersistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "StatefulSetSpec": {
            "podManagementPolicy": "OrderedReady",
            "persistentVolumeClaimRetentionPolicy": {},
            "replicas": 1,
            "revisionHistoryLimit": 10,
        },
    },
    "io.k8s.api.batch.v1": {
        "CronJobSpec": {"concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1},
        "PodFailurePolicyOnPodConditionsPattern": {"status": "True"},
    },
    "io.k8s.api.autoscaling.v1": {"HorizontalPodAutoscalerSpec": {"minReplicas": 1}},
    "io.k8s.api.autoscaling.v2": {"HorizontalPodAutoscalerSpec": {"minReplicas": 1, "metrics": _METRICS}},
    "io.k8s.api.authentication.v1": {"TokenRequestSpec": {"expirationSeconds": 3600}},
    "io.k8s.api.admissionregistration.v1": {
        "MatchResources": {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}},
        "MutatingAdmissionPolicySpec": {"failurePolicy": "Fail"},
        "MutatingWebhook": _WEBHOOK | {"reinvocationPolicy": "Never"},
        "NamedRuleWithOperations": {"scope": "*"},
        "RuleWithOperations": {"scope": "*"},
        "ServiceReference": {"port": 443},
        "ValidatingAdmissionPolicySpec": {"failurePolicy": "Fail"},
        "ValidatingWebhook": _WEBHOOK,
    },
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": {
        "CustomResourceDefinitionSpec": {"conversion": {"strategy": "None"}},
        "ServiceReference": {"port": 443},
    },
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1": {"ServiceReference": {"port": 443}},
    "io.k8s.api.discovery.v1": {"EndpointPort": {"name": "", "protocol": "TCP"}},
    "io.k8s.api.flowcontrol.v1": {
        "ExemptPriorityLevelConfiguration": {"nominalConcurrencyShares": 0, "lendablePercent": 0},
        "FlowSchemaSpec": {"matchingPrecedence": 1000},
        "LimitedPriorityLevelConfiguration": {"nominalConcurrencyShares": 30, "lendablePercent": 0},
        "QueuingConfiguration": {"handSize": 8, "queues": 64, "queueLengthLimit": 50},
    },
    "io.k8s.api.networking.v1": {
        "IngressClassParametersReference": {"scope": "Cluster"},
        "NetworkPolicyPort": {"protocol": "TCP"},
    },
    "io.k8s.api.rbac.v1": {"RoleRef": {"apiGroup": "rbac.authorization.k8s.io"}},
    "io.k8s.api.resource.v1": {
        "DeviceSubRequest": {"allocationMode": "ExactCount"},
        "DeviceToleration": {"operator": "Equal"},
        "ExactDeviceRequest": {"allocationMode": "ExactCount"},
    },
    "io.k8s.api.scheduling.v1": {"PriorityClass": {"preemptionPolicy": "PreemptLowerPriority"}},
    "io.k8s.api.storage.v1": {
        "CSIDriverSpec": {
            "attachRequired": True,
            "podInfoOnMount": False,
            "storageCapacity": False,
            "fsGroupPolicy": "ReadWriteOnceWithFSType",
            "volumeLifecycleModes": ["Persistent"],
            "requiresRepublish": False,
            "seLinuxMount": False,
        },
        "StorageClass": {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
    },
}

DEFAULTS: dict[str, dict[str, Any]] = {
    f"{package}.{name}": fields for package, definitions in _BY_PACKAGE.items() for name, fields in definitions.items()
}
"""definition → field → the value where it is unset."""
