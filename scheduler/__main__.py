"""`python -m scheduler`: kube-scheduler's place in the cluster."""

from __future__ import annotations

import argparse
import sys

from kubepy.client.rest import Client
from kubepy.runtime import daemon
from kubepy.runtime.daemon import Daemon
from kubepy.runtime.manager import Manager
from scheduler.scheduler import Scheduler


def make_parser() -> argparse.ArgumentParser:
    """The command line; flags as kube-scheduler's."""
    return daemon.parser("kube-scheduler", "Bind unscheduled pods to nodes.", leader_election=True)


async def main(process: Daemon) -> None:
    """Schedule until stopped."""
    async with Client(process.config(), user_agent="kube-scheduler") as client:
        manager = Manager(client, component="default-scheduler", elector=process.elector(client))
        scheduler = Scheduler(client, manager.factory, manager.recorder)
        manager.add(scheduler.run)
        await manager.run()


if __name__ == "__main__":
    sys.exit(daemon.main_of(make_parser, main))
