"""Names and labels of what we create on the engine: the pod's identity, and the key that makes creating idempotent."""

from __future__ import annotations

from collections.abc import Mapping

from kubelet.runtime.interface import ContainerSpec, PodIdentity, SandboxSpec

CLUSTER = "io.kubepy.cluster"
NODE = "io.kubepy.node"
KIND = "io.kubepy.kind"
ATTEMPT = "io.kubepy.attempt"
ADDRESS = "io.kubepy.ip"
HASH = "io.kubepy.hash"
SANDBOX = "io.kubepy.sandbox"
STOP_SIGNAL = "io.kubepy.stop-signal"
IMAGE = "io.kubepy.image"
IMAGE_REF = "io.kubepy.image-ref"
NETWORK_HOST = "io.kubepy.host-network"
POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"


def _pod_labels(cluster: str, node: str, pod: PodIdentity, attempt: int) -> dict[str, str]:
    return {
        CLUSTER: cluster, NODE: node, POD_NAME: pod.name, POD_NAMESPACE: pod.namespace, POD_UID: pod.uid, ATTEMPT: str(attempt),
    }  # fmt: skip


def sandbox_labels(cluster: str, node: str, spec: SandboxSpec, ip: str) -> dict[str, str]:
    """Labels of a sandbox."""
    host = "true" if spec.host_network else "false"
    return _pod_labels(cluster, node, spec.pod, spec.attempt) | {KIND: "sandbox", ADDRESS: ip, NETWORK_HOST: host}


def container_labels(cluster: str, node: str, spec: ContainerSpec, sandbox_id: str, image_ref: str, stop_signal: str) -> dict[str, str]:
    """Labels of a container."""
    return _pod_labels(cluster, node, spec.pod, spec.attempt) | {
        KIND: "container", CONTAINER_NAME: spec.name, HASH: spec.spec_hash, SANDBOX: sandbox_id, STOP_SIGNAL: stop_signal,
        IMAGE: spec.image_name or spec.image, IMAGE_REF: image_ref,
    }  # fmt: skip


def name(container: str, pod: PodIdentity, attempt: int) -> str:
    """`k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`; the sandbox's container is called POD (cri-dockerd core/naming.go)."""
    return f"k8s_{container}_{pod.name}_{pod.namespace}_{pod.uid}_{attempt}"


def identity(labels: Mapping[str, str]) -> PodIdentity:
    """The pod of labelled things."""
    return PodIdentity(labels.get(POD_NAMESPACE, ""), labels.get(POD_NAME, ""), labels.get(POD_UID, ""))


def attempt(labels: Mapping[str, str]) -> int:
    """The attempt of a labelled thing."""
    return int(labels.get(ATTEMPT, "0") or 0)
