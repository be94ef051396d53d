"""`python -m kubelet.cleanup --cluster-id ID --stop|--remove`: ends what a cluster's kubelets left on the engine and this machine.

`--stop` stops the containers and keeps them and their networks (a later start runs the pods anew); `--remove` removes all.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from kubelet.network import agent as service_network
from kubelet.pods import cgroups
from kubelet.runtime.docker import network
from kubelet.runtime.docker.cleanup import remove_all, stop_all
from kubelet.runtime.interface import RuntimeFailure
from kubelet.volumes.manager import remove_tree


async def _main(args: argparse.Namespace) -> None:
    if args.stop:
        await stop_all(args.cluster_id)
        return
    for folder in await remove_all(args.cluster_id):
        remove_tree(Path(folder))
    cgroups.remove_cluster(args.cluster_id)
    if args.cluster_dns:
        await service_network.remove(args.cluster_id, args.cluster_cidr, args.cluster_dns)
    for root in args.root_dir:
        remove_tree(Path(root) / "pods")


def main() -> int:
    """Exit status 1 when the engine cannot be reached."""
    parser = argparse.ArgumentParser(prog="kubelet.cleanup", description=__doc__)
    parser.add_argument("--cluster-id", required=True, help="the cluster whose things are meant")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--stop", action="store_true", help="stop containers")
    what.add_argument("--remove", action="store_true", help=f"remove containers and the network ({network.network_name('ID')})")
    parser.add_argument("--cluster-cidr", default="10.244.0.0/16", help="range of all pod addresses")
    parser.add_argument("--cluster-dns", default="", help="address of the cluster's DNS, to be taken away with the service rules")
    parser.add_argument("--root-dir", action="append", default=[], help="a kubelet's folder, whose volumes are unmounted and removed")
    try:
        asyncio.run(_main(parser.parse_args()))
    except RuntimeFailure as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
