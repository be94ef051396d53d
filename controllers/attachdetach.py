"""VolumeAttachments for CSI volumes of pods on nodes, and what nodes report as attached (pkg/controller/volume/attachdetach).

Only CSI drivers that want attachment take part; folders and the like are never attached.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

from controllers.common import pods as podlib
from controllers.context import Context
from controllers.volumes.binder import CLAIMS, VOLUMES, pod_claims
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, NotFound
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]

ATTACHMENTS, DRIVERS = "volumeattachments.storage.k8s.io", "csidrivers.storage.k8s.io"


def start(ctx: Context) -> None:
    """Register the attach-detach controller."""
    _AttachDetach(ctx)


def attachment_name(handle: str, driver: str, node: str) -> str:
    """`csi-<sha256 of volume handle, driver and node>`, as the CSI plugin names it."""
    return "csi-" + hashlib.sha256(f"{handle}{driver}{node}".encode()).hexdigest()


def _node(attachment: Obj) -> tuple[str, ...]:
    return (str(attachment["spec"]["nodeName"]),)


class _AttachDetach:
    def __init__(self, ctx: Context) -> None:
        self._client, self._period = ctx.client, ctx.options.attach_detach_reconcile_sync_period
        self._pods, self._claims, self._volumes = ctx.informer("pods"), ctx.informer(CLAIMS), ctx.informer(VOLUMES)
        self._attachments, self._drivers, self._nodes = ctx.informer(ATTACHMENTS), ctx.informer(DRIVERS), ctx.informer("nodes")
        self._pods.cache.add_index("node", podlib.by_node)
        self._pods.cache.add_index("claim", pod_claims)
        self._attachments.cache.add_index("node", _node)
        self._controller = ctx.controller("attach-detach", self._sync, workers=4)
        self._controller.depends(self._pods, self._claims, self._volumes, self._drivers)
        self._controller.watch(self._nodes)
        self._controller.watch(self._attachments, _node)
        self._pods.on_event(self._pod_changed)
        self._claims.on_event(self._claim_changed)

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        node = new["spec"].get("nodeName")
        if not node or not pod_claims(new):
            return
        before = (old["spec"].get("nodeName"), podlib.is_terminal(old)) if old is not None else None
        if kind != "MODIFIED" or before != (node, podlib.is_terminal(new)):
            self._controller.enqueue(node)

    def _claim_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        if old is None or old["spec"].get("volumeName") != new["spec"].get("volumeName"):
            for pod in self._pods.cache.by_index("claim", key_of(new)):
                if node := pod["spec"].get("nodeName"):
                    self._controller.enqueue(node)

    def _wanted(self, node: str) -> dict[str, tuple[Obj, str]]:
        """attachment name → (volume, driver) for what the node's pods need."""
        out = {}
        for pod in self._pods.cache.by_index("node", node):
            if podlib.is_terminal(pod):
                continue
            for key in pod_claims(pod):
                claim = self._claims.cache.get(key)
                volume = self._volumes.cache.get(claim["spec"].get("volumeName") or "") if claim is not None else None
                csi = volume["spec"].get("csi") if volume is not None else None
                if volume is None or not csi:
                    continue
                driver = self._drivers.cache.get(csi["driver"])
                if driver is not None and driver["spec"].get("attachRequired") is False:
                    continue
                out[attachment_name(csi["volumeHandle"], csi["driver"], node)] = (volume, csi["driver"])
        return out

    async def _sync(self, node: str) -> Result | None:
        wanted = self._wanted(node)
        present = {meta.name(a): a for a in self._attachments.cache.by_index("node", node)}
        in_use = set((self._nodes.cache.get(node) or {}).get("status", {}).get("volumesInUse") or ())
        for name in wanted.keys() - present.keys():
            volume, driver = wanted[name]
            spec = {"attacher": driver, "nodeName": node, "source": {"persistentVolumeName": meta.name(volume)}}
            body = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": name}, "spec": spec}
            with suppress(AlreadyExists):
                await self._client.create(ATTACHMENTS, body)
        busy = False
        for name in present.keys() - wanted.keys():
            if not name.startswith("csi-") or meta.deleting(present[name]):
                continue
            volume_name = (present[name]["spec"].get("source") or {}).get("persistentVolumeName", "")
            handle = self._handle(volume_name)
            if handle in in_use:
                # Still mounted: the kubelet will take it from volumesInUse when it is not.
                busy = True
                continue
            with suppress(NotFound):
                await self._client.delete(ATTACHMENTS, name)
        await self._report(node, wanted, present)
        return Result(after=self._period) if busy else None

    def _handle(self, volume_name: str) -> str:
        """The unique name by which kubelets know a CSI volume."""
        csi = (self._volumes.cache.get(volume_name) or {}).get("spec", {}).get("csi") or {}
        return f"kubernetes.io/csi/{csi.get('driver', '')}^{csi.get('volumeHandle', '')}"

    async def _report(self, name: str, wanted: dict[str, tuple[Obj, str]], present: dict[str, Obj]) -> None:
        """Write the attached volumes into the node's status."""
        node = self._nodes.cache.get(name)
        if node is None:
            return
        attached = [
            {"name": self._handle(meta.name(volume)), "devicePath": ""}
            for key, (volume, _) in sorted(wanted.items())
            if key in present and present[key].get("status", {}).get("attached")
        ]
        if attached != (node.get("status", {}).get("volumesAttached") or []):
            with suppress(NotFound):
                await self._client.patch("nodes", name, {"status": {"volumesAttached": attached or None}}, subresource="status")
