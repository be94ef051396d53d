"""`python -m scheduler`: kube-scheduler's place in the cluster."""

from __future__ import annotations

import argparse
import sys

from kubepy.client.rest import Client
from kubepy.runtime import daemon
from kubepy.runtime.daemon import Daemon
from kubepy.runtime.manager import Manager
from scheduler import config
from scheduler.queue import FLUSH_AFTER
from scheduler.scheduler import Scheduler

ELECTION = {
    "leaderElect": "leader_elect",
    "leaseDuration": "leader_elect_lease_duration",
    "renewDeadline": "leader_elect_renew_deadline",
    "retryPeriod": "leader_elect_retry_period",
    "resourceName": "leader_elect_resource_name",
    "resourceNamespace": "leader_elect_resource_namespace",
}
"""The fields of leaderElection in the configuration file, with the flags that they stand for."""


def make_parser() -> argparse.ArgumentParser:
    """The command line; flags as kube-scheduler's."""
    parser = daemon.parser("kube-scheduler", "Bind unscheduled pods to nodes.", leader_election=True)
    parser.add_argument("--config", default=None, help="file with a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1)")
    parser.add_argument("--kube-api-qps", type=float, default=0.0, help="requests a second to the API server; 0: no bound")
    parser.add_argument("--kube-api-burst", type=int, default=0, help="requests that may exceed --kube-api-qps for a moment")
    parser.add_argument(
        "--pod-max-in-unschedulable-pods-duration", type=daemon.duration, default=FLUSH_AFTER, metavar="DURATION",
        help="how long a pod waits for a change that concerns it before it is tried again",
    )  # fmt: skip
    return parser


def configure(args: argparse.Namespace) -> config.Configuration:
    """The configuration of the flags; as upstream, the file's leader election and kubeconfig win over flags.

    Raises config.ConfigurationError, OSError.
    """
    if args.config is None:
        return config.Configuration()
    found = config.load(args.config)
    if found.kubeconfig:
        args.kubeconfig = found.kubeconfig
    for key, flag in ELECTION.items():
        value = found.election.get(key)
        if value is not None:
            setattr(args, flag, daemon.duration(value) if isinstance(getattr(args, flag), float) else value)
    return found


async def main(process: Daemon) -> None:
    """Schedule until stopped."""
    args = process.args
    found: config.Configuration = args.configuration
    qps, burst = args.kube_api_qps or found.qps, args.kube_api_burst or found.burst
    async with Client(process.config(), user_agent="kube-scheduler", qps=qps, burst=burst) as client:
        manager = Manager(client, component="default-scheduler", elector=process.elector(client))
        scheduler = Scheduler(client, manager.factory, found, flush_after=args.pod_max_in_unschedulable_pods_duration)
        process.health.samples.append(scheduler.metrics.lines)
        manager.add(scheduler.run)
        await manager.run()


def run(argv: list[str] | None = None) -> int:
    """Parse the command line and schedule; the process's exit status."""
    args = make_parser().parse_args(argv)
    try:
        args.configuration = configure(args)
    except (config.ConfigurationError, OSError, argparse.ArgumentTypeError) as error:
        print(f"kube-scheduler: {error}", file=sys.stderr)
        return 1
    return daemon.run(main, args)


if __name__ == "__main__":
    sys.exit(run())
