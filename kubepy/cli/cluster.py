"""One cluster on this machine: what was asked for, and where its files lie. Knows no process and no API."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from kubepy.pkifiles import Pki

DEFAULT_PORT = 6443
FIRST_KUBELET_PORT = 10250


def home() -> Path:
    """Where clusters live: $KUBEPY_HOME, or ~/.kubepy."""
    return Path(os.environ.get("KUBEPY_HOME") or Path.home() / ".kubepy")


class ClusterError(Exception):
    """Something the user can mend; the text says what was wrong and what to do."""


@dataclass
class Cluster:
    """The settings of a cluster, kept in `cluster.json` of its data folder."""

    name: str = "kubepy"
    id: str = field(default_factory=lambda: os.urandom(4).hex())
    address: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    nodes: int = 1
    simulated_nodes: int = 0
    etcd_servers: str = ""
    service_cidr: str = "10.96.0.0/16"
    cluster_cidr: str = "10.244.0.0/16"
    domain: str = "cluster.local"
    ports: dict[str, int] = field(default_factory=dict)
    dir: Path = field(default_factory=lambda: home() / "kubepy")

    @property
    def server(self) -> str:
        """The API's URL."""
        return f"https://{self.address}:{self.port}"

    @property
    def pki(self) -> Pki:
        """The folder of certificates."""
        return Pki(self.dir / "pki")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.dir / "admin.kubeconfig"

    @property
    def logs(self) -> Path:
        """The folder with one log file a component."""
        return self.dir / "logs"

    @property
    def run(self) -> Path:
        """The folder of pid files."""
        return self.dir / "run"

    @property
    def settings(self) -> Path:
        """The file that holds these settings."""
        return self.dir / "cluster.json"

    def service_ip(self, index: int) -> str:
        """The index-th address of the service range: 1 is `kubernetes`, 10 is DNS."""
        return str(ipaddress.ip_network(self.service_cidr)[index])

    @property
    def dns(self) -> str:
        """The cluster DNS address."""
        return self.service_ip(10)

    def node_names(self) -> list[str]:
        """Names of the nodes that run pods on Docker."""
        return [self.name if i == 0 else f"{self.name}-{i + 1}" for i in range(self.nodes)]

    def node_dir(self, node: str) -> Path:
        """The root folder of one kubelet."""
        return self.dir / "nodes" / node

    def save(self) -> None:
        """Write the settings, atomically."""
        self.dir.mkdir(parents=True, exist_ok=True)
        data = {k: v for k, v in asdict(self).items() if k != "dir"}
        temporary = self.settings.with_suffix(".new")
        temporary.write_text(json.dumps(data, indent=2) + "\n")
        temporary.replace(self.settings)

    def assign_ports(self) -> None:
        """Give every component a port of its own that is free now; ports given before are kept."""
        wanted = ["controllers", "scheduler", *(f"kubelet/{n}" for n in self.node_names())]
        if self.simulated_nodes:
            wanted.append("simulated-nodes")
        for i, component in enumerate(wanted):
            if component not in self.ports:
                preferred = FIRST_KUBELET_PORT + i - 2 if component.startswith("kubelet/") else 0
                self.ports[component] = _free_port(preferred, taken=set(self.ports.values()))

    def write_credentials(self) -> None:
        """Certificates and kubeconfigs of all components, as far as they are missing."""
        from kubepy import pki  # the supervisor has no use for cryptography

        made = pki.ensure_pki(self.pki.dir, names=[self.address], service_ip=self.service_ip(1), domain=self.domain)
        pki.ensure_component_kubeconfigs(made, self.dir, self.server)
        pki.ensure_kubeconfig(made, self.dir / "proxy.kubeconfig", self.server, "system:kube-proxy")
        for node in self.node_names():
            where = self.node_dir(node) / "kubelet.kubeconfig"
            pki.ensure_kubeconfig(made, where, self.server, f"system:node:{node}", ["system:nodes"])
        if self.simulated_nodes:
            where = self.node_dir("simulated") / "kubelet.kubeconfig"
            pki.ensure_kubeconfig(made, where, self.server, "kubepy:simulated-nodes", ["system:masters"])


def load(directory: Path) -> Cluster | None:
    """The cluster kept in `directory`, or None. Raises ClusterError when its file cannot be read."""
    file = directory / "cluster.json"
    try:
        data = json.loads(file.read_text())
        known = {f.name for f in fields(Cluster)} - {"dir"}
        return Cluster(dir=directory, **{k: v for k, v in data.items() if k in known})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, OSError) as error:
        raise ClusterError(f"{file} cannot be read ({error}); mend it, or remove the cluster with: kubepy delete --force") from error


def require(directory: Path) -> Cluster:
    """The cluster kept in `directory`. Raises ClusterError when there is none."""
    cluster = load(directory)
    if cluster is None:
        raise ClusterError(f"there is no cluster in {directory}; start one with: kubepy up")
    return cluster


def port_is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a TCP port can be listened on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _free_port(preferred: int, taken: set[int]) -> int:
    while preferred and preferred < 2**16:
        if preferred not in taken and port_is_free(preferred, "0.0.0.0"):
            return preferred
        preferred += 1
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
