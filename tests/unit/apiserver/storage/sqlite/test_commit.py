"""Group commit when the disk fails, and when nothing is acknowledged before it is durable."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from apiserver.storage.interface import KeyExists, RevisionConflict, Unavailable
from apiserver.storage.sqlite import SQLiteStorage
from apiserver.storage.sqlite.sync import Done


class HeldSync:
    """Syncs when told to."""

    def __init__(self) -> None:
        self.waiting: Done | None = None
        self.begun = 0

    def begin(self, fd: int, done: Done) -> None:
        assert self.waiting is None
        self.waiting = done
        self.begun += 1

    def finish(self, error: OSError | None = None) -> None:
        assert self.waiting is not None
        done, self.waiting = self.waiting, None
        done(error)

    def close(self) -> None:
        return


@pytest.fixture
def sync(store: SQLiteStorage) -> HeldSync:
    held = HeldSync()
    assert store._commit is not None
    store._commit._sync.close()
    store._commit._sync = held
    return held


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_sync_for_all_who_wait_and_nothing_before_it(store: SQLiteStorage, sync: HeldSync) -> None:
    start = await store.revision()
    batches = store.watch("", start + 1)
    seeing = asyncio.ensure_future(anext(batches))
    first = [asyncio.ensure_future(store.create(f"k{i}", b"v")) for i in range(8)]
    await turn()
    later = [asyncio.ensure_future(store.create(f"later{i}", b"v")) for i in range(5)]
    await turn()
    assert sync.begun == 1
    assert not any(task.done() for task in [*first, *later, seeing])
    assert (await store.revision(), await store.get("k0"), (await store.range("k")).items) == (start, None, [])
    sync.finish()
    assert await asyncio.gather(*first) == list(range(start + 1, start + 9))
    assert [e.key for e in await seeing] == [f"k{i}" for i in range(8)]
    assert await store.get("k0") is not None
    await turn()
    assert sync.begun == 2
    assert not any(task.done() for task in later)
    sync.finish()
    await asyncio.gather(*later)
    await batches.aclose()  # type: ignore[attr-defined]


async def test_refusals_that_rest_on_the_group_wait_for_it(store: SQLiteStorage, sync: HeldSync) -> None:
    tasks = [asyncio.ensure_future(store.create("k", b"%d" % i)) for i in range(3)]
    await turn()
    conflict = asyncio.ensure_future(store.update("k", b"x", 1))
    await turn()
    assert not any(task.done() for task in [*tasks, conflict])
    sync.finish()
    revision = await tasks[0]
    assert [type(e) for e in await asyncio.gather(*tasks[1:], return_exceptions=True)] == [KeyExists, KeyExists]
    with pytest.raises(RevisionConflict) as caught:
        await conflict
    assert (caught.value.current.value, caught.value.current.mod_revision) == (b"0", revision)


async def test_a_failed_sync_stops_the_store(store: SQLiteStorage, sync: HeldSync) -> None:
    first = asyncio.ensure_future(store.create("a", b"v"))
    await turn()
    second = asyncio.ensure_future(store.create("b", b"v"))
    await turn()
    sync.finish(OSError(5, "Input/output error"))
    for task in (first, second):
        with pytest.raises(Unavailable, match=r"cannot be synced: .*Input/output error"):
            await task
    with pytest.raises(Unavailable):
        await store.create("c", b"v")
    with pytest.raises(Unavailable):
        await store.revision()


async def test_a_failed_transaction_leaves_everything_as_it_was(store: SQLiteStorage) -> None:
    first = await store.create("a", b"1")
    db = store._connection
    db.execute("PRAGMA max_page_count = 1")  # the disk is full: SQLite raises it to what the file has
    results = await asyncio.gather(store.update("a", b"2" * 100_000, first), store.create("b", b"v" * 100_000), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    assert "full" in str(results[0])
    db.execute("PRAGMA max_page_count = 1000000")
    second = await store.update("a", b"2", first)
    assert (second, await store.create("b", b"v")) == (first + 1, first + 2)


async def test_a_store_of_another_format_is_refused(store: SQLiteStorage, tmp_path: Path) -> None:
    store._connection.execute("PRAGMA user_version = 99")
    await store.close()
    with pytest.raises(Unavailable, match="has format 99, this program knows format 1"):
        await SQLiteStorage(tmp_path / "store.db").start()


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable, match=r"cannot open .*x\.db"):
        await SQLiteStorage(tmp_path / "x.db").start()
