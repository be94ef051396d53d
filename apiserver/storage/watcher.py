"""A watcher of the cache: what it wants (`Filter`), and the bounded queue it reads from (`Watcher`)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from apiserver.storage.entry import Entry
from apiserver.storage.events import Batch

MAX_QUEUED = 8192
"""Events that may wait in one watcher; a reader further behind is ended (it lists again and is better off)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which objects a watcher sees. Filters that are equal share their events and encodings.

    `matches` decides on selectors; `selector` is its identity (`labelSelector` and `fieldSelector` as sent), by which
    filters compare. `index` narrows by a field index of the prefix first: (index name, value), see Cacher.add_index.
    """

    namespace: str | None = None
    name: str | None = None
    index: tuple[str, str] | None = None
    selector: str = ""
    matches: Callable[[Entry], bool] | None = field(default=None, compare=False)


EVERYTHING = Filter()


class Watcher:
    """An async iterator of batches. It ends when closed, when too slow (`slow`), or when the cache had to start anew.

    Whoever made it must close it. One reader only.
    """

    __slots__ = ("_closed", "_limit", "_queue", "_queued", "_since", "_wake", "bookmark_due", "on_close", "slow")

    def __init__(self, since: int, *, bookmark_due: float | None = None) -> None:
        self.slow = False
        self.bookmark_due = bookmark_due
        """Loop time of the next bookmark (cache only)."""
        self.on_close: Callable[[], None] | None = None
        self._since = since
        self._queue: deque[Batch] = deque()
        self._queued = 0
        self._limit = MAX_QUEUED
        self._wake: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether no further batch will be queued."""
        return self._closed

    def seed(self, batch: Batch) -> None:
        """Queue what comes before anything live, whatever its size (cache only, before the first `deliver`)."""
        self._queue.append(batch)
        self._queued += len(batch.events)
        self._limit = MAX_QUEUED + self._queued

    def deliver(self, batch: Batch) -> None:
        """Queue a batch (cache only). Changes up to the revision the watch began at are left out."""
        if self._closed:
            return
        if batch.events[0].revision <= self._since and not batch.events[0].is_bookmark:
            later = [event for event in batch.events if event.revision > self._since]
            if not later:
                return
            batch = Batch(later)
        self._queue.append(batch)
        self._queued += len(batch.events)
        if self._queued > self._limit:
            self.slow = True
            self._queue.clear()
            self.close()
        elif (wake := self._wake) is not None:
            self._wake = None
            if not wake.done():
                wake.set_result(None)

    def pending(self) -> bool:
        """Whether a batch can be had without waiting."""
        return bool(self._queue)

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> Batch:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        batch = self._queue.popleft()
        self._queued -= len(batch.events)
        return batch

    def close(self) -> None:
        """End the watch; the reader still gets what is queued."""
        if self._closed:
            return
        self._closed = True
        if self.on_close is not None:
            self.on_close()
        if (wake := self._wake) is not None and not wake.done():
            wake.set_result(None)
