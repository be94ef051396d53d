"""create, update, delete: what they demand, what they return, what they refuse."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.storage.interface import (
    MAX_REQUEST_BYTES,
    KeyExists,
    KeyMissing,
    KeyValue,
    RevisionConflict,
    Storage,
    TooLarge,
)


async def test_create_then_get(storage: Storage, root: str) -> None:
    before = await storage.revision()
    revision = await storage.create(f"{root}a", b"one")
    assert revision == before + 1
    assert await storage.get(f"{root}a") == KeyValue(f"{root}a", b"one", revision, revision)
    assert await storage.revision() == revision


async def test_revision_is_never_zero(storage: Storage) -> None:
    assert await storage.revision() >= 1


async def test_get_of_nothing(storage: Storage, root: str) -> None:
    assert await storage.get(f"{root}a") is None


async def test_create_refuses_what_exists(storage: Storage, root: str) -> None:
    revision = await storage.create(f"{root}a", b"one")
    with pytest.raises(KeyExists):
        await storage.create(f"{root}a", b"two")
    assert await storage.get(f"{root}a") == KeyValue(f"{root}a", b"one", revision, revision)
    assert await storage.revision() == revision


async def test_update_keeps_the_create_revision(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"one")
    second = await storage.update(f"{root}a", b"two", first)
    assert second == first + 1
    assert await storage.get(f"{root}a") == KeyValue(f"{root}a", b"two", first, second)


async def test_update_at_another_revision_tells_what_is_there(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"one")
    second = await storage.update(f"{root}a", b"two", first)
    with pytest.raises(RevisionConflict) as caught:
        await storage.update(f"{root}a", b"three", first)
    assert caught.value.current == KeyValue(f"{root}a", b"two", first, second)
    assert await storage.revision() == second


async def test_update_of_nothing(storage: Storage, root: str) -> None:
    with pytest.raises(KeyMissing):
        await storage.update(f"{root}a", b"one", 7)


async def test_delete(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"one")
    deletion = await storage.delete(f"{root}a", first)
    assert deletion == first + 1
    assert await storage.get(f"{root}a") is None
    with pytest.raises(KeyMissing):
        await storage.delete(f"{root}a", first)


async def test_delete_at_another_revision(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"one")
    second = await storage.update(f"{root}a", b"two", first)
    with pytest.raises(RevisionConflict) as caught:
        await storage.delete(f"{root}a", first)
    assert caught.value.current.mod_revision == second
    assert await storage.get(f"{root}a") is not None


async def test_a_key_can_be_created_again(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"one")
    await storage.delete(f"{root}a", first)
    again = await storage.create(f"{root}a", b"two")
    assert await storage.get(f"{root}a") == KeyValue(f"{root}a", b"two", again, again)


async def test_bytes_come_back_as_they_were(storage: Storage, root: str) -> None:
    value = bytes(range(256)) * 8
    await storage.create(f"{root}ключ/é", value)
    found = await storage.get(f"{root}ключ/é")
    assert found is not None and found.value == value


async def test_a_value_at_the_limit_is_taken_and_one_above_is_refused(storage: Storage, root: str) -> None:
    revision = await storage.create(f"{root}a", b"x" * (MAX_REQUEST_BYTES - 1024))
    for size in (MAX_REQUEST_BYTES, 3 * MAX_REQUEST_BYTES):
        with pytest.raises(TooLarge, match="etcdserver: request is too large"):
            await storage.create(f"{root}b", b"x" * size)
    assert await storage.revision() == revision


async def test_of_concurrent_creates_one_wins(storage: Storage, root: str) -> None:
    answers = await asyncio.gather(*(storage.create(f"{root}a", b"%d" % i) for i in range(20)), return_exceptions=True)
    winners = [i for i, answer in enumerate(answers) if isinstance(answer, int)]
    assert len(winners) == 1
    assert all(isinstance(answer, KeyExists) for i, answer in enumerate(answers) if i not in winners)
    found = await storage.get(f"{root}a")
    assert found is not None and found.value == b"%d" % winners[0]


async def test_of_concurrent_updates_one_wins_and_the_others_see_it(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"start")
    answers = await asyncio.gather(*(storage.update(f"{root}a", b"%d" % i, first) for i in range(20)), return_exceptions=True)
    (winner,) = [answer for answer in answers if isinstance(answer, int)]
    value = b"%d" % answers.index(winner)
    conflicts = [answer for answer in answers if isinstance(answer, RevisionConflict)]
    assert len(conflicts) == 19
    assert {conflict.current for conflict in conflicts} == {KeyValue(f"{root}a", value, first, winner)}


async def test_a_delete_and_a_create_in_one_group(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"one")
    deletion, creation = await asyncio.gather(storage.delete(f"{root}a", first), storage.create(f"{root}b", b"two"), return_exceptions=True)
    assert {deletion, creation} == {first + 1, first + 2}


async def test_many_writers_counting_lose_nothing(storage: Storage, root: str) -> None:
    """Sixteen writers increment shared counters under optimistic locking: the sum must be right."""
    counters = [f"{root}{i}" for i in range(4)]
    for key in counters:
        await storage.create(key, b"0")

    async def increment(key: str, times: int) -> None:
        found = await storage.get(key)
        while times:
            assert found is not None
            try:
                value = b"%d" % (int(found.value) + 1)
                revision = await storage.update(key, value, found.mod_revision)
            except RevisionConflict as conflict:
                found = conflict.current
            else:
                found = KeyValue(key, value, 0, revision)
                times -= 1

    start = await storage.revision()
    await asyncio.gather(*(increment(counters[i % 4], 25) for i in range(16)))
    assert [found.value for key in counters if (found := await storage.get(key))] == [b"100"] * 4
    assert await storage.revision() == start + 400


async def test_a_cancelled_writer_harms_nobody(storage: Storage, root: str) -> None:
    tasks = [asyncio.ensure_future(storage.create(f"{root}{i}", b"x")) for i in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[3], asyncio.CancelledError)
    kept = {item.key for item in (await storage.range(root)).items}
    assert {f"{root}{i}" for i in range(10) if i != 3} <= kept
