"""`python -m kubelet.server.certificate`: makes the serving certificate in a process of its own, and ends.

So the kubelet itself never loads the cryptography that it needs once a year: 9 MB for each node.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from kubepy.pkifiles import Pki


async def ensure(root: Path, ca_cert: str, ca_key: str, names: Sequence[str]) -> tuple[Path, Path]:
    """Certificate and key for a kubelet reached by `names` (its node name first) in `root`/pki, as `pki.ensure_leaf` keeps them.

    Signed by the CA in the files `ca_cert` and `ca_key`, or, if they are empty, by one of its own. Raises RuntimeError.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kubelet.server.certificate", str(root), ca_cert, ca_key, *names, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"the serving certificate could not be made: {complaint.decode(errors='replace')[-500:]}")
    folder = Pki(root / "pki")
    return folder.cert("kubelet"), folder.key("kubelet")


def main(root: str, ca_cert: str, ca_key: str, *names: str) -> None:
    """The child's part of `ensure`."""
    from kubepy import pki

    folder = Pki(Path(root) / "pki")
    folder.dir.mkdir(parents=True, exist_ok=True)
    ca = pki.load(Path(ca_cert), Path(ca_key)) if ca_cert else pki.ensure_ca(folder, "ca", "kubelet-ca")
    pki.ensure_leaf(folder, ca, "kubelet", f"system:node:{names[0]}", ["system:nodes"], names=names, server=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
