"""The persistent volume binder: pairs claims with volumes, and follows both until they go (pv_controller.go)."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

from controllers.common import pods
from controllers.context import Context
from controllers.volumes import match
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of
from kubepy.runtime.events import reference

Obj = dict[str, Any]

VOLUMES, CLAIMS, CLASSES = "persistentvolumes", "persistentvolumeclaims", "storageclasses.storage.k8s.io"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
GATHER_SECONDS = 1.0
"""How long claims wait for further volumes after one became available, so that the best of several that come together is taken."""


def start(ctx: Context) -> None:
    """Register the binder."""
    _Binder(ctx)


def pod_claims(pod: Obj) -> list[str]:
    """Index function: `namespace/claim` of every claim a pod mounts, its ephemeral ones too."""
    namespace, out = meta.namespace(pod), []
    for volume in pod.get("spec", {}).get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            out.append(f"{namespace}/{claim['claimName']}")
        elif "ephemeral" in volume:
            out.append(f"{namespace}/{meta.name(pod)}-{volume['name']}")
    return out


def _by_class(volume: Obj) -> tuple[str, ...]:
    return (match.volume_class(volume),)


def _reserved(volume: Obj) -> tuple[str, ...]:
    ref = volume["spec"].get("claimRef")
    return (f"{ref.get('namespace')}/{ref.get('name')}",) if ref else ()


def _named(claim: Obj) -> tuple[str, ...]:
    name = claim["spec"].get("volumeName")
    return (name,) if name else ()


def _class_pending(claim: Obj) -> tuple[str, ...]:
    return () if claim["spec"].get("volumeName") else (match.claim_class(claim),)


class _Binder:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._recorder = ctx.recorder("persistentvolume-controller")
        self._volumes, self._claims, self._classes = ctx.informer(VOLUMES), ctx.informer(CLAIMS), ctx.informer(CLASSES)
        self._pods = ctx.informer("pods")
        self._volumes.cache.add_index("class", _by_class)
        self._volumes.cache.add_index("reserved", _reserved)
        self._claims.cache.add_index("volume", _named)
        self._claims.cache.add_index("pending", _class_pending)
        self._pods.cache.add_index("claim", pod_claims)
        self._lock = asyncio.Lock()
        """One decision at a time: two claims must not take one volume."""
        self._taken: dict[str, str] = {}
        """Volume → resourceVersion of a write of ours that the cache does not show yet."""
        self._claim_controller = ctx.controller("persistentvolume-claims", self._sync_claim, workers=1)
        self._volume_controller = ctx.controller("persistentvolume-volumes", self._sync_volume, workers=1)
        for controller in (self._claim_controller, self._volume_controller):
            controller.depends(self._volumes, self._claims, self._classes, self._pods)
        self._claims.on_event(self._claim_changed)
        self._volumes.on_event(self._volume_changed)
        self._classes.on_event(self._class_changed)

    def _claim_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        key = key_of(new)
        if kind != "DELETED":
            self._claim_controller.enqueue(key)
        if name := new["spec"].get("volumeName"):
            self._volume_controller.enqueue(name)
        if kind == "DELETED":
            for volume in self._volumes.cache.by_index("reserved", key):
                self._volume_controller.enqueue(meta.name(volume))

    def _volume_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        name = meta.name(new)
        if kind == "DELETED" or self._taken.get(name) == meta.resource_version(new):
            self._taken.pop(name, None)
        if kind != "DELETED":
            self._volume_controller.enqueue(name)
        for claim in self._claims.cache.by_index("volume", name):
            self._claim_controller.enqueue(key_of(claim))
        if ref := new["spec"].get("claimRef"):
            self._claim_controller.enqueue(f"{ref.get('namespace')}/{ref.get('name')}")
        elif new.get("status", {}).get("phase") == "Available":
            for claim in self._claims.cache.by_index("pending", match.volume_class(new)):
                self._claim_controller.enqueue(key_of(claim), after=GATHER_SECONDS)

    def _class_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        for claim in self._claims.cache.by_index("pending", meta.name(new)):
            self._claim_controller.enqueue(key_of(claim))

    # Claims

    async def _sync_claim(self, key: str) -> Result | None:
        claim = self._claims.cache.get(key)
        if claim is None:
            return None
        async with self._lock:
            if match.BIND_COMPLETED in meta.annotations(claim):
                return await self._bound_claim(claim)
            return await self._unbound_claim(claim)

    async def _unbound_claim(self, claim: Obj) -> Result | None:
        name = claim["spec"].get("volumeName")
        if name:
            return await self._requested_volume(claim, self._volumes.cache.get(name))
        delay = self._delays(claim)
        cache = self._volumes.cache
        candidates = cache.by_index("class", match.claim_class(claim)) + cache.by_index("reserved", key_of(claim))
        volume = match.best(claim, [v for v in candidates if meta.name(v) not in self._taken], delay)
        if volume is not None:
            await self._bind(volume, claim)
            return None
        if delay:
            self._say_waiting(claim)
        elif match.claim_class(claim):
            await self._provision(claim)
            return None
        else:
            text = "no persistent volumes available for this claim and no storage class is set"
            self._recorder.event(claim, "Normal", "FailedBinding", text)
        await self._claim_status(claim, "Pending", None)
        return None

    def _delays(self, claim: Obj) -> bool:
        """Whether binding waits for a pod: the class says so and the scheduler has not chosen a node yet."""
        if match.SELECTED_NODE in meta.annotations(claim):
            return False
        found = self._classes.cache.get(match.claim_class(claim))
        return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"

    def _say_waiting(self, claim: Obj) -> None:
        users = [p for p in self._pods.cache.by_index("claim", key_of(claim)) if not p["spec"].get("nodeName")]
        if users:
            names = ",".join(sorted(meta.name(p) for p in users))
            plural = "pod" if len(users) == 1 else "pods"
            self._recorder.event(claim, "Normal", "WaitForPodScheduled", f"waiting for {plural} {names} to be scheduled")
        else:
            text = "waiting for first consumer to be created before binding"
            self._recorder.event(claim, "Normal", "WaitForFirstConsumer", text)

    async def _requested_volume(self, claim: Obj, volume: Obj | None) -> Result | None:
        if volume is None:
            await self._claim_status(claim, "Pending", None)
        elif volume["spec"].get("claimRef") is None:
            why = match.mismatch(volume, claim)
            if why is None:
                await self._bind(volume, claim)
            else:
                text = f'Cannot bind to requested volume "{meta.name(volume)}": {why}'
                self._recorder.event(claim, "Warning", "VolumeMismatch", text)
                await self._claim_status(claim, "Pending", None)
        elif match.is_bound_to(volume, claim):
            await self._bind(volume, claim)
        else:
            if match.BOUND_BY_CONTROLLER not in meta.annotations(claim):
                text = f'volume "{meta.name(volume)}" already bound to a different claim.'
                self._recorder.event(claim, "Warning", "FailedBinding", text)
            await self._claim_status(claim, "Pending", None)
        return None

    async def _bound_claim(self, claim: Obj) -> Result | None:
        name = claim["spec"].get("volumeName")
        volume = self._volumes.cache.get(name or "")
        if not name:
            await self._lost(claim, "ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!")
        elif volume is None:
            await self._lost(claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
        elif volume["spec"].get("claimRef") is None or volume["spec"]["claimRef"].get("uid") == meta.uid(claim):
            await self._bind(volume, claim)
        else:
            await self._lost(claim, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")
        return None

    async def _lost(self, claim: Obj, reason: str, text: str) -> None:
        if claim.get("status", {}).get("phase") != "Lost":
            await self._claim_status(claim, "Lost", None)
            self._recorder.event(claim, "Warning", reason, text)

    async def _provision(self, claim: Obj) -> None:
        """Leave the claim to its class's provisioner, which finds its name in an annotation."""
        name = match.claim_class(claim)
        found = self._classes.cache.get(name)
        if found is None:
            self._recorder.event(claim, "Warning", "ProvisioningFailed", f'storageclass.storage.k8s.io "{name}" not found')
            await self._claim_status(claim, "Pending", None)
            return
        provisioner = match.MIGRATED.get(found["provisioner"], found["provisioner"])
        if provisioner == NO_PROVISIONER:
            text = f"no volume plugin matched name: {provisioner}"
            self._recorder.event(claim, "Warning", "ProvisioningFailed", text)
            await self._claim_status(claim, "Pending", None)
            return
        wanted = {match.PROVISIONER: provisioner, match.BETA_PROVISIONER: provisioner}
        if any(meta.annotations(claim).get(k) != v for k, v in wanted.items()):
            annotations = {**meta.annotations(claim), **wanted}
            claim = await self._client.update(CLAIMS, {**claim, "metadata": {**claim["metadata"], "annotations": annotations}})
        text = (
            f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system "
            "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        )
        self._recorder.event(claim, "Normal", "ExternalProvisioning", text)
        await self._claim_status(claim, "Pending", None)

    # Volumes

    async def _sync_volume(self, name: str) -> Result | None:
        volume = self._volumes.cache.get(name)
        if volume is None or name in self._taken:
            return None
        async with self._lock:
            ref = volume["spec"].get("claimRef")
            if ref is None or not ref.get("uid"):
                await self._volume_phase(volume, "Available")
                return None
            claim = await self._claim_of(ref)
            if claim is None:
                await self._released(volume)
            elif not claim["spec"].get("volumeName"):
                self._claim_controller.enqueue(key_of(claim))
            elif claim["spec"]["volumeName"] == name:
                await self._volume_phase(volume, "Bound")
            elif match.PROVISIONED_BY in meta.annotations(volume) and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
                await self._released(volume)
            else:
                await self._unbind(volume)
        return None

    async def _claim_of(self, ref: Obj) -> Obj | None:
        """The claim that a claimRef names, if it is that very one; asked of the server before it is called missing."""
        claim = self._claims.cache.get(f"{ref['namespace']}/{ref['name']}")
        if claim is None or meta.uid(claim) != ref["uid"]:
            try:
                claim = await self._client.get(CLAIMS, ref["name"], ref["namespace"])
            except NotFound:
                return None
        return claim if meta.uid(claim) == ref["uid"] else None

    async def _released(self, volume: Obj) -> None:
        if volume.get("status", {}).get("phase") not in ("Released", "Failed"):
            volume = await self._volume_phase(volume, "Released")
        policy = volume["spec"].get("persistentVolumeReclaimPolicy", "Retain")
        if policy == "Retain" or match.is_external(volume) or volume.get("status", {}).get("phase") == "Failed":
            return
        if policy == "Delete" and "hostPath" in volume["spec"]:
            path = volume["spec"]["hostPath"]["path"]
            if match.is_scratch(path):
                await asyncio.to_thread(shutil.rmtree, path, True)
                await self._delete_volume(volume)
                return
            reason, text = "VolumeFailedDelete", f"host_path deleter only supports /tmp/.+ but received provided {path}"
        elif policy == "Delete":
            text = f'error getting deleter volume plugin for volume "{meta.name(volume)}": no deletable volume plugin matched'
            reason = "VolumeFailedDelete"
        else:
            text, reason = "No recycler plugin found for the volume!", "VolumeFailedRecycle"
        await self._volume_phase(volume, "Failed", text)
        self._recorder.event(volume, "Warning", reason, text)

    async def _delete_volume(self, volume: Obj) -> None:
        try:
            await self._client.delete(VOLUMES, meta.name(volume))
        except NotFound:
            return

    async def _unbind(self, volume: Obj) -> None:
        """Free a volume of a claim that took another one."""
        annotations = dict(meta.annotations(volume))
        spec = dict(volume["spec"])
        if annotations.pop(match.BOUND_BY_CONTROLLER, None) is not None:
            del spec["claimRef"]
        else:
            spec["claimRef"] = {k: v for k, v in spec["claimRef"].items() if k != "uid"}
        body = {**volume, "metadata": {**volume["metadata"], "annotations": annotations}, "spec": spec}
        await self._volume_phase(await self._write_volume(body), "Available")

    # Writes

    async def _bind(self, volume: Obj, claim: Obj) -> None:
        """The four writes of a binding, each only where it changes something: the volume, its phase, the claim, its status."""
        volume = await self._bind_volume(volume, claim)
        volume = await self._volume_phase(volume, "Bound")
        annotations = dict(meta.annotations(claim))
        spec = claim["spec"]
        if spec.get("volumeName") != meta.name(volume):
            spec = {**spec, "volumeName": meta.name(volume)}
            annotations[match.BOUND_BY_CONTROLLER] = "yes"
        annotations[match.BIND_COMPLETED] = "yes"
        if spec is not claim["spec"] or annotations != meta.annotations(claim):
            body = {**claim, "metadata": {**claim["metadata"], "annotations": annotations}, "spec": spec}
            claim = await self._client.update(CLAIMS, body)
        await self._claim_status(claim, "Bound", volume)

    async def _bind_volume(self, volume: Obj, claim: Obj) -> Obj:
        ref = volume["spec"].get("claimRef")
        if ref is not None and ref.get("uid") == meta.uid(claim):
            return volume
        annotations = dict(meta.annotations(volume))
        if not match.is_bound_to(volume, claim):
            annotations[match.BOUND_BY_CONTROLLER] = "yes"
        body = {
            **volume, "metadata": {**volume["metadata"], "annotations": annotations},
            "spec": {**volume["spec"], "claimRef": reference(claim)},
        }  # fmt: skip
        return await self._write_volume(body)

    async def _write_volume(self, body: Obj) -> Obj:
        written = await self._client.update(VOLUMES, body)
        cached = self._volumes.cache.get(meta.name(written))
        if cached is None or meta.resource_version(cached) != meta.resource_version(written):
            self._taken[meta.name(written)] = meta.resource_version(written)
        return written

    async def _volume_phase(self, volume: Obj, phase: str, message: str = "") -> Obj:
        status = volume.get("status", {})
        if status.get("phase") == phase and status.get("message", "") == message:
            return volume
        new = {**{k: v for k, v in status.items() if k != "message"}, "phase": phase, **({"message": message} if message else {})}
        written = await self._client.update_status(VOLUMES, {**volume, "status": new})
        if meta.name(written) in self._taken:
            self._taken[meta.name(written)] = meta.resource_version(written)
        return written

    async def _claim_status(self, claim: Obj, phase: str, volume: Obj | None) -> None:
        status = claim.get("status", {})
        new: Obj = {**status, "phase": phase}
        if volume is None:
            new.pop("accessModes", None)
            new.pop("capacity", None)
        else:
            new["accessModes"] = volume["spec"].get("accessModes") or []
            if status.get("phase") != phase or not status.get("capacity"):
                new["capacity"] = volume["spec"].get("capacity") or {}
        if not pods.same(new, status):
            await self._client.update_status(CLAIMS, {**claim, "status": new})
