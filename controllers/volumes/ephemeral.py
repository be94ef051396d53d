"""Claims for the ephemeral volumes of pods: named after pod and volume, owned by the pod (pkg/controller/volume/ephemeral)."""

from __future__ import annotations

from typing import Any

from controllers.context import Context
from controllers.volumes.binder import CLAIMS
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, StatusError

Obj = dict[str, Any]


def claim_for(pod: Obj, volume: Obj) -> Obj:
    """The claim of one ephemeral volume."""
    template = volume["ephemeral"]["volumeClaimTemplate"]
    source = template.get("metadata") or {}
    owner = {**meta.controller_ref({"apiVersion": "v1", "kind": "Pod", **pod})}
    metadata: Obj = {"name": f"{meta.name(pod)}-{volume['name']}", "namespace": meta.namespace(pod), "ownerReferences": [owner]}
    for key in ("labels", "annotations"):
        if source.get(key):
            metadata[key] = source[key]
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}


def start(ctx: Context) -> None:
    """Register the ephemeral volume controller."""
    pods, claims = ctx.informer("pods"), ctx.informer(CLAIMS)
    recorder = ctx.recorder("ephemeral_volume")

    async def reconcile(key: str) -> None:
        pod = pods.cache.get(key)
        if pod is None or meta.deleting(pod):
            return
        for volume in pod["spec"].get("volumes") or ():
            if "ephemeral" not in volume:
                continue
            body = claim_for(pod, volume)
            present = claims.cache.get(f"{meta.namespace(body)}/{meta.name(body)}")
            if present is None:
                try:
                    await ctx.client.create(CLAIMS, body)
                    continue
                except AlreadyExists:
                    present = await ctx.client.get(CLAIMS, meta.name(body), meta.namespace(body))
                except StatusError as e:
                    text = f"ephemeral volume {volume['name']}: create PVC {meta.name(body)}: {e}"
                    recorder.event(pod, "Warning", "FailedBinding", text)
                    raise
            if not meta.is_controlled_by(present, pod):
                text = f"PVC {meta.namespace(body)}/{meta.name(body)} was not created for pod {key} (pod is not owner)"
                recorder.event(pod, "Warning", "FailedBinding", f"ephemeral volume {volume['name']}: {text}")

    def has_ephemeral(kind: str, old: Obj | None, new: Obj) -> bool:
        return kind == "ADDED" and any("ephemeral" in v for v in new.get("spec", {}).get("volumes") or ())

    controller = ctx.controller("ephemeral-volume", reconcile, workers=5)
    controller.watch(pods, only=has_ephemeral)
    controller.depends(claims)

    def gone(kind: str, old: Obj | None, new: Obj) -> None:
        """A claim that a running pod owns was deleted: make it again."""
        ref = meta.controller_of(new)
        if kind == "DELETED" and ref is not None and ref["kind"] == "Pod":
            controller.enqueue(f"{meta.namespace(new)}/{ref['name']}")

    claims.on_event(gone)
