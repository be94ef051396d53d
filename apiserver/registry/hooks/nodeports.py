"""Node ports of Services: one key in the store per port taken, so that no two Services, or API servers, take the same.

Upstream: pkg/registry/core/service/portallocator, apis/core/validation messages.
"""

from __future__ import annotations

import random

import orjson

from apiserver.storage import interface
from apiserver.storage.interface import Storage

ALLOCATED = "provided port is already allocated"
PREFIX = "/registry/ranges/servicenodeports/"


class PortError(Exception):
    """The text goes into the answer."""


class PortPool:
    """Reserves node ports."""

    def __init__(self, storage: Storage, ports: tuple[int, int]) -> None:
        self._storage = storage
        self._low, self._high = ports

    async def has(self, port: int) -> bool:
        """Whether this port is reserved."""
        return await self._storage.get(f"{PREFIX}{port}") is not None

    async def take(self, port: int, owner: str) -> None:
        """Reserve this port. Raises PortError."""
        if not self._low <= port <= self._high:
            raise PortError(f"provided port is not in the valid range. The range of valid ports is {self._low}-{self._high}")
        key = f"{PREFIX}{port}"
        try:
            await self._storage.create(key, orjson.dumps({"metadata": {"name": str(port)}, "service": owner}))
        except interface.KeyExists:
            raise PortError(ALLOCATED) from None

    async def take_any(self, owner: str) -> int:
        """Reserve a free port. Raises PortError when there is none."""
        size = self._high - self._low + 1
        start = random.randrange(size)
        for i in range(size):
            port = self._low + (start + i) % size
            try:
                await self.take(port, owner)
            except PortError:
                continue
            return port
        raise PortError("range is full")

    async def release(self, port: int) -> None:
        """Give a port back; free ones are fine."""
        kv = await self._storage.get(f"{PREFIX}{port}")
        if kv is not None:
            try:
                await self._storage.delete(kv.key, kv.mod_revision)
            except (interface.KeyMissing, interface.RevisionConflict):
                return

    async def taken(self) -> dict[int, str]:
        """Every reserved port with its owner's namespace/name."""
        found = await self._storage.range(PREFIX)
        return {int(kv.key[len(PREFIX) :]): orjson.loads(kv.value).get("service", "") for kv in found.items}
