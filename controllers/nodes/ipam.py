"""Pod address ranges for nodes: every node gets one subnet of each cluster CIDR (pkg/controller/nodeipam, range allocator)."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from typing import Any

from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import NotFound

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class CIDRSet:
    """The subnets of one size in a network; the next free one is found in amortised constant time (cidr_set.go)."""

    def __init__(self, network: Network, bits: int) -> None:
        if bits < network.prefixlen or bits > network.max_prefixlen:
            raise ValueError(f"node mask size {bits} does not fit into {network}")
        self._network, self._bits = network, bits
        self._step = 1 << (network.max_prefixlen - bits)
        self._count = 1 << (bits - network.prefixlen)
        self._used: set[int] = set()
        self._next = 0

    def allocate(self) -> str | None:
        """A free subnet, now taken; None when all are."""
        if len(self._used) >= self._count:
            return None
        while self._next in self._used:
            self._next = (self._next + 1) % self._count
        index = self._next
        self._used.add(index)
        self._next = (index + 1) % self._count
        return f"{self._network.network_address + index * self._step}/{self._bits}"

    def occupy(self, cidr: str) -> bool:
        """Take every subnet that `cidr` touches; False when it lies outside of the network."""
        indexes = self._indexes(cidr)
        self._used.update(indexes)
        return bool(indexes)

    def release(self, cidr: str) -> None:
        """Give subnets back."""
        self._used.difference_update(self._indexes(cidr))

    def _indexes(self, cidr: str) -> range:
        other = ipaddress.ip_network(cidr, strict=False)
        if other.version != self._network.version or not other.overlaps(self._network):
            return range(0)
        base = int(self._network.network_address)
        begin = max(0, (int(other.network_address) - base) // self._step)
        end = min(self._count - 1, (int(other.broadcast_address) - base) // self._step)
        return range(begin, end + 1)


def start(ctx: Context) -> None:
    """Register the node IPAM controller; without --allocate-node-cidrs it does nothing."""
    if ctx.options.allocate_node_cidrs and ctx.options.cluster_cidr:
        _NodeIPAM(ctx)


class _NodeIPAM:
    def __init__(self, ctx: Context) -> None:
        self._client = ctx.client
        self._recorder = ctx.recorder("cidrAllocator")
        options = ctx.options
        self._sets = []
        for text in options.cluster_cidr:
            network = ipaddress.ip_network(text)
            self._sets.append(CIDRSet(network, options.node_cidr_mask_size if network.version == 4 else options.node_cidr_mask_size_ipv6))
        for text in options.service_cluster_ip_range:
            for subnets in self._sets:
                subnets.occupy(text)
        self._held: dict[str, Sequence[str]] = {}
        self._nodes = ctx.informer("nodes")
        self._controller = ctx.controller("node-ipam", self._sync, workers=30)
        self._controller.depends(self._nodes)
        self._nodes.on_event(self._node_changed)

    def _node_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        name = meta.name(new)
        cidrs = new.get("spec", {}).get("podCIDRs") or ()
        if kind == "DELETED":
            for cidr in self._held.pop(name, ()):
                for subnets in self._sets:
                    subnets.release(cidr)
        elif cidrs:
            # Taken before any allocation: handlers run for the whole first list before workers begin.
            if name not in self._held:
                self._held[name] = cidrs
                for cidr, subnets in zip(cidrs, self._sets, strict=False):
                    subnets.occupy(cidr)
        else:
            self._controller.enqueue(name)

    async def _sync(self, name: str) -> None:
        node = self._nodes.cache.get(name)
        if node is None or node.get("spec", {}).get("podCIDRs"):
            return
        cidrs = self._held.get(name) or self._allocate(node)
        if not cidrs:
            return
        self._held[name] = cidrs
        try:
            await self._client.patch("nodes", name, {"spec": {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)}}, type="strategic")
        except NotFound:
            return

    def _allocate(self, node: Obj) -> list[str]:
        cidrs: list[str] = []
        for subnets in self._sets:
            cidr = subnets.allocate()
            if cidr is None:
                for taken, owner in zip(cidrs, self._sets, strict=False):
                    owner.release(taken)
                text = f"Node {meta.name(node)} status is now: CIDRNotAvailable"
                self._recorder.event(node_reference(node), "Normal", "CIDRNotAvailable", text)
                log.error("no pod CIDR is left for node %s", meta.name(node))
                return []
            cidrs.append(cidr)
        return cidrs


def node_reference(node: Obj) -> Obj:
    """How node controllers refer to a node in events."""
    return {"kind": "Node", "name": meta.name(node), "uid": meta.uid(node), "apiVersion": "v1"}
