"""The watch cache over a real store: reads, read-your-writes, watches from any point, starting anew."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from apiserver.storage import cacher as cacher_module
from apiserver.storage import window as window_module
from apiserver.storage.cacher import CacheEvent, Cacher, Filter, Watcher
from apiserver.storage.interface import Compacted, RevisionConflict, StorageError, Unavailable
from apiserver.storage.sqlite import SQLiteStorage
from kubepy.api.errors import Gone, Timeout
from tests.unit.apiserver.storage.held import HeldStorage

PODS = "/registry/pods/"


def pod(name: str, **fields: object) -> bytes:
    return b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"%b"},"spec":%b}' % (name.encode(), orjson.dumps(fields))


def key(name: str, namespace: str = "default") -> str:
    return f"{PODS}{namespace}/{name}"


async def take(watcher: Watcher, count: int) -> list[CacheEvent]:
    """The next `count` events."""
    found: list[CacheEvent] = []
    while len(found) < count:
        found.extend(await asyncio.wait_for(anext(watcher), 5))
    assert len(found) == count
    return found


def brief(events: list[CacheEvent]) -> list[tuple[str, str, int]]:
    return [(e.type, e.entry.name if e.entry else "", e.revision) for e in events]


async def test_a_write_is_in_the_cache_when_it_is_acknowledged(store: SQLiteStorage, cacher: Cacher) -> None:
    for number in range(5):
        revision = await store.create(key(f"p{number}"), pod(f"p{number}"))
        entry = cacher.get(PODS, key(f"p{number}"))
        assert entry is not None and entry.revision == revision == cacher.revision
        assert cacher.written(key(f"p{number}"), revision, pod(f"p{number}")) is entry
    assert await cacher.fresh() == revision


async def test_start_loads_what_is_there(store: SQLiteStorage, cacher: Cacher) -> None:
    await store.create(key("a"), pod("a"))
    await store.create("/registry/example.com/widgets/w", b'{"kind":"W","apiVersion":"example.com/v1","metadata":{"name":"w"}}')
    await store.create("/registry/unlike-an-object", b"x")
    last = await store.create("outside", b"x")
    second = Cacher(store)
    await second.start()
    assert second.revision == last == await cacher.fresh()
    for cache in (cacher, second):
        assert [e.obj["metadata"]["name"] for e in cache.list(PODS)] == ["a"]
        assert cache.count("/registry/example.com/widgets/") == 1
        assert cache.get(PODS, key("b")) is None
    assert (second.list("/registry/none/"), second.count("/registry/none/"), second.generation("/registry/none/")) == ((), 0, 0)
    await second.stop()


async def test_generation_changes_with_the_prefix_only(store: SQLiteStorage, cacher: Cacher) -> None:
    revision = await store.create(key("a"), pod("a"))
    await store.create("/registry/nodes/n", b'{"metadata":{}}')
    assert cacher.generation(PODS) == revision
    deletion = await store.delete(key("a"), revision)
    assert (cacher.generation(PODS), cacher.list(PODS)) == (deletion, ())


async def test_joined_bodies_are_bounded(store: SQLiteStorage, cacher: Cacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacher_module, "JOINED_BYTES", 1000)
    await store.create(key("a"), pod("a", pad="x" * 600))
    entry = cacher.list(PODS)[0]
    first = cacher.joined(PODS, None, "item", lambda e: e.item)
    assert first == entry.item
    assert cacher.joined(PODS, None, "item", lambda e: e.item) is first
    cacher.joined(PODS, "default", "item", lambda e: e.item)
    assert cacher.joined(PODS, None, "item", lambda e: e.item) is not first


async def test_entry_of_a_conflict(store: SQLiteStorage, cacher: Cacher) -> None:
    first = await store.create(key("a"), pod("a", x=1))
    second = await store.update(key("a"), pod("a", x=2), first)
    with pytest.raises(RevisionConflict) as caught:
        await store.update(key("a"), pod("a", x=3), first)
    entry = cacher.entry(caught.value.current)
    assert (entry.revision, entry.namespace, entry.name, entry.obj["spec"]) == (second, "default", "a", {"x": 2})
    assert entry.obj["metadata"]["resourceVersion"] == str(second)


# -- a cache that lags


async def test_fresh_waits_for_the_cache(held: HeldStorage, slow: Cacher) -> None:
    held.gate.clear()
    revision = await held.create(key("a"), pod("a"))
    assert slow.get(PODS, key("a")) is None
    reading = asyncio.ensure_future(slow.fresh())
    await asyncio.sleep(0)
    assert not reading.done()
    held.gate.set()
    assert await reading == revision
    assert slow.get(PODS, key("a")) is not None


async def test_get_knows_what_was_written_before_the_watch_tells(held: HeldStorage, slow: Cacher) -> None:
    held.gate.clear()
    first = await held.create(key("a"), pod("a", x=1))
    entry = slow.written(key("a"), first, pod("a", x=1))
    assert slow.get(PODS, key("a")) is entry
    second = await held.update(key("a"), pod("a", x=2), first)
    newer = slow.written(key("a"), second, pod("a", x=2))
    assert slow.written(key("a"), first, pod("a", x=1)).revision == first
    assert slow.get(PODS, key("a")) is newer
    held.gate.set()
    await slow.wait_for(second)
    assert slow.get(PODS, key("a")) is newer is slow.list(PODS)[0]
    deletion = await held.delete(key("a"), second)
    await slow.wait_for(deletion)
    assert slow.get(PODS, key("a")) is None


async def test_a_deletion_outruns_what_was_written(held: HeldStorage, slow: Cacher) -> None:
    held.gate.clear()
    first = await held.create(key("a"), pod("a"))
    slow.written(key("a"), first, pod("a"))
    deletion = await held.delete(key("a"), first)
    held.gate.set()
    await slow.wait_for(deletion)
    assert slow.get(PODS, key("a")) is None


async def test_readers_who_wait_for_the_store_are_told_when_it_closes(held: HeldStorage, slow: Cacher) -> None:
    held.answer.clear()
    readers = [asyncio.ensure_future(slow.fresh()) for _ in range(2)]
    await asyncio.sleep(0)
    await slow.stop()
    for outcome in await asyncio.gather(*readers, return_exceptions=True):
        assert isinstance(outcome, Unavailable)


async def test_concurrent_readers_share_round_trips(held: HeldStorage, slow: Cacher) -> None:
    held.answer.clear()
    before = held.trips
    first = [asyncio.ensure_future(slow.fresh())]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert held.trips == before + 1
    # These began after the first trip did, and must not rely on it: they share a second one.
    revision = await held.create(key("a"), pod("a"))
    later = [asyncio.ensure_future(slow.fresh()) for _ in range(50)]
    await asyncio.sleep(0)
    later[0].cancel()
    held.answer.set()
    await asyncio.gather(*first)
    assert set(await asyncio.gather(*later[1:])) == {revision}
    assert held.trips == before + 2
    assert await slow.fresh() == revision
    assert held.trips == before + 3


async def test_waiting_for_the_future_times_out_like_upstream(slow: Cacher) -> None:
    now = slow.revision
    with pytest.raises(Timeout) as caught:
        await slow.wait_for(now + 7, timeout=0.01)
    assert caught.value.message == f"Timeout: Too large resource version: {now + 7}, current: {now}"
    assert caught.value.details == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


async def test_a_broken_store_watch_resumes_without_gap(held: HeldStorage, slow: Cacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacher_module, "RETRY", 0.01)
    watcher = slow.watch(PODS, slow.revision)
    await held.create(key("a"), pod("a"))
    await take(watcher, 1)
    held.break_watch(StorageError("gone"))
    revision = await held.create(key("b"), pod("b"))
    assert brief(await take(watcher, 1)) == [("ADDED", "b", revision)]
    assert held.watches == 2


async def test_lost_history_ends_the_watches_and_loads_anew(held: HeldStorage, slow: Cacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacher_module, "RETRY", 0.01)
    gone = await held.create(key("a"), pod("a"))
    await slow.wait_for(gone)
    since = slow.revision
    watcher = slow.watch(PODS, since)
    held.gate.clear()
    deletion = await held.delete(key("a"), gone)
    last = await held.create(key("b"), pod("b"))
    held.break_watch(Compacted(last))
    held.gate.set()
    await slow.wait_for(last)
    assert [e.name for e in slow.list(PODS)] == ["b"]
    async with asyncio.timeout(5):
        seen = [event async for batch in watcher for event in batch]
    assert brief(seen) in ([], [("DELETED", "a", deletion)])  # no ADDED: what was lost is unknown, the client must list
    with pytest.raises(Gone):
        slow.watch(PODS, since)
    again = slow.watch(PODS, last)
    revision = await held.create(key("c"), pod("c"))
    assert brief(await take(again, 1)) == [("ADDED", "c", revision)]


# -- watches


async def test_from_a_revision(store: SQLiteStorage, cacher: Cacher) -> None:
    first = await store.create(key("a"), pod("a"))
    second = await store.update(key("a"), pod("a", x=1), first)
    other = await store.create(key("b", "elsewhere"), pod("b"))
    deletion = await store.delete(key("a"), second)
    every = cacher.watch(PODS, first)
    some = cacher.watch(PODS, first - 1, Filter(namespace="default"))
    last = await store.create(key("c"), pod("c"))
    events = await take(every, 4)
    assert brief(events) == [("MODIFIED", "a", second), ("ADDED", "b", other), ("DELETED", "a", deletion), ("ADDED", "c", last)]
    events = await take(some, 4)
    assert brief(events) == [("ADDED", "a", first), ("MODIFIED", "a", second), ("DELETED", "a", deletion), ("ADDED", "c", last)]
    assert events[1].previous is not None and events[1].previous.revision == first
    assert orjson.loads(events[2].line) == {
        "type": "DELETED",
        "object": {**orjson.loads(pod("a", x=1)), "metadata": {"name": "a", "resourceVersion": str(deletion)}},
    }


async def test_from_the_present_state(store: SQLiteStorage, cacher: Cacher) -> None:
    for name in ("c", "a", "b"):
        await store.create(key(name), pod(name))
    now = cacher.revision
    watcher = cacher.watch(PODS, None, Filter(selector="not b", matches=lambda e: e.name != "b"), initial_bookmark=True)
    last = await store.create(key("d"), pod("d"))
    events = await take(watcher, 4)
    assert brief(events) == [("ADDED", "a", 3), ("ADDED", "c", 2), ("BOOKMARK", "", now), ("ADDED", "d", last)]
    assert [e.initial for e in events] == [False, False, True, False]


async def test_a_future_start_leaves_out_what_comes_before(store: SQLiteStorage, cacher: Cacher) -> None:
    watcher = cacher.watch(PODS, cacher.revision + 2)
    for name in ("a", "b", "c"):
        last = await store.create(key(name), pod(name))
    assert brief(await take(watcher, 1)) == [("ADDED", "c", last)]


async def test_too_old(store: SQLiteStorage, cacher: Cacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MIN_EVENTS", 3)
    monkeypatch.setattr(window_module, "MAX_EVENTS", 3)
    start = cacher.revision
    revisions = [await store.create(key(f"p{i}"), pod("p")) for i in range(6)]
    with pytest.raises(Gone) as caught:
        cacher.watch(PODS, start)
    assert caught.value.message == f"too old resource version: {start} ({revisions[2]})"
    assert [e.revision for e in await take(cacher.watch(PODS, revisions[2]), 3)] == revisions[3:]
    # Another prefix has lost nothing.
    cacher.watch("/registry/nodes/", start)


async def test_indexed_watches_and_lists(store: SQLiteStorage, cacher: Cacher) -> None:
    await store.create(key("a"), pod("a", node="n1"))
    cacher.add_index(PODS, "node", lambda e: e.obj["spec"].get("node", ""))
    cacher.add_index(PODS, "node", lambda e: "never used")
    one = cacher.watch(PODS, None, Filter(index=("node", "n1")))
    two = cacher.watch(PODS, cacher.revision, Filter(index=("node", "n2")))
    first = await store.create(key("b"), pod("b", node="n2"))
    second = await store.update(key("b"), pod("b", node="n1"), first)
    assert [e.name for e in cacher.by_index(PODS, "node", "n1")] == ["a", "b"]
    assert cacher.by_index(PODS, "node", "n2") == ()
    assert brief(await take(one, 2)) == [("ADDED", "a", 2), ("ADDED", "b", second)]
    events = await take(two, 2)
    assert brief(events) == [("ADDED", "b", first), ("DELETED", "b", second)]
    assert events[1].entry is not None
    assert events[1].entry.obj["spec"] == {"node": "n2"}
    assert events[1].entry.obj["metadata"]["resourceVersion"] == str(second)


async def test_a_storm_is_delivered_in_order_without_repetition(store: SQLiteStorage, cacher: Cacher) -> None:
    """With enough watchers events wait for company: joining in the middle must neither lose nor repeat any."""
    start = cacher.revision
    watchers = [cacher.watch(PODS, start) for _ in range(20)]

    async def write(writer: int) -> None:
        for number in range(20):
            await store.create(key(f"{writer}-{number}"), pod("x"))
            if number % 5 == 0:
                watchers.append(cacher.watch(PODS, start))

    await asyncio.gather(*(write(writer) for writer in range(10)))
    for watcher in watchers:
        assert [e.revision for e in await take(watcher, 200)] == list(range(start + 1, start + 201))
    assert len(watchers) == 60


async def test_bookmarks(store: SQLiteStorage, cacher: Cacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacher_module, "BOOKMARK_INTERVAL", 0.0)
    quiet = cacher.watch(PODS, cacher.revision)
    watcher = cacher.watch(PODS, cacher.revision, bookmarks=True)
    revision = await store.create("/registry/nodes/n", b'{"metadata":{}}')
    assert brief(await take(watcher, 1)) == [("BOOKMARK", "", revision)]
    first = await store.create(key("a"), pod("a"))
    cacher.bookmark(quiet)
    assert brief(await take(quiet, 2)) == [("ADDED", "a", first), ("BOOKMARK", "", first)]


async def test_a_resource_that_is_no_longer_served(store: SQLiteStorage, cacher: Cacher) -> None:
    since = cacher.revision
    watcher = cacher.watch(PODS, since)
    revision = await store.create(key("a"), pod("a"))
    cacher.end_watches(PODS)
    assert brief(await take(watcher, 1)) == [("ADDED", "a", revision)]
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)
    with pytest.raises(Gone):
        cacher.watch(PODS, since)
    cacher.end_watches("/registry/never/")
    with pytest.raises(Gone, match=rf"too old resource version: 1 \({cacher.revision}\)"):
        cacher.watch("/registry/never/", 1)


async def test_stop_ends_watches(store: SQLiteStorage) -> None:
    cache = Cacher(store)
    await cache.start()
    watcher = cache.watch(PODS, cache.revision)
    reading = asyncio.ensure_future(anext(watcher))
    await asyncio.sleep(0)
    await cache.stop()
    with pytest.raises(StopAsyncIteration):
        await reading
