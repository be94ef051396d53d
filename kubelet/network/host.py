"""What the machine itself must be set to so that Service addresses work: the DNS address, forwarding, the engine's firewall.

Every step is harmless when it has been made before; a step that cannot be made is told, not raised.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/route_localnet": "1",
    "net/bridge/bridge-nf-call-iptables": "1",
}


async def _run(*argv: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    return process.returncode or 0, errors.decode(errors="replace").strip()


def prepare_kernel(root: Path = Path("/proc/sys")) -> bool:
    """Switch on forwarding, and the packet filter for bridged packets; returns whether the latter holds."""
    for name, value in _SETTINGS.items():
        try:
            if (root / name).read_text().strip() != value:
                (root / name).write_text(value)
        except OSError as error:
            log.warning("%s could not be set to %s: %s", name.replace("/", "."), value, error)
    try:
        return (root / "net/bridge/bridge-nf-call-iptables").read_text().strip() == "1"
    except OSError:
        return False


async def claim_address(address: str, device: str = "lo") -> str:
    """Give the machine `address` (the cluster DNS address); returns an empty string, or why it could not be."""
    code, text = await _run("ip", "address", "add", f"{address}/32", "dev", device)
    return "" if code == 0 or "File exists" in text or "already assigned" in text else text


async def release_address(address: str, device: str = "lo") -> None:
    """Take the address away again."""
    await _run("ip", "address", "del", f"{address}/32", "dev", device)


async def admit_forwarded(cluster_cidr: str) -> None:
    """Let traffic from outside that a Service sends to pods pass the Docker engine's firewall (its DOCKER-USER chain)."""
    if shutil.which("iptables") is None:
        return
    rule = ("DOCKER-USER", "-d", cluster_cidr, "-m", "conntrack", "--ctstate", "DNAT", "-j", "ACCEPT")
    code, _ = await _run("iptables", "-w", "-C", *rule)
    if code:
        await _run("iptables", "-w", "-I", *rule)


async def dismiss_forwarded(cluster_cidr: str) -> None:
    """Undo `admit_forwarded`."""
    if shutil.which("iptables") is not None:
        rule = ("DOCKER-USER", "-d", cluster_cidr, "-m", "conntrack", "--ctstate", "DNAT", "-j", "ACCEPT")
        await _run("iptables", "-w", "-D", *rule)
