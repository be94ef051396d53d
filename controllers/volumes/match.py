"""Which PersistentVolume fits a claim best. Pure (component-helpers storage/volume/pv_helpers.go FindMatchingVolume)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kubepy.api import meta
from kubepy.api.quantity import Quantity, parse
from kubepy.api.selectors import from_label_selector

Obj = dict[str, Any]

BIND_COMPLETED, BOUND_BY_CONTROLLER = "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY, SELECTED_NODE = "pv.kubernetes.io/provisioned-by", "volume.kubernetes.io/selected-node"
PROVISIONER, BETA_PROVISIONER = "volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"
MIGRATED_TO = "pv.kubernetes.io/migrated-to"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"

MIGRATED = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com", "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/azure-file": "file.csi.azure.com", "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io", "kubernetes.io/portworx-volume": "pxd.portworx.com",
    "kubernetes.io/vsphere-volume": "csi.vsphere.vmware.com",
}  # fmt: skip
"""Provisioners that were built in once → the CSI driver that does their work."""


def claim_class(claim: Obj) -> str:
    """The claim's StorageClass name; empty for none."""
    beta = meta.annotations(claim).get(BETA_CLASS)
    return beta if beta is not None else str(claim["spec"].get("storageClassName") or "")


def volume_class(volume: Obj) -> str:
    """The volume's StorageClass name."""
    beta = meta.annotations(volume).get(BETA_CLASS)
    return beta if beta is not None else str(volume["spec"].get("storageClassName") or "")


def is_external(volume: Obj) -> bool:
    """Whether a driver outside the cluster's own deletes the volume."""
    return PROVISIONED_BY in meta.annotations(volume) or MIGRATED_TO in meta.annotations(volume) or "csi" in volume["spec"]


def is_scratch(path: str) -> bool:
    """Whether a folder of the host is one that the binder may delete."""
    return re.search(r"/tmp/.+", path) is not None


def capacity(volume: Obj) -> Quantity:
    """The volume's size."""
    return parse((volume["spec"].get("capacity") or {}).get("storage", "0"))


def requested(claim: Obj) -> Quantity:
    """The size a claim asks for."""
    return parse(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))


def is_bound_to(volume: Obj, claim: Obj) -> bool:
    """Whether the volume's claimRef is this claim, or reserves the volume for one of its name."""
    ref = volume["spec"].get("claimRef")
    if ref is None or (ref.get("namespace"), ref.get("name")) != (meta.namespace(claim), meta.name(claim)):
        return False
    return not ref.get("uid") or ref["uid"] == meta.uid(claim)


def mismatch(volume: Obj, claim: Obj) -> str | None:
    """Why a volume that a claim names does not satisfy it, or None (checkVolumeSatisfyClaim)."""
    if capacity(volume) < requested(claim):
        return "requested PV is too small"
    if volume_class(volume) != claim_class(claim):
        return "storageClassName does not match"
    if _mode(volume) != _mode(claim):
        return "incompatible volumeMode"
    if not set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ()):
        return "incompatible accessMode"
    if (volume["spec"].get("volumeAttributesClassName") or "") != (claim["spec"].get("volumeAttributesClassName") or ""):
        return "volumeAttributesClassName does not match"
    return None


def _mode(obj: Obj) -> str:
    return str(obj["spec"].get("volumeMode") or "Filesystem")


def best(claim: Obj, volumes: Iterable[Obj], delay: bool) -> Obj | None:
    """The volume reserved for the claim, or the smallest free one that fits; with `delay` only a reserved one."""
    wanted_modes = set(claim["spec"].get("accessModes") or ())
    raw = claim["spec"].get("selector")
    selector = from_label_selector(raw) if raw is not None else None
    fitting: list[tuple[int, Quantity, str, Obj]] = []
    for volume in volumes:
        spec = volume["spec"]
        modes = spec.get("accessModes") or ()
        if not wanted_modes <= set(modes) or _mode(volume) != _mode(claim):
            continue
        if (spec.get("volumeAttributesClassName") or "") != (claim["spec"].get("volumeAttributesClassName") or ""):
            continue
        size = capacity(volume)
        if is_bound_to(volume, claim):
            if size >= requested(claim):
                return volume
            continue
        if delay or spec.get("claimRef") is not None or meta.deleting(volume) or size < requested(claim):
            continue
        if volume.get("status", {}).get("phase") != "Available" or volume_class(volume) != claim_class(claim):
            continue
        if selector is not None and not selector.matches(meta.labels(volume)):
            continue
        fitting.append((len(modes), size, meta.name(volume), volume))
    return min(fitting, key=lambda f: f[:3])[3] if fitting else None
