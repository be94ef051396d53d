"""Leases for keys with a time to live, shared by the keys written around the same time (etcd3 lease_manager.go)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from apiserver.storage.etcd.connection import Connection
from apiserver.storage.etcd.messages import LEASE_GRANT, lease_grant_request, number_in

_ID = 2

REUSE_SECONDS = 60
REUSE_PERCENT = 5
"""A lease serves new keys for this long at most; keys live that much longer than asked for."""
MAX_KEYS = 1000
"""Keys on one lease: etcd deletes them all in one revision."""


@dataclass(slots=True)
class _Lease:
    id: int
    until: float
    keys: int = 0


class Leases:
    """The lease in use per time to live."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._leases: dict[int, _Lease] = {}
        self._granting: dict[int, asyncio.Lock] = {}

    async def get(self, ttl: int) -> int:
        """A lease that keeps a key for at least `ttl` seconds; 0 for ever. Raises Unavailable."""
        if ttl <= 0:
            return 0
        now = asyncio.get_running_loop().time()
        async with self._granting.setdefault(ttl, asyncio.Lock()):
            lease = self._leases.get(ttl)
            if lease is None or now >= lease.until or lease.keys >= MAX_KEYS:
                reuse = min(REUSE_SECONDS, ttl * REUSE_PERCENT // 100)
                # A second grant would only leave an unused lease behind: repeating it is harmless, as for reads.
                answer = await self._connection.call(LEASE_GRANT, lease_grant_request(ttl + reuse), reads=True)
                lease = self._leases[ttl] = _Lease(number_in(answer, _ID), now + reuse)
            lease.keys += 1
            return lease.id

    def forget(self, lease_id: int) -> None:
        """Do not use a lease again (etcd does not know it any more)."""
        self._leases = {ttl: lease for ttl, lease in self._leases.items() if lease.id != lease_id}
