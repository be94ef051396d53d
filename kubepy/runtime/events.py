"""Recording Events: best effort, never in the way; a queue, a correlator and one task that writes (client-go tools/record)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from typing import Any

from kubepy.api.errors import NotFound, StatusError
from kubepy.client.rest import Client, Unreachable
from kubepy.runtime.clock import Clock, RealClock, format_time
from kubepy.runtime.correlator import Correlator, event_name

log = logging.getLogger(__name__)

Obj = dict[str, Any]
MAX_QUEUED = 1000
MAX_TRIES = 12
RETRY_SECONDS = 10.0
TELL_SECONDS = 60.0
"""Least time between two lines of the log that tell how many events were dropped."""


class EventRecorder:
    """Writes core/v1 Events about objects; `component` becomes source.component and reportingComponent."""

    def __init__(self, client: Client, component: str, *, host: str = "", clock: Clock | None = None) -> None:
        self._client, self._clock = client, clock or RealClock()
        self._component, self._host = component, host
        self._shared = _Writer(client, self._clock)

    def named(self, component: str) -> EventRecorder:
        """A recorder for another component over the same queue and correlator."""
        other = EventRecorder.__new__(EventRecorder)
        other._client, other._clock, other._component, other._host, other._shared = (
            self._client,
            self._clock,
            component,
            self._host,
            self._shared,
        )
        return other

    def event(
        self, obj: Obj, type: str, reason: str, message: str, *, field_path: str = "", annotations: dict[str, str] | None = None
    ) -> None:
        """Queue an event about an object (or an ObjectReference); `type` is Normal or Warning. Returns at once, never raises."""
        if type not in ("Normal", "Warning"):
            log.error("unsupported event type: %s", type)
            return
        ref = reference(obj, field_path)
        now = self._clock.time()
        stamp = format_time(now)
        metadata: Obj = {"name": event_name(ref.get("name", ""), now), "namespace": ref.get("namespace") or "default"}
        if annotations:
            metadata["annotations"] = annotations
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        self._shared.put(
            {
                "metadata": metadata, "involvedObject": ref, "reason": reason, "message": message, "source": source,
                "firstTimestamp": stamp, "lastTimestamp": stamp, "count": 1, "type": type,
                "reportingComponent": self._component, "reportingInstance": self._host,
            }
        )  # fmt: skip

    async def flush(self) -> None:
        """Wait until what is queued has been written or given up."""
        await self._shared.flush()

    async def stop(self) -> None:
        """Write what is queued if that takes no more than a moment, then end."""
        await self._shared.stop()


class _Writer:
    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._correlator = Correlator(clock)
        self._queue: deque[tuple[Obj, bool]] = deque()
        self._dropped, self._told = 0, float("-inf")
        self._task: asyncio.Task[None] | None = None

    def put(self, event: Obj) -> None:
        # Correlated before it is queued: what the spam filter drops takes no place from others.
        decided = self._correlator.correlate(event)
        if decided is None:
            return
        if len(self._queue) >= MAX_QUEUED:
            self._drop()
            return
        self._queue.append(decided)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain(), name="events")

    def _drop(self) -> None:
        self._dropped += 1
        if self._clock.monotonic() - self._told >= TELL_SECONDS:
            log.warning("too many queued events: %d dropped", self._dropped)
            self._dropped, self._told = 0, self._clock.monotonic()

    async def flush(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    async def stop(self) -> None:
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=0.5)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _drain(self) -> None:
        while self._queue:
            await self._send(*self._queue.popleft())

    async def _send(self, event: Obj, update: bool) -> None:
        for attempt in range(MAX_TRIES):
            try:
                self._correlator.sent(await self._write(event, update))
                return
            except Unreachable:
                # Hold everything while the server is away; the first wait is random so that clients do not return in step.
                await self._clock.sleep(RETRY_SECONDS * (random.random() if attempt == 0 else 1.0))
            except StatusError as e:
                log.debug("server rejected event (will not retry): %s", e)
                return
        log.error("unable to write event (retry limit exceeded): %s", event["reason"])

    async def _write(self, event: Obj, update: bool) -> Obj:
        metadata = event["metadata"]
        if update:
            change = {"count": event["count"], "lastTimestamp": event["lastTimestamp"], "message": event["message"]}
            try:
                return await self._client.patch("events", metadata["name"], change, metadata["namespace"], type="strategic")
            except NotFound:
                log.debug("event %s is gone; a new one takes its place", metadata["name"])
        return await self._client.create("events", {"kind": "Event", "apiVersion": "v1", **event}, metadata["namespace"])


def reference(obj: Obj, field_path: str = "") -> Obj:
    """The core/v1 ObjectReference of an object; an ObjectReference (no metadata) is taken as it is."""
    meta = obj.get("metadata")
    if meta is None:
        return obj
    ref: Obj = {"kind": obj.get("kind", "")}
    if namespace := meta.get("namespace"):
        ref["namespace"] = namespace
    ref.update(name=meta.get("name", ""), uid=meta.get("uid", ""), apiVersion=obj.get("apiVersion", ""))
    if version := meta.get("resourceVersion"):
        ref["resourceVersion"] = version
    if field_path:
        ref["fieldPath"] = field_path
    return ref
