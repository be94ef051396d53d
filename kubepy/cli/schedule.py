"""`kubepy schedule --explain POD`: asks the scheduler's own code, in a process of its own, what it would do with a pod."""

from __future__ import annotations

import argparse
import subprocess
import sys

from kubepy.cli import cluster


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `schedule`."""
    parser.add_argument("--explain", metavar="POD", required=True, help="the pod to explain; nothing is changed")
    parser.add_argument("-n", "--namespace", default="default", help="the pod's namespace (default: default)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table", help="json for programs")
    parser.add_argument("--kubeconfig", help="ask this cluster instead of the one on this machine")
    parser.add_argument("--config", help="the scheduler's configuration file, when it runs with one")


def run(options: argparse.Namespace) -> int:
    """Print the table of nodes with what each filter and score says; exit code 0 when a node fits, 1 when none does."""
    kubeconfig = options.kubeconfig or str(cluster.require(options.data_dir).kubeconfig)
    argv = [sys.executable, "-m", "scheduler.explain", options.explain, f"--namespace={options.namespace}"]
    argv += [f"--output={options.output}", f"--kubeconfig={kubeconfig}"]
    if options.config:
        argv.append(f"--config={options.config}")
    return subprocess.run(argv, check=False).returncode
