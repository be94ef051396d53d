"""The composition root: from flags to running nodes with their server, service network and DNS."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubelet.agent import Agent
from kubelet.config import KubeletConfig
from kubelet.host import Host
from kubelet.network.agent import Network, NetworkConfig
from kubelet.node import machine
from kubelet.node.node import NodeReporter
from kubelet.objects import ObjectSource
from kubelet.options import config_of
from kubelet.pods.statuses import StatusManager
from kubelet.probes.checks import Checker
from kubelet.runtime.interface import Runtime
from kubelet.server.app import KubeletServer
from kubelet.tokens import Tokens
from kubelet.volumes.manager import NodeFacts, VolumeManager
from kubepy.api import quantity
from kubepy.client import Client, load
from kubepy.runtime import EventRecorder, Informer, InformerFactory, RealClock
from kubepy.runtime.daemon import Daemon

log = logging.getLogger(__name__)

Obj = dict[str, Any]


def allocatable(capacity: dict[str, str], reserved: dict[str, str]) -> dict[str, str]:
    """Capacity less what is reserved for the system."""
    out = dict(capacity)
    for name, amount in reserved.items():
        if name in out:
            out[name] = str(quantity.parse(out[name]) - quantity.parse(amount))
    return out


class Kubelet:
    """All nodes of this process."""

    def __init__(self, args: Any, config: KubeletConfig, client: Client) -> None:
        self._args, self._config, self._client = args, config, client
        self._clock = RealClock()
        self._factory = InformerFactory(client, self._clock)
        self._services = self._factory.informer("services")
        self._statuses = StatusManager(client)
        self._recorder = EventRecorder(client, "kubelet", host=args.node_name)
        self._agents: dict[str, Agent] = {}
        self._objects = ObjectSource(client, self._clock, self._wake)
        self._reading = asyncio.Event()
        self._synced = asyncio.Event()
        self._network: Network | None = None
        self._network_start: asyncio.Task[None] | None = None
        self._network_client = client
        self.server: KubeletServer | None = None

    def _wake(self, uid: str) -> None:
        for agent in self._agents.values():
            agent.wake(uid)

    def _services_of(self, namespace: str) -> Iterable[Obj]:
        return self._services.cache.list(namespace)

    def _make_runtime(self, node: str) -> Runtime:
        if self._args.runtime == "simulated":
            from kubelet.runtime.simulated.runtime import SimulatedRuntime

            return SimulatedRuntime(start_delay=self._args.simulated_start_delay)
        from kubelet.runtime.docker.runtime import DockerRuntime

        return DockerRuntime(self._config.cluster_id, node, self._config.cluster_cidr)

    def _node_names(self) -> list[str]:
        if self._args.runtime == "simulated" and self._args.simulated_nodes:
            return [f"{self._args.simulated_node_prefix}{n}" for n in range(self._args.simulated_nodes)]
        return [self._args.node_name or socket.gethostname().lower()]

    async def start(self) -> None:
        """Serve, register, adopt, run."""
        simulated = self._args.runtime == "simulated"
        names = self._node_names()
        self.server = KubeletServer(self._args, self._config, self._agents, names)
        port = await self.server.start()
        await self._statuses.start()
        serve_network = self._args.serve_network and not simulated and self._config.cluster_dns
        if serve_network:
            own = self._args.proxy_kubeconfig
            self._network_client = Client(load(own), user_agent="kube-proxy") if own else self._client
            self._network = Network(
                self._network_client,
                NetworkConfig(
                    self._config.cluster_id, self._config.cluster_cidr, self._config.cluster_dns[0], self._config.cluster_domain, names
                ),
            )
        for name in names:
            self._agents[name] = self._make_agent(name, port)
        together = simulated and len(names) > 1
        if together:
            self._share_informers()
        await self._factory.start()
        for start in range(0, len(names), 50):
            await asyncio.gather(
                *(self._agents[n].start(None if together else self._factory, self._reading) for n in names[start : start + 50])
            )
        await self._services.synced()
        self._synced.set()
        await asyncio.gather(*(i.synced() for i in self._pods(names, together)))
        self._reading.set()
        if self._network is not None:
            # In the background: pods run even where the service network cannot.
            self._network_start = asyncio.create_task(self._start_network(self._network), name="service network")
        log.info("%d node(s) ready, serving on port %d", len(names), port)

    def _pods(self, names: list[str], together: bool) -> list[Informer]:
        if together:
            return [self._factory.informer("pods")]
        return [self._factory.informer("pods", field_selector=f"spec.nodeName={n}") for n in names]

    async def _start_network(self, network: Network) -> None:
        await self._factory.synced()
        try:
            await network.start()
        except Exception:
            log.exception("the service network could not be started")

    def _share_informers(self) -> None:
        """Many nodes: one watch of all pods and one of all nodes, dealt out by name."""

        def pod_event(kind: str, old: Obj | None, new: Obj) -> None:
            agent = self._agents.get(new["spec"].get("nodeName", ""))
            if agent is not None:
                agent.pod_event(kind, old, new)

        def node_event(kind: str, old: Obj | None, new: Obj) -> None:
            agent = self._agents.get(new["metadata"]["name"])
            if agent is not None and kind != "DELETED":
                agent.node.seen(new)

        self._factory.informer("pods").on_event(pod_event)
        self._factory.informer("nodes").on_event(node_event)

    def _make_agent(self, name: str, port: int) -> Agent:
        config, client = replace(self._config, hostname_override=""), self._client
        runtime = self._make_runtime(name)
        capacity = config.capacity or machine.capacity(config.root_dir, config.max_pods)
        offered = allocatable(capacity, config.system_reserved)
        tokens = Tokens(client)
        volumes = VolumeManager(config.root_dir, self._objects, tokens, NodeFacts(name, offered))
        host = Host(
            name, config, client, self._clock, runtime, self._objects, volumes, self._statuses, self._recorder, Checker(runtime),
            self._services_of, config.node_ips, capacity, offered, machine.memory_bytes(), services_synced=self._synced,
        )  # fmt: skip
        if self._network is not None:
            host.drain, host.undrain = self._network.drain, self._network.undrain
        holder: list[Agent] = []

        def has_cidr(cidr: str) -> None:
            if not host.network_ready.is_set():
                holder[0].connect(cidr)

        node = NodeReporter(
            client, runtime, config, name, node_ips=config.node_ips, port=port, capacity=capacity, allocatable=offered,
            ready=lambda: "" if host.network_ready.is_set() else _NO_CIDR, has_cidr=has_cidr,
        )  # fmt: skip
        holder.append(Agent(host, node))
        return holder[0]

    async def stop(self) -> None:
        """Leave everything running and go."""
        if self._network_start is not None:
            self._network_start.cancel()
            await asyncio.gather(self._network_start, return_exceptions=True)
        if self._network is not None:
            await self._network.stop()
            if self._network_client is not self._client:
                await self._network_client.close()
        await asyncio.gather(*(a.stop() for a in self._agents.values()))
        await asyncio.gather(*(a.host.checker.close() for a in self._agents.values()))
        await self._objects.stop()
        await self._factory.stop()
        await self._statuses.stop()
        await self._recorder.stop()
        if self.server is not None:
            await self.server.stop()


_NO_CIDR = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: node has no podCIDR"
)


async def main(daemon: Daemon) -> None:
    """Run until cancelled."""
    config = config_of(daemon.args)
    Path(config.root_dir).mkdir(parents=True, exist_ok=True)
    async with Client(daemon.config(), user_agent="kubelet/v1.36.2") as client:
        kubelet = Kubelet(daemon.args, config, client)
        try:
            await kubelet.start()
            await asyncio.Event().wait()
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await kubelet.stop()
