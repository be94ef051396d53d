"""A dynamic provisioner for one machine: volumes are folders under --local-path-root, after rancher.io/local-path's conventions.

Without --local-path-root it does nothing; with it, a default StorageClass `local-path` is made if there is none of that name.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from controllers.context import Context
from controllers.volumes import match
from controllers.volumes.binder import CLAIMS, CLASSES, VOLUMES
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, Forbidden, NotFound
from kubepy.runtime import Result
from kubepy.runtime.events import reference

log = logging.getLogger(__name__)

Obj = dict[str, Any]

PROVISIONER = "rancher.io/local-path"
CLASS: Obj = {
    "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
    "metadata": {"name": "local-path", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": PROVISIONER, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": True,
}  # fmt: skip


def start(ctx: Context) -> None:
    """Register the provisioner."""
    if ctx.options.local_path_root is not None:
        _LocalPath(ctx, ctx.options.local_path_root)


def volume_for(claim: Obj, found: Obj, node: Obj | None, root: Path) -> Obj:
    """The volume to provision: a folder on the node that the scheduler chose."""
    name = f"pvc-{meta.uid(claim)}"
    path = root / f"{name}_{meta.namespace(claim)}_{meta.name(claim)}"
    spec: Obj = {
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
        "accessModes": claim["spec"]["accessModes"],
        "persistentVolumeReclaimPolicy": found.get("reclaimPolicy", "Delete"),
        "storageClassName": meta.name(found),
        "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
        "claimRef": reference(claim),
        "hostPath": {"path": str(path), "type": "DirectoryOrCreate"},
    }
    if node is not None:
        host = meta.labels(node).get("kubernetes.io/hostname", meta.name(node))
        term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}
        if "kubernetes.io/hostname" not in meta.labels(node):
            term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [host]}]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    annotations = {match.PROVISIONED_BY: PROVISIONER}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "annotations": annotations}, "spec": spec}


def _make(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o777)


class _LocalPath:
    def __init__(self, ctx: Context, root: Path) -> None:
        self._client, self._root = ctx.client, root
        self._recorder = ctx.recorder(PROVISIONER)
        self._volumes, self._claims, self._classes = ctx.informer(VOLUMES), ctx.informer(CLAIMS), ctx.informer(CLASSES)
        self._nodes = ctx.informer("nodes")
        provision = ctx.controller("local-path-provision", self._provision, workers=4)
        provision.watch(self._claims, only=lambda kind, old, new: kind != "DELETED")
        provision.depends(self._classes, self._volumes, self._nodes)
        delete = ctx.controller("local-path-delete", self._delete, workers=2)
        delete.watch(self._volumes, only=lambda kind, old, new: kind != "DELETED")
        ctx.manager.add(self._make_class)

    async def _make_class(self) -> None:
        await self._classes.synced()
        if self._classes.cache.get(meta.name(CLASS)) is None:
            try:
                await self._client.create(CLASSES, CLASS)
            except AlreadyExists:
                return
            except Forbidden as e:
                # The roles are upstream's, where this is an administrator's to make: `kubepy up` does.
                log.warning("there is no StorageClass %s, and none could be made: %s", meta.name(CLASS), e)

    async def _provision(self, key: str) -> Result | None:
        claim = self._claims.cache.get(key)
        if claim is None or claim["spec"].get("volumeName") or meta.deleting(claim):
            return None
        annotations = meta.annotations(claim)
        if annotations.get(match.PROVISIONER) != PROVISIONER:
            return None
        found = self._classes.cache.get(match.claim_class(claim))
        if found is None:
            return None
        node = self._nodes.cache.get(annotations.get(match.SELECTED_NODE, ""))
        volume = volume_for(claim, found, node, self._root)
        if meta.name(volume) in self._volumes.cache:
            return None
        # Any user may write into it, whatever user the pod's processes run as.
        await asyncio.to_thread(_make, Path(volume["spec"]["hostPath"]["path"]))
        text = f'External provisioner is provisioning volume for claim "{key}"'
        self._recorder.event(claim, "Normal", "Provisioning", text)
        try:
            await self._client.create(VOLUMES, volume)
        except AlreadyExists:
            return None
        self._recorder.event(claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {meta.name(volume)}")
        return None

    async def _delete(self, name: str) -> Result | None:
        volume = self._volumes.cache.get(name)
        if volume is None or meta.annotations(volume).get(match.PROVISIONED_BY) != PROVISIONER:
            return None
        if volume.get("status", {}).get("phase") != "Released" or volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
            return None
        path = Path((volume["spec"].get("hostPath") or {}).get("path", ""))
        # Nothing but a folder that lies directly in the root and bears the volume's name is ever removed.
        if path.parent == self._root and path.name.startswith(f"{name}_") and ".." not in path.parts:
            await asyncio.to_thread(shutil.rmtree, path, True)
        with suppress(NotFound):
            await self._client.delete(VOLUMES, name, preconditions={"uid": meta.uid(volume)})
        return None
