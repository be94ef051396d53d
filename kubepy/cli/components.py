"""The table of processes that make up a cluster: name → command line. The only place that knows the daemons' flags."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from kubepy.cli.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Component:
    """A process to keep running; `health` is the URL that answers 200 while it is well, or empty."""

    name: str
    argv: tuple[str, ...]
    health: str = ""

    @property
    def file_name(self) -> str:
        """The name as part of a file name."""
        return self.name.replace("/", "-")


def _python(module: str, **flags: object) -> tuple[str, ...]:
    out = [sys.executable, "-m", module]
    out += [f"--{name.replace('_', '-')}={value}" for name, value in flags.items() if value not in (None, "")]
    return tuple(out)


_TELLING = {"controllers": "controller-manager", "scheduler": "scheduler"}
"""Component here → its ComponentStatus."""


def _health(port: int) -> str:
    return f"http://127.0.0.1:{port}/healthz"


def _apiserver(c: Cluster) -> Component:
    argv = _python(
        "apiserver",
        secure_port=c.port,
        bind_address="0.0.0.0" if c.address != "127.0.0.1" or c.nodes else "127.0.0.1",
        advertise_address="" if c.address == "127.0.0.1" else c.address,
        data_dir=c.dir,
        etcd_servers=c.etcd_servers,
        service_cluster_ip_range=c.service_cidr,
        component_health=",".join(f"{name}={_health(c.ports[key])}" for key, name in _TELLING.items()),
    )
    return Component("apiserver", argv, f"{c.server}/readyz")


def _controllers(c: Cluster) -> Component:
    port = c.ports["controllers"]
    argv = _python(
        "controllers",
        kubeconfig=c.dir / "controller-manager.kubeconfig",
        healthz_port=port,
        cluster_cidr=c.cluster_cidr,
        service_cluster_ip_range=c.service_cidr,
        root_ca_file=c.pki.ca_cert,
        cluster_signing_cert_file=c.pki.ca_cert,
        cluster_signing_key_file=c.pki.ca_key,
        service_account_private_key_file=c.pki.sa_key,
        local_path_root=c.dir / "volumes",
    )
    return Component("controllers", argv, _health(port))


def _scheduler(c: Cluster) -> Component:
    port = c.ports["scheduler"]
    argv = _python("scheduler", kubeconfig=c.dir / "scheduler.kubeconfig", healthz_port=port)
    return Component("scheduler", argv, _health(port))


def _kubelet(c: Cluster, node: str, first: bool) -> Component:
    argv = _python(
        "kubelet",
        kubeconfig=c.node_dir(node) / "kubelet.kubeconfig",
        node_name=node,
        port=c.ports[f"kubelet/{node}"],
        root_dir=c.node_dir(node),
        client_ca_file=c.pki.ca_cert,
        tls_cert_ca_file=c.pki.ca_cert,
        tls_cert_ca_key_file=c.pki.ca_key,
        cluster_dns=c.dns,
        cluster_domain=c.domain,
        cluster_cidr=c.cluster_cidr,
        service_cluster_ip_range=c.service_cidr,
        cluster_id=c.id,
        serve_network="true" if first else "false",
        proxy_kubeconfig=c.dir / "proxy.kubeconfig" if first else "",
    )
    return Component(f"kubelet/{node}", argv)


def _simulated(c: Cluster) -> Component:
    argv = _python(
        "kubelet",
        runtime="simulated",
        simulated_nodes=c.simulated_nodes,
        kubeconfig=c.node_dir("simulated") / "kubelet.kubeconfig",
        port=c.ports["simulated-nodes"],
        root_dir=c.node_dir("simulated"),
        client_ca_file=c.pki.ca_cert,
        tls_cert_ca_file=c.pki.ca_cert,
        tls_cert_ca_key_file=c.pki.ca_key,
        cluster_dns=c.dns,
        cluster_domain=c.domain,
        cluster_id=c.id,
    )
    return Component("simulated-nodes", argv)


def components(c: Cluster) -> Iterator[Component]:
    """Every process of the cluster, in the order in which they are started."""
    yield _apiserver(c)
    yield _controllers(c)
    yield _scheduler(c)
    for i, node in enumerate(c.node_names()):
        yield _kubelet(c, node, first=i == 0)
    if c.simulated_nodes:
        yield _simulated(c)


def cleanup_command(c: Cluster, *, remove: bool) -> tuple[str, ...]:
    """Stops, or removes with network and rules, what the kubelets left on the container engine."""
    argv = (sys.executable, "-m", "kubelet.cleanup", f"--cluster-id={c.id}")
    if not remove:
        return (*argv, "--stop")
    roots = (f"--root-dir={c.node_dir(node)}" for node in c.node_names())
    return (*argv, "--remove", *roots, f"--cluster-cidr={c.cluster_cidr}", f"--cluster-dns={c.dns}")
