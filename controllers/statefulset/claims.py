"""The PersistentVolumeClaims of a StatefulSet's pods: made before the pod, owned as the retention policy says."""

from __future__ import annotations

from typing import Any

from controllers.statefulset import identity
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, Conflict, NotFound, StatusError
from kubepy.client import Client
from kubepy.runtime import EventRecorder, Informer

Obj = dict[str, Any]
PVCS = "persistentvolumeclaims"


def owners(statefulset: Obj, pod: Obj, claim: Obj, condemned: bool) -> list[Obj]:
    """The owner references that a claim should have (updateClaimOwnerRefForSetAndPod)."""
    policy = statefulset["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    by_set = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": meta.name(statefulset), "uid": meta.uid(statefulset)}
    by_pod = {"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod)}
    out = [r for r in meta.owner_references(claim) if r["uid"] not in (by_set["uid"], by_pod["uid"]) and not _is_old_pod(r, pod)]
    if condemned and policy.get("whenScaled") == "Delete":
        return [*out, by_pod]
    if policy.get("whenDeleted") == "Delete":
        return [*out, by_set]
    return out


def _is_old_pod(ref: Obj, pod: Obj) -> bool:
    return bool(ref["kind"] == "Pod" and ref["name"] == meta.name(pod))


class Claims:
    """Claim writes for one controller."""

    def __init__(self, client: Client, informer: Informer, recorder: EventRecorder) -> None:
        self._client, self._informer, self._recorder = client, informer, recorder

    async def ensure(self, statefulset: Obj, pod: Obj) -> None:
        """Make the claims that are missing. Raises StatusError."""
        for claim in identity.claims(statefulset, pod).values():
            present = self._informer.cache.get(f"{meta.namespace(claim)}/{meta.name(claim)}")
            if present is not None:
                if meta.deleting(present):
                    raise Conflict(f"pvc {meta.name(claim)} is being deleted")
                continue
            subject = f"Claim {meta.name(claim)} Pod {meta.name(pod)} in StatefulSet {meta.name(statefulset)}"
            try:
                await self._client.create(PVCS, claim)
            except AlreadyExists:
                continue
            except StatusError as e:
                self._recorder.event(statefulset, "Warning", "FailedCreate", f"Create {subject} failed error: {e}")
                raise
            self._recorder.event(statefulset, "Normal", "SuccessfulCreate", f"Create {subject} success")

    async def own(self, statefulset: Obj, pod: Obj) -> None:
        """Bring the owner references of a pod's claims in line with the retention policy."""
        policy = statefulset["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
        condemned = not identity.in_range(statefulset, pod)
        for wanted in identity.claims(statefulset, pod).values():
            claim = self._informer.cache.get(f"{meta.namespace(wanted)}/{meta.name(wanted)}")
            if claim is None:
                if "Delete" not in policy.values():
                    continue
                try:
                    claim = await self._client.get(PVCS, meta.name(wanted), meta.namespace(wanted))
                except NotFound:
                    continue
            refs = owners(statefulset, pod, claim, condemned)
            if refs != list(meta.owner_references(claim)):
                await self._client.update(PVCS, {**claim, "metadata": {**claim["metadata"], "ownerReferences": refs}})
