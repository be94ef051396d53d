"""The node lifecycle controller: taints that follow conditions, Unknown nodes without heartbeats, NoExecute taints at a bounded rate.

pkg/controller/nodelifecycle. Taints that follow conditions come at once; health is judged in passes, which are only made
while something is wrong or a heartbeat is due.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from controllers.common import pods
from controllers.common.batch import in_parallel
from controllers.context import Context
from controllers.nodes import health, taints
from controllers.nodes.ipam import node_reference
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound, StatusError
from kubepy.runtime.backoff import TokenBucket
from kubepy.runtime.cache import key_of
from kubepy.runtime.clock import format_time

log = logging.getLogger(__name__)

Obj = dict[str, Any]
NEVER = 3600.0


def start(ctx: Context) -> None:
    """Register the node lifecycle controller."""
    _Lifecycle(ctx)


async def swap_taints(ctx: Context, node: Obj, add: list[Obj], remove: list[Obj]) -> bool:
    """Add and remove taints in one patch; False when the node changed meanwhile or is gone."""
    current = node.get("spec", {}).get("taints") or []
    wanted = taints.swapped(current, add, remove)
    if wanted == current:
        return True
    patch = {"metadata": {"resourceVersion": meta.resource_version(node)}, "spec": {"taints": wanted or None}}
    try:
        await ctx.client.patch("nodes", meta.name(node), patch)
    except (Conflict, NotFound):
        return False
    return True


class _Lifecycle:
    def __init__(self, ctx: Context) -> None:
        self._ctx, self._client, self._clock, self._options = ctx, ctx.client, ctx.clock, ctx.options
        self._recorder = ctx.recorder("node-controller")
        self._nodes, self._pods = ctx.informer("nodes"), ctx.informer("pods")
        self._leases = ctx.informer("leases.coordination.k8s.io", namespace="kube-node-lease")
        self._pods.cache.add_index("node", pods.by_node)
        self._health: dict[str, health.Health] = {}
        self._known: dict[str, Obj] = {}
        self._zones: dict[str, str] = {}
        self._buckets: dict[str, TokenBucket | None] = {}
        self._to_taint: dict[str, str] = {}
        self._soon = asyncio.Event()
        self._controller = ctx.controller("node-lifecycle", self._sync, workers=8)
        self._controller.watch(self._nodes)
        self._controller.depends(self._pods, self._leases)
        self._unready: set[str] = set()
        """Lost nodes whose pods are still to be marked not ready."""
        self._bound = ctx.controller("node-lifecycle-pods", self._judge_bound, workers=2)
        self._bound.depends(self._nodes, self._pods)
        self._pods.on_event(self._pod_changed)
        self._nodes.on_event(lambda kind, old, new: self._soon.set())
        self._leases.on_event(self._renewed)
        ctx.manager.add(self._monitor)

    async def _sync(self, name: str) -> None:
        """Taints that follow conditions, and labels that follow labels."""
        node = self._nodes.cache.get(name)
        if node is None:
            return
        add, remove = taints.no_schedule(node)
        if add or remove:
            stamp = format_time(self._clock.time())
            new = [{"key": key, "effect": "NoSchedule", "timeAdded": stamp} for key in add]
            if not await swap_taints(self._ctx, node, new, [{"key": key, "effect": "NoSchedule"} for key in remove]):
                raise Conflict(f"node {name} changed while its taints were updated")
        if labels := health.reconciled_labels(node):
            await self._client.patch("nodes", name, {"metadata": {"labels": labels}})

    def _renewed(self, kind: str, old: Obj | None, new: Obj) -> None:
        """A heartbeat by Lease: noted, and nothing more to do."""
        name = meta.name(new)
        node = self._nodes.cache.get(name)
        if kind != "DELETED" and node is not None:
            self._health[name] = health.observe(self._health.get(name), node, new, self._clock.time())

    async def _monitor(self) -> None:
        for informer in (self._nodes, self._pods, self._leases):
            await informer.synced()
        while True:
            self._soon.clear()
            try:
                wait = await self._pass()
            except StatusError as e:
                log.warning("node health could not be judged: %s", e)
                wait = self._options.node_monitor_period
            # At the earliest a period from now, at the latest when a heartbeat is due.
            period = self._options.node_monitor_period
            await self._clock.sleep(min(wait, period))
            if wait > period and not self._soon.is_set():
                waiter = asyncio.ensure_future(self._soon.wait())
                sleeper = asyncio.ensure_future(self._clock.sleep(wait - period))
                try:
                    await asyncio.wait({waiter, sleeper}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiter.cancel()
                    sleeper.cancel()

    async def _pass(self) -> float:
        """Judge all nodes (monitorNodeHealth); seconds until the next pass must be made."""
        nodes = {meta.name(n): n for n in self._nodes.cache.list()}
        self._announce(nodes)
        ready: dict[str, dict[str, bool]] = {}
        wait = NEVER
        now = self._clock.time()
        for name, node in nodes.items():
            found = pods.condition(node, "Ready")
            observed = self._health[name] = health.observe(
                self._health.get(name), node, self._leases.cache.get(f"kube-node-lease/{name}"), now
            )
            grace = self._options.node_monitor_grace_period if found else self._options.node_startup_grace_period
            status = (found or {}).get("status", "Unknown")
            left = observed.probed + grace - now
            if left <= 0:
                if (status != "Unknown" or found is None) and await self._lost(node) and status == "True":
                    text = f"Node {name} status is now: NodeNotReady"
                    self._recorder.event(node_reference(node), "Normal", "NodeNotReady", text)
                    self._unready.add(name)
                status = "Unknown"
            else:
                wait = min(wait, left)
            if health.EXCLUDED not in meta.labels(node):
                ready.setdefault(health.zone(node), {})[name] = status == "True"
            if found is not None or left <= 0:
                # A node that has never reported is given time to start before anything is made of it.
                await self._judge(node, status)
            if name in self._unready and (status == "True" or await self._pods_not_ready(node)):
                self._unready.discard(name)
        self._disrupt(ready)
        if self._to_taint:
            await self._taint(nodes)
            wait = min(wait, self._options.node_monitor_period)
        return max(wait, 0.0)

    def _announce(self, nodes: dict[str, Obj]) -> None:
        for name in nodes.keys() - self._known.keys():
            text = f"Node {name} event: Registered Node {name} in Controller"
            self._recorder.event(node_reference(nodes[name]), "Normal", "RegisteredNode", text)
        for name in self._known.keys() - nodes.keys():
            text = f"Node {name} event: Removing Node {name} from Controller"
            self._recorder.event(node_reference(self._known[name]), "Normal", "RemovingNode", text)
            self._health.pop(name, None)
            self._to_taint.pop(name, None)
            self._unready.discard(name)
        self._known = nodes

    async def _lost(self, node: Obj) -> bool:
        """The heartbeats stopped: its conditions become Unknown; whether that was written."""
        conditions = health.unknown_conditions(node, self._clock.time())
        try:
            await self._client.update_status("nodes", {**node, "status": {**node.get("status", {}), "conditions": conditions}})
        except (Conflict, NotFound):
            return False
        return True

    async def _judge(self, node: Obj, status: str) -> None:
        name = meta.name(node)
        present = node.get("spec", {}).get("taints") or ()
        if status == "True":
            self._to_taint.pop(name, None)
            mine = [t for key in (taints.NOT_READY, taints.UNREACHABLE) if (t := taints.find(present, key, "NoExecute"))]
            if mine:
                await swap_taints(self._ctx, node, [], mine)
            return
        wanted, other = (taints.NOT_READY, taints.UNREACHABLE) if status == "False" else (taints.UNREACHABLE, taints.NOT_READY)
        if (wrong := taints.find(present, other, "NoExecute")) is not None:
            await swap_taints(self._ctx, node, [self._no_execute(wanted)], [wrong])
        elif taints.find(present, wanted, "NoExecute") is None:
            self._to_taint.setdefault(name, wanted)

    def _no_execute(self, key: str) -> Obj:
        return {"key": key, "effect": "NoExecute", "timeAdded": format_time(self._clock.time())}

    async def _pods_not_ready(self, node: Obj) -> bool:
        """Take the pods of a node that was lost out of endpoints, once; False when it must be tried again (MarkPodsNotReady)."""
        errors = await in_parallel(self._pods.cache.by_index("node", meta.name(node)), self._mark, limit=16)
        for error in errors:
            log.warning("a pod of node %s could not be marked not ready: %s", meta.name(node), error)
        return not errors

    async def _mark(self, pod: Obj) -> None:
        if not pods.is_ready(pod):
            return
        entry = {**(pods.condition(pod, "Ready") or {}), "status": "False", "lastTransitionTime": format_time(self._clock.time())}
        patch = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [entry]}}
        try:
            await self._client.patch("pods", meta.name(pod), patch, meta.namespace(pod), type="strategic", subresource="status")
        except NotFound:
            return
        self._recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        name = new.get("spec", {}).get("nodeName")
        if kind != "DELETED" and name in self._health and (old is None or old.get("spec", {}).get("nodeName") != name):
            self._bound.enqueue(key_of(new))

    async def _judge_bound(self, key: str) -> None:
        """A pod that comes to a node which is not ready is not ready either (processPod)."""
        pod = self._pods.cache.get(key)
        node = self._nodes.cache.get(pod["spec"].get("nodeName", "")) if pod is not None else None
        found = pods.condition(node, "Ready") if node is not None else None
        if pod is not None and found is not None and found.get("status") != "True":
            await self._mark(pod)

    def _disrupt(self, ready: dict[str, dict[str, bool]]) -> None:
        """Set each zone's eviction rate; none at all when every zone is down, as then the fault is likely ours (handleDisruption)."""
        states = {z: health.zone_state(nodes.values(), self._options.unhealthy_zone_threshold) for z, nodes in ready.items()}
        everywhere = bool(states) and all(s == "FullDisruption" for s in states.values())
        for name, state in states.items():
            state = "Stopped" if everywhere else state
            if self._zones.get(name) == state:
                continue
            self._zones[name] = state
            rate = self._options.node_eviction_rate
            if state == "Stopped":
                rate = 0.0
            elif state == "PartialDisruption":
                large = len(ready[name]) > self._options.large_cluster_size_threshold
                rate = self._options.secondary_node_eviction_rate if large else 0.0
            self._buckets[name] = TokenBucket(self._clock, rate, 1) if rate > 0 else None

    async def _taint(self, nodes: dict[str, Obj]) -> None:
        """Give NoExecute taints as far as each zone's rate allows (doNoExecuteTaintingPass)."""
        for name, key in list(self._to_taint.items()):
            node = nodes.get(name)
            if node is None:
                del self._to_taint[name]
                continue
            bucket = self._buckets.get(health.zone(node))
            if bucket is None or not bucket.try_take():
                continue
            if await swap_taints(self._ctx, node, [self._no_execute(key)], []):
                self._to_taint.pop(name, None)
