"""The kubepy command: one table of subcommands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kubepy.cli import down, kubeconfig, logs, schedule, status, up
from kubepy.cli.cluster import ClusterError, home


def _no_arguments(_parser: argparse.ArgumentParser) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: what `kubepy --help` says of it, its flags, and what it does (returns the exit code)."""

    help: str
    run: Callable[[argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None] = _no_arguments


COMMANDS = {
    "up": Command("start a cluster and wait until it is ready", up.run, up.add_arguments),
    "down": Command("stop the cluster, keep its state", down.down),
    "delete": Command("remove the cluster, its state and its containers", down.delete, down.add_delete_arguments),
    "status": Command("show what runs and what it uses", status.run, status.add_arguments),
    "logs": Command("print a component's log", logs.run, logs.add_arguments),
    "schedule": Command("say why a pod goes where it goes, or nowhere", schedule.run, schedule.add_arguments),
    "kubeconfig": Command("print the administrator's kubeconfig", kubeconfig.run, kubeconfig.add_arguments),
}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    out = argparse.ArgumentParser(prog="kubepy", description="A Kubernetes-compatible cluster on this machine.")
    commands = out.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help.capitalize() + ".")
        sub.add_argument("--name", default="kubepy", help="which cluster, where there are several (default kubepy)")
        sub.add_argument("--data-dir", type=Path, help="where the cluster's files lie (default ~/.kubepy/NAME)")
        command.arguments(sub)
    return out


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `kubepy` script."""
    options = parser().parse_args(arguments)
    options.data_dir = (options.data_dir or home() / options.name).absolute()
    try:
        sys.exit(COMMANDS[options.command].run(options))
    except ClusterError as error:
        sys.exit(f"kubepy: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
