"""The service proxy: follows Services and EndpointSlices and keeps the packet filter in step with them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

from kubelet.network import nft
from kubelet.network.rules import Options, Ruleset, build, transaction
from kubelet.network.services import ServicePort, is_proxied, service_ports

log = logging.getLogger(__name__)

Obj = dict[str, Any]
MIN_INTERVAL = 0.02
RETRY_SECONDS = 1.0
SERVICE_NAME = "kubernetes.io/service-name"


class Proxy:
    """Keeps one nftables table equal to what the Services ask for.

    `service(key)` and `slices(key)` read the present objects of `namespace/name`; `changed(key)` tells that they changed.
    """

    def __init__(
        self,
        options: Options,
        service: Callable[[str], Obj | None],
        slices: Callable[[str], Collection[Obj]],
        *,
        nodes: Collection[str] = (),
        skip: Collection[str] = (),
    ) -> None:
        self.options = options
        self._service = service
        self._slices = slices
        self._nodes = nodes
        self._skip = frozenset(skip)
        self._ports: dict[str, list[ServicePort]] = {}
        self._dirty: set[str] = set()
        self._drained: set[str] = set()
        self._applied: Ruleset | None = None
        self._wake = asyncio.Event()
        self._done: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to apply; the first transaction replaces whatever an earlier process left."""
        self._wake.set()
        self._task = asyncio.create_task(self._run(), name="service-proxy")

    async def stop(self) -> None:
        """Stop following. The rules stay, so that running connections survive a restart."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def changed(self, key: str) -> None:
        """The Service `key` or one of its slices changed."""
        self._dirty.add(key)
        self._wake.set()

    async def drain(self, ip: str) -> None:
        """Take a terminating pod's address out of all Services (where others are ready), and return when that holds."""
        self._drained.add(ip)
        keys = [key for key in self._ports if any(e["addresses"] and ip in e["addresses"] for e in self._endpoints(key))]
        if not keys or self._task is None:
            return
        self._dirty.update(keys)
        done = asyncio.get_running_loop().create_future()
        self._done.append(done)
        self._wake.set()
        await done

    def undrain(self, ip: str) -> None:
        """The address is free for another pod."""
        self._drained.discard(ip)

    def _endpoints(self, key: str) -> Iterable[Obj]:
        return (e for s in self._slices(key) for e in s.get("endpoints") or [])

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._done = self._done, []
            try:
                await self._sync()
            except (nft.NftError, OSError) as error:
                log.error("service rules could not be applied, trying again: %s", error)
                self._applied = None
                self._wake.set()
                await asyncio.sleep(RETRY_SECONDS)
            for future in waiting:
                if not future.done():
                    future.set_result(None)
            await asyncio.sleep(MIN_INTERVAL)

    async def _sync(self) -> None:
        dirty, self._dirty = self._dirty, set()
        stale: list[tuple[str, str]] = []
        for key in dirty:
            old, new = self._ports.get(key, []), self._compute(key)
            stale += _stale_udp(old, new)
            if new:
                self._ports[key] = new
            else:
                self._ports.pop(key, None)
        wanted = build((p for ports in self._ports.values() for p in ports), self.options)
        script = transaction(self._applied, wanted, self.options.table)
        if script:
            await nft.apply(script)
        self._applied = wanted
        for address, endpoint in stale:
            await nft.forget_udp_flows(address, endpoint)

    def _compute(self, key: str) -> list[ServicePort]:
        service = self._service(key)
        if service is None or not is_proxied(service) or service["spec"]["clusterIP"] in self._skip:
            return []
        return service_ports(service, self._slices(key), nodes=self._nodes, drained=self._drained)


def _stale_udp(old: Iterable[ServicePort], new: Iterable[ServicePort]) -> list[tuple[str, str]]:
    now = {(p.port, e.ip) for p in new if p.protocol == "udp" for e in (*p.cluster, *p.external)}
    return [
        (address, e.ip)
        for p in old
        if p.protocol == "udp"
        for e in p.cluster
        if (p.port, e.ip) not in now
        for address in (*p.cluster_ips, *p.external_ips)
    ]
