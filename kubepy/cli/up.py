"""`kubepy up`: start a cluster, or bring a running one to new settings; returns when its nodes are ready."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import socket
from pathlib import Path
from urllib.parse import urlparse

import httpx

from kubepy.cli import addons, api, cluster, processes, ranges, supervisor, userconfig
from kubepy.cli.cluster import Cluster, ClusterError
from kubepy.cli.output import Step

API_SECONDS = 30.0
NODE_SECONDS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `up`; those not given keep the cluster's present settings."""
    parser.add_argument("--nodes", type=int, metavar="N", help="nodes that run pods on the Docker engine (default 1)")
    parser.add_argument("--simulated-nodes", type=int, metavar="N", help="nodes that only pretend to run pods; need no Docker (default 0)")
    parser.add_argument(
        "--etcd-servers", metavar="URLS", help="keep the state in etcd (comma-separated URLs) instead of the embedded store"
    )
    parser.add_argument("--port", type=int, metavar="PORT", help=f"port of the API server (default {cluster.DEFAULT_PORT})")
    parser.add_argument("--address", metavar="IP", help="address that clients reach the API server by (default 127.0.0.1)")
    parser.add_argument("--no-kubeconfig", action="store_true", help="do not add the cluster to ~/.kube/config")


def run(options: argparse.Namespace) -> int:
    """Start, wait, tell what to do next."""
    wanted = _settings(options)
    _check(wanted)
    started = dt.datetime.now(dt.UTC).replace(microsecond=0)
    fresh = processes.read(supervisor.supervisor_pid_file(wanted)) is None
    if fresh and not cluster.port_is_free(wanted.port):
        raise ClusterError(f"port {wanted.port} is in use by another program; choose one with: kubepy up --port PORT")
    with Step("Certificates and settings"):
        wanted.assign_ports()
        wanted.save()
        wanted.write_credentials()
    supervisor.launch(wanted)
    with api.connect(wanted) as client:
        _wait_for_api(wanted, client)
        addons.apply(wanted, client)
        _wait_for_nodes(wanted, client, started if fresh else None)
    file = None if options.no_kubeconfig else userconfig.merge(wanted)
    _explain(wanted, file)
    return 0


def _settings(options: argparse.Namespace) -> Cluster:
    found = cluster.load(options.data_dir)
    out = found or Cluster(
        name=options.name, dir=options.data_dir, cluster_cidr=ranges.free_pod_range(), service_cidr=ranges.free_service_range()
    )
    if found is not None and options.etcd_servers is not None and options.etcd_servers != found.etcd_servers:
        raise ClusterError("a cluster cannot move to another store; remove it first with: kubepy delete")
    for name in ("nodes", "simulated_nodes", "etcd_servers", "port", "address"):
        value = getattr(options, name)
        if value is not None:
            setattr(out, name, value)
    if found is None and options.simulated_nodes and options.nodes is None:
        out.nodes = 0
    return out


def _check(wanted: Cluster) -> None:
    if wanted.nodes < 0 or wanted.simulated_nodes < 0:
        raise ClusterError("the number of nodes cannot be negative")
    if wanted.nodes and not _docker_answers():
        raise ClusterError(
            "no Docker engine answers, and nodes run their pods on it.\n"
            "Start it (as root: service docker start), or install it (as root: make docker),\n"
            "or try a cluster without it, whose nodes only pretend to run pods: kubepy up --simulated-nodes 3"
        )


def _docker_answers() -> bool:
    url = urlparse(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    try:
        if url.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(2)
                s.connect(url.path)
        else:
            socket.create_connection((url.hostname or "", url.port or 2375), timeout=2).close()
    except OSError:
        return False
    return True


def _wait_for_api(wanted: Cluster, client: httpx.Client) -> None:
    with Step("API server") as step:
        if not step.wait(lambda: api.ready(client), API_SECONDS):
            raise ClusterError(f"the API server did not become ready in {API_SECONDS:.0f} s; its log: {_log(wanted, 'apiserver')}")


def _wait_for_nodes(wanted: Cluster, client: httpx.Client, since: dt.datetime | None) -> None:
    count = wanted.nodes + wanted.simulated_nodes
    if not count:
        return

    def all_ready() -> bool:
        ready = sum(_is_ready(node, since) for node in api.nodes(client))
        step.note = f"{ready} of {count} ready"
        return ready >= count

    with Step("Nodes") as step:
        if not step.wait(all_ready, NODE_SECONDS, 0.1):
            which = f"kubelet-{wanted.node_names()[0]}" if wanted.nodes else "simulated-nodes"
            raise ClusterError(f"only {step.note} after {NODE_SECONDS:.0f} s; the kubelet's log: {_log(wanted, which)}")


def _is_ready(node: dict[str, object], since: dt.datetime | None) -> bool:
    condition = api.ready_condition(node)
    if condition.get("status") != "True":
        return False
    beat = condition.get("lastHeartbeatTime")
    return since is None or (isinstance(beat, str) and dt.datetime.fromisoformat(beat) >= since)


def _log(wanted: Cluster, name: str) -> Path:
    return wanted.logs / f"{name}.log"


def _explain(wanted: Cluster, file: Path | None) -> None:
    how = "" if file else f"  export KUBECONFIG={wanted.kubeconfig}\n"
    where = f" (added to {file} as context {wanted.name})" if file else ""
    print(
        f"\nThe cluster {wanted.name} is ready at {wanted.server}{where}. Try:\n"
        f"{how}"
        "  kubectl get nodes\n"
        "  kubectl create deployment web --image=IMAGE --replicas=3   (an image of your Docker engine, or one it can pull)\n"
        "  kubectl expose deployment web --port=80\n"
        "Later:\n"
        "  kubepy status          what runs, and what it uses\n"
        "  kubepy down            stop everything, keep the state\n"
        "  kubepy delete          remove the cluster and its containers"
    )
