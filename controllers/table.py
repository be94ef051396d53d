"""THE table of controllers: upstream's name → what registers it, and the service account it acts as. Modules load when needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from controllers.context import Context

Start = Callable[[Context], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """`start` is module:function; `account` the service account in kube-system whose role covers the controller, or empty
    for the manager's own identity."""

    start: str
    account: str


CONTROLLERS: dict[str, Entry] = {
    "serviceaccount-controller": Entry("controllers.serviceaccount:start_default", "service-account-controller"),
    "root-ca-certificate-publisher-controller": Entry("controllers.serviceaccount:start_root_ca", "root-ca-cert-publisher"),
    "namespace-controller": Entry("controllers.namespace:start", "namespace-controller"),
    "replicaset-controller": Entry("controllers.replicaset:start_replicaset", "replicaset-controller"),
    "replicationcontroller-controller": Entry("controllers.replicaset:start_replication", "replication-controller"),
    "deployment-controller": Entry("controllers.deployment:start", "deployment-controller"),
    "endpoints-controller": Entry("controllers.endpoints:start", "endpoint-controller"),
    "endpointslice-controller": Entry("controllers.endpointslice:start", "endpointslice-controller"),
    "endpointslice-mirroring-controller": Entry("controllers.endpointslice:start_mirroring", "endpointslicemirroring-controller"),
    "node-ipam-controller": Entry("controllers.nodes.ipam:start", "node-controller"),
    "node-lifecycle-controller": Entry("controllers.nodes.lifecycle:start", "node-controller"),
    "taint-eviction-controller": Entry("controllers.nodes.eviction:start", "node-controller"),
    "ttl-controller": Entry("controllers.nodes.ttl:start", "ttl-controller"),
    "pod-garbage-collector-controller": Entry("controllers.nodes.podgc:start", "pod-garbage-collector"),
    "job-controller": Entry("controllers.job:start", "job-controller"),
    "daemonset-controller": Entry("controllers.daemonset:start", "daemon-set-controller"),
    "statefulset-controller": Entry("controllers.statefulset:start", "statefulset-controller"),
    "cronjob-controller": Entry("controllers.cronjob:start", "cronjob-controller"),
    "ttl-after-finished-controller": Entry("controllers.ttlafterfinished:start", "ttl-after-finished-controller"),
    "disruption-controller": Entry("controllers.disruption:start", "disruption-controller"),
    "resourcequota-controller": Entry("controllers.resourcequota:start", "resourcequota-controller"),
    "clusterrole-aggregation-controller": Entry("controllers.clusterroles:start", "clusterrole-aggregation-controller"),
    "serviceaccount-token-controller": Entry("controllers.tokens:start", ""),
    "persistentvolume-binder-controller": Entry("controllers.volumes.binder:start", "persistent-volume-binder"),
    "persistentvolumeclaim-protection-controller": Entry("controllers.volumes.protection:start_claims", "pvc-protection-controller"),
    "persistentvolume-protection-controller": Entry("controllers.volumes.protection:start_volumes", "pv-protection-controller"),
    "persistentvolume-expander-controller": Entry("controllers.volumes.expand:start", "expand-controller"),
    "ephemeral-volume-controller": Entry("controllers.volumes.ephemeral:start", "ephemeral-volume-controller"),
    "local-path-provisioner": Entry("controllers.volumes.localpath:start", "persistent-volume-binder"),
    "horizontal-pod-autoscaler-controller": Entry("controllers.hpa:start", "horizontal-pod-autoscaler"),
    "volumeattributesclass-protection-controller": Entry(
        "controllers.volumes.classes:start", "volumeattributesclass-protection-controller"
    ),
    "persistentvolume-attach-detach-controller": Entry("controllers.attachdetach:start", "attachdetach-controller"),
    "certificatesigningrequest-approving-controller": Entry("controllers.certificates.approver:start", "certificate-controller"),
    "certificatesigningrequest-signing-controller": Entry("controllers.certificates.signer:start", "certificate-controller"),
    "certificatesigningrequest-cleaner-controller": Entry("controllers.certificates.cleaner:start", "certificate-controller"),
    "service-cidr-controller": Entry("controllers.servicecidr:start", "service-cidrs-controller"),
    "resourceclaim-controller": Entry("controllers.resourceclaims:start", "resource-claim-controller"),
    "validatingadmissionpolicy-status-controller": Entry("controllers.policystatus:start", "validatingadmissionpolicy-status-controller"),
    "legacy-serviceaccount-token-cleaner-controller": Entry("controllers.tokencleaner:start", "legacy-service-account-token-cleaner"),
    "bootstrap-signer-controller": Entry("controllers.bootstrap.signer:start", "bootstrap-signer"),
    "token-cleaner-controller": Entry("controllers.bootstrap.cleaner:start", "token-cleaner"),
    # Last: it follows what the others watch, without a second copy.
    "garbage-collector-controller": Entry("controllers.garbage:start", "generic-garbage-collector"),
}

