"""The work queue of client-go for one asyncio loop: an item is queued once, never worked on twice at a time, delayed or rate limited.

Invariants (util/workqueue/queue.go): `_dirty` holds what needs work; `_processing` what is being worked on; `_queue` holds
exactly the dirty items that are not being processed. An item added while processed is queued again at `done`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable
from itertools import count
from typing import Generic, TypeVar

from kubepy.runtime.backoff import ItemBackoff, TokenBucket
from kubepy.runtime.clock import Clock, RealClock, Timer

K = TypeVar("K", bound=Hashable)


class QueueShutDown(Exception):
    """The queue is shut down and empty: workers end."""


class WorkQueue(Generic[K]):
    """A queue of keys; all methods but `get` return at once."""

    def __init__(self, clock: Clock | None = None, *, backoff: ItemBackoff | None = None, overall: TokenBucket | None = None) -> None:
        self._clock: Clock = clock or RealClock()
        self._backoff = backoff or ItemBackoff()
        self._overall = overall or TokenBucket(self._clock, 10.0, 100)
        self._queue: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = count()
        self._timer: Timer | None = None
        self._timer_due = 0.0
        self._down = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Nothing queued or being worked on (delayed items do not count)."""
        return not self._dirty and not self._processing

    def add(self, item: K) -> None:
        """Queue an item unless it is queued already."""
        if self._down or item in self._dirty:
            return
        self._dirty.add(item)
        if item not in self._processing:
            self._queue.append(item)
            self._wake()

    def add_after(self, item: K, seconds: float) -> None:
        """Queue an item later; of several delays of one item the earliest holds."""
        if self._down:
            return
        if seconds <= 0:
            self.add(item)
            return
        due = self._clock.monotonic() + seconds
        known = self._due.get(item)
        if known is not None and known <= due:
            return
        self._due[item] = due
        heapq.heappush(self._heap, (due, next(self._order), item))
        self._arm()

    def add_rate_limited(self, item: K) -> None:
        """Queue an item after its backoff."""
        self.add_after(item, max(self._backoff.when(item), self._overall.take()))

    def forget(self, item: K) -> None:
        """Reset an item's backoff."""
        self._backoff.forget(item)

    def num_requeues(self, item: K) -> int:
        """How often the item was rate limited since `forget`."""
        return self._backoff.failures(item)

    async def get(self) -> K:
        """The next item; call `done` with it afterwards. Raises QueueShutDown."""
        while not self._queue:
            if self._down:
                raise QueueShutDown
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()
                raise
        item = self._queue.popleft()
        self._processing.add(item)
        self._dirty.discard(item)
        return item

    def done(self, item: K) -> None:
        """The item was worked on; if it was added meanwhile it is queued again."""
        self._processing.discard(item)
        if item in self._dirty:
            self._queue.append(item)
            self._wake()

    def shut_down(self) -> None:
        """Take no more items; workers drain what is queued, then `get` raises."""
        self._down = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._heap.clear()
        self._due.clear()
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _arm(self) -> None:
        due = self._heap[0][0]
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._clock.call_later(due - self._clock.monotonic(), self._ripe)

    def _ripe(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, _, item = heapq.heappop(self._heap)
            if self._due.get(item) == due:
                del self._due[item]
                self.add(item)
        if self._heap:
            self._arm()
