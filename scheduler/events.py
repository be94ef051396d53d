"""Events of the scheduler, in the form of events.k8s.io/v1 (client-go tools/events): best effort, and never in the way of binding.

While pods are being placed events trickle; when the queue rests they are written at full speed. Repeated ones become a series.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubepy.api.errors import NotFound, StatusError
from kubepy.client.rest import Client, Unreachable
from kubepy.runtime.clock import Clock, format_micro_time

log = logging.getLogger(__name__)

Obj = dict[str, Any]
EVENTS = "events.events.k8s.io"
MAX_QUEUED = 20_000
MAX_SERIES = 4096
MAX_NOTE = 1024
SERIES_SECONDS = 360.0
"""Two equal events further apart are two events; a series is written anew after this long."""
TRICKLE = 0.05
"""Seconds between events while the scheduler is busy."""
CONCURRENCY = 4
RETRY_SECONDS = 5.0
MAX_TRIES = 5


@dataclass(slots=True)
class _Series:
    name: str
    namespace: str
    count: int
    seen: float
    written: float


class Recorder:
    """Queues events; `run` writes them. `busy` tells whether the scheduler has pods to place."""

    def __init__(self, client: Client, clock: Clock, busy: Callable[[], bool]) -> None:
        self._client, self._clock, self._busy = client, clock, busy
        self._queue: deque[Obj] = deque()
        self._known: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self._wake = asyncio.Event()
        self._instance = f"{socket.gethostname()}-{uuid.uuid4()}"

    def event(self, pod: Obj, controller: str, type: str, reason: str, action: str, note: str) -> None:
        """Queue an event about a pod; returns at once, never raises."""
        if len(self._queue) >= MAX_QUEUED:
            return
        now = self._clock.time()
        meta = pod["metadata"]
        event: Obj = {
            "kind": "Event", "apiVersion": "events.k8s.io/v1",
            "metadata": {"name": f"{meta['name'][:230]}.{int(now * 1e9):x}", "namespace": meta.get("namespace", "default")},
            "eventTime": format_micro_time(now), "reportingController": controller,
            "reportingInstance": f"{controller}-{self._instance}"[:128], "action": action, "reason": reason,
            "regarding": reference(pod), "note": note[:MAX_NOTE], "type": type,
        }  # fmt: skip
        self._queue.append(event)
        self._wake.set()

    async def run(self) -> None:
        """Write events for ever."""
        writing: set[asyncio.Task[None]] = set()
        try:
            while True:
                while self._queue:
                    task = asyncio.create_task(self._write(self._queue.popleft()))
                    writing.add(task)
                    task.add_done_callback(writing.discard)
                    if self._busy():
                        await asyncio.sleep(TRICKLE)
                    elif len(writing) >= CONCURRENCY:
                        await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
                self._wake.clear()
                await self._wake.wait()
        finally:
            for task in writing:
                task.cancel()

    async def _write(self, event: Obj) -> None:
        ref = event["regarding"]
        key = (ref["uid"], event["reason"], event["action"], event["note"], event["type"], event["reportingController"])
        now = self._clock.time()
        series = self._known.get(key)
        if series is not None and now - series.seen < SERIES_SECONDS:
            series.count += 1
            series.seen = now
            if series.count > 2 and now - series.written < SERIES_SECONDS / 6:
                return
            series.written = now
            change = {"series": {"count": series.count, "lastObservedTime": event["eventTime"]}}
            if await self._try(lambda: self._client.patch(EVENTS, series.name, change, series.namespace, type="strategic")):
                return
        meta = event["metadata"]
        self._known[key] = _Series(meta["name"], meta["namespace"], 1, now, now)
        if len(self._known) > MAX_SERIES:
            self._known.popitem(last=False)
        await self._try(lambda: self._client.create(EVENTS, event, meta["namespace"]))

    async def _try(self, write: Callable[[], Any]) -> bool:
        """Whether the server took it, or refused it for good; False when what it changes is gone."""
        for _ in range(MAX_TRIES):
            try:
                await write()
                return True
            except Unreachable:
                await self._clock.sleep(RETRY_SECONDS)
            except NotFound:
                return False
            except StatusError as e:
                log.debug("server rejected event (will not retry): %s", e)
                return True
        return True


def reference(obj: Obj) -> Obj:
    """The ObjectReference of a pod."""
    meta = obj["metadata"]
    return {
        "kind": "Pod", "namespace": meta.get("namespace", ""), "name": meta["name"], "uid": meta.get("uid", ""),
        "apiVersion": "v1", "resourceVersion": meta.get("resourceVersion", ""),
    }  # fmt: skip
