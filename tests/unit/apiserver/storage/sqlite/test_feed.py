"""A watch that falls behind goes back to the log, and neither misses nor repeats."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.storage.sqlite import SQLiteStorage, feed


@pytest.mark.parametrize("previous", [True, False])
async def test_overflow(store: SQLiteStorage, monkeypatch: pytest.MonkeyPatch, previous: bool) -> None:
    monkeypatch.setattr(feed, "MAX_BATCHES", 3)
    batches = store.watch("k", await store.revision() + 1, previous=previous)
    reading = asyncio.ensure_future(anext(batches))
    revision = await store.create("k", b"0")
    events = list(await reading)
    for number in range(1, 20):
        revision = await store.update("k", b"%d" % number, revision)
    while len(events) < 20:
        events.extend(await anext(batches))
    revision = await store.update("k", b"20", revision)
    events.extend(await anext(batches))
    assert [e.value for e in events] == [b"%d" % number for number in range(21)]
    assert [e.previous for e in events[1:]] == [b"%d" % number if previous else None for number in range(20)]
    await batches.aclose()  # type: ignore[attr-defined]
