"""The kubelet's flags, named as upstream's where upstream has them."""

from __future__ import annotations

import argparse
from pathlib import Path

from kubelet.config import KubeletConfig
from kubelet.node import machine
from kubepy.runtime import daemon


def parser() -> argparse.ArgumentParser:
    """All flags."""
    out = daemon.parser("kubelet", "Runs the pods bound to its node.")
    add = out.add_argument
    add("--node-name", "--hostname-override", default="", help="name of the Node; the machine's by default")
    add("--runtime", choices=("docker", "simulated"), default="docker", help="what runs containers; simulated only pretends")
    add("--simulated-nodes", type=int, default=0, help="number of nodes of this process (simulated runtime)")
    add("--simulated-node-prefix", default="simulated-", help="name of simulated nodes before their number")
    add("--simulated-start-delay", type=daemon.duration, default=0.0, metavar="DURATION", help="time a simulated container takes to start")
    add("--address", default="0.0.0.0", help="address to serve the kubelet's API on")
    add("--port", type=int, default=10250, help="port of the kubelet's API; 0: any free one")
    add("--node-ip", default="", help="address of the node, or several separated by commas; by default that of the default route")
    add("--root-dir", default="/var/lib/kubelet", help="folder of pods' volumes and the kubelet's own files")
    add("--cluster-id", default="default", help="marks everything made on the engine as this cluster's")
    add("--cluster-dns", default="", help="comma-separated addresses of the cluster's DNS")
    add("--cluster-domain", default="cluster.local", help="domain of the cluster")
    add("--cluster-cidr", default="10.244.0.0/16", help="range of all pod addresses")
    add("--service-cluster-ip-range", default="", help="range of Services' addresses")
    daemon.add_bool(out, "--serve-network", True, "run the service proxy and the cluster DNS on this machine")
    add("--proxy-kubeconfig", default="", help="kubeconfig of the service proxy and the DNS; the kubelet's own by default")
    add("--resolv-conf", default="/etc/resolv.conf", help="the node's resolver configuration")
    add("--max-pods", type=int, default=110, help="pods this node takes")
    daemon.add_bool(out, "--register-node", True, "register the node with the API server")
    add("--register-with-taints", default="", help="taints of a new node: key=value:effect, comma-separated")
    add("--node-labels", default="", help="labels of the node: key=value, comma-separated")
    add("--node-status-update-frequency", type=daemon.duration, default=10.0, metavar="DURATION", help="time between node statuses")
    add("--system-reserved", default="", help="resources kept from pods: cpu=100m,memory=200Mi")
    add("--allowed-unsafe-sysctls", default="", help="sysctls, or prefixes ending in *, that pods may set besides the safe ones")
    add("--pod-manifest-path", default="", help="folder of static pods' manifests")
    add("--tls-cert-file", default="", help="serving certificate; made when not given")
    add("--tls-private-key-file", default="", help="key of the serving certificate")
    add("--tls-cert-ca-file", default="", help="certificate of the CA that signs the serving certificate made")
    add("--tls-cert-ca-key-file", default="", help="key of that CA")
    add("--client-ca-file", default="", help="CA of the API server's client certificate; without it every request is refused")
    return out


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (item.partition("=") for item in text.split(",") if item)}


def taints(text: str) -> tuple[dict[str, str], ...]:
    """`key=value:Effect` and `key:Effect`, comma-separated. Raises ValueError."""
    out = []
    for item in filter(None, text.split(",")):
        head, colon, effect = item.rpartition(":")
        if not colon:
            raise ValueError(f"invalid taint spec: {item}")
        key, _, value = head.partition("=")
        out.append({"key": key, "effect": effect} | ({"value": value} if value else {}))
    return tuple(out)


def config_of(args: argparse.Namespace) -> KubeletConfig:
    """The settings that the flags make."""
    ips = tuple(filter(None, args.node_ip.split(","))) or (machine.primary_address(),)
    return KubeletConfig(
        root_dir=Path(args.root_dir).resolve(), cluster_id=args.cluster_id, cluster_dns=tuple(filter(None, args.cluster_dns.split(","))),
        allowed_unsafe_sysctls=tuple(filter(None, args.allowed_unsafe_sysctls.split(","))),
        cluster_domain=args.cluster_domain, cluster_cidr=args.cluster_cidr, resolv_conf=Path(args.resolv_conf), max_pods=args.max_pods,
        register_node=args.register_node, register_with_taints=taints(args.register_with_taints), node_labels=_pairs(args.node_labels),
        node_ips=ips, pod_manifest_path=Path(args.pod_manifest_path) if args.pod_manifest_path else None,
        node_status_frequency=args.node_status_update_frequency, system_reserved=_pairs(args.system_reserved),
    )  # fmt: skip
