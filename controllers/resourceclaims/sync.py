"""Makes the claims that pods' templates ask for; releases, frees and deletes claims that nobody uses (pkg/controller/resourceclaim)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from controllers.common import pods as podlib
from controllers.context import Context
from controllers.resourceclaims import plan
from kubepy.api import meta
from kubepy.api.errors import NotFound, StatusError
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]

CLAIMS, TEMPLATES = "resourceclaims.resource.k8s.io", "resourceclaimtemplates.resource.k8s.io"
MANAGER = "ResourceClaimController"
"""The field manager of pods' resourceClaimStatuses."""


def start(ctx: Context) -> None:
    """Register the resource claim controller."""
    _ResourceClaims(ctx)


class _ResourceClaims:
    def __init__(self, ctx: Context) -> None:
        self._client = ctx.client
        self._recorder = ctx.recorder("resource_claim")
        self._pods, self._claims, self._templates = ctx.informer("pods"), ctx.informer(CLAIMS), ctx.informer(TEMPLATES)
        self._pods.cache.add_index("resourceclaim", plan.claims_of)
        self._claims.cache.add_index("controller", podlib.by_controller)
        self._made: dict[tuple[str, str], str] = {}
        """(pod uid, entry) → the claim made for it, until the cache has it: it must not be made a second time."""
        self._makers = ctx.controller("resourceclaim-pods", self._sync_pod, workers=10)
        self._keepers = ctx.controller("resourceclaim", self._sync_claim, workers=10)
        for controller in (self._makers, self._keepers):
            controller.depends(self._pods, self._claims, self._templates)
        self._pods.on_event(self._pod_changed)
        self._claims.on_event(self._claim_changed)

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        claims = plan.claims_of(new)
        if kind == "DELETED" or plan.is_done(new):
            for key in claims:
                self._keepers.enqueue(key)
        if kind != "DELETED" and plan.entries(new) and plan.needs_work(new, self._claims.cache.get):
            self._makers.enqueue(key_of(new))

    def _claim_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        if (owner := plan.owning_pod(new)) is not None:
            self._made.pop((owner[1], meta.annotations(new).get(plan.POD_CLAIM, "")), None)
        if kind != "DELETED":
            self._keepers.enqueue(key_of(new))
        for pod in self._pods.cache.by_index("resourceclaim", key_of(new)):
            self._pod_changed("MODIFIED", None, pod)

    async def _sync_pod(self, key: str) -> None:
        pod = self._pods.cache.get(key)
        if pod is None or meta.deleting(pod) or plan.is_done(pod):
            return
        new: dict[str, str] = {}
        for entry in plan.entries(pod):
            try:
                await self._provide(pod, entry, new)
            except StatusError as e:
                self._recorder.event(pod, "Warning", "FailedResourceClaimCreation", f"PodResourceClaim {entry['name']}: {e}")
                raise
        if new:
            await self._tell(pod, new)
        elif pod["spec"].get("nodeName"):
            # The scheduler reserves claims, but for pods that were bound without it nobody did.
            await self._reserve(pod)

    async def _provide(self, pod: Obj, entry: Obj, new: dict[str, str]) -> None:
        """See that the claim of one entry is there; a claim made from a template is put into `new`."""
        template, namespace, name = entry.get("resourceClaimTemplateName"), meta.namespace(pod), entry["name"]
        if not template:
            return
        known = plan.made(pod)
        if name in known:
            if known[name] is None:
                return
            claim = self._claims.cache.get(f"{namespace}/{known[name]}")
            if claim is not None and plan.is_for_pod(pod, claim):
                return
        new[name] = self._orphan(pod, name) or await self._make(pod, name, template)

    def _orphan(self, pod: Obj, entry: str) -> str | None:
        """The claim that was made for the entry before the pod's status could tell of it."""
        for claim in self._claims.cache.by_index("controller", meta.uid(pod)):
            if meta.annotations(claim).get(plan.POD_CLAIM) == entry:
                return meta.name(claim)
        return self._made.get((meta.uid(pod), entry))

    async def _make(self, pod: Obj, entry: str, template_name: str) -> str:
        namespace = meta.namespace(pod)
        template = self._templates.cache.get(f"{namespace}/{template_name}")
        if template is None:
            missing = NotFound.of("resource.k8s.io", "resourceclaimtemplate", template_name)
            raise NotFound(f'resource claim template "{template_name}": {missing}')
        try:
            claim = await self._client.create(CLAIMS, plan.from_template(pod, entry, template), namespace)
        except StatusError as e:
            # Upstream prints the claim's name here, which at this time is still empty.
            raise StatusError(f"create ResourceClaim : {e}", details=e.details, reason=e.reason, code=e.status_code) from None
        self._made[meta.uid(pod), entry] = meta.name(claim)
        return meta.name(claim)

    async def _tell(self, pod: Obj, new: dict[str, str]) -> None:
        """Write the names of made claims into the pod's status, beside those it knows already."""
        known = {name: claim for name, claim in plan.made(pod).items() if claim is not None}
        statuses = [{"name": name, "resourceClaimName": claim} for name, claim in sorted({**known, **new}.items())]
        patch = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": meta.name(pod), "namespace": meta.namespace(pod)},
            "status": {"resourceClaimStatuses": statuses},
        }  # fmt: skip
        with suppress(NotFound):
            await self._client.patch(
                "pods", meta.name(pod), patch, meta.namespace(pod), type="apply", subresource="status", field_manager=MANAGER, force=True
            )

    async def _reserve(self, pod: Obj) -> None:
        for key in plan.claims_of(pod):
            claim = self._claims.cache.get(key)
            if claim is None:
                return
            if plan.must_reserve(pod, claim):
                await self._client.update_status(CLAIMS, plan.reserved_for(claim, pod))

    async def _sync_claim(self, key: str) -> None:
        """Release what is reserved for pods that are done, then the allocation; delete made claims of ended pods."""
        claim = self._claims.cache.get(key)
        if claim is None:
            return
        kept = [c for c in claim.get("status", {}).get("reservedFor") or () if await self._needed(claim, c)]
        current = claim
        # Updates, not patches: each must fail when anything has changed meanwhile.
        with suppress(NotFound):
            less = plan.released(claim, kept)
            if less is not None:
                current = await self._client.update_status(CLAIMS, less)
            free = plan.unprotected(current, less is not None)
            if free is not None:
                await self._client.update(CLAIMS, free)
        owner = plan.owning_pod(claim)
        pod = self._pods.cache.get(owner[0]) if owner is not None and not kept else None
        # An owner that is not known may be new; of one that is gone the garbage collector takes care.
        if owner is not None and pod is not None and not meta.deleting(claim) and (meta.uid(pod) != owner[1] or plan.is_done(pod)):
            with suppress(NotFound):
                await self._client.delete(CLAIMS, meta.name(claim), meta.namespace(claim))

    async def _needed(self, claim: Obj, consumer: Obj) -> bool:
        """Whether a reservation stands: its pod may still run, or it is not a pod's."""
        if consumer.get("apiGroup") or consumer["resource"] != "pods":
            return True
        pod = self._pods.cache.get(f"{meta.namespace(claim)}/{consumer['name']}")
        if pod is None:
            # Not in the cache yet, perhaps: only the server knows.
            try:
                pod = await self._client.get("pods", consumer["name"], meta.namespace(claim))
            except NotFound:
                return False
        return meta.uid(pod) == consumer["uid"] and not plan.is_done(pod)
