"""Pods that this node refuses before anything of them is made. Pure.

Upstream: pkg/kubelet/sysctl (allowlist.go, safe_sysctls.go); kubelet.go's rejectPod, lifecycle/predicate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Obj = dict[str, Any]

SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_IPC_PREFIXES = ("kernel.shm", "kernel.msg", "fs.mqueue.")
_IPC_NAMES = ("kernel.sem",)


def _is_of_ipc(name: str) -> bool:
    return name in _IPC_NAMES or name.startswith(_IPC_PREFIXES)


def _is_allowed(name: str, unsafe: Sequence[str]) -> bool:
    if name in SAFE_SYSCTLS or name in unsafe:
        return True
    return any(pattern.endswith("*") and name.startswith(pattern[:-1]) for pattern in unsafe)


def host_ports(pod: Obj) -> set[tuple[str, str, int]]:
    """(address, protocol, port) that a pod's containers ask of the node."""
    out = set()
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *sidecars):
        for port in container.get("ports") or ():
            if number := port.get("hostPort"):
                out.add((port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", number))
    return out


def _collide(mine: set[tuple[str, str, int]], theirs: set[tuple[str, str, int]]) -> bool:
    return any(
        (protocol, port) == (p, n) and (ip == i or "0.0.0.0" in (ip, i)) for ip, protocol, port in mine for i, p, n in theirs
    )  # fmt: skip


def refusal(pod: Obj, allowed_unsafe_sysctls: Sequence[str] = (), others: Iterable[Obj] = ()) -> tuple[str, str] | None:
    """(reason, message) when the pod must not run here, else None.

    `allowed_unsafe_sysctls`: names, or prefixes ending in `*`. `others`: the pods that run here already.
    """
    spec = pod["spec"]
    if (mine := host_ports(pod)) and any(_collide(mine, host_ports(other)) for other in others):
        return "NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    for sysctl in (spec.get("securityContext") or {}).get("sysctls") or ():
        name = sysctl["name"].replace("/", ".")
        if not _is_allowed(name, allowed_unsafe_sysctls):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted'
        if spec.get("hostNetwork") and name.startswith("net."):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host net enabled'
        if spec.get("hostIPC") and _is_of_ipc(name):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host ipc enabled'
    return None
