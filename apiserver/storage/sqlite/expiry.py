"""Deletes keys when their time to live is over, as ordinary revisions that watches see."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable

MAX_DELAY = 3600.0
"""Longest sleep, in seconds: a jump of the wall clock is noticed within it."""


class Expiry:
    """A heap of (when, key, revision). A key that was written again since is at another revision, and stays."""

    def __init__(self, expire: Callable[[str, int], Awaitable[None]]) -> None:
        self._expire = expire
        self._heap: list[tuple[float, str, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    def add(self, key: str, revision: int, expires: float) -> None:
        """Delete `key` at `expires` (seconds since the epoch) if it is still at `revision`."""
        heapq.heappush(self._heap, (expires, key, revision))
        if self._heap[0][2] == revision:
            self._schedule()

    def close(self) -> None:
        """Delete nothing further."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._running is not None:
            self._running.cancel()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._heap and not self._closed:
            delay = min(max(self._heap[0][0] - time.time(), 0.0), MAX_DELAY)
            self._timer = asyncio.get_running_loop().call_later(delay, self._due)

    def _due(self) -> None:
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        now = time.time()
        due: list[tuple[str, int]] = []
        while self._heap and self._heap[0][0] <= now and len(due) < 256:
            _, key, revision = heapq.heappop(self._heap)
            due.append((key, revision))
        # Together: they share one sync.
        await asyncio.gather(*(self._expire(key, revision) for key, revision in due), return_exceptions=True)
        self._schedule()
