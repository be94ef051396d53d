"""The machine's service network as one thing to start and stop: proxy and DNS over shared informers."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from kubelet.network import host, nft
from kubelet.network.dns.server import DnsServer, resolvers
from kubelet.network.dns.zone import Zone, names_of_service, names_of_slice
from kubelet.network.proxy import SERVICE_NAME, Proxy
from kubelet.network.rules import Options
from kubepy.client.rest import Client
from kubepy.runtime.informer import InformerFactory

log = logging.getLogger(__name__)

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Settings of the service network; `nodes` are the names of the nodes on this machine."""

    cluster_id: str
    cluster_cidr: str
    cluster_dns: str
    domain: str = "cluster.local"
    nodes: Collection[str] = ()

    @property
    def table(self) -> str:
        """The nftables table, one a cluster."""
        return f"kubepy_{self.cluster_id}"


def _key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"


def _service_of(slice_: Obj) -> tuple[str, ...]:
    name = (slice_["metadata"].get("labels") or {}).get(SERVICE_NAME)
    return (_key(slice_["metadata"]["namespace"], name),) if name else ()


class Network:
    """Proxy and DNS. Without root or nft the pods still run; what is missing is logged once."""

    def __init__(self, client: Client, config: NetworkConfig) -> None:
        self.config = config
        self._factory = factory = InformerFactory(client)
        self.services = factory.informer("services")
        self.slices = factory.informer("endpointslices.discovery.k8s.io")
        self.services.cache.add_index("address", lambda s: [ip for ip, _ in names_of_service(s)])
        self.slices.cache.add_index("service", _service_of)
        self.slices.cache.add_index("address", lambda s: [ip for ip, _ in names_of_slice(s)])
        self.proxy: Proxy | None = None
        self.dns: DnsServer | None = None

    async def start(self) -> None:
        """Start what this machine allows."""
        await self._factory.start()
        await self._factory.synced()
        bridged = host.prepare_kernel()
        missing = nft.available()
        if missing:
            log.error("Services will have no fixed address on this machine: %s", missing)
        else:
            await host.admit_forwarded(self.config.cluster_cidr)
            options = Options(self.config.table, self.config.cluster_cidr, masquerade_all=not bridged)
            self.proxy = Proxy(options, self.services.cache.get, self._slices_of, nodes=self.config.nodes, skip=[self.config.cluster_dns])
            self.services.on_event(lambda _type, _old, new: self._changed(_key(new["metadata"]["namespace"], new["metadata"]["name"])))
            self.slices.on_event(lambda _type, old, new: self._slice_changed(old, new))
            self.proxy.start()
        await self._start_dns()

    async def stop(self) -> None:
        """Stop following and answering; the rules and the DNS address stay for the next start."""
        if self.proxy is not None:
            await self.proxy.stop()
        if self.dns is not None:
            await self.dns.stop()
        await self._factory.stop()

    async def drain(self, ip: str) -> None:
        """Return when no Service sends new connections to the terminating pod at `ip` any more (where it has a choice)."""
        if self.proxy is not None:
            await self.proxy.drain(ip)

    def undrain(self, ip: str) -> None:
        """The pod at `ip` is gone."""
        if self.proxy is not None:
            self.proxy.undrain(ip)

    def _slices_of(self, key: str) -> list[Obj]:
        return list(self.slices.cache.by_index("service", key))

    def _changed(self, key: str) -> None:
        if self.proxy is not None:
            self.proxy.changed(key)

    def _slice_changed(self, old: Obj | None, new: Obj) -> None:
        for obj in (old, new):
            for key in _service_of(obj) if obj else ():
                self._changed(key)

    def _names(self, ip: str) -> Iterable[str]:
        for service in self.services.cache.by_index("address", ip):
            yield from (name for address, name in names_of_service(service) if address == ip)
        for slice_ in self.slices.cache.by_index("address", ip):
            yield from (name for address, name in names_of_slice(slice_) if address == ip)

    async def _start_dns(self) -> None:
        address = self.config.cluster_dns
        problem = await host.claim_address(address)
        if problem:
            log.error("cluster DNS will not answer at %s: %s", address, problem)
            return
        zone = Zone(
            self.config.domain,
            lambda namespace, name: self.services.cache.get(_key(namespace, name)),
            lambda namespace, name: self._slices_of(_key(namespace, name)),
            self._names,
        )
        self.dns = DnsServer(zone, address, upstreams=resolvers(own=address))
        try:
            await self.dns.start()
        except OSError as error:
            log.error("cluster DNS will not answer at %s: %s", address, error)
            self.dns = None


async def remove(cluster_id: str, cluster_cidr: str, cluster_dns: str) -> None:
    """Take away all that a cluster's network left on the machine."""
    table = NetworkConfig(cluster_id, cluster_cidr, cluster_dns).table
    if not nft.available():
        await nft.apply(f"add table ip {table}\ndelete table ip {table}\n")
    if cluster_cidr:
        await host.dismiss_forwarded(cluster_cidr)
    if cluster_dns:
        await host.release_address(cluster_dns)
