"""From our specs to the JSON of Docker's container-create call. Pure, but for one look at this process's rights."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from kubelet.runtime.docker import naming
from kubelet.runtime.interface import ContainerSpec, Image, Resources, Sandbox, SandboxSpec, Security

Json = dict[str, Any]

LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "5"}}
"""Rotation as the kubelet's defaults (containerLogMaxSize, containerLogMaxFiles)."""
SANDBOX_OOM_SCORE = -998
_UNMASKED: Json = {"MaskedPaths": [], "ReadonlyPaths": []}


_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
    "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
    "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
    "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
"""By number (linux/capability.h)."""


@cache
def withheld() -> frozenset[str]:
    """The capabilities that this machine grants nobody, not even root: some virtual machines and containers withhold a few."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            bound = int(line.split()[1], 16)
            last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
            return frozenset(name for n, name in enumerate(_CAPABILITIES[: last + 1]) if not bound >> n & 1)
    return frozenset()


def oom_score(wanted: int) -> int:
    """The score to ask for: where it may not be lowered, asking makes the container's start fail."""
    return wanted if wanted >= 0 or "SYS_RESOURCE" not in withheld() else 0


def sandbox_config(cluster: str, node: str, image: str, network: str, spec: SandboxSpec, ip: str) -> Json:
    """The sandbox's container: it owns network and IPC, and is published on the host's ports."""
    host: Json = {
        "NetworkMode": "host" if spec.host_network else network,
        "IpcMode": "host" if spec.host_ipc else "shareable",
        "OomScoreAdj": oom_score(SANDBOX_OOM_SCORE),
        "CpuShares": 2,
        "LogConfig": {"Type": "none"},
        "ReadonlyRootfs": True,
        "SecurityOpt": ["seccomp=unconfined", "no-new-privileges"],
        "RestartPolicy": {"Name": "no"},
    }
    if spec.host_pid:
        host["PidMode"] = "host"
    if spec.sysctls:
        host["Sysctls"] = spec.sysctls
    if spec.cgroup_parent:
        host["CgroupParent"] = spec.cgroup_parent
    config: Json = {
        "Image": image,
        "Labels": naming.sandbox_labels(cluster, node, spec, ip),
        "HostConfig": host,
    }
    if spec.hostname and not spec.host_network:
        config["Hostname"] = spec.hostname
    if not spec.host_network:
        config["NetworkingConfig"] = {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": ip}}}}
        if spec.ports:
            bindings: dict[str, list[Json]] = {}
            for p in spec.ports:
                bindings.setdefault(f"{p.container_port}/{p.protocol}", []).append({"HostIp": p.host_ip, "HostPort": str(p.host_port)})
            host["PortBindings"] = bindings
            config["ExposedPorts"] = {key: {} for key in bindings}
    return config


def resource_config(r: Resources) -> Json:
    """The limits, as both create and update name them."""
    out: Json = {"CpuShares": r.cpu_shares, "CpuQuota": r.cpu_quota, "CpuPeriod": r.cpu_period, "Memory": r.memory_limit}
    # Equal to Memory: no swap, as on Kubernetes nodes.
    out["MemorySwap"] = r.memory_limit
    if r.pids_limit:
        out["PidsLimit"] = r.pids_limit
    return out


def update_arguments(r: Resources) -> Json:
    """The limits as the SDK's update call names them. The engine cannot take a memory limit away, nor is a resize allowed to."""
    out: Json = {"cpu_shares": r.cpu_shares, "cpu_quota": r.cpu_quota or -1, "cpu_period": r.cpu_period}
    if r.memory_limit:
        out |= {"mem_limit": r.memory_limit, "memswap_limit": r.memory_limit}
    return out


def _security_options(spec: ContainerSpec) -> list[str]:
    s = spec.security
    out: list[str] = []
    if s.privileged or s.seccomp == "unconfined":
        out.append("seccomp=unconfined")
    elif s.seccomp != "runtime/default":
        out.append(f"seccomp={s.seccomp}")
    if s.privileged:
        out.append("apparmor=unconfined")
    elif s.apparmor:
        out.append(f"apparmor={s.apparmor}")
    if s.no_new_privileges:
        out.append("no-new-privileges")
    return out


def _rights(s: Security) -> Json:
    """What the container may do. Where capabilities are withheld, privileged is put together from what there is."""
    out: Json = {"Privileged": s.privileged, "CapAdd": list(s.cap_add), "CapDrop": list(s.cap_drop)}
    if not withheld():
        return out
    if s.privileged:
        out = {"CapAdd": ["ALL"], "CapDrop": [], "Devices": [_device("/dev")], "DeviceCgroupRules": ["a *:* rwm"], **_UNMASKED}
    if "ALL" in out["CapAdd"]:
        # For the engine that is all that the kernel knows, and the container would not start.
        out["CapDrop"] = [*out["CapDrop"], *sorted(withheld())]
    return out


def _device(path: str) -> Json:
    return {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}


def container_config(cluster: str, node: str, sandbox: Sandbox, spec: ContainerSpec, image: Image, stop_signal: str) -> Json:
    """A pod's container, joined to its sandbox."""
    s = spec.security
    host: Json = {
        "NetworkMode": "host" if sandbox.host_network else f"container:{sandbox.id}",
        "IpcMode": "host" if spec.host_ipc else f"container:{sandbox.id}",
        "Mounts": [
            {
                "Type": "bind", "Source": m.source, "Target": m.target, "ReadOnly": m.read_only,
                "BindOptions": {"Propagation": m.propagation},
            }
            for m in spec.mounts
        ],
        "OomScoreAdj": oom_score(spec.resources.oom_score_adj),
        "LogConfig": LOGS,
        "RestartPolicy": {"Name": "no"},
        "ReadonlyRootfs": s.read_only_root,
        **_rights(s),
        "GroupAdd": list(s.groups),
        "SecurityOpt": _security_options(spec),
        **resource_config(spec.resources),
    }  # fmt: skip
    if spec.target_id:
        host["PidMode"] = f"container:{spec.target_id}"
    elif spec.host_pid:
        host["PidMode"] = "host"
    elif spec.share_pid:
        host["PidMode"] = f"container:{sandbox.id}"
    if s.proc_unmasked:
        host |= _UNMASKED
    if spec.cgroup_parent:
        host["CgroupParent"] = spec.cgroup_parent
    if spec.devices:
        host["Devices"] = [*host.get("Devices", ()), *map(_device, spec.devices)]
    config: Json = {
        "Image": image.id,
        "Labels": naming.container_labels(cluster, node, spec, sandbox.id, image.ref, stop_signal),
        "Env": [f"{name}={value}" for name, value in spec.env],
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin and spec.stdin_once,
        "Tty": spec.tty,
        "HostConfig": host,
        "Healthcheck": {"Test": ["NONE"]},
    }
    if spec.command is not None:
        config["Entrypoint"] = list(spec.command)
    if spec.args is not None:
        config["Cmd"] = list(spec.args)
    if spec.working_dir:
        config["WorkingDir"] = spec.working_dir
    if s.user:
        config["User"] = s.user
    if stop_signal:
        config["StopSignal"] = stop_signal
    return config
