"""`python -m kubelet.cleanup --cluster-id ID --stop|--remove`: what a cluster left on this machine besides its files."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from pathlib import Path

from kubelet.network import agent, nft
from kubelet.runtime.docker import cleanup
from kubelet.runtime.interface import RuntimeFailure


def unmount_below(root: Path, mounts: Path = Path("/proc/self/mounts")) -> list[str]:
    """Unmount what kubelets mounted below `root` (memory-backed volumes), the deepest first; returns the paths."""
    points = [line.split()[1].encode().decode("unicode_escape") for line in mounts.read_text().splitlines()]
    below = sorted((p for p in points if Path(p).is_relative_to(root)), key=len, reverse=True)
    for point in below:
        subprocess.run(["umount", "--lazy", point], check=False)
    return below


def main(argv: list[str] | None = None) -> int:
    """Stop or remove; the exit status is 1 when something could not be done."""
    parser = argparse.ArgumentParser(prog="python -m kubelet.cleanup", description=__doc__)
    parser.add_argument("--cluster-id", required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--stop", action="store_true", help="stop the containers, keep everything")
    what.add_argument("--remove", action="store_true", help="remove containers, network, packet-filter rules and mounts")
    parser.add_argument("--root-dir", type=Path, help="with --remove: unmount volumes below this folder")
    parser.add_argument("--cluster-cidr", default="")
    parser.add_argument("--cluster-dns", default="")
    options = parser.parse_args(argv)
    try:
        if options.stop:
            cleanup.stop(options.cluster_id)
            return 0
        cleanup.remove(options.cluster_id)
        if options.root_dir is not None:
            unmount_below(options.root_dir)
        asyncio.run(agent.remove(options.cluster_id, options.cluster_cidr, options.cluster_dns))
    except (RuntimeFailure, nft.NftError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
