"""Applies nftables scripts, atomically, by the nft program. The only place that runs it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess


class NftError(Exception):
    """nft refused a script; nothing of it was applied."""


def available() -> str:
    """An empty string when this process can change the packet filter, else what is missing."""
    if shutil.which("nft") is None:
        return "the program nft is not installed (Debian, Ubuntu: apt-get install nftables)"
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"nft: {done.stderr.strip()}"


async def apply(script: str) -> None:
    """Run one script as one transaction. Raises NftError."""
    process = await asyncio.create_subprocess_exec(
        "nft", "-f", "-", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate(script.encode())
    if process.returncode:
        raise NftError(errors.decode(errors="replace").strip())


async def forget_udp_flows(address: str, endpoint: str) -> None:
    """Drop tracked UDP flows from a Service address to an endpoint that is gone; else they would stick to it."""
    if shutil.which("conntrack") is None:
        return
    process = await asyncio.create_subprocess_exec(
        *("conntrack", "-D", "-p", "udp", "--orig-dst", address, "--reply-src", endpoint),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.wait()
