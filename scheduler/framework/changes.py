"""Changes in the cluster as the queue sees them: what kind they are, so that only pods they concern are tried again. Pure.

Upstream: fwk.ClusterEvent with its ActionTypes, and eventhandlers.go, which narrows an update to what it changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scheduler.framework.podinfo import Obj, pod_requests

NODE_ADD, NODE_ALLOCATABLE, NODE_LABEL, NODE_TAINT = "Node/Add", "Node/Allocatable", "Node/Label", "Node/Taint"
POD_ADD, POD_DELETE, POD_LABEL, POD_SCALE_DOWN = "AssignedPod/Add", "AssignedPod/Delete", "AssignedPod/Label", "AssignedPod/ScaleDown"
CLAIM_ADD, CLAIM_UPDATE, VOLUME_ADD, VOLUME_UPDATE = "Claim/Add", "Claim/Update", "Volume/Add", "Volume/Update"
CLASS_ADD, CLASS_UPDATE, CSINODE_ADD, CSINODE_UPDATE = "Class/Add", "Class/Update", "CSINode/Add", "CSINode/Update"
CLAIM_DELETE, ATTACHMENT_DELETE, CAPACITY_ADD, CAPACITY_UPDATE = "Claim/Delete", "Attachment/Delete", "Capacity/Add", "Capacity/Update"
DRIVER_UPDATE, NAMESPACE_UPDATE = "CSIDriver/Update", "Namespace/Update"
RESOURCE_CLAIM, RESOURCE_SLICE, DEVICE_CLASS = "ResourceClaim", "ResourceSlice", "DeviceClass"


@dataclass(frozen=True, slots=True)
class Change:
    """One change; an update of a node can be of several kinds at once."""

    kinds: tuple[str, ...]
    old: Obj | None = None
    new: Obj | None = None


def of_node(old: Obj | None, new: Obj) -> Change | None:
    """What an added or updated node changed, or None when nothing that a placement depends on did."""
    if old is None:
        return Change((NODE_ADD,), None, new)
    kinds = tuple(_node_kinds(old, new))
    return Change(kinds, old, new) if kinds else None


def _node_kinds(old: Obj, new: Obj) -> Iterator[str]:
    a, b = old.get("spec") or {}, new.get("spec") or {}
    if (old.get("status") or {}).get("allocatable") != (new.get("status") or {}).get("allocatable"):
        yield NODE_ALLOCATABLE
    if old["metadata"].get("labels") != new["metadata"].get("labels"):
        yield NODE_LABEL
    if a.get("taints") != b.get("taints") or bool(a.get("unschedulable")) != bool(b.get("unschedulable")):
        yield NODE_TAINT


def of_pod_update(old: Obj, new: Obj) -> Change | None:
    """What the update of a bound pod changed for others."""
    kinds: list[str] = []
    if old["metadata"].get("labels") != new["metadata"].get("labels"):
        kinds.append(POD_LABEL)
    if old["spec"] != new["spec"] or _allocated(old) != _allocated(new):
        before, after = pod_requests(old["spec"], old.get("status")), pod_requests(new["spec"], new.get("status"))
        if any(after.get(name, 0) < value for name, value in before.items()):
            kinds.append(POD_SCALE_DOWN)
    return Change(tuple(kinds), old, new) if kinds else None


def _allocated(pod: Obj) -> list[object]:
    return [(s.get("allocatedResources"), s.get("resources")) for s in (pod.get("status") or {}).get("containerStatuses") or []]
