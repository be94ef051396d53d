"""A watcher's queue: waking, ending, leaving out, and giving up on slow readers."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.storage import watcher as watcher_module
from apiserver.storage.entry import Entry
from apiserver.storage.events import Batch, CacheEvent, EventType
from apiserver.storage.watcher import Watcher


def batch(*revisions: int) -> Batch:
    return Batch([CacheEvent(EventType.ADDED, Entry("k", r, b"{}", "", "k"), None, r) for r in revisions])


def bookmark(revision: int) -> Batch:
    return Batch([CacheEvent(EventType.BOOKMARK, None, None, revision)])


async def read(watcher: Watcher) -> list[int]:
    return [event.revision async for b in watcher for event in b]


async def test_what_is_queued_before_and_after_waiting_arrives_in_order() -> None:
    watcher = Watcher(0)
    watcher.deliver(batch(1, 2))
    reading = asyncio.ensure_future(read(watcher))
    await asyncio.sleep(0)
    assert not watcher.pending()
    watcher.deliver(batch(3))
    watcher.deliver(batch(4))
    assert watcher.pending()
    watcher.close()
    assert await reading == [1, 2, 3, 4]


async def test_nothing_after_close() -> None:
    closed: list[int] = []
    watcher = Watcher(0)
    watcher.on_close = lambda: closed.append(1)
    watcher.close()
    watcher.close()
    watcher.deliver(batch(1))
    assert (await read(watcher), closed, watcher.slow) == ([], [1], False)


async def test_changes_up_to_the_start_are_left_out_but_no_bookmark() -> None:
    watcher = Watcher(5)
    watcher.deliver(batch(3, 4))
    watcher.deliver(batch(5, 6))
    watcher.deliver(bookmark(5))
    watcher.deliver(batch(7))
    watcher.close()
    assert await read(watcher) == [6, 5, 7]


async def test_a_reader_too_far_behind_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "MAX_QUEUED", 3)
    watcher = Watcher(0)
    watcher.deliver(batch(1, 2))
    watcher.deliver(batch(3))
    assert not watcher.closed
    watcher.deliver(batch(4))
    assert watcher.closed and watcher.slow
    assert await read(watcher) == []


async def test_the_initial_state_does_not_count_as_being_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "MAX_QUEUED", 3)
    watcher = Watcher(100)
    watcher.seed(batch(*range(1, 51)))
    for revision in (101, 102, 103):
        watcher.deliver(batch(revision))
    assert not watcher.closed
    watcher.close()
    assert await read(watcher) == [*range(1, 51), 101, 102, 103]


async def test_a_cancelled_read_loses_nothing() -> None:
    watcher = Watcher(0)
    waiting = asyncio.ensure_future(anext(watcher))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    watcher.deliver(batch(1))
    assert [e.revision for e in await anext(watcher)] == [1]
