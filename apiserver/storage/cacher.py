"""The watch cache: one store watch feeds an in-memory index per storage prefix, the read path of the API.

Every object is kept once, as bytes with its resourceVersion (`Entry`). Reads are made linearizable by `fresh`.
The whole store is watched, not only `/registry/`: so every revision is seen, and "the cache has reached revision
X" can be told without asking the store for its progress (which etcd 3.4 answers unreliably).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Hashable, Sequence

from apiserver.storage import keys
from apiserver.storage.entry import Entry, splice
from apiserver.storage.events import Batch, CacheEvent, EventType
from apiserver.storage.fanout import Group, select
from apiserver.storage.freshness import Freshness
from apiserver.storage.interface import Compacted, Event, KeyValue, Storage, StorageError
from apiserver.storage.shard import Shard
from apiserver.storage.watcher import EVERYTHING, Filter, Watcher
from kubepy.api.errors import Gone

__all__ = ["EVERYTHING", "Batch", "CacheEvent", "Cacher", "Entry", "EventType", "Filter", "Watcher"]

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between looks at what is due: bookmarks, encodings to forget."""
BOOKMARK_INTERVAL = 60.0
COALESCE, COALESCE_MAX = 0.0001, 0.02
"""Seconds per watcher, and at most, that events may wait for company when the last delivery is that recent: a storm costs
each watcher fewer wake-ups, and delivering leaves time for the writes."""
COALESCE_WATCHERS = 8
"""With fewer watchers than this on a prefix, events never wait."""
JOINED_BYTES = 16 << 20
"""What remembered List bodies may take together."""
INITIAL_BATCH = 500
RETRY = 0.2


