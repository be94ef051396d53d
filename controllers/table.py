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
    "storage-version-garbage-collector-controller": Entry("controllers.storageversions:start", "generic-garbage-collector"),
    "bootstrap-signer-controller": Entry("controllers.bootstrap.signer:start", "bootstrap-signer"),
    "token-cleaner-controller": Entry("controllers.bootstrap.cleaner:start", "token-cleaner"),
    # Last: it follows what the others watch, without a second copy.
    "garbage-collector-controller": Entry("controllers.garbage:start", "generic-garbage-collector"),
}

DISABLED_BY_DEFAULT = frozenset(("bootstrap-signer-controller", "token-cleaner-controller"))


def selected(spec: list[str]) -> list[str]:
    """The names that --controllers chooses: `*` for all that are on by default, `x` to add, `-x` to leave out.

    A name may come with or without its `-controller` ending. Raises ValueError for an unknown one.
    """
    wanted = {_canonical(s) for s in spec if s != "*" and not s.startswith("-")}
    unwanted = {_canonical(s[1:]) for s in spec if s.startswith("-")}
    if "*" in spec:
        wanted |= CONTROLLERS.keys() - DISABLED_BY_DEFAULT
    return [name for name in CONTROLLERS if name in wanted and name not in unwanted]


def _canonical(name: str) -> str:
    for candidate in (name, f"{name}-controller"):
        if candidate in CONTROLLERS:
            return candidate
    raise ValueError(f'"{name}" is not in the list of known controllers')


def load(name: str) -> Start:
    """The function that registers a controller."""
    module, _, function = CONTROLLERS[name].start.partition(":")
    found: Start = getattr(import_module(module), function)
    return found
