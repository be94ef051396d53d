"""The size that a pod's controller wants: of the known kinds from caches, of any other from its scale subresource."""

from __future__ import annotations

from typing import Any

from controllers.common import pods
from controllers.common.resources import ResourceMap
from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import NotFound

Obj = dict[str, Any]


class Scales:
    """Finds (uid, replicas) of what controls a pod."""

    def __init__(self, ctx: Context, resources: ResourceMap) -> None:
        self._client, self._resources = ctx.client, resources
        self._sets, self._deployments = ctx.informer("replicasets.apps"), ctx.informer("deployments.apps")
        self._known = {
            "ReplicationController": ctx.informer("replicationcontrollers"), "StatefulSet": ctx.informer("statefulsets.apps"),
        }  # fmt: skip
        self.informers = [self._sets, self._deployments, *self._known.values()]
        self._sets.cache.add_index("controller", pods.by_controller)

    async def of(self, pod: Obj) -> tuple[str, int] | None:
        """The controller's uid and size; None when it has none or cannot be scaled."""
        ref = meta.controller_of(pod)
        if ref is None:
            return None
        key = f"{meta.namespace(pod)}/{ref['name']}"
        if ref["kind"] == "ReplicaSet" and ref["apiVersion"].startswith("apps/"):
            owner = self._sets.cache.get(key)
            if owner is None or meta.uid(owner) != ref["uid"]:
                return None
            above = meta.controller_of(owner)
            if above is not None and above["kind"] == "Deployment":
                deployment = self._deployments.cache.get(f"{meta.namespace(pod)}/{above['name']}")
                if deployment is None or meta.uid(deployment) != above["uid"]:
                    return None
                owner = deployment
            return meta.uid(owner), int(owner["spec"].get("replicas", 1))
        informer = self._known.get(ref["kind"])
        if informer is not None and ref["apiVersion"] in ("v1", "apps/v1"):
            owner = informer.cache.get(key)
            if owner is None or meta.uid(owner) != ref["uid"]:
                return None
            return meta.uid(owner), int(owner["spec"].get("replicas", 1))
        return await self._by_subresource(pod, ref)

    async def _by_subresource(self, pod: Obj, ref: Obj) -> tuple[str, int] | None:
        resource = self._resources.by_kind(ref["apiVersion"], ref["kind"])
        if resource is None:
            self._resources.invalidate()
            return None
        if resource.subresource("scale") is None:
            raise LookupError(f"{resource.plural}.{resource.group} does not implement the scale subresource")
        try:
            scale = await self._client.get(resource, ref["name"], meta.namespace(pod), subresource="scale")
        except NotFound:
            return None
        if meta.uid(scale) != ref["uid"]:
            return None
        return meta.uid(scale), int(scale["spec"].get("replicas", 0))
