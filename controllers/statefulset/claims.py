"""The PersistentVolumeClaims of a StatefulSet's pods: made before the pod, owned as the retention policy says."""

from __future__ import annotations

from typing import Any

from controllers.statefulset import identity, retention
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, NotFound, StatusError
from kubepy.client import Client
from kubepy.runtime import EventRecorder, Informer

Obj = dict[str, Any]
PVCS = "persistentvolumeclaims"


class ClaimError(Exception):
    """What is wrong with a pod's claims, in upstream's words."""


class Claims:
    """Claim writes for one controller."""

    def __init__(self, client: Client, informer: Informer, recorder: EventRecorder) -> None:
        self._client, self._informer, self._recorder = client, informer, recorder

    async def ensure(self, statefulset: Obj, pod: Obj) -> None:
        """Make the claims that are missing. Raises ClaimError after all were tried."""
        failures: list[str] = []
        for claim in identity.claims(statefulset, pod).values():
            name = meta.name(claim)
            if (present := self._cached(claim)) is not None:
                if meta.deleting(present):
                    failures.append(f"pvc {name} is being deleted")
                continue
            subject = f"Pod {meta.name(pod)} in StatefulSet {meta.name(statefulset)}"
            try:
                await self._client.create(PVCS, claim)
            except StatusError as e:
                failures.append(f"failed to create PVC {name}: {e}")
                if not isinstance(e, AlreadyExists):
                    text = f"Create Claim {name} for {subject} failed error: {e}"
                    self._recorder.event(statefulset, "Warning", "FailedCreate", text)
            else:
                self._recorder.event(statefulset, "Normal", "SuccessfulCreate", f"Create Claim {name} {subject} success")
        if failures:
            raise ClaimError(failures[0] if len(failures) == 1 else f"[{', '.join(failures)}]")

    def are_stale(self, statefulset: Obj, pod: Obj) -> bool:
        """Whether a claim still belongs to a former pod and goes with it: the pod must wait (PodClaimIsStale)."""
        if not retention.deletes(statefulset, "whenScaled"):
            return False
        present = map(self._cached, identity.claims(statefulset, pod).values())
        return any(claim is not None and retention.is_stale(claim, pod) for claim in present)

    def are_owned(self, statefulset: Obj, pod: Obj) -> bool:
        """Whether the pod's claims have the owners that the retention policy wants, as far as the cache knows them."""
        present = map(self._cached, identity.claims(statefulset, pod).values())
        return all(claim is None or retention.is_up_to_date(statefulset, pod, claim) for claim in present)

    async def own(self, statefulset: Obj, pod: Obj) -> None:
        """Bring the owner references of a pod's claims in line with the retention policy. Raises ClaimError."""
        for wanted in identity.claims(statefulset, pod).values():
            name = meta.name(wanted)
            claim = self._cached(wanted)
            if claim is None:
                if not any(retention.deletes(statefulset, when) for when in ("whenDeleted", "whenScaled")):
                    continue
                try:
                    claim = await self._client.get(PVCS, name, meta.namespace(wanted))
                except NotFound:
                    continue
            if retention.is_foreign(statefulset, pod, claim):
                text = (
                    f"PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a manging controller, "
                    "the retention policy is ignored for this claim"
                )
                self._recorder.event(statefulset, "Warning", "ConflictingController", text)
            if retention.is_up_to_date(statefulset, pod, claim):
                continue
            refs = retention.owners(statefulset, pod, claim)
            try:
                await self._client.update(PVCS, {**claim, "metadata": {**claim["metadata"], "ownerReferences": refs}})
            except StatusError as e:
                raise ClaimError(f"could not update claim {name} for delete policy ownerRefs: {e}") from e

    def _cached(self, claim: Obj) -> Obj | None:
        return self._informer.cache.get(f"{meta.namespace(claim)}/{meta.name(claim)}")
