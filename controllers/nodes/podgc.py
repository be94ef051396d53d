"""Removes pods that nobody else will: on nodes that are gone, never scheduled and deleted, or terminated beyond a number.

pkg/controller/podgc: looks every 20 seconds, but only at indexes, whose size is that of the trouble.
"""

from __future__ import annotations

from typing import Any

from controllers.common import pods
from controllers.context import Context
from controllers.nodes.taints import OUT_OF_SERVICE
from kubepy.api import meta
from kubepy.api.errors import NotFound, StatusError
from kubepy.runtime.clock import format_time

Obj = dict[str, Any]

PERIOD = 20.0
QUARANTINE = 40.0
"""Seconds for which a node must be unknown before its pods are taken for orphans."""


def start(ctx: Context) -> None:
    """Register the pod garbage collector."""
    _PodGC(ctx)


def _terminated(pod: Obj) -> tuple[str, ...]:
    return ("",) if pods.is_terminal(pod) else ()


def _doomed(pod: Obj) -> tuple[str, ...]:
    """Being deleted: under the node's name, or an empty text before it has a node."""
    return (pod.get("spec", {}).get("nodeName", ""),) if meta.deleting(pod) else ()


def removal_order(pod: Obj) -> tuple[bool, str, str]:
    """Evicted pods first, which nothing counts any more; then the oldest."""
    evicted = pods.phase(pod) == "Failed" and pod["status"].get("reason") == "Evicted"
    return not evicted, meta.metadata(pod).get("creationTimestamp", ""), meta.name(pod)


class _PodGC:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock, self._threshold = ctx.client, ctx.clock, ctx.options.terminated_pod_gc_threshold
        self._nodes, self._pods = ctx.informer("nodes"), ctx.informer("pods")
        cache = self._pods.cache
        for name, fn in (("node", pods.by_node), ("terminated", _terminated), ("doomed", _doomed)):
            cache.add_index(name, fn)
        self._missing: dict[str, float] = {}
        ctx.manager.add(self._run)

    async def _run(self) -> None:
        await self._nodes.synced()
        await self._pods.synced()
        while True:
            await self._clock.sleep(PERIOD)
            await self._collect()

    async def _collect(self) -> None:
        cache = self._pods.cache
        if self._threshold > 0 and len(excess := cache.by_index("terminated", "")) > self._threshold:
            excess.sort(key=removal_order)
            for pod in excess[: len(excess) - self._threshold]:
                await self._remove(pod, None)
        now = self._clock.monotonic()
        absent = [name for name in cache.index_values("node") if name not in self._nodes.cache]
        self._missing = {name: self._missing.get(name, now) for name in absent}
        for name in [n for n, since in self._missing.items() if now - since >= QUARANTINE]:
            if await self._is_gone(name):
                for pod in cache.by_index("node", name):
                    await self._remove(pod, "PodGC: node no longer exists")
        for name in list(cache.index_values("doomed")):
            node = self._nodes.cache.get(name)
            if not name or (node is not None and _out_of_service(node)):
                for pod in cache.by_index("doomed", name):
                    await self._remove(pod, None)

    async def _is_gone(self, node: str) -> bool:
        try:
            await self._client.get("nodes", node)
        except NotFound:
            return True
        except StatusError:
            return False
        return False

    async def _remove(self, pod: Obj, why: str | None) -> None:
        """Fail a pod that still counts as running, then delete it without grace; `why` becomes its DisruptionTarget condition."""
        name, namespace = meta.name(pod), meta.namespace(pod)
        try:
            if not pods.is_terminal(pod):
                status: Obj = {"phase": "Failed", "observedGeneration": meta.generation(pod)}
                if why is not None:
                    stamp = format_time(self._clock.time())
                    condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": why}
                    status["conditions"] = [{**condition, "lastTransitionTime": stamp, "observedGeneration": meta.generation(pod)}]
                patch = {"metadata": {"uid": meta.uid(pod)}, "status": status}
                await self._client.patch("pods", name, patch, namespace, type="strategic", subresource="status")
            await self._client.delete("pods", name, namespace, grace=0, preconditions={"uid": meta.uid(pod)})
        except StatusError:
            # The next pass looks again.
            return


def _out_of_service(node: Obj) -> bool:
    ready = pods.condition(node, "Ready")
    tainted = any(t["key"] == OUT_OF_SERVICE for t in node.get("spec", {}).get("taints") or ())
    return tainted and (ready is None or ready.get("status") != "True")
