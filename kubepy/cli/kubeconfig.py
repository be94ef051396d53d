"""`kubepy kubeconfig`: the administrator's kubeconfig, printed, located or merged."""

from __future__ import annotations

import argparse

from kubepy.cli import cluster, userconfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `kubeconfig`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--path", action="store_true", help="print where the file lies instead of what is in it")
    what.add_argument("--merge", action="store_true", help="add the cluster to ~/.kube/config and make it the current context")


def run(options: argparse.Namespace) -> int:
    """Print, or merge."""
    found = cluster.require(options.data_dir)
    if options.merge:
        print(f"Added context {found.name} to {userconfig.merge(found)}")
    elif options.path:
        print(found.kubeconfig)
    else:
        print(found.kubeconfig.read_text(), end="")
    return 0
