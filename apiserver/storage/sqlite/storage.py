"""SQLiteStorage: the Storage interface over the revision log.

What a write survives. It is acknowledged after the write-ahead log has been synced (fdatasync) up to and including it,
so neither kill -9 nor a crash of the machine nor a power loss loses it, provided that the disk honours a flush.
A write that was not acknowledged may be there after a crash or not, never in part.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO

from apiserver.storage.interface import (
    MAX_REQUEST_BYTES,
    Compacted,
    Event,
    FutureRevision,
    KeyMissing,
    KeyValue,
    Range,
    RevisionConflict,
    TooLarge,
    Unavailable,
)
from apiserver.storage.sqlite import database
from apiserver.storage.sqlite.commit import GroupCommit, Verb
from apiserver.storage.sqlite.database import Head
from apiserver.storage.sqlite.expiry import Expiry
from apiserver.storage.sqlite.feed import Feed

PAGE_ROWS = 500
"""Rows read in one go; between two goes the event loop runs."""
CHECKPOINT_BYTES = 8 << 20
"""A write-ahead log larger than this is copied into the database in the background."""
PAGE_BYTES = 4096
"""What a row costs in the write-ahead log besides its value: a page of the index."""
COMPACT_ROWS = 128
COMPACT_PAUSE = 0.004
"""Compaction forgets so many rows at a time (about 2 ms) and leaves the event loop alone for as many seconds in between."""


class SQLiteStorage:
    """One SQLite file as a revisioned store with watches. All calls from the event loop that `start` ran in."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock: IO[str] | None = None
        self._db: sqlite3.Connection | None = None
        self._commit: GroupCommit | None = None
        self._expiry = Expiry(self._expire)
        self._feeds: set[Feed] = set()
        self._compacted = 0
        self._checkpointing: asyncio.Future[None] | None = None
        self._since_checkpoint = 0

    async def start(self) -> None:
        """Open the file, creating it when it is not there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = database.take_lock(self.path)
        try:
            self._db = db = database.connect(self.path)
            database.checkpoint(self.path, "TRUNCATE")
            newest = db.execute("SELECT max(revision) FROM log").fetchone()[0]
            compacted = db.execute("SELECT value FROM meta WHERE name = 'compacted'").fetchone()
            self._compacted = compacted[0] if compacted else 0
            heads = {key: Head(revision, created, expires) for key, revision, created, expires in db.execute(database.HEADS)}
            # Like etcd, an empty store is at revision 1: 0 means "any" to the API.
            self._commit = GroupCommit(db, self.path, heads, newest or 1, self._deliver)
        except BaseException:
            await self.close()
            raise
        for key, head in heads.items():
            if head.expires is not None:
                self._expiry.add(key, head.revision, head.expires)

    async def close(self) -> None:
        """End the watches, finish what is being written, close the file."""
        self._expiry.close()
        for feed in list(self._feeds):
            feed.close()
        if self._checkpointing is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._checkpointing
        commit, self._commit = self._commit, None
        if commit is not None:
            await commit.idle()
            commit.close()
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def newest(self) -> int:
        """The newest acknowledged revision, known without I/O."""
        return self._writer.durable

    async def revision(self) -> int:
        """The newest acknowledged revision. Raises Unavailable for good once the disk has failed."""
        writer = self._writer
        if writer.failure is not None:
            raise writer.failure
        return writer.durable

    async def get(self, key: str) -> KeyValue | None:
        """The key's newest acknowledged value."""
        row = self._connection.execute(database.NEWEST_OF_KEY, (key, self.newest)).fetchone()
        return KeyValue(*row) if row and row[2] else None

    async def create(self, key: str, value: bytes, *, ttl: int = 0) -> int:
        """See Storage.create."""
        return await self._write(Verb.CREATE, key, value, 0, ttl)

    async def update(self, key: str, value: bytes, expected: int, *, ttl: int = 0) -> int:
        """See Storage.update."""
        return await self._write(Verb.UPDATE, key, value, expected, ttl)

    async def delete(self, key: str, expected: int) -> int:
        """See Storage.delete."""
        return await self._write(Verb.DELETE, key, None, expected, 0)

    async def _write(self, verb: Verb, key: str, value: bytes | None, expected: int, ttl: int) -> int:
        if len(key) + len(value or b"") > MAX_REQUEST_BYTES:
            raise TooLarge("etcdserver: request is too large")
        expires = time.time() + ttl if ttl else None
        revision = await self._writer.write(verb, key, value, expected, expires)
        if expires is not None:
            self._expiry.add(key, revision, expires)
        return revision

    async def _expire(self, key: str, revision: int) -> None:
        with contextlib.suppress(KeyMissing, RevisionConflict):
            await self.delete(key, revision)

    async def range(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Range:
        """See Storage.range."""
        at = revision or self.newest
        if at > self.newest:
            raise FutureRevision(self.newest)
        self._check_kept(at)
        # Keys with the prefix sort after the prefix less its last character plus everything: start just before it.
        bounds = {"after": max(after, prefix), "end": database.prefix_end(prefix), "revision": at}
        items: list[KeyValue] = []
        if bounds["after"] == prefix and after != prefix and (own := self._at(prefix, at)) is not None:
            items.append(own)
        while not limit or len(items) < limit:
            want = min(PAGE_ROWS, limit - len(items)) if limit else PAGE_ROWS
            rows = self._connection.execute(database.PAGE, bounds | {"limit": want}).fetchall()
            items.extend([KeyValue(*row) for row in rows])
            if len(rows) < want:
                return Range(at, items, 0)
            bounds["after"] = rows[-1][0]
            await asyncio.sleep(0)
            self._check_kept(at)
        remaining = self._connection.execute(database.COUNT, bounds | {"after": items[-1].key}).fetchone()[0]
        return Range(at, items, remaining)

    def _at(self, key: str, revision: int) -> KeyValue | None:
        row = self._connection.execute(database.NEWEST_OF_KEY, (key, revision)).fetchone()
        return KeyValue(*row) if row and row[2] else None

    async def watch(self, prefix: str, start: int, *, previous: bool = True) -> AsyncIterator[Sequence[Event]]:
        """See Storage.watch."""
        self._check_kept(start)
        feed = Feed()
        self._feeds.add(feed)
        position = start
        try:
            while not feed.closed:
                # From the log up to the present, then what is delivered live; back to the log after an overflow.
                end = self.newest
                feed.restart()
                while position <= end:
                    self._check_kept(position)
                    rows = self._connection.execute(
                        database.EVENTS, {"start": position, "end": end, "previous": previous, "limit": PAGE_ROWS}
                    ).fetchall()
                    position = rows[-1][1] + 1 if rows else end + 1
                    events = [
                        Event(key, revision, value, before, was, created)
                        for key, revision, value, created, was, before in rows
                        if key.startswith(prefix)
                    ]
                    if events:
                        yield events
                async for batch in feed:
                    live = [event for event in batch if event.revision >= position and event.key.startswith(prefix)] if prefix else batch
                    if previous:
                        live = [self._with_previous(event) for event in live]
                    position = batch[-1].revision + 1
                    if live:
                        yield live
        finally:
            self._feeds.discard(feed)

    def _with_previous(self, event: Event) -> Event:
        if not event.previous_revision:
            return event
        row = self._connection.execute(database.VALUE, (event.previous_revision,)).fetchone()
        before = row[0] if row else None
        return Event(event.key, event.revision, event.value, before, event.previous_revision, event.create_revision)

    def _deliver(self, events: Sequence[Event]) -> None:
        for feed in self._feeds:
            feed.put(events)
        self._count_written(sum(len(event.value or b"") + PAGE_BYTES for event in events))

    def _count_written(self, size: int) -> None:
        """Keep the write-ahead log short. In a storm the background never reaches its end, so the foreground does the rest."""
        self._since_checkpoint += size
        if self._since_checkpoint > CHECKPOINT_BYTES and self._checkpointing is None:
            self._since_checkpoint = 0
            self._checkpointing = asyncio.get_running_loop().run_in_executor(None, database.checkpoint, self.path)
            self._checkpointing.add_done_callback(self._finish_checkpoint)

    def _finish_checkpoint(self, _: asyncio.Future[None]) -> None:
        self._checkpointing = None
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    async def compact(self, revision: int) -> None:
        """See Storage.compact. Works in steps, between which writes go on."""
        target = min(revision, self.newest)
        low = self._compacted
        if target <= low:
            return
        self._compacted = target
        self._connection.execute(database.SET_META, ("compacted", target))
        while low < target:
            high = min(low + COMPACT_ROWS, target)
            db = self._connection
            db.execute("BEGIN IMMEDIATE")
            db.execute(database.FORGET_REPLACED, {"low": low, "high": high})
            db.execute(database.FORGET_DELETIONS, {"low": low, "high": high})
            db.execute("COMMIT")
            self._count_written((high - low) * PAGE_BYTES)
            low = high
            await asyncio.sleep(COMPACT_PAUSE)

    async def size(self) -> int:
        """Bytes of the database and its write-ahead log."""
        files = (self.path, Path(f"{self.path}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def _check_kept(self, revision: int) -> None:
        if revision < self._compacted:
            raise Compacted(self._compacted)

    @property
    def _writer(self) -> GroupCommit:
        if self._commit is None:
            raise Unavailable("the store is not open")
        return self._commit

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise Unavailable("the store is not open")
        return self._db
