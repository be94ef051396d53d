"""The live end of one watch: a bounded queue of batches. When it overflows, the watch goes back to the log."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from apiserver.storage.interface import Event

MAX_BATCHES = 1024


class Feed:
    """Iterating yields batches until the feed is closed or has overflowed; `restart` begins anew after an overflow."""

    __slots__ = ("_overflow", "_queue", "_wake", "closed")

    def __init__(self) -> None:
        self.closed = False
        self._overflow = False
        self._queue: deque[Sequence[Event]] = deque()
        self._wake: asyncio.Future[None] | None = None

    def put(self, events: Sequence[Event]) -> None:
        """Queue one batch."""
        if self._overflow or self.closed:
            return
        self._queue.append(events)
        if len(self._queue) > MAX_BATCHES:
            self._queue.clear()
            self._overflow = True
        self._notify()

    def restart(self) -> None:
        """Forget what is queued: the reader is about to read the log up to the present."""
        self._queue.clear()
        self._overflow = False

    def close(self) -> None:
        """End the iteration after what is queued."""
        self.closed = True
        self._notify()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> Sequence[Event]:
        while not self._queue:
            if self.closed or self._overflow:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._queue.popleft()
