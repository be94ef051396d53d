"""What a program of controllers is made of: a client, shared informers, controllers and other loops, run as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kubepy.client.rest import Client
from kubepy.runtime.clock import Clock, RealClock
from kubepy.runtime.controller import Controller, Reconcile
from kubepy.runtime.events import EventRecorder
from kubepy.runtime.informer import InformerFactory
from kubepy.runtime.leader import LeaderElector

Runnable = Callable[[], Awaitable[None]]


class Manager:
    """Runs controllers over one InformerFactory; with an elector, controllers act only while it leads."""

    def __init__(
        self, client: Client, *, component: str = "kubepy", clock: Clock | None = None, elector: LeaderElector | None = None
    ) -> None:
        self.client = client
        self.clock: Clock = clock or RealClock()
        self.factory = InformerFactory(client, self.clock)
        self.recorder = EventRecorder(client, component, clock=self.clock)
        self._elector = elector
        self._loops: list[Runnable] = []
        self.ready = asyncio.Event()
        """Set when the controllers run."""

    def add(self, what: Controller | Runnable) -> None:
        """Add a controller, or a coroutine function that runs until cancelled."""
        self._loops.append(what.run if isinstance(what, Controller) else what)

    def controller(self, name: str, reconcile: Reconcile, workers: int = 5) -> Controller:
        """Make a controller on this manager's clock and add it."""
        made = Controller(name, reconcile, workers, clock=self.clock)
        self.add(made)
        return made

    async def run(self) -> None:
        """Run until cancelled, or until leadership is lost (then LeadershipLost is raised: end the process)."""
        try:
            if self._elector is None:
                await self._lead()
            else:
                await self._elector.run(self._lead)
        finally:
            await self.factory.stop()
            if self._elector is not None:
                await self._elector.close()

    async def _lead(self) -> None:
        await self.factory.start()
        try:
            async with asyncio.TaskGroup() as group:
                for loop in self._loops:
                    group.create_task(_forever(loop))
                await self.factory.synced()
                self.ready.set()
        finally:
            await self.recorder.stop()  # while the lease is still held, as its last events could not be sent later


async def _forever(loop: Runnable) -> None:
    await loop()
