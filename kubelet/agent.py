"""One node: its pods' workers, its Node object, its part of the runtime. Wires; the work is in `pods/` and `node/`."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kubelet.host import Host
from kubelet.node.node import NodeReporter
from kubelet.pods import spec
from kubelet.pods.static import StaticPods
from kubelet.pods.worker import PodWorker
from kubelet.runtime.interface import RuntimeFailure
from kubepy.runtime import InformerFactory

log = logging.getLogger(__name__)

Obj = dict[str, Any]

HOUSEKEEPING = 60.0


class Agent:
    """The kubelet of one node. `pods` told by the informer are those bound to it."""

    def __init__(self, host: Host, node: NodeReporter) -> None:
        self.host, self.node = host, node
        self._workers: dict[str, PodWorker] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._held: dict[str, Obj] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._static: StaticPods | None = None

    async def start(self, factory: InformerFactory | None, reading: asyncio.Event) -> None:
        """Adopt what the runtime holds and begin. `reading` is set once all pods of the node have been told."""
        await self.host.runtime.start(self._changed)
        await self.node.start()
        if factory is not None:
            pods = factory.informer("pods", field_selector=f"spec.nodeName={self.host.node_name}")
            pods.on_event(self.pod_event)
            nodes = factory.informer("nodes", field_selector=f"metadata.name={self.host.node_name}")
            nodes.on_event(lambda kind, old, new: self.node.seen(new) if kind != "DELETED" else self.node.poke())
        if self.host.config.pod_manifest_path is not None:
            self._static = StaticPods(self.host, self.host.config.pod_manifest_path, self, lambda: self.node.node)
        self._keeper = asyncio.create_task(self._keep_house(reading), name="housekeeping")

    def connect(self, cidr: str) -> None:
        """The node has its range: make the network, once."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(cidr), name="pod network")

    async def _connect(self, cidr: str) -> None:
        delay = 0.5
        while True:
            try:
                await self.host.runtime.set_pod_cidr(cidr)
                break
            except RuntimeFailure as e:
                log.error("cannot make the pod network: %s", e)
            await asyncio.sleep(delay)
            delay = min(30.0, delay * 2)
        self.host.network_ready.set()
        self.node.poke()

    async def stop(self) -> None:
        """End; pods run on."""
        tasks = [t for t in (self._keeper, self._connecting, *self._tasks, *(w.task for w in self._workers.values())) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._static is not None:
            await self._static.stop()
        await self.node.stop()
        await self.host.runtime.stop()

    # -- what others look up ----------------------------------------------------------------------------------------------------

    def pods(self) -> list[Obj]:
        """All pods, with the statuses that are or will be reported."""
        return [self.with_status(w.pod) for w in self._workers.values()]

    def with_status(self, pod: Obj) -> Obj:
        """The pod with its newest status."""
        status = self.host.statuses.get(pod["metadata"]["uid"])
        return {**pod, "status": status} if status else pod

    def pod(self, namespace: str, name: str, uid: str = "") -> Obj | None:
        """A pod by name, or None."""
        found = self._workers.get(uid or self._names.get((namespace, name), ""))
        return self.with_status(found.pod) if found else None

    # -- pods -------------------------------------------------------------------------------------------------------------------

    def pod_event(self, kind: str, old: Obj | None, new: Obj) -> None:
        """From the informer."""
        meta = new["metadata"]
        uid, key = meta["uid"], (meta["namespace"], meta["name"])
        if spec.is_mirror(new):
            if self._static is not None:
                self._static.mirror_event(kind, new)
            return
        worker = self._workers.get(uid)
        if kind == "DELETED":
            self._held.pop(uid, None)
            if worker is not None:
                worker.removed(new)
        elif worker is not None:
            worker.update(new)
        else:
            before = self._workers.get(self._names.get(key, ""))
            if before is not None:
                # The same name anew (a static pod, or a forced deletion): after the old one has gone.
                self._held[uid] = new
            elif kind == "ADDED" or not spec.terminal(new.get("status")):
                self._begin(new)

    def begin_static(self, pod: Obj) -> None:
        """A manifest appeared."""
        self.pod_event("ADDED", None, pod)

    def end_static(self, pod: Obj) -> None:
        """A manifest is gone."""
        self.pod_event("DELETED", pod, pod)

    def _begin(self, pod: Obj) -> PodWorker:
        meta = pod["metadata"]
        worker = PodWorker(self.host, pod, self._finished)
        self._workers[meta["uid"]] = worker
        self._names[meta["namespace"], meta["name"]] = meta["uid"]
        worker.start()
        return worker

    def _finished(self, worker: PodWorker) -> None:
        key = (worker.pod["metadata"]["namespace"], worker.pod["metadata"]["name"])
        self._workers.pop(worker.uid, None)
        self.host.port_holders.pop(worker.uid, None)
        if self._names.get(key) == worker.uid:
            del self._names[key]
        for uid, pod in list(self._held.items()):
            if (pod["metadata"]["namespace"], pod["metadata"]["name"]) == key:
                del self._held[uid]
                self._begin(pod)
                return

    def _changed(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()

    def wake(self, uid: str) -> None:
        """An object that the pod uses changed."""
        self._changed(uid)

    # -- what is nobody's -------------------------------------------------------------------------------------------------------

    async def _keep_house(self, reading: asyncio.Event) -> None:
        await reading.wait()
        if self._static is not None:
            self._static.scan()
            self._static.start()
        while True:
            try:
                await self._clean()
            except (RuntimeFailure, OSError) as e:
                log.warning("housekeeping: %s", e)
            await asyncio.sleep(HOUSEKEEPING)

    def _known(self) -> set[str]:
        return self._workers.keys() | self._held.keys()

    async def _clean(self) -> None:
        """End the containers, and remove the folders, of pods that no longer exist (HandlePodCleanups)."""
        runtime = self.host.runtime
        for view in list(runtime.views()):
            if view.pod.uid in self._known():
                continue
            log.info("removing containers of pod %s, which no longer exists", view.pod)
            await asyncio.gather(*(self._end_orphan(c.id) for c in view.containers))
            await asyncio.gather(*(runtime.remove_sandbox(s.id) for s in list(view.sandboxes)))
        if runtime.materialises:
            running = {v.pod.uid for v in runtime.views()}
            for uid in self.host.volumes.known():
                if uid not in self._known() and uid not in running:
                    await self.host.volumes.teardown(uid)

    async def _end_orphan(self, container_id: str) -> None:
        await self.host.runtime.stop_container(container_id, 2.0)
        await self.host.runtime.remove_container(container_id)
