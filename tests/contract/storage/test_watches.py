"""watch: from a revision, with previous values, without gap or repetition."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from apiserver.storage.interface import Event, Storage


async def collect(storage: Storage, prefix: str, start: int, count: int, *, previous: bool = True) -> list[Event]:
    """The first `count` events of a watch."""
    found: list[Event] = []
    async with contextlib.aclosing(storage.watch(prefix, start, previous=previous)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            found.extend(batch)
            if len(found) >= count:
                break
    assert len(found) == count
    return found


async def test_history_then_present_with_previous_values(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"1")
    second = await storage.update(f"{root}a", b"2", first)
    watching = asyncio.ensure_future(collect(storage, root, first, 4))
    await asyncio.sleep(0)
    third = await storage.delete(f"{root}a", second)
    fourth = await storage.create(f"{root}a", b"4")
    events = await watching
    assert [(e.revision, e.value, e.previous, e.previous_revision) for e in events] == [
        (first, b"1", None, 0),
        (second, b"2", b"1", first),
        (third, None, b"2", second),
        (fourth, b"4", None, 0),
    ]
    assert [e.create_revision for e in events if e.value is not None] == [first, first, fourth]


async def test_a_watch_begins_at_its_revision(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"1")
    second = await storage.update(f"{root}a", b"2", first)
    (event,) = await collect(storage, root, second, 1)
    assert (event.revision, event.previous) == (second, b"1")


async def test_previous_values_can_be_spared(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"1")
    await storage.update(f"{root}a", b"2", first)
    events = await collect(storage, root, first, 2, previous=False)
    assert [(e.value, e.previous) for e in events] == [(b"1", None), (b"2", None)]


async def test_only_the_prefix_is_seen(storage: Storage, root: str) -> None:
    start = await storage.create(f"{root}a/1", b"1")
    await storage.create(f"{root}b/1", b"2")
    await storage.create(f"{root}a/2", b"3")
    assert [e.value for e in await collect(storage, f"{root}a/", start, 2)] == [b"1", b"3"]


async def test_the_empty_prefix_sees_every_revision(storage: Storage, root: str) -> None:
    start = await storage.create(f"{root}a", b"1")
    await storage.create(f"outside{root}", b"2")
    last = await storage.create(f"{root}b", b"3")
    assert [e.revision for e in await collect(storage, "", start, 3)] == [start, start + 1, last]


async def test_a_watch_from_the_next_revision_waits_for_it(storage: Storage, root: str) -> None:
    now = await storage.revision()
    watching = asyncio.ensure_future(collect(storage, root, now + 1, 1))
    revision = await storage.create(f"{root}a", b"1")
    (event,) = await watching
    assert event.revision == revision == now + 1


async def test_nothing_is_missed_or_repeated_while_many_write(storage: Storage, root: str) -> None:
    """Watches that begin at different times during a storm see the same history from where they began."""
    start = await storage.revision() + 1
    total = 600

    async def write(writer: int) -> None:
        revision = 0
        for number in range(total // 12):
            key = f"{root}{writer}"
            if number == 0:
                revision = await storage.create(key, b"%d" % number)
            else:
                revision = await storage.update(key, b"%d" % number, revision)

    async def late(after: int) -> list[Event]:
        while await storage.revision() < start + after:
            await asyncio.sleep(0.001)
        return await collect(storage, root, start, total)

    watches = [asyncio.ensure_future(late(after)) for after in (0, 100, 300)]
    await asyncio.gather(*(write(writer) for writer in range(12)))
    histories = await asyncio.gather(*watches)
    assert [e.revision for e in histories[0]] == list(range(start, start + total))
    assert histories[0] == histories[1] == histories[2]
    for event in histories[0]:
        assert event.previous == (b"%d" % (int(event.value or b"") - 1) if event.value != b"0" else None)


async def test_a_reader_that_pauses_still_gets_everything(storage: Storage, root: str) -> None:
    start = await storage.revision() + 1
    batches: AsyncIterator[object] = storage.watch(root, start)
    first = asyncio.ensure_future(anext(batches))
    await storage.create(f"{root}0", b"x")
    seen = [e.revision for e in await first]  # type: ignore[attr-defined]
    revisions = await asyncio.gather(*(storage.create(f"{root}{i}", b"x") for i in range(1, 3000)))
    while len(seen) < 3000:
        seen.extend(e.revision for e in await anext(batches))  # type: ignore[attr-defined]
    assert seen == list(range(start, max(revisions) + 1))
    await batches.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("idle", [True, False])
async def test_close_ends_watches(shared: object, root: str, idle: bool) -> None:
    store: Storage = shared.open()  # type: ignore[attr-defined]
    await store.start()
    start = await store.create(f"{root}a", b"1")
    batches = store.watch(root, start)
    assert [e.value for e in await anext(batches)] == [b"1"]
    waiting = asyncio.ensure_future(anext(batches)) if idle else None
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StopAsyncIteration):
        await (waiting if waiting is not None else anext(batches))
