"""Finds reserved addresses and ports that no Service has, such as a crash between two writes leaves, and frees them.

Upstream: pkg/registry/core/service/{ipallocator,portallocator}/controller.
"""

from __future__ import annotations

import asyncio
import time

from apiserver.context import Lister
from apiserver.registry.hooks.cidrs import GROUP, MANAGED_BY, MANAGED_LABEL, AddressPool
from apiserver.registry.hooks.nodeports import PortPool
from apiserver.registry.hooks.services import ips_of, node_ports_of
from apiserver.registry.objectmeta import unix

EVERY = 180.0
GRACE = 60.0
"""Seconds for which a reservation may precede its Service."""


class Repair:
    """The loop; one per API server, harmless when several run."""

    def __init__(self, lister: Lister, addresses: AddressPool, ports: PortPool) -> None:
        self._lister = lister
        self._addresses = addresses
        self._ports = ports
        self._suspect: set[int] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.once()

    async def once(self) -> None:
        """One round. Ports are freed when they were without a Service in the round before, too."""
        services = list(self._lister.list("", "services"))
        held = {ip for s in services for ip in ips_of(s)}
        for address in list(self._lister.list(GROUP, "ipaddresses")):
            meta = address["metadata"]
            if (meta.get("labels") or {}).get(MANAGED_LABEL) != MANAGED_BY or meta["name"] in held:
                continue
            if time.time() - unix(meta["creationTimestamp"]) > GRACE:
                await self._addresses.release(meta["name"])
        used = {port for s in services for port in node_ports_of(s)}
        loose = set(await self._ports.taken()) - used
        for port in loose & self._suspect:
            await self._ports.release(port)
        self._suspect = loose - self._suspect
