"""Evicts pods from nodes with NoExecute taints, at once or when their tolerations end (pkg/controller/tainteviction)."""

from __future__ import annotations

from typing import Any

from controllers.common import pods
from controllers.context import Context
from controllers.nodes.taints import tolerated_for
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.runtime.cache import key_of
from kubepy.runtime.clock import format_time

Obj = dict[str, Any]

CONDITION = {
    "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
    "message": "Taint manager: deleting due to NoExecute taint",
}  # fmt: skip


def start(ctx: Context) -> None:
    """Register the taint eviction controller."""
    _Eviction(ctx)


class _Eviction:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._recorder = ctx.recorder("taint-eviction-controller")
        self._nodes, self._pods = ctx.informer("nodes"), ctx.informer("pods")
        self._pods.cache.add_index("node", pods.by_node)
        self._since: dict[str, float] = {}
        """When a pod's eviction was decided on, by key: its tolerations count from then."""
        self._controller = ctx.controller("taint-eviction", self._sync, workers=8)
        self._controller.depends(self._nodes, self._pods)
        self._nodes.on_event(self._node_changed)
        self._pods.on_event(self._pod_changed)

    def _node_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        before = _no_execute(old) if old is not None else []
        after = _no_execute(new) if kind != "DELETED" else []
        if before != after:
            for pod in self._pods.cache.by_index("node", meta.name(new)):
                self._controller.enqueue(key_of(pod))

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        key = key_of(new)
        if kind == "DELETED":
            self._cancel(key, new)
            return
        if old is not None and old["spec"].get("nodeName") == new["spec"].get("nodeName"):
            same = old["spec"].get("tolerations") == new["spec"].get("tolerations")
            if same:
                return
        node = self._nodes.cache.get(new["spec"].get("nodeName") or "")
        if key in self._since or (node is not None and _no_execute(node)):
            self._controller.enqueue(key)

    async def _sync(self, key: str) -> None:
        pod = self._pods.cache.get(key)
        if pod is None:
            self._since.pop(key, None)
            return
        node = self._nodes.cache.get(pod["spec"].get("nodeName") or "")
        active = _no_execute(node) if node is not None else []
        limit = tolerated_for(active, pod["spec"].get("tolerations") or ()) if active else None
        if limit is None:
            self._cancel(key, pod)
            return
        now = self._clock.time()
        if limit <= 0:
            self._cancel(key, pod)
        elif now < (due := self._since.setdefault(key, now) + limit):
            self._controller.enqueue(key, after=due - now)
            return
        self._recorder.event(_reference(pod), "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
        await self._evict(pod)
        self._since.pop(key, None)

    def _cancel(self, key: str, pod: Obj) -> None:
        """What was put off will not come: the taints went, the pod did, or it has to go at once."""
        if self._since.pop(key, None) is not None:
            self._recorder.event(_reference(pod), "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {key}")

    async def _evict(self, pod: Obj) -> None:
        name, namespace = meta.name(pod), meta.namespace(pod)
        condition = {**CONDITION, "lastTransitionTime": format_time(self._clock.time()), "observedGeneration": meta.generation(pod)}
        try:
            if pods.condition(pod, "DisruptionTarget") is None:
                patch = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [condition]}}
                await self._client.patch("pods", name, patch, namespace, type="strategic", subresource="status")
            await self._client.delete("pods", name, namespace, preconditions={"uid": meta.uid(pod)})
        except NotFound:
            return


def _no_execute(node: Obj) -> list[Obj]:
    return [t for t in node.get("spec", {}).get("taints") or () if t["effect"] == "NoExecute"]


def _reference(pod: Obj) -> Obj:
    return {"kind": "Pod", "namespace": meta.namespace(pod), "name": meta.name(pod), "apiVersion": "v1"}
