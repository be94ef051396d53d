"""Forgets history on schedule: what is older than the interval goes, at least that much stays (--etcd-compaction-interval)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from apiserver.storage.interface import Storage, StorageError

log = logging.getLogger(__name__)

STEPS = 5
"""Looks per interval: history is kept for one interval, and up to a fifth longer."""
MAX_BYTES = 1 << 30
"""A store larger than this keeps the history of one step only."""


class Compactor:
    """Notes the store's revision at every step and compacts to the one noted an interval ago.

    Several API servers may do so on one etcd: each compacts only to what is old enough, so none can do harm.
    """

    def __init__(self, storage: Storage, interval: float = 300.0) -> None:
        self._storage = storage
        self._interval = interval
        self._noted: deque[tuple[float, int]] = deque()
        self._compacted = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; an interval of 0 means never."""
        if self._interval > 0:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="compactor")

    async def stop(self) -> None:
        """End; a compaction under way is abandoned."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self.step(loop.time())
            except StorageError as error:
                log.warning("history could not be compacted: %s", error)
            await asyncio.sleep(self._interval / STEPS)

    async def step(self, now: float) -> None:
        """Note the revision of time `now` (seconds), forget what is old enough. Raises StorageError."""
        self._noted.append((now, await self._storage.revision()))
        keep = self._interval if await self._storage.size() < MAX_BYTES else self._interval / STEPS
        target = 0
        while self._noted and self._noted[0][0] <= now - keep:
            target = self._noted.popleft()[1]
        if target > self._compacted:
            await self._storage.compact(target)
            self._compacted = target
