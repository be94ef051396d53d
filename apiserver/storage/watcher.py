"""A watcher of the cache: what it wants (`Filter`), and the bounded queue it reads from (`Watcher`)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from apiserver.storage.entry import Entry
from apiserver.storage.events import Batch, CacheEvent, EventType

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

    __slots__ = ("_closed", "_on_close", "_queue", "_queued", "_wake", "bookmarks", "revision", "slow")

    def __init__(self, revision: int, on_close: Callable[[Watcher], None], *, bookmarks: bool = False) -> None:
        self.revision = revision
        """Everything up to this revision has been handed to the reader: what a bookmark may say."""
        self.bookmarks = bookmarks
        self.slow = False
        self._on_close = on_close
        self._queue: deque[Batch] = deque()
        self._queued = 0
        self._wake: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether no further batch will be queued."""
        return self._closed

    def deliver(self, batch: Batch) -> None:
        """Queue a batch (cache only)."""
        if self._closed:
            return
        self._queue.append(batch)
        self._queued += len(batch.events)
        if self._queued > MAX_QUEUED:
            self.slow = True
            self._queue.clear()
            self.close()
        elif (wake := self._wake) is not None:
            self._wake = None
            if not wake.done():
                wake.set_result(None)

    def bookmark(self, revision: int) -> None:
        """Queue a BOOKMARK (cache only)."""
        self.deliver(Batch((CacheEvent(EventType.BOOKMARK, None, None, revision),)))

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
        self.revision = max(self.revision, batch.events[-1].revision)
        return batch

    def close(self) -> None:
        """End the watch; the reader still gets what is queued."""
        if self._closed:
            return
        self._closed = True
        self._on_close(self)
        if (wake := self._wake) is not None and not wake.done():
            wake.set_result(None)