class Cacher:
    """See the module. All methods must be called from the event loop that `start` ran in; sync ones do no I/O."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._shards: dict[str, Shard] = {}
        self._freshness = Freshness(storage)
        self._loaded = 0
        self._parked: dict[str, Entry] = {}
        """Writes acknowledged to this process that the store's watch has not reported yet, by key."""
        self._dirty: set[Shard] = set()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._fading: list[CacheEvent] = []
        self._recent: list[CacheEvent] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    async def start(self) -> None:
        """Load everything, begin to follow the store. Raises Unavailable."""
        await self._load()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow(), name="cacher-follow"), loop.create_task(self._tick(), name="cacher-tick")]

    async def stop(self) -> None:
        """End all watchers and the store watch. Does not close the storage."""
        self._stopped = True
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._flush_timer is not None:
            self._flush()
        self._end_watchers()
        self._freshness.close()

    @property
    def revision(self) -> int:
        """The store revision that the cache has reached: the resourceVersion of a List."""
        return self._freshness.revision

    async def fresh(self) -> int:
        """Wait until the cache holds every write acknowledged before the call; returns `revision`. Raises Unavailable, Timeout."""
        return await self._freshness.fresh()

    async def wait_for(self, revision: int, timeout: float = 3.0) -> None:
        """Wait until the cache has reached `revision`; raises kubepy.api.errors.Timeout (`Too large resource version: X, current: Y`)."""
        await self._freshness.wait_for(revision, timeout)

    def entry(self, kv: KeyValue) -> Entry:
        """The Entry for what storage returned (a RevisionConflict's `current`, an item of a range)."""
        return self._make(kv.key, kv.mod_revision, kv.value)

    def written(self, key: str, revision: int, value: bytes) -> Entry:
        """The Entry for a write just acknowledged. Hands it to the cache: `get` knows it at once, and it is made only once."""
        parts = keys.split(key)
        shard = self._shards.get(parts.prefix) if parts else None
        cached = shard.index.entries.get(key) if shard is not None else None
        if cached is not None and cached.revision == revision:
            return cached
        entry = self._make(key, revision, value)
        if revision > self.revision:
            known = self._parked.get(key)
            if known is None or known.revision < revision:
                self._parked[key] = entry
        return entry

    def get(self, prefix: str, key: str) -> Entry | None:
        """The object under the full storage key `key` (Resource.key), or None. Never older than what `written` was told."""
        if self._parked and (parked := self._parked.get(key)) is not None:
            return parked
        shard = self._shards.get(prefix)
        return shard.index.entries.get(key) if shard is not None else None

    def list(self, prefix: str, namespace: str | None = None) -> Sequence[Entry]:
        """All objects (of one namespace) in key order: a shared immutable sequence, cheap until something changes."""
        shard = self._shards.get(prefix)
        return shard.index.list(namespace) if shard is not None else ()

    def page(self, prefix: str, namespace: str | None, after: str, limit: int) -> tuple[Sequence[Entry], int]:
        """At most `limit` (0: all) objects whose key sorts after `after`, and how many remain after them."""
        shard = self._shards.get(prefix)
        return shard.index.page(namespace, after, limit) if shard is not None else ((), 0)

    def joined(self, prefix: str, namespace: str | None, variant: Hashable, render: Callable[[Entry], bytes]) -> bytes:
        """`render` of every object of `list`, joined by commas: the body of a List, remembered under `variant` until a change."""
        shard = self._shards.get(prefix)
        if shard is None:
            return b""
        index = shard.index
        before = index.joined_bytes
        out = index.joined(namespace, variant, render)
        if index.joined_bytes != before and sum(s.index.joined_bytes for s in self._shards.values()) > JOINED_BYTES:
            for other in self._shards.values():
                other.index.drop_joined()
        return out

    def count(self, prefix: str) -> int:
        """How many objects a prefix holds."""
        shard = self._shards.get(prefix)
        return len(shard.index.entries) if shard is not None else 0

    def generation(self, prefix: str) -> int:
        """Revision of the last change under the prefix (0: none since start): the key for whatever is derived from it."""
        shard = self._shards.get(prefix)
        return shard.index.generation if shard is not None else 0

    def add_index(self, prefix: str, name: str, key: Callable[[Entry], str]) -> None:
        """Index a prefix by a field, for `by_index` and Filter.index; idempotent."""
        self._shard(prefix).index.add_index(name, key)

    def by_index(self, prefix: str, name: str, value: str) -> Sequence[Entry]:
        """The objects whose indexed field is `value`, in key order."""
        return self._shard(prefix).index.by_index(name, value)

    def watch(
        self,
        prefix: str,
        since: int | None,
        filter: Filter = EVERYTHING,
        *,
        bookmarks: bool = False,
        initial_bookmark: bool = False,
    ) -> Watcher:
        """Watch a prefix: changes with revision > `since`; None: the present objects as ADDED first, then changes.

        `initial_bookmark` ends the present objects with a BOOKMARK marked `initial`. `bookmarks` asks for one about
        every minute. Raises kubepy.api.errors.Gone (`too old resource version: X (Y)`) when the history no longer reaches back.
        """
        shard = self._shard(prefix)
        if since is not None and since < shard.window.floor:
            raise Gone(f"too old resource version: {since} ({shard.window.floor})")
        if self._dirty:
            self._flush()  # what waits for delivery is in the window already, and must not reach the new watcher twice
        now = asyncio.get_running_loop().time()
        watcher = Watcher(max(since or 0, self.revision), bookmark_due=now + BOOKMARK_INTERVAL if bookmarks else None)
        group = shard.fanout.join(filter, watcher, shard.index)
        watcher.on_close = lambda: shard.fanout.leave(group, watcher)
        if since is None:
            self._seed(watcher, group, shard.index.candidates(filter.namespace, filter.index), initial_bookmark)
        else:
            missed = select(shard.window.since(since), group)
            if missed:
                watcher.seed(Batch(missed))
            if initial_bookmark:
                watcher.seed(Batch((CacheEvent(EventType.BOOKMARK, None, None, self.revision, True),)))
        return watcher

    def bookmark(self, watcher: Watcher) -> None:
        """Queue a BOOKMARK at the present revision behind everything up to it (before a watch times out, say)."""
        if self._dirty:
            self._flush()
        watcher.deliver(Batch((CacheEvent(EventType.BOOKMARK, None, None, self.revision),)))

    def end_watches(self, prefix: str) -> None:
        """End all watchers of a prefix and forget its history: its resource is no longer served, or served anew."""
        self._flush()
        self._shard(prefix).close(self.revision)

    def _seed(self, watcher: Watcher, group: Group, entries: Sequence[Entry], initial_bookmark: bool) -> None:
        events = [CacheEvent(EventType.ADDED, entry, None, entry.revision) for entry in entries if group.sees(entry)]
        for start in range(0, len(events), INITIAL_BATCH):
            watcher.seed(Batch(events[start : start + INITIAL_BATCH]))
        if initial_bookmark:
            watcher.seed(Batch((CacheEvent(EventType.BOOKMARK, None, None, self.revision, True),)))

    def _shard(self, prefix: str) -> Shard:
        shard = self._shards.get(prefix)
        if shard is None:
            shard = self._shards[prefix] = Shard(prefix, self._loaded)
        return shard

    def _make(self, key: str, revision: int, value: bytes) -> Entry:
        parts = keys.split(key)
        raw = splice(value, revision)
        return Entry(key, revision, raw, parts.namespace, parts.name) if parts else Entry(key, revision, raw, "", key)

    async def _load(self) -> None:
        loaded = await self.storage.range(keys.ROOT)
        by_prefix: dict[str, list[Entry]] = {}
        for kv in loaded.items:
            parts = keys.split(kv.key)
            if parts is not None:
                entry = Entry(kv.key, kv.mod_revision, splice(kv.value, kv.mod_revision), parts.namespace, parts.name)
                by_prefix.setdefault(parts.prefix, []).append(entry)
        self._loaded = loaded.revision
        self._parked.clear()
        self._dirty.clear()
        for prefix in [*self._shards, *by_prefix]:
            self._shard(prefix).load(by_prefix.get(prefix, []), loaded.revision)
        self._freshness.reached(loaded.revision)

    async def _follow(self) -> None:
        while not self._stopped:
            try:
                async with contextlib.aclosing(self.storage.watch("", self.revision + 1, previous=False)) as batches:  # type: ignore[type-var]
                    async for batch in batches:
                        self._apply(batch)
            except Compacted:
                log.warning("the store's history no longer reaches back to revision %d: loading anew", self.revision)
                await self._reload()
            except StorageError as error:
                log.warning("the store's watch ended: %s", error)
            except Exception:
                log.exception("the cache could not follow the store: loading anew")
                await self._reload()
            await asyncio.sleep(RETRY)

    async def _reload(self) -> None:
        """Start anew. What happened in between is unknown, so every watch ends and its client lists again."""
        while not self._stopped:
            try:
                self._end_watchers()
                await self._load()
                return
            except StorageError as error:
                log.warning("the store cannot be read: %s", error)
                await asyncio.sleep(RETRY)

    def _apply(self, events: Sequence[Event]) -> None:
        parked = self._parked
        for event in events:
            parts = keys.split(event.key)
            if parts is None:
                continue
            shard = self._shard(parts.prefix)
            revision = event.revision
            entry = None
            known = parked.get(event.key) if parked else None
            if known is not None and known.revision <= revision:
                del parked[event.key]
            if event.value is not None:
                if known is not None and known.revision == revision:
                    entry = known
                else:
                    entry = Entry(event.key, revision, splice(event.value, revision), parts.namespace, parts.name)
            change = shard.apply(event.key, parts.namespace, entry, revision)
            if change is not None and shard.fanout:
                self._recent.append(change)
                self._dirty.add(shard)
        if self._dirty:
            self._flush_soon()
        self._freshness.reached(events[-1].revision)

    def _flush_soon(self) -> None:
        if self._flush_timer is not None:
            return
        loop = asyncio.get_running_loop()
        watchers = sum(shard.fanout.size for shard in self._dirty)
        wait = self._flushed_at + min(COALESCE * watchers, COALESCE_MAX) - loop.time()
        if wait <= 0 or watchers < COALESCE_WATCHERS:
            self._flush()
        else:
            self._flush_timer = loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        for shard in self._dirty:
            shard.fanout.flush()
        self._dirty.clear()
        self._flushed_at = asyncio.get_running_loop().time()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            fading, self._fading, self._recent = self._fading, self._recent, []
            for event in fading:
                event.forget()
            now = loop.time()
            if self._dirty:
                self._flush()
            for shard in self._shards.values():
                for watcher in shard.fanout.watchers() if shard.fanout else ():
                    if watcher.bookmark_due is not None and watcher.bookmark_due <= now:
                        watcher.bookmark_due = now + BOOKMARK_INTERVAL
                        self.bookmark(watcher)

    def _end_watchers(self) -> None:
        for shard in self._shards.values():
            shard.close(self.revision)
