"""Restarts and kill -9: what was acknowledged is there, and the history goes on."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from apiserver.storage.interface import Compacted, KeyMissing, Storage, Unavailable
from tests.contract.storage import writer as writer_program
from tests.contract.storage.backends import Backend, SQLite
from tests.contract.storage.test_watches import collect

REPOSITORY = Path(__file__).parents[3]


@contextlib.asynccontextmanager
async def opened(backend: Backend):  # type: ignore[no-untyped-def]
    store = backend.open()
    await store.start()
    try:
        yield store
    finally:
        await store.close()


async def test_everything_is_there_after_a_restart(own: Backend, root: str) -> None:
    async with opened(own) as store:
        first = await store.create(f"{root}a", b"1")
        second = await store.update(f"{root}a", b"2", first)
        gone = await store.create(f"{root}b", b"1")
        await store.create(f"{root}expires", b"1", ttl=1)
        last = await store.delete(f"{root}b", gone)
    own.kill()
    own.restart()
    async with opened(own) as store:
        assert await store.revision() >= last
        assert [i.value for i in (await store.range(root, revision=first)).items] == [b"1"]
        history = await asyncio.wait_for(collect(store, root, first, 6), 20)
        assert [e.value for e in history] == [b"1", b"2", b"1", b"1", None, None]
        assert history[4].key, history[5].key == (f"{root}b", f"{root}expires")
        with pytest.raises(KeyMissing):
            await store.delete(f"{root}b", gone)
        third = await store.update(f"{root}a", b"3", second)
        assert third > last


async def test_compaction_survives_a_restart(own: Backend, root: str) -> None:
    async with opened(own) as store:
        first = await store.create(f"{root}a", b"1")
        second = await store.update(f"{root}a", b"2", first)
        third = await store.update(f"{root}a", b"3", second)
        await store.compact(third)
    own.kill()
    own.restart()
    async with opened(own) as store:
        with pytest.raises(Compacted):
            await store.range(root, revision=second)
        assert [i.value for i in (await store.range(root)).items] == [b"3"]


async def test_the_last_revision_is_not_given_twice_after_deletions(own: Backend, root: str) -> None:
    async with opened(own) as store:
        first = await store.create(f"{root}a", b"1")
        last = await store.delete(f"{root}a", first)
        await store.compact(last)
    async with opened(own) as store:
        assert await store.revision() == last
        assert await store.create(f"{root}a", b"1") == last + 1


@pytest.mark.parametrize("acknowledged", [50, 700])
async def test_kill_loses_nothing_acknowledged(own: Backend, root: str, acknowledged: int) -> None:
    """A process writes with 16 writers; after so many acknowledgements it and the server are killed with SIGKILL."""
    async with opened(own):
        pass  # the server answers, the file exists
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contract.storage.writer", own.url, root, "16", stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(acknowledged)]
    own.kill()
    process.kill()
    # What the pipe still holds was acknowledged before the end, too.
    lines += [line for line in (await process.stdout.read()).splitlines(keepends=True) if line.endswith(b"\n")]
    await process.wait()
    acked: dict[str, tuple[int, int]] = {}
    highest = 0
    for line in lines:
        key, number, revision = line.decode().split()
        acked[key] = (int(number), int(revision))
        highest = max(highest, int(revision))
    own.restart()
    async with opened(own) as store:
        assert await store.revision() >= highest
        kept = {item.key: item for item in (await store.range(root)).items}
        for key, (number, revision) in acked.items():
            writer = int(key.removeprefix(root).split("/")[0])
            item = kept[key]
            # At the acknowledged write, or at the one that was under way after it.
            later = item.mod_revision > revision and item.value == writer_program.payload(writer, number + 1)
            assert later or (item.mod_revision, item.value) == (revision, writer_program.payload(writer, number))
        history = await collect(store, root, min(item.create_revision for item in kept.values()), await _events(store, root))
        assert [e.revision for e in history] == sorted({e.revision for e in history})
        newest = {event.key: event.value for event in history}
        assert newest == {key: item.value for key, item in kept.items()}
        assert await store.create(f"{root}after", b"1") > highest


async def _events(store: Storage, root: str) -> int:
    """How many writes the keys have had: one for the creation, one more where the value's number is odd."""
    items = (await store.range(root)).items
    return sum(1 + int(item.value.split(b"/")[1]) % 2 for item in items)


@pytest.mark.parametrize("own", ["etcd"], indirect=True)
async def test_writes_and_watches_go_on_across_a_restart_of_the_server(own: Backend, root: str) -> None:
    async with opened(own) as store:
        first = await store.create(f"{root}a", b"1")
        watching = asyncio.ensure_future(collect(store, root, first, 3))
        second = await store.update(f"{root}a", b"2", first)
        own.kill()
        writing = asyncio.ensure_future(store.update(f"{root}a", b"3", second))
        reading = asyncio.ensure_future(store.get(f"{root}a"))
        own.restart()
        third = await writing
        found = await reading
        assert found is not None and found.mod_revision in (second, third)
        assert [e.revision for e in await asyncio.wait_for(watching, 20)] == [first, second, third]


async def test_a_file_has_one_writer(tmp_path: Path) -> None:
    backend = SQLite(tmp_path)
    async with opened(backend):
        other = backend.open()
        with pytest.raises(Unavailable, match=r"store\.db is in use by process \d+"):
            await other.start()
    async with opened(backend):
        pass
