"""Facts of this machine for a Node's status: capacity, system information, addresses. Reads /proc and /etc; changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path

VERSION = "v1.36.2"
PLUGINS_MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def memory_bytes() -> int:
    """All memory of the machine."""
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def capacity(root: Path, max_pods: int) -> dict[str, str]:
    """Node capacity as quantities."""
    path = root
    while not path.exists():
        path = path.parent
    disk = shutil.disk_usage(path).total
    return {
        "cpu": str(os.cpu_count() or 1), "memory": f"{memory_bytes() // 1024}Ki", "ephemeral-storage": f"{disk // 1024}Ki",
        "hugepages-1Gi": "0", "hugepages-2Mi": "0", "pods": str(max_pods),
    }  # fmt: skip


def _os_image() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def architecture() -> str:
    """Go's name of the architecture."""
    return PLUGINS_MACHINE.get(platform.machine(), platform.machine())


def system_info(runtime: str) -> dict[str, str]:
    """status.nodeInfo; `runtime` as `docker://20.10.24`."""
    return {
        "machineID": _read("/etc/machine-id"), "systemUUID": _read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
        "bootID": _read("/proc/sys/kernel/random/boot_id"), "kernelVersion": platform.release(), "osImage": _os_image(),
        "containerRuntimeVersion": runtime, "kubeletVersion": VERSION, "kubeProxyVersion": "", "operatingSystem": "linux",
        "architecture": architecture(),
    }  # fmt: skip


def primary_address() -> str:
    """The address this machine uses towards others; loopback when it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing: it only chooses a route.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
