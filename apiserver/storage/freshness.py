"""How far the cache has come, and waiting for it: what makes reads from the cache linearizable."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from apiserver.storage.interface import Storage, Unavailable
from kubepy.api.errors import Timeout

FRESH_TIMEOUT = 3.0
"""Seconds a read waits for the cache (cacher.go blockTimeout)."""


def too_large(asked: int, current: int) -> Timeout:
    """The answer to a resourceVersion that the store has not reached (storage.NewTooLargeResourceVersionError)."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return Timeout(
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={"causes": [cause], "retryAfterSeconds": 1},
        headers=(("Retry-After", "1"),),
    )


class Freshness:
    """The revision reached, and who waits for a later one."""

    def __init__(self, storage: Storage) -> None:
        self.revision = 0
        self._storage = storage
        self._local = hasattr(type(storage), "newest")  # an in-process store: no round trip
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._asking: list[asyncio.Future[int]] = []
        self._trips: asyncio.Task[None] | None = None

    def reached(self, revision: int) -> None:
        """The cache holds everything up to `revision`."""
        self.revision = revision
        waiters = self._waiters
        while waiters and waiters[0][0] <= revision:
            future = heapq.heappop(waiters)[2]
            if not future.done():
                future.set_result(None)

    async def wait_for(self, revision: int, timeout: float) -> None:
        """Wait for `reached(revision)`; raises Timeout."""
        if revision <= self.revision:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (revision, next(self._order), future))
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            raise too_large(revision, self.revision) from None

    async def fresh(self) -> int:
        """Wait for the store's present revision; returns the revision reached then."""
        if self._local:
            newest: int = self._storage.newest  # type: ignore[attr-defined]
        else:
            newest = await self._newest()
        if newest > self.revision:
            await self.wait_for(newest, FRESH_TIMEOUT)
        return self.revision

    async def _newest(self) -> int:
        """The store's revision from a round trip that starts after this call, shared by all who wait for one."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asking.append(future)
        if self._trips is None:
            self._trips = asyncio.create_task(self._ask())
        return await future

    async def _ask(self) -> None:
        """One round trip after the other, each for those who have come before it started."""
        asking: list[asyncio.Future[int]] = []
        try:
            while self._asking:
                asking, self._asking = self._asking, []
                try:
                    outcome: int | Exception = await self._storage.revision()
                except Exception as error:
                    outcome = error
                _settle(asking, outcome)
        finally:
            self._trips = None
            _settle(asking, Unavailable("the store is closed"))

    def close(self) -> None:
        """Cancel what is under way."""
        if self._trips is not None:
            self._trips.cancel()
        _settle(self._asking, Unavailable("the store is closed"))


def _settle(asking: list[asyncio.Future[int]], outcome: int | Exception) -> None:
    for future in asking:
        if not future.done():
            if isinstance(outcome, int):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)
