"""Which volumes a node needs, when one may be detached, and what users are told (pkg/controller/volume/attachdetach). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers.common import pods as podlib
from kubepy.api import meta

Obj = dict[str, Any]
Lookup = Callable[[str], "Obj | None"]
"""From a cache key to the object, or None."""

MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"
KEEP_TERMINATED = "volumes.kubernetes.io/keep-terminated-pod-volumes"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
MAX_WAIT_FOR_UNMOUNT = 360.0
"""Seconds after which a volume is taken from a node that is not healthy, mounted or not."""
_SHAREABLE = frozenset(("ReadOnlyMany", "ReadWriteMany"))


@dataclass(slots=True)
class Wanted:
    """A volume that pods on a node need."""

    volume: Obj
    driver: str
    pods: list[Obj] = field(default_factory=list)

    @property
    def exclusive(self) -> bool:
        """Whether one node at a time may have it."""
        modes = self.volume["spec"].get("accessModes") or ()
        return bool(modes) and _SHAREABLE.isdisjoint(modes)


def attachment_name(handle: str, driver: str, node: str) -> str:
    """`csi-<sha256 of volume handle, driver and node>`, as the CSI plugin names it."""
    return "csi-" + hashlib.sha256(f"{handle}{driver}{node}".encode()).hexdigest()


def unique_name(volume: Obj) -> str:
    """The name by which kubelets know a CSI volume."""
    csi = volume["spec"]["csi"]
    return f"kubernetes.io/csi/{csi['driver']}^{csi['volumeHandle']}"


def is_managed(node: Obj) -> bool:
    """Whether the node leaves attaching to this controller, as kubelets say by an annotation."""
    return MANAGED in meta.annotations(node)


def is_terminated(pod: Obj) -> bool:
    """Whether a pod has ended, or goes and none of its containers runs."""
    if podlib.is_terminal(pod):
        return True
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return meta.deleting(pod) and not any("running" in (s.get("state") or {}) for s in statuses)


def claim_keys(pod: Obj) -> list[tuple[str, bool]]:
    """(`namespace/claim`, whether it is an ephemeral volume's) of the claims that a pod mounts."""
    namespace, out = meta.namespace(pod), []
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            out.append((f"{namespace}/{claim['claimName']}", False))
        elif "ephemeral" in volume:
            out.append((f"{namespace}/{meta.name(pod)}-{volume['name']}", True))
    return out


def bound_volume(pod: Obj, claim: Obj | None, ephemeral: bool, volume_at: Lookup) -> Obj | None:
    """The volume behind a pod's claim when both agree that they are bound."""
    if claim is None or claim.get("status", {}).get("phase") != "Bound" or (ephemeral and not meta.is_controlled_by(claim, pod)):
        return None
    volume = volume_at(claim["spec"].get("volumeName") or "")
    if volume is None or (volume["spec"].get("claimRef") or {}).get("uid") != meta.uid(claim):
        return None
    return volume


def wanted(node: Obj, pods: Iterable[Obj], claim_at: Lookup, volume_at: Lookup, driver_at: Lookup) -> dict[str, Wanted]:
    """attachment name → what the node's pods need attached."""
    keep = meta.annotations(node).get(KEEP_TERMINATED) == "true"
    out: dict[str, Wanted] = {}
    for pod in pods:
        if is_terminated(pod) and not keep:
            continue
        for key, ephemeral in claim_keys(pod):
            volume = bound_volume(pod, claim_at(key), ephemeral, volume_at)
            csi = volume["spec"].get("csi") if volume is not None else None
            if volume is None or not csi:
                continue
            driver = driver_at(csi["driver"])
            if driver is not None and driver["spec"].get("attachRequired") is False:
                continue
            name = attachment_name(csi["volumeHandle"], csi["driver"], meta.name(node))
            out.setdefault(name, Wanted(volume, csi["driver"])).pods.append(pod)
    return out


def may_force(node: Obj | None, waited: float, *, on_timeout: bool) -> bool:
    """Whether a volume may be taken from a node that still says that it is mounted."""
    if node is None or any(t.get("key") == OUT_OF_SERVICE for t in node.get("spec", {}).get("taints") or ()):
        return True
    return on_timeout and waited > MAX_WAIT_FOR_UNMOUNT and not podlib.is_ready(node)


def is_attached(attachment: Obj) -> bool:
    """Whether the driver has attached the volume."""
    return bool(attachment.get("status", {}).get("attached"))


def attach_error(attachment: Obj) -> str | None:
    """What the driver said when it could not attach."""
    error = attachment.get("status", {}).get("attachError")
    return None if error is None else str(error.get("message", ""))


def succeeded(volume: str) -> str:
    """The event's message; the blank at its end is upstream's."""
    return f'AttachVolume.Attach succeeded for volume "{volume}" '


def failed(volume: str, error: str) -> str:
    """The event's message for an error of the driver."""
    return f'AttachVolume.Attach failed for volume "{volume}" : {error}'


def multi_attach(volume: str, namespace: str, others: Sequence[Obj]) -> str:
    """The event's message for a pod of a namespace whose volume other pods have on another node; those of other namespaces are only
    counted."""
    local = [meta.name(pod) for pod in others if meta.namespace(pod) == namespace]
    foreign = len(others) - len(local)
    if not others:
        text = "Volume is already exclusively attached to one node and can't be attached to another"
    elif local:
        text = f"Volume is already used by pod(s) {', '.join(local)}"
        if foreign:
            text += f" and {foreign} pod(s) in different namespaces"
    else:
        text = f"Volume is already used by {foreign} pod(s) in different namespaces"
    return f'Multi-Attach error for volume "{volume}" {text}'
