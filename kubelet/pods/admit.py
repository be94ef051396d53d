"""Pods that this node refuses before anything of them is made. Pure.

Upstream: pkg/kubelet/sysctl (allowlist.go, safe_sysctls.go); kubelet.go's rejectPod.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def refusal(pod: Obj, allowed_unsafe_sysctls: Sequence[str] = ()) -> tuple[str, str] | None:
    """(reason, message) when the pod must not run here, else None. `allowed_unsafe_sysctls`: names, or prefixes ending in `*`."""
    spec = pod["spec"]
    for sysctl in (spec.get("securityContext") or {}).get("sysctls") or ():
        name = sysctl["name"].replace("/", ".")
        if not _is_allowed(name, allowed_unsafe_sysctls):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted'
        if spec.get("hostNetwork") and name.startswith("net."):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host net enabled'
        if spec.get("hostIPC") and _is_of_ipc(name):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host ipc enabled'
    return None
