"""VolumeAttachments for CSI volumes of pods on nodes, and what nodes have attached (pkg/controller/volume/attachdetach).

Only CSI drivers that want attachment take part; folders and the like are never attached.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from controllers.attachdetach import plan
from controllers.attachdetach.plan import Wanted
from controllers.common import pods as podlib
from controllers.context import Context
from controllers.volumes.binder import CLAIMS, VOLUMES, pod_claims
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, NotFound
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]

ATTACHMENTS, DRIVERS = "volumeattachments.storage.k8s.io", "csidrivers.storage.k8s.io"
_OURS = re.compile(r"csi-[0-9a-f]{64}")


def start(ctx: Context) -> None:
    """Register the attach-detach controller."""
    _AttachDetach(ctx)


def _node(attachment: Obj) -> tuple[str, ...]:
    return (str(attachment["spec"]["nodeName"]),)


def _volume(attachment: Obj) -> tuple[str, ...]:
    name = (attachment["spec"].get("source") or {}).get("persistentVolumeName")
    return (name,) if name else ()


class _AttachDetach:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._period = ctx.options.attach_detach_reconcile_sync_period
        self._on_timeout = not ctx.options.disable_force_detach_on_timeout
        self._recorder = ctx.recorder("attachdetach-controller")
        self._pods, self._claims, self._volumes = ctx.informer("pods"), ctx.informer(CLAIMS), ctx.informer(VOLUMES)
        self._attachments, self._drivers, self._nodes = ctx.informer(ATTACHMENTS), ctx.informer(DRIVERS), ctx.informer("nodes")
        self._pods.cache.add_index("node", podlib.by_node)
        self._pods.cache.add_index("claim", pod_claims)
        self._attachments.cache.add_index("node", _node)
        self._attachments.cache.add_index("volume", _volume)
        self._unneeded: dict[str, float] = {}
        """attachment → since when no pod needs it."""
        self._handles: dict[str, str] = {}
        """attachment → what kubelets call its volume, known even when the volume is gone."""
        self._reported: dict[str, str] = {}
        """attachment that cannot be made, as another node has the volume → its node; its pods were told."""
        self._attaching: dict[str, str] = {}
        """exclusive volume → node for which an attachment is made, until the cache has it."""
        self._controller = ctx.controller("attach-detach", self._sync, workers=4)
        self._controller.depends(self._pods, self._claims, self._volumes, self._drivers, self._attachments)
        self._controller.watch(self._nodes)
        self._pods.on_event(self._pod_changed)
        self._claims.on_event(self._claim_changed)
        self._attachments.on_event(self._attachment_changed)

    # What happens.

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        node = new["spec"].get("nodeName")
        if not node or not pod_claims(new):
            return
        before = (old["spec"].get("nodeName"), plan.is_terminated(old)) if old is not None else None
        if kind != "MODIFIED" or before != (node, plan.is_terminated(new)):
            self._controller.enqueue(node)

    def _claim_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        if old is None or _binding(old) != _binding(new):
            self._enqueue_users(key_of(new))

    def _enqueue_users(self, claim: str) -> None:
        for pod in self._pods.cache.by_index("claim", claim):
            if node := pod["spec"].get("nodeName"):
                self._controller.enqueue(node)

    def _attachment_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        name, node = meta.name(new), new["spec"]["nodeName"]
        for volume in _volume(new):
            self._attaching.pop(volume, None)
            if kind != "MODIFIED" and (found := self._volumes.cache.get(volume)) is not None and (ref := found["spec"].get("claimRef")):
                # Other nodes wait for it, or have to be told.
                self._enqueue_users(f"{ref['namespace']}/{ref['name']}")
        if kind == "DELETED":
            self._handles.pop(name, None)
            self._unneeded.pop(name, None)
        elif old is not None:
            self._tell(old, new)
        self._controller.enqueue(node)

    def _tell(self, old: Obj, new: Obj) -> None:
        """Tell the pods that wait for a volume how it went."""
        error = plan.attach_error(new)
        done = plan.is_attached(new) and not plan.is_attached(old)
        if not done and (error is None or error == plan.attach_error(old)):
            return
        node = self._nodes.cache.get(new["spec"]["nodeName"])
        entry = self._wanted(node).get(meta.name(new)) if node is not None else None
        for pod in entry.pods if entry is not None else ():
            volume = meta.name(entry.volume) if entry is not None else ""
            if done:
                self._recorder.event(pod, "Normal", "SuccessfulAttachVolume", plan.succeeded(volume))
            else:
                self._recorder.event(pod, "Warning", "FailedAttachVolume", plan.failed(volume, error or ""))

    # What is to be done.

    def _wanted(self, node: Obj) -> dict[str, Wanted]:
        pods = self._pods.cache.by_index("node", meta.name(node))
        return plan.wanted(node, pods, self._claims.cache.get, self._volumes.cache.get, self._drivers.cache.get)

    async def _sync(self, name: str) -> Result | None:
        node = self._nodes.cache.get(name)
        if node is not None and not plan.is_managed(node):
            return None
        wanted = self._wanted(node) if node is not None else {}
        present = {meta.name(a): a for a in self._attachments.cache.by_index("node", name) if _OURS.fullmatch(meta.name(a))}
        for attachment in present.values():
            self._learn(attachment)
        for key in wanted:
            self._unneeded.pop(key, None)
        for key in [k for k, where in self._reported.items() if where == name and k not in wanted]:
            del self._reported[key]
        useless = [key for key in present.keys() - wanted.keys() if not meta.deleting(present[key])]
        going, after = self._detachable(node, useless)
        if node is not None:
            # The kubelet must not mount what is about to be detached.
            await self._report(node, {k: a for k, a in present.items() if k not in going and (k in wanted or not meta.deleting(a))})
        for key in sorted(going):
            with suppress(NotFound):
                await self._client.delete(ATTACHMENTS, key)
        for key in sorted(wanted.keys() - present.keys()):
            await self._attach(key, wanted[key], name)
        return Result(after=after) if after is not None else None

    def _learn(self, attachment: Obj) -> None:
        for name in _volume(attachment):
            volume = self._volumes.cache.get(name)
            if volume is not None and "csi" in volume["spec"]:
                self._handles[meta.name(attachment)] = plan.unique_name(volume)

    def _detachable(self, node: Obj | None, useless: Collection[str]) -> tuple[set[str], float | None]:
        """Those of the attachments that may go now, and in how many seconds to look again at the others."""
        now, going, after = self._clock.time(), set(), None
        in_use = (node or {}).get("status", {}).get("volumesInUse") or ()
        for key in useless:
            waited = now - self._unneeded.setdefault(key, now)
            if self._handles.get(key) in in_use and not plan.may_force(node, waited, on_timeout=self._on_timeout):
                left = plan.MAX_WAIT_FOR_UNMOUNT - waited
                after = min(self._period, left + 0.1 if left > 0 else self._period, after or self._period)
            else:
                going.add(key)
        return going, after

    async def _attach(self, key: str, entry: Wanted, node: str) -> None:
        volume = meta.name(entry.volume)
        if entry.exclusive:
            others = [a for a in self._attachments.cache.by_index("volume", volume) if a["spec"]["nodeName"] != node]
            if others or self._attaching.setdefault(volume, node) != node:
                self._refuse(key, entry, others, node)
                return
        self._reported.pop(key, None)
        spec = {"attacher": entry.driver, "nodeName": node, "source": {"persistentVolumeName": volume}}
        body = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": key}, "spec": spec}
        try:
            await self._client.create(ATTACHMENTS, body)
        except AlreadyExists:
            return
        except BaseException:
            self._attaching.pop(volume, None)
            raise

    def _refuse(self, key: str, entry: Wanted, others: list[Obj], name: str) -> None:
        """Tell pods, once, that another node keeps their volume. Of one that lets go of it they need not hear."""
        users: list[Obj] = []
        kept = False
        for attachment in others:
            node = self._nodes.cache.get(attachment["spec"]["nodeName"])
            if node is None or meta.deleting(attachment):
                continue
            theirs = self._wanted(node).get(meta.name(attachment))
            users += theirs.pods if theirs is not None else ()
            in_use = node.get("status", {}).get("volumesInUse") or ()
            kept = kept or theirs is not None or self._handles.get(meta.name(attachment)) in in_use
        if not kept or key in self._reported:
            return
        self._reported[key] = name
        for pod in entry.pods:
            text = plan.multi_attach(meta.name(entry.volume), meta.namespace(pod), users)
            self._recorder.event(pod, "Warning", "FailedAttachVolume", text)

    async def _report(self, node: Obj, held: dict[str, Obj]) -> None:
        """Write the attached volumes into the node's status."""
        names = sorted(self._handles[key] for key, attachment in held.items() if plan.is_attached(attachment) and key in self._handles)
        attached = [{"name": name, "devicePath": ""} for name in names]
        if attached != (node.get("status", {}).get("volumesAttached") or []):
            with suppress(NotFound):
                patch = {"status": {"volumesAttached": attached or None}}
                await self._client.patch("nodes", meta.name(node), patch, subresource="status")


def _binding(claim: Obj) -> tuple[Any, Any]:
    return claim["spec"].get("volumeName"), claim.get("status", {}).get("phase")
