"""Compaction and time to live."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.storage.interface import Compacted, KeyValue, Storage
from tests.contract.storage.test_watches import collect


async def test_what_is_older_is_gone_and_the_newest_stays(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"1")
    second = await storage.update(f"{root}a", b"2", first)
    other = await storage.create(f"{root}b", b"1")
    gone = await storage.create(f"{root}c", b"1")
    await storage.delete(f"{root}c", gone)
    third = await storage.update(f"{root}a", b"3", second)
    last = await storage.create(f"{root}d", b"1")
    await storage.compact(third)
    for revision in (first, second, gone):
        with pytest.raises(Compacted):
            await storage.range(root, revision=revision)
        with pytest.raises(Compacted):
            await collect(storage, root, revision, 1)
    assert [(i.key.removeprefix(root), i.value) for i in (await storage.range(root, revision=third)).items] == [("a", b"3"), ("b", b"1")]
    assert await storage.get(f"{root}b") == KeyValue(f"{root}b", b"1", other, other)
    assert [i.value for i in (await storage.range(root)).items] == [b"3", b"1", b"1"]
    assert [e.revision for e in await collect(storage, root, third + 1, 1)] == [last]


async def test_compaction_can_be_repeated(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"1")
    second = await storage.update(f"{root}a", b"2", first)
    await storage.compact(second)
    await storage.compact(second)
    await storage.compact(first)
    with pytest.raises(Compacted):
        await storage.range(root, revision=first)


async def test_previous_values_survive_the_compaction_before_them(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"1")
    await storage.create(f"{root}b", b"1")
    other = await storage.create(f"{root}c", b"1")
    await storage.compact(other)
    second = await storage.update(f"{root}a", b"2", first)
    await storage.delete(f"{root}a", second)
    assert [(e.value, e.previous) for e in await collect(storage, root, other + 1, 2)] == [(b"2", b"1"), (None, b"2")]


async def test_conditional_writes_do_not_care_about_compaction(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"1")
    last = await storage.create(f"{root}b", b"1")
    await storage.compact(last)
    second = await storage.update(f"{root}a", b"2", first)
    await storage.delete(f"{root}a", second)
    assert await storage.get(f"{root}a") is None


async def test_writes_go_on_during_a_compaction(storage: Storage, root: str) -> None:
    revision = await storage.create(f"{root}a", b"0")
    for i in range(1500):
        revision = await storage.update(f"{root}a", b"%d" % i, revision)
    compaction = asyncio.ensure_future(storage.compact(revision))
    created = await asyncio.gather(*(storage.create(f"{root}b{i}", b"x") for i in range(200)))
    await compaction
    assert len((await storage.range(f"{root}b")).items) == len(created)
    assert [i.value for i in (await storage.range(f"{root}a", revision=revision)).items] == [b"1499"]


async def test_ttl_deletes_as_a_revision_that_watches_see(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}short", b"1", ttl=1)
    await storage.create(f"{root}long", b"1", ttl=1000)
    await storage.create(f"{root}ever", b"1")
    events = await asyncio.wait_for(collect(storage, root, first, 4), 20)
    assert (events[3].key, events[3].value, events[3].previous) == (f"{root}short", None, b"1")
    assert events[3].revision > first + 2
    assert [i.key for i in (await storage.range(root)).items] == [f"{root}ever", f"{root}long"]


async def test_an_update_replaces_the_time_to_live(storage: Storage, root: str) -> None:
    kept = await storage.create(f"{root}kept", b"1", ttl=1)
    kept = await storage.update(f"{root}kept", b"2", kept)
    await storage.create(f"{root}short", b"1", ttl=1)
    events = await asyncio.wait_for(collect(storage, root, kept + 1, 2), 20)
    assert [(e.key, e.value) for e in events] == [(f"{root}short", b"1"), (f"{root}short", None)]
    assert await storage.get(f"{root}kept") is not None


async def test_many_keys_expire_together(storage: Storage, root: str) -> None:
    revisions = await asyncio.gather(*(storage.create(f"{root}{i}", b"1", ttl=1) for i in range(300)))
    events = await asyncio.wait_for(collect(storage, root, min(revisions), 600), 20)
    assert {e.key for e in events if e.value is None} == {f"{root}{i}" for i in range(300)}
    assert (await storage.range(root)).items == []
