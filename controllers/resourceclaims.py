"""ResourceClaims of pods: made from templates, reserved and released with their users (pkg/controller/resourceclaim)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from controllers.common import pods as podlib
from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound, StatusError

Obj = dict[str, Any]

CLAIMS, TEMPLATES = "resourceclaims.resource.k8s.io", "resourceclaimtemplates.resource.k8s.io"
POD_CLAIM = "resource.kubernetes.io/pod-claim-name"
FINALIZER = "resource.kubernetes.io/delete-protection"


def start(ctx: Context) -> None:
    """Register the resource claim controller."""
    _ResourceClaims(ctx)


def claim_names(pod: Obj) -> dict[str, str]:
    """The pod's claims by their names in the pod: given ones, and made ones as far as the status tells."""
    made = {s["name"]: s.get("resourceClaimName") for s in pod.get("status", {}).get("resourceClaimStatuses") or ()}
    out = {}
    for entry in pod["spec"].get("resourceClaims") or ():
        name = entry.get("resourceClaimName") or made.get(entry["name"])
        if name:
            out[entry["name"]] = name
    return out


def _claims_of(pod: Obj) -> list[str]:
    return [f"{meta.namespace(pod)}/{name}" for name in claim_names(pod).values()]


def is_done(pod: Obj) -> bool:
    """Whether a pod needs its claims no more: it has ended, or goes without ever having had a node."""
    return podlib.is_terminal(pod) or (meta.deleting(pod) and not pod["spec"].get("nodeName"))


class _ResourceClaims:
    def __init__(self, ctx: Context) -> None:
        self._client = ctx.client
        self._recorder = ctx.recorder("resource_claim")
        self._pods, self._claims, self._templates = ctx.informer("pods"), ctx.informer(CLAIMS), ctx.informer(TEMPLATES)
        self._pods.cache.add_index("resourceclaim", _claims_of)
        self._claims.cache.add_index("controller", podlib.by_controller)
        self._makers = ctx.controller("resourceclaim-pods", self._sync_pod, workers=5)
        self._keepers = ctx.controller("resourceclaim", self._sync_claim, workers=5)
        for controller in (self._makers, self._keepers):
            controller.depends(self._pods, self._claims, self._templates)
        self._makers.watch(self._pods, only=lambda kind, old, new: kind != "DELETED" and bool(new["spec"].get("resourceClaims")))
        self._keepers.watch(self._claims)
        self._keepers.watch(self._pods, _claims_of)

    async def _sync_pod(self, key: str) -> None:
        pod = self._pods.cache.get(key)
        if pod is None or is_done(pod) or meta.deleting(pod):
            return
        known = {s["name"]: s for s in pod.get("status", {}).get("resourceClaimStatuses") or ()}
        statuses = dict(known)
        for entry in pod["spec"]["resourceClaims"]:
            if entry.get("resourceClaimTemplateName") and entry["name"] not in known:
                try:
                    statuses[entry["name"]] = {"name": entry["name"], "resourceClaimName": await self._make(pod, entry)}
                except StatusError as e:
                    text = f"PodResourceClaim {entry['name']}: {e}"
                    self._recorder.event(pod, "Warning", "FailedResourceClaimCreation", text)
                    raise
        if statuses != known:
            patch = {"metadata": {"uid": meta.uid(pod)}, "status": {"resourceClaimStatuses": list(statuses.values())}}
            await self._client.patch("pods", meta.name(pod), patch, meta.namespace(pod), type="strategic", subresource="status")

    async def _make(self, pod: Obj, entry: Obj) -> str:
        """The name of the claim made from a template for one entry of a pod."""
        for claim in self._claims.cache.by_index("controller", meta.uid(pod)):
            if meta.annotations(claim).get(POD_CLAIM) == entry["name"]:
                return meta.name(claim)
        namespace = meta.namespace(pod)
        template = await self._client.get(TEMPLATES, entry["resourceClaimTemplateName"], namespace)
        source = template["spec"].get("metadata") or {}
        annotations = {**(source.get("annotations") or {}), POD_CLAIM: entry["name"]}
        metadata: Obj = {
            "generateName": f"{meta.name(pod)}-{entry['name']}-", "annotations": annotations,
            "ownerReferences": [meta.controller_ref({"apiVersion": "v1", "kind": "Pod", **pod})],
        }  # fmt: skip
        if source.get("labels"):
            metadata["labels"] = source["labels"]
        body = {"apiVersion": template["apiVersion"], "kind": "ResourceClaim", "metadata": metadata, "spec": template["spec"]["spec"]}
        return meta.name(await self._client.create(CLAIMS, body, namespace))

    async def _sync_claim(self, key: str) -> None:
        """Release what is reserved for pods that are done, then the allocation; delete made claims of ended pods."""
        claim = self._claims.cache.get(key)
        if claim is None:
            return
        status = claim.get("status", {})
        reserved = status.get("reservedFor") or []
        kept = [c for c in reserved if await self._needed(claim, c)]
        new = {k: v for k, v in status.items() if k != "reservedFor"}
        if kept:
            new["reservedFor"] = kept
        drop = not kept and "allocation" in new and (len(kept) != len(reserved) or meta.deleting(claim))
        if drop:
            del new["allocation"]
        if new != status:
            with suppress(NotFound, Conflict):
                claim = await self._client.update_status(CLAIMS, {**claim, "status": new})
        if "allocation" not in new and FINALIZER in meta.finalizers(claim):
            finalizers = [f for f in meta.finalizers(claim) if f != FINALIZER]
            with suppress(NotFound, Conflict):
                await self._client.update(CLAIMS, {**claim, "metadata": {**claim["metadata"], "finalizers": finalizers}})
        await self._collect(claim, kept)

    async def _needed(self, claim: Obj, consumer: Obj) -> bool:
        if consumer.get("apiGroup") or consumer["resource"] != "pods":
            return True
        pod = self._pods.cache.get(f"{meta.namespace(claim)}/{consumer['name']}")
        if pod is None or meta.uid(pod) != consumer["uid"]:
            try:
                pod = await self._client.get("pods", consumer["name"], meta.namespace(claim))
            except NotFound:
                return False
        return meta.uid(pod) == consumer["uid"] and not is_done(pod)

    async def _collect(self, claim: Obj, kept: list[Obj]) -> None:
        ref = meta.controller_of(claim)
        if kept or meta.deleting(claim) or ref is None or ref["kind"] != "Pod" or POD_CLAIM not in meta.annotations(claim):
            return
        pod = self._pods.cache.get(f"{meta.namespace(claim)}/{ref['name']}")
        if pod is not None and meta.uid(pod) == ref["uid"] and is_done(pod):
            with suppress(NotFound):
                await self._client.delete(CLAIMS, meta.name(claim), meta.namespace(claim))
