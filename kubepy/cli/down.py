"""`kubepy down` stops a cluster and keeps its state; `kubepy delete` removes it with all it left on this machine."""

from __future__ import annotations

import argparse
import shutil
import subprocess

from kubepy.cli import cluster, supervisor, userconfig
from kubepy.cli.cluster import Cluster, ClusterError
from kubepy.cli.components import cleanup_command
from kubepy.cli.output import Step


def add_delete_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `delete`."""
    parser.add_argument("--force", action="store_true", help="remove the data folder even when its settings cannot be read")


def down(options: argparse.Namespace) -> int:
    """Stop processes and pods; nothing is lost, `up` brings all of it back."""
    found = cluster.require(options.data_dir)
    with Step("Stopping the control plane") as step:
        if not supervisor.stop(found):
            step.note = "nothing was running"
    _cleanup(found, remove=False)
    print("Stopped. The state is kept; start again with: kubepy up")
    return 0


def delete(options: argparse.Namespace) -> int:
    """Stop and remove containers, networks, rules, certificates, state and the kubeconfig's context."""
    try:
        found = cluster.require(options.data_dir)
    except ClusterError:
        if options.force and options.data_dir.is_dir():
            shutil.rmtree(options.data_dir)
            print(f"Removed {options.data_dir}; containers of the cluster, if any, carry the label io.kubepy.cluster")
            return 0
        raise
    with Step("Stopping the control plane"):
        supervisor.stop(found)
    _cleanup(found, remove=True)
    userconfig.remove(found)
    if found.etcd_servers:
        print(f"The objects in etcd ({found.etcd_servers}) under /registry/ were left alone.")
    shutil.rmtree(found.dir)
    print("Removed.")
    return 0


def _cleanup(found: Cluster, *, remove: bool) -> None:
    if not found.nodes:
        return
    with Step("Removing containers and networks" if remove else "Stopping containers"):
        done = subprocess.run(cleanup_command(found, remove=remove), capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"the containers could not be {'removed' if remove else 'stopped'}:\n{done.stderr.strip()}")
