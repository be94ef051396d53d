"""A controller: keys of changed objects go into a queue, workers bring each key's world in line, failures come back later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kubepy.api.errors import StatusError
from kubepy.runtime.cache import key_of
from kubepy.runtime.clock import Clock, RealClock
from kubepy.runtime.informer import Informer
from kubepy.runtime.workqueue import QueueShutDown, WorkQueue

log = logging.getLogger(__name__)

Obj = dict[str, Any]
MapFn = Callable[[Obj], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Result:
    """What to do after a reconcile that did not fail: again after `after` seconds, or again with backoff."""

    after: float | None = None
    requeue: bool = False


Reconcile = Callable[[str], Awaitable[Result | None]]


def own_key(obj: Obj) -> tuple[str]:
    """The object's own key: the default of `Controller.watch`."""
    return (key_of(obj),)


class Controller:
    """A queue of keys and `workers` tasks that reconcile them; one key is never reconciled twice at a time."""

    def __init__(
        self, name: str, reconcile: Reconcile, workers: int = 5, *, clock: Clock | None = None, queue: WorkQueue[str] | None = None
    ) -> None:
        self.name = name
        self.workers = workers
        self.queue: WorkQueue[str] = queue or WorkQueue(clock or RealClock())
        self.informers: list[Informer] = []
        self._reconcile = reconcile

    def enqueue(self, key: str, after: float = 0.0) -> None:
        """Reconcile a key now or after some seconds."""
        self.queue.add_after(key, after)

    def watch(self, informer: Informer, map_fn: MapFn = own_key, *, only: Callable[[str, Obj | None, Obj], bool] | None = None) -> None:
        """Reconcile the keys that `map_fn` gives for each changed object (of a change, for its old and its new state).

        `only(type, old, new)` may leave events out.
        """

        def handle(kind: str, old: Obj | None, new: Obj) -> None:
            if only is not None and not only(kind, old, new):
                return
            if kind == "MODIFIED" and old is not None and map_fn is not own_key:
                for key in map_fn(old):
                    self.queue.add(key)
            for key in map_fn(new):
                self.queue.add(key)

        self.depends(informer)
        informer.on_event(handle)

    def depends(self, *informers: Informer) -> None:
        """Begin work only when these informers have synced."""
        self.informers += [i for i in informers if i not in self.informers]

    async def run(self) -> None:
        """Wait for the informers, then work until cancelled."""
        for informer in self.informers:
            await informer.synced()
        async with asyncio.TaskGroup() as group:
            for number in range(self.workers):
                group.create_task(self._work(), name=f"{self.name} {number}")

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except QueueShutDown:
                return
            try:
                await self._one(key)
            finally:
                self.queue.done(key)

    async def _one(self, key: str) -> None:
        try:
            result = await self._reconcile(key)
        except StatusError as e:
            # Conflicts and objects that went away are everyday races; the next try sees the newer world.
            causes = (e.details or {}).get("causes") or ()
            ending = any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
            level = logging.DEBUG if ending or e.status_code in (404, 409, 503) else logging.WARNING
            log.log(level, "%s: error syncing %r: %s", self.name, key, e)
            self.queue.add_rate_limited(key)
        except Exception:
            log.exception("%s: error syncing %r", self.name, key)
            self.queue.add_rate_limited(key)
        else:
            if result is not None and result.requeue:
                self.queue.add_rate_limited(key)
                return
            self.queue.forget(key)
            if result is not None and result.after is not None:
                self.queue.add_after(key, result.after)
