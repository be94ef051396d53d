"""`kubepy logs COMPONENT`: a component's log, and what is added to it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import deque

from kubepy.cli import cluster
from kubepy.cli.cluster import ClusterError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `logs`."""
    parser.add_argument("component", nargs="?", help="apiserver, controllers, scheduler, kubelet/NODE, supervisor, …; none: list them")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing what is added, until Ctrl-C")
    parser.add_argument("--tail", type=int, default=-1, metavar="LINES", help="only the last lines")


def run(options: argparse.Namespace) -> int:
    """Print the log. Raises ClusterError when there is none of that name."""
    found = cluster.require(options.data_dir)
    names = sorted(p.stem for p in found.logs.glob("*.log"))
    if options.component is None:
        print("\n".join(names))
        return 0
    file = found.logs / f"{options.component.replace('/', '-')}.log"
    if not file.exists() and options.component == "kubelet" and found.nodes:
        file = found.logs / f"kubelet-{found.node_names()[0]}.log"
    if not file.exists():
        raise ClusterError(f"there is no log of {options.component!r}; there are: {', '.join(names) or 'none yet'}")
    with file.open(errors="replace") as log:
        sys.stdout.writelines(deque(log, options.tail) if options.tail >= 0 else log)
        while options.follow:
            line = log.readline()
            if line:
                sys.stdout.write(line)
                continue
            sys.stdout.flush()
            if os.stat(file).st_ino != os.fstat(log.fileno()).st_ino:  # noqa: PTH116 - rotated: the rest is in another file
                return run(options)
            time.sleep(0.2)
    return 0
