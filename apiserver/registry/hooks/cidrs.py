"""Addresses of the cluster's ServiceCIDRs: which exist, which is free. Each address in use is an IPAddress object.

Upstream: pkg/registry/core/service/ipallocator (KEP-1880: ServiceCIDR and IPAddress; KEP-3070: the lower part of a range is kept for
static use).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator, Sequence

from apiserver.context import Context, Lister, Obj
from apiserver.registry import deletion
from apiserver.registry.store import Registry
from kubepy.api import errors

GROUP = "networking.k8s.io"
MANAGED_BY = "ipallocator.k8s.io"
FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
MANAGED_LABEL = "ipaddress.kubernetes.io/managed-by"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AllocationError(Exception):
    """The text goes into the answer."""


def family_of(ip: str) -> str:
    """IPv4 or IPv6."""
    return "IPv6" if ":" in ip else "IPv4"


def reserved(network: Network) -> int:
    """How many addresses at the start of a range dynamic allocation leaves for static ones (calculateRangeOffset)."""
    size = min(network.num_addresses - 2, 1 << 16)
    if size < 16:
        return 0
    return max(16, min(256, size // 16))


class AddressPool:
    """Allocates and releases addresses through IPAddress objects, so that several API servers may do so at once."""

    def __init__(self, registry: Registry, lister: Lister, ranges: Sequence[str]) -> None:
        self._registry = registry
        self._lister = lister
        self._ranges = tuple(ipaddress.ip_network(r) for r in ranges)

    @property
    def families(self) -> list[str]:
        """The configured families, the cluster's default one first."""
        return [f"IPv{n.version}" for n in self._ranges]

    def networks(self, family: str) -> list[Network]:
        """The ranges to allocate from."""
        out: list[Network] = []
        for cidr in self._lister.list(GROUP, "servicecidrs"):
            if "deletionTimestamp" in cidr["metadata"]:
                continue
            conditions = (cidr.get("status") or {}).get("conditions") or ()
            if any(c.get("type") == "Ready" and c.get("status") == "False" for c in conditions):
                continue
            out += [ipaddress.ip_network(c) for c in (cidr.get("spec") or {}).get("cidrs") or ()]
        return [n for n in out or self._ranges if f"IPv{n.version}" == family]

    async def take(self, ctx: Context, ip: str, owner: Obj) -> None:
        """Reserve this address for a Service. Raises AllocationError."""
        address = ipaddress.ip_address(ip)
        networks = [n for n in self.networks(family_of(ip)) if address in n]
        if not networks and ctx.dry_run and (tried := self.networks(family_of(ip))):
            raise AllocationError(f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {tried[0]}")
        if not networks:
            raise AllocationError("the provided network does not match the current range")
        network = max(networks, key=lambda n: n.prefixlen)
        first, last = _bounds(network)
        if not first <= int(address) <= last:
            raise AllocationError(f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {network}")
        if not ctx.dry_run and not await self._create(address, owner):
            raise AllocationError("provided IP is already allocated")

    async def take_any(self, ctx: Context, family: str, owner: Obj) -> str:
        """Reserve a free address. Raises AllocationError when there is none."""
        networks = self.networks(family)
        if ctx.dry_run and networks:
            return str(networks[0].network_address)
        for network in networks:
            for address in _candidates(network):
                if self._lister.get(GROUP, "ipaddresses", None, str(address)) is None and await self._create(address, owner):
                    return str(address)
        raise AllocationError("range is full")

    async def _create(self, address: Address, owner: Obj) -> bool:
        meta = owner["metadata"]
        obj: Obj = {
            "kind": "IPAddress",
            "apiVersion": f"{GROUP}/v1",
            "metadata": {"name": str(address), "labels": {FAMILY_LABEL: f"IPv{address.version}", MANAGED_LABEL: MANAGED_BY}},
            "spec": {"parentRef": {"resource": "services", "namespace": meta.get("namespace", ""), "name": meta["name"]}},
        }
        try:
            await self._registry.create_object(GROUP, "ipaddresses", obj)
        except errors.AlreadyExists:
            return False
        return True

    async def release(self, ip: str) -> None:
        """Give an address back; unknown ones are fine."""
        served = self._registry.of(GROUP, "ipaddresses")
        ctx = self._registry.context("delete", served, name=ip)
        try:
            await deletion.delete(self._registry, ctx, served, "", str(ipaddress.ip_address(ip)), {})
        except errors.NotFound:
            return


def _bounds(network: Network) -> tuple[int, int]:
    first = int(network.network_address) + 1
    last = int(network.broadcast_address) - (1 if network.version == 4 else 0)
    return first, last


def _candidates(network: Network) -> Iterator[Address]:
    """Every address once: from a random one in the upper part round, then the lower part."""
    first, last = _bounds(network)
    middle = first + reserved(network)
    for low, high in ((middle, last), (first, middle - 1)):
        size = high - low + 1
        if size <= 0:
            continue
        kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
        start = random.randrange(size)
        for i in range(min(size, 1 << 20)):
            yield kind(low + (start + i) % size)
