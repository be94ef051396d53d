"""A store whose watch can be held back, and whose round trips are counted: what a slow etcd looks like to the cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from apiserver.storage.interface import Event, KeyValue, Range
from apiserver.storage.sqlite import SQLiteStorage


class HeldStorage:
    """SQLite behind a gate. It has no `newest`, so the cache must ask for the revision."""

    def __init__(self, path: Path) -> None:
        self.inner = SQLiteStorage(path)
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer = asyncio.Event()
        self.answer.set()
        self.trips = 0
        self.watches = 0
        self._queue = asyncio.Queue[Sequence[Event] | Exception]()

    def break_watch(self, error: Exception) -> None:
        """The store watch raises `error` next; what it has not reported by then, it never will."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(error)

    async def start(self) -> None:
        await self.inner.start()

    async def close(self) -> None:
        await self.inner.close()

    async def revision(self) -> int:
        self.trips += 1
        revision = await self.inner.revision()
        await self.answer.wait()
        return revision

    async def get(self, key: str) -> KeyValue | None:
        return await self.inner.get(key)

    async def create(self, key: str, value: bytes, *, ttl: int = 0) -> int:
        return await self.inner.create(key, value, ttl=ttl)

    async def update(self, key: str, value: bytes, expected: int, *, ttl: int = 0) -> int:
        return await self.inner.update(key, value, expected, ttl=ttl)

    async def delete(self, key: str, expected: int) -> int:
        return await self.inner.delete(key, expected)

    async def range(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Range:
        return await self.inner.range(prefix, after=after, limit=limit, revision=revision)

    async def watch(self, prefix: str, start: int, *, previous: bool = True) -> AsyncIterator[Sequence[Event]]:
        self.watches += 1
        self._queue = queue = asyncio.Queue[Sequence[Event] | Exception]()

        async def pump() -> None:
            async for batch in self.inner.watch(prefix, start, previous=previous):
                queue.put_nowait(batch)

        pumping = asyncio.ensure_future(pump())
        try:
            while True:
                found = await queue.get()
                await self.gate.wait()
                if isinstance(found, Exception):
                    raise found
                yield found
        finally:
            pumping.cancel()

    async def compact(self, revision: int) -> None:
        await self.inner.compact(revision)

    async def size(self) -> int:
        return await self.inner.size()
