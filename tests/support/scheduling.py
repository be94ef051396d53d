"""Nodes, pods and volumes in short, for the scheduler's tests."""

from __future__ import annotations

import random
from typing import Any

from scheduler.cycle import Placement, Refusal, schedule
from scheduler.framework.podinfo import parse
from scheduler.framework.snapshot import Snapshot
from scheduler.profile import Profile, build

Obj = dict[str, Any]


def node(name: str, cpu: str = "4", labels: dict[str, str] | None = None, taints: list[Any] | None = None, **spec: Any) -> Obj:
    """A node with 8 GiB and room for 110 pods."""
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {**spec, **({"taints": taints} if taints else {})},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
    }


def pod(name: str = "p", cpu: str = "100m", *, labels: dict[str, str] | None = None, namespace: str = "default", **spec: Any) -> Obj:
    """A pod with one container; its uid is its name."""
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    meta: Obj = {"name": name, "namespace": namespace, "uid": name, "generation": 1}
    if labels:
        meta["labels"] = labels
    return {"metadata": meta, "spec": {"containers": [container], **spec}}


def mounting(*claims: str, name: str = "p", **spec: Any) -> Obj:
    """A pod that mounts claims."""
    return pod(name, volumes=[{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims], **spec)


def snapshot(*nodes: Obj) -> Snapshot:
    """A snapshot of nodes."""
    out = Snapshot()
    for n in nodes:
        out.set_node(n)
    return out


def attempt(s: Snapshot, p: Obj, profile: Profile | None = None) -> Placement | Refusal:
    """One attempt with the default plugins."""
    return schedule(s, parse(p), profile or build(), random.Random(1))


def claim(name: str, storage: str = "1Gi", cls: str = "wait", **spec: Any) -> Obj:
    """A PersistentVolumeClaim of the namespace default."""
    wanted = {"accessModes": ["ReadWriteOnce"], "storageClassName": cls, "resources": {"requests": {"storage": storage}}, **spec}
    return {"metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1"}, "spec": wanted, "status": {}}


def bound(name: str, volume: str, **spec: Any) -> Obj:
    """A claim that has its volume."""
    out = claim(name, volumeName=volume, **spec)
    out["metadata"]["annotations"] = {"pv.kubernetes.io/bind-completed": "yes"}
    return out


def volume(name: str, storage: str = "1Gi", cls: str = "wait", on: list[str] | None = None, **more: Any) -> Obj:
    """A PersistentVolume that is reached from the nodes `on` (default: all)."""
    spec: Obj = {"capacity": {"storage": storage}, "accessModes": ["ReadWriteOnce"], "storageClassName": cls, **more}
    if on is not None:
        terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": on}]}]
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
    return {"metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "spec": spec, "status": {"phase": "Available"}}


def storage_class(name: str = "wait", provisioner: str = "kubernetes.io/no-provisioner", **more: Any) -> Obj:
    """A class that waits for the first consumer."""
    return {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer", **more}
