"""Group commit: the writes that wait together become one transaction and one sync, and are acknowledged after it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

from apiserver.storage.interface import Event, KeyExists, KeyMissing, KeyValue, RevisionConflict, StorageError, Unavailable
from apiserver.storage.sqlite import database
from apiserver.storage.sqlite.database import Head
from apiserver.storage.sqlite.sync import FileSync, file_sync

MAX_GROUP = 512
"""Writes in one transaction; more wait for the next, so that the event loop is not held for long."""

Row = tuple[int, str, bytes | None, int, int, float | None]
"""A row of the log: revision, key, value, create_revision, previous_revision, expires."""


class Verb(Enum):
    """What a write demands of its key."""

    CREATE = 1
    UPDATE = 2
    DELETE = 3


class Write:
    """One write on its way. `done` gets the revision, or what Storage says it raises."""

    __slots__ = ("done", "expected", "expires", "key", "value", "verb")

    def __init__(
        self, done: asyncio.Future[int], verb: Verb, key: str, value: bytes | None, expected: int = 0, expires: float | None = None
    ) -> None:
        self.done = done
        self.verb = verb
        self.key = key
        self.value = value
        self.expected = expected
        self.expires = expires


class GroupCommit:
    """Owns the heads of all keys and the newest revision; decides every write in the event loop, without I/O but the insert.

    `heads` and `assigned` run ahead of `durable`: they include the group that is being synced. Nothing of that group
    is acknowledged, delivered or readable before its sync is done.
    """

    def __init__(
        self, db: sqlite3.Connection, path: Path, heads: dict[str, Head], revision: int, deliver: Callable[[Sequence[Event]], None]
    ) -> None:
        self.heads = heads
        self.durable = revision
        self.assigned = revision
        self.failure: Unavailable | None = None
        self._db = db
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Write] = []
        self._syncing = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._wal = os.open(f"{path}-wal", os.O_RDONLY)
        self._sync: FileSync = file_sync(self._wal)

    async def write(self, verb: Verb, key: str, value: bytes | None, expected: int = 0, expires: float | None = None) -> int:
        """Make one write durable; returns its revision."""
        if self.failure is not None:
            raise self.failure
        done: asyncio.Future[int] = self._loop.create_future()
        self._waiting.append(Write(done, verb, key, value, expected, expires))
        if len(self._waiting) == 1 and not self._syncing:
            # Later in this turn of the loop: whoever else is about to write joins the group.
            self._loop.call_soon(self._flush)
        return await done

    async def idle(self) -> None:
        """Wait until nothing is being synced (to close, or to run a statement of one's own)."""
        while self._syncing or self._waiting:
            await self._idle.wait()
            await asyncio.sleep(0)

    def close(self) -> None:
        """Refuse further writes and release the files; call when idle."""
        self.failure = self.failure or Unavailable("the store is closed")
        self._fail(self._waiting, self.failure)
        self._waiting = []
        self._sync.close()
        os.close(self._wal)

    def _flush(self) -> None:
        if self._syncing or not self._waiting or self.failure is not None:
            return
        group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
        rows: list[Row] = []
        results: list[tuple[asyncio.Future[int], int | StorageError]] = []
        undo: list[tuple[str, Head | None]] = []
        for write in group:
            if write.done.done():  # the caller has gone before anything was written
                continue
            head = self.heads.get(write.key)
            error = self._refuse(write, head, rows)
            if error is not None:
                results.append((write.done, error))
                continue
            revision = self.assigned + len(rows) + 1
            previous = head.revision if head else 0
            undo.append((write.key, head))
            if write.value is None:
                del self.heads[write.key]
                created = 0
            else:
                created = head.create_revision if head else revision
                self.heads[write.key] = Head(revision, created, write.expires)
            rows.append((revision, write.key, write.value, created, previous, write.expires))
            results.append((write.done, revision))
        if not rows:
            self._acknowledge(results)
            self._next()
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(database.INSERT, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            for key, head in reversed(undo):
                if head is None:
                    self.heads.pop(key, None)
                else:
                    self.heads[key] = head
            self._fail(group, Unavailable(f"the store cannot be written: {error}"))
            self._next()
            return
        self.assigned = rows[-1][0]
        self._syncing = True
        self._idle.clear()
        events = [Event(key, revision, value, None, previous, created) for revision, key, value, created, previous, _ in rows]
        self._sync.begin(self._wal, lambda error: self._synced(error, group, events, results))

    def _refuse(self, write: Write, head: Head | None, rows: Sequence[Row]) -> StorageError | None:
        if write.verb is Verb.CREATE:
            return None if head is None else KeyExists(write.key)
        if head is None:
            return KeyMissing(write.key)
        if head.revision == write.expected:
            return None
        if head.revision > self.assigned:  # written by this very group
            value = rows[head.revision - self.assigned - 1][2]
        else:
            value = self._db.execute(database.VALUE, (head.revision,)).fetchone()[0]
        assert value is not None
        return RevisionConflict(KeyValue(write.key, value, head.create_revision, head.revision))

    def _synced(
        self,
        error: OSError | None,
        group: Sequence[Write],
        events: Sequence[Event],
        results: Sequence[tuple[asyncio.Future[int], int | StorageError]],
    ) -> None:
        self._syncing = False
        self._idle.set()
        if error is not None:
            # What reached the disk is unknown, and a second sync may report success without having written: stop here.
            self.failure = Unavailable(f"the store cannot be synced: {error}")
            self._fail(group, self.failure)
            self._fail(self._waiting, self.failure)
            self._waiting = []
            return
        self.durable = events[-1].revision
        # Watches first: whoever wakes from a write finds the cache ahead of it.
        self._deliver(events)
        self._acknowledge(results)
        self._next()

    def _next(self) -> None:
        if self._waiting:
            self._loop.call_soon(self._flush)

    @staticmethod
    def _acknowledge(results: Sequence[tuple[asyncio.Future[int], int | StorageError]]) -> None:
        for done, result in results:
            if done.done():
                continue
            if isinstance(result, int):
                done.set_result(result)
            else:
                done.set_exception(result)

    @staticmethod
    def _fail(writes: Sequence[Write], error: StorageError) -> None:
        for write in writes:
            if not write.done.done():
                write.done.set_exception(error)
