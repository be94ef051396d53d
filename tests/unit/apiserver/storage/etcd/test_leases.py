"""Leases are shared by keys written close together, and not for too long."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.storage.etcd import leases as leases_module
from apiserver.storage.etcd.leases import Leases
from apiserver.storage.etcd.messages import LEASE_GRANT, number_in
from kubepy.api.protobuf.wire import VARINT, tag, varint


class Granter:
    """Grants leases and remembers for how long."""

    def __init__(self) -> None:
        self.granted: list[int] = []

    async def call(self, path: str, request: bytes, *, reads: bool) -> bytes:
        await asyncio.sleep(0)
        assert (path, reads) == (LEASE_GRANT, True)
        self.granted.append(number_in(request, 1))
        return tag(2, VARINT) + varint(len(self.granted))


async def test_keys_of_one_ttl_share_a_lease_that_outlives_them() -> None:
    granter = Granter()
    leases = Leases(granter)  # type: ignore[arg-type]
    assert await asyncio.gather(*(leases.get(3600) for _ in range(5))) == [1] * 5
    assert await leases.get(600) == 2
    assert granter.granted == [3600 + 60, 600 + 30]
    assert await leases.get(0) == 0


async def test_a_lease_takes_so_many_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "MAX_KEYS", 2)
    leases = Leases(Granter())  # type: ignore[arg-type]
    assert [await leases.get(3600) for _ in range(5)] == [1, 1, 2, 2, 3]


async def test_short_lives_are_not_prolonged() -> None:
    granter = Granter()
    leases = Leases(granter)  # type: ignore[arg-type]
    assert [await leases.get(10), await leases.get(10)] == [1, 2]
    assert granter.granted == [10, 10]


async def test_forget() -> None:
    leases = Leases(Granter())  # type: ignore[arg-type]
    first = await leases.get(3600)
    leases.forget(first)
    assert await leases.get(3600) != first
