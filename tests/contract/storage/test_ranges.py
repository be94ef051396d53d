"""range: order, prefixes, pages at a fixed revision."""

from __future__ import annotations

import pytest

from apiserver.storage.interface import FutureRevision, Storage


async def _fill(storage: Storage, root: str, names: list[str]) -> None:
    for name in names:
        await storage.create(root + name, name.encode())


def _names(root: str, items: object) -> list[str]:
    return [item.key.removeprefix(root) for item in items]  # type: ignore[attr-defined]


async def test_an_empty_prefix_has_a_revision(storage: Storage, root: str) -> None:
    found = await storage.range(root)
    assert (list(found.items), found.remaining, found.revision) == ([], 0, await storage.revision())


async def test_keys_come_in_byte_order_and_only_those_of_the_prefix(storage: Storage, root: str) -> None:
    await _fill(storage, root, ["b/x", "a/z", "a-b/y", "a/y", "B/x", "a/é", "a.b/y"])
    await storage.create(root[:-1] + "0", b"neighbour")
    found = await storage.range(root)
    assert _names(root, found.items) == ["B/x", "a-b/y", "a.b/y", "a/y", "a/z", "a/é", "b/x"]
    assert _names(root, (await storage.range(f"{root}a/")).items) == ["a/y", "a/z", "a/é"]
    assert [item.value for item in found.items][3] == b"a/y"


async def test_a_key_is_its_own_prefix(storage: Storage, root: str) -> None:
    await _fill(storage, root, ["a", "ab"])
    assert _names(root, (await storage.range(f"{root}a")).items) == ["a", "ab"]
    assert _names(root, (await storage.range(f"{root}a", after=f"{root}a")).items) == ["ab"]
    assert _names(root, (await storage.range(f"{root}a", limit=1)).items) == ["a"]


async def test_pages_at_a_fixed_revision_do_not_see_later_writes(storage: Storage, root: str) -> None:
    await _fill(storage, root, [f"{i:02}" for i in range(10)])
    page = await storage.range(root, limit=4)
    seen, at = list(page.items), page.revision
    assert page.remaining == 6
    # Between the pages: an update, a deletion and a creation among what is still to come.
    await storage.update(f"{root}05", b"changed", page.items[0].mod_revision + 5)
    await storage.delete(f"{root}07", page.items[0].mod_revision + 7)
    await storage.create(f"{root}055", b"new")
    while page.remaining:
        page = await storage.range(root, after=seen[-1].key, limit=4, revision=at)
        assert page.revision == at
        seen.extend(page.items)
    assert _names(root, seen) == [f"{i:02}" for i in range(10)]
    assert [item.value for item in seen] == [f"{i:02}".encode() for i in range(10)]
    now = await storage.range(root)
    assert _names(root, now.items) == ["00", "01", "02", "03", "04", "05", "055", "06", "08", "09"]


async def test_a_page_of_exactly_what_is_there(storage: Storage, root: str) -> None:
    await _fill(storage, root, ["a", "b", "c"])
    page = await storage.range(root, limit=3)
    assert (len(page.items), page.remaining) == (3, 0)
    page = await storage.range(root, after=f"{root}c", limit=3)
    assert (len(page.items), page.remaining) == (0, 0)


async def test_every_revision_can_be_read(storage: Storage, root: str) -> None:
    first = await storage.create(f"{root}a", b"1")
    second = await storage.update(f"{root}a", b"2", first)
    third = await storage.delete(f"{root}a", second)
    fourth = await storage.create(f"{root}a", b"4")
    seen = [[item.value for item in (await storage.range(root, revision=at)).items] for at in (first, second, third, fourth)]
    assert seen == [[b"1"], [b"2"], [], [b"4"]]


async def test_many_keys_in_one_range(storage: Storage, root: str) -> None:
    import asyncio

    await asyncio.gather(*(storage.create(f"{root}{i:05}", b"x" * 100) for i in range(2500)))
    found = await storage.range(root)
    assert _names(root, found.items) == [f"{i:05}" for i in range(2500)]
    page = await storage.range(root, limit=2100)
    assert (len(page.items), page.remaining) == (2100, 400)


async def test_the_future_is_refused(storage: Storage, root: str) -> None:
    now = await storage.revision()
    with pytest.raises(FutureRevision) as caught:
        await storage.range(root, revision=now + 1000)
    assert caught.value.current == now