ALIASES: dict[str, str] = {
    "serviceaccount-token": "serviceaccount-token-controller", "endpoint": "endpoints-controller",
    "endpointslice": "endpointslice-controller", "endpointslicemirroring": "endpointslice-mirroring-controller",
    "replicationcontroller": "replicationcontroller-controller", "podgc": "pod-garbage-collector-controller",
    "resourcequota": "resourcequota-controller", "namespace": "namespace-controller", "serviceaccount": "serviceaccount-controller",
    "garbagecollector": "garbage-collector-controller", "daemonset": "daemonset-controller", "job": "job-controller",
    "deployment": "deployment-controller", "replicaset": "replicaset-controller",
    "horizontalpodautoscaling": "horizontal-pod-autoscaler-controller", "disruption": "disruption-controller",
    "statefulset": "statefulset-controller", "cronjob": "cronjob-controller",
    "csrsigning": "certificatesigningrequest-signing-controller", "csrapproving": "certificatesigningrequest-approving-controller",
    "csrcleaner": "certificatesigningrequest-cleaner-controller", "ttl": "ttl-controller",
    "bootstrapsigner": "bootstrap-signer-controller", "tokencleaner": "token-cleaner-controller", "nodeipam": "node-ipam-controller",
    "nodelifecycle": "node-lifecycle-controller", "service": "service-lb-controller", "route": "node-route-controller",
    "cloud-node-lifecycle": "cloud-node-lifecycle-controller", "persistentvolume-binder": "persistentvolume-binder-controller",
    "attachdetach": "persistentvolume-attach-detach-controller", "persistentvolume-expander": "persistentvolume-expander-controller",
    "clusterrole-aggregation": "clusterrole-aggregation-controller", "pvc-protection": "persistentvolumeclaim-protection-controller",
    "pv-protection": "persistentvolume-protection-controller", "ttl-after-finished": "ttl-after-finished-controller",
    "root-ca-cert-publisher": "root-ca-certificate-publisher-controller", "ephemeral-volume": "ephemeral-volume-controller",
    "storage-version-gc": "storageversion-garbage-collector-controller", "resource-claim-controller": "resourceclaim-controller",
    "legacy-service-account-token-cleaner": "legacy-serviceaccount-token-cleaner-controller",
}  # fmt: skip
"""Older names that upstream still takes (cmd/kube-controller-manager/names)."""

ABSENT = frozenset((
    "storageversion-garbage-collector-controller",
    "service-lb-controller", "node-route-controller", "cloud-node-lifecycle-controller", "selinux-warning-controller",
    "storage-version-migrator-controller", "device-taint-eviction-controller", "service-ca-certificate-publisher-controller",
    "podcertificaterequest-cleaner-controller", "kube-apiserver-serving-clustertrustbundle-publisher-controller",
))  # fmt: skip
"""Names that may be chosen and start nothing: without a cloud, or for APIs that are not on by default, upstream starts nothing either."""

DISABLED_BY_DEFAULT = frozenset(("bootstrap-signer-controller", "token-cleaner-controller"))


def selected(spec: list[str]) -> list[str]:
    """The names that --controllers chooses: `*` for all that are on by default, `x` to add, `-x` to leave out.

    Raises ValueError for an unknown one.
    """
    wanted = {_canonical(s) for s in spec if s != "*" and not s.startswith("-")}
    unwanted = {_canonical(s[1:]) for s in spec if s.startswith("-")}
    if "*" in spec:
        wanted |= CONTROLLERS.keys() - DISABLED_BY_DEFAULT
    return [name for name in CONTROLLERS if name in wanted and name not in unwanted]


def _canonical(name: str) -> str:
    found = ALIASES.get(name, name)
    if found in CONTROLLERS or found in ABSENT:
        return found
    raise ValueError(f'"{name}" is not in the list of known controllers')


def load(name: str) -> Start:
    """The function that registers a controller."""
    module, _, function = CONTROLLERS[name].start.partition(":")
    found: Start = getattr(import_module(module), function)
    return found
