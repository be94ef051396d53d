"""The pod network: one Docker bridge per cluster and engine over the cluster CIDR, addresses given out from the node's range."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
from pathlib import Path
from typing import Any

from kubelet.runtime.docker import naming
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.interface import RuntimeFailure


def network_name(cluster: str) -> str:
    """`kubepy-<cluster>`."""
    return f"kubepy-{cluster}"


def bridge_name(cluster: str) -> str:
    """The host's interface of that network: at most 15 characters, so long cluster names are hashed."""
    name = f"kpy-{cluster}"
    return name if len(name) <= 15 else "kpy-" + hashlib.sha256(cluster.encode()).hexdigest()[:11]


def gateway(cluster_cidr: str) -> str:
    """The bridge's own address: the last usable one, which node ranges reach last."""
    return str(ipaddress.IPv4Network(cluster_cidr).broadcast_address - 1)


async def ensure(engine: Engine, cluster: str, cluster_cidr: str) -> None:
    """Make the cluster's network unless it is there. Kubelets of one engine may race: the loser finds the winner's."""
    name = network_name(cluster)
    if await _matches(engine, name, cluster_cidr):
        return
    options = {
        "com.docker.network.bridge.name": bridge_name(cluster),
        "com.docker.network.bridge.enable_icc": "true",
        "com.docker.network.bridge.enable_ip_masquerade": "true",
    }
    ipam: Any = {"Driver": "default", "Config": [{"Subnet": cluster_cidr, "Gateway": gateway(cluster_cidr)}]}
    try:
        await engine.call(
            engine.api.create_network, name, driver="bridge", options=options, ipam=ipam, check_duplicate=True,
            labels={naming.CLUSTER: cluster},
        )  # fmt: skip
    except RuntimeFailure:
        if not await _matches(engine, name, cluster_cidr):
            raise


def reflect(cluster: str, root: Path = Path("/sys/class/net")) -> None:
    """Let every port of the bridge send a frame back where it came from (hairpin mode).

    Where the packet filter sees bridged frames, a pod that reaches itself through its Service is rewritten on the bridge, to the very
    port the frame came in by.
    """
    for switch in (root / bridge_name(cluster) / "brif").glob("*/hairpin_mode"):
        with contextlib.suppress(OSError):  # the port went, or the kernel's settings are not ours to change
            if switch.read_text().strip() == "0":
                switch.write_text("1")


async def _matches(engine: Engine, name: str, cluster_cidr: str) -> bool:
    for found in await engine.call(engine.api.networks, names=[name]):
        if found["Name"] == name:
            subnets = [c.get("Subnet") for c in found["IPAM"].get("Config") or ()]
            if cluster_cidr not in subnets:
                raise RuntimeFailure(f"Docker network {name} has subnet {subnets}, not {cluster_cidr}: remove it or change --cluster-cidr")
            return True
    return False


class Addresses:
    """The node's pod addresses: each is given once; freed ones are reused last, so that stale connections find nobody."""

    def __init__(self, pod_cidr: str, cluster_cidr: str) -> None:
        net = ipaddress.IPv4Network(pod_cidr)
        self._first = int(net.network_address) + 2  # .0 is the network's, .1 by custom a gateway's
        self._count = max(0, net.num_addresses - 3)
        self._taken = {int(ipaddress.IPv4Address(gateway(cluster_cidr)))}
        self._next = 0

    def hold(self, address: str) -> None:
        """Mark an address as taken (adopted sandboxes)."""
        value = int(ipaddress.IPv4Address(address))
        self._taken.add(value)
        if self._first <= value < self._first + self._count:
            self._next = max(self._next, value - self._first + 1)

    def take(self) -> str:
        """A free address. Raises RuntimeFailure when there is none."""
        for step in range(self._count):
            value = self._first + (self._next + step) % self._count
            if value not in self._taken:
                self._taken.add(value)
                self._next = (value - self._first + 1) % self._count
                return str(ipaddress.IPv4Address(value))
        raise RuntimeFailure("no IP addresses available in the node's pod CIDR")

    def free(self, address: str) -> None:
        """Give an address back."""
        self._taken.discard(int(ipaddress.IPv4Address(address)))
