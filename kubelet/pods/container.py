"""From a container's spec to what the runtime is asked for: resources, security, mounts, command. Pure but for paths' look-ups.

Upstream: kuberuntime_container_linux.go, kuberuntime/security_context.go, kubelet_pods.go makeMounts, cm/helpers_linux.go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubelet.env import ConfigError, expand
from kubelet.pods import spec
from kubelet.runtime.interface import ContainerSpec, Image, Mount, PodIdentity, PortMapping, Resources, SandboxSpec, Security
from kubelet.volumes.manager import Volume

Obj = dict[str, Any]

MIN_SHARES, MAX_SHARES, SHARES_PER_CPU = 2, 262144, 1024
PERIOD, MIN_QUOTA = 100_000, 1000
_PROPAGATION = {"None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared", None: "rprivate"}
NODE_CRITICAL = 2_000_001_000


def shares(milli_cpu: int) -> int:
    """CPU shares of a request (MilliCPUToShares)."""
    return MIN_SHARES if not milli_cpu else max(MIN_SHARES, min(MAX_SHARES, milli_cpu * SHARES_PER_CPU // 1000))


def quota(milli_cpu: int) -> int:
    """CFS quota of a limit for the standard period (MilliCPUToQuota); 0 for none."""
    return max(MIN_QUOTA, milli_cpu * PERIOD // 1000) if milli_cpu else 0


def oom_score(pod: Obj, container: Obj, memory_capacity: int) -> int:
    """How ready the kernel is to kill it (kubelet/qos/policy.go)."""
    if (pod["spec"].get("priority") or 0) >= NODE_CRITICAL:
        return -997
    match spec.qos(pod):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    request = spec.amount(container, "requests", "memory").value()
    score = 1000 - (1000 * request) // max(1, memory_capacity)
    return max(3, min(999, score))


def resources(pod: Obj, container: Obj, memory_capacity: int) -> Resources:
    """The container's limits in cgroup terms."""
    request, limit = spec.amount(container, "requests", "cpu").milli_value(), spec.amount(container, "limits", "cpu").milli_value()
    return Resources(
        cpu_shares=shares(request or limit), cpu_quota=quota(limit), cpu_period=PERIOD,
        memory_limit=spec.amount(container, "limits", "memory").value(), oom_score_adj=oom_score(pod, container, memory_capacity),
    )  # fmt: skip


def security(pod: Obj, container: Obj, image: Image, seccomp_root: Path) -> Security:
    """The effective security context: the container's settings over the pod's. Raises ConfigError (runAsNonRoot)."""
    of_pod, own = pod["spec"].get("securityContext") or {}, container.get("securityContext") or {}

    def effective(key: str) -> Any:
        value = own.get(key)
        return of_pod.get(key) if value is None else value

    user, group = effective("runAsUser"), effective("runAsGroup")
    if effective("runAsNonRoot"):
        _verify_non_root(pod, container, image, user)
    name = "" if user is None else str(user)
    if group is not None:
        name = f"{name or image.user.partition(':')[0] or '0'}:{group}"
    capabilities = own.get("capabilities") or {}
    groups = [str(g) for g in of_pod.get("supplementalGroups") or ()]
    if of_pod.get("fsGroup") is not None:
        groups.append(str(of_pod["fsGroup"]))
    privileged = bool(own.get("privileged"))
    return Security(
        user=name, groups=tuple(groups), privileged=privileged, cap_add=tuple(capabilities.get("add") or ()),
        cap_drop=tuple(capabilities.get("drop") or ()), read_only_root=bool(own.get("readOnlyRootFilesystem")),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False and not privileged,
        seccomp=_seccomp(effective("seccompProfile"), seccomp_root), apparmor=_apparmor(effective("appArmorProfile")),
        proc_unmasked=own.get("procMount") == "Unmasked",
    )  # fmt: skip


def _verify_non_root(pod: Obj, container: Obj, image: Image, user: int | None) -> None:
    where = f'(pod: "{spec.identity(pod)}", container: {container["name"]})'
    if user is not None:
        if user == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    image_user = image.user.partition(":")[0]
    if image_user and not image_user.isdigit():
        text = f"container has runAsNonRoot and image has non-numeric user ({image_user}), cannot verify user is non-root"
        raise ConfigError(f"{text} {where}")
    if not image_user or int(image_user) == 0:
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")


def _seccomp(profile: Obj | None, root: Path) -> str:
    kind: str = (profile or {}).get("type", "")
    match kind:
        case "RuntimeDefault":
            return "runtime/default"
        case "Localhost":
            path = root / str((profile or {}).get("localhostProfile", ""))
            try:
                return path.read_text()
            except OSError as e:
                raise ConfigError(f"failed to load seccomp profile {path}: {e.strerror}") from e
    return "unconfined"


def _apparmor(profile: Obj | None) -> str:
    match (profile or {}).get("type"):
        case "Unconfined":
            return "unconfined"
        case "Localhost":
            return str((profile or {}).get("localhostProfile", ""))
    return ""


def mounts(container: Obj, volumes: Mapping[str, Volume], env: Mapping[str, str]) -> list[Mount]:
    """The container's volumeMounts as bind mounts, subPaths made where missing. Raises ConfigError."""
    out = []
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(mount["name"])
        if volume is None:
            raise ConfigError(f'cannot find volume "{mount["name"]}" to mount into container "{container["name"]}"')
        source = volume.path
        sub_path = mount.get("subPath") or ""
        if expression := mount.get("subPathExpr"):
            sub_path = expand(expression, env)
            if re.search(r"\$\([A-Za-z_.-][A-Za-z0-9_.-]*\)", sub_path):
                raise ConfigError(f'missing value for "{expression}"')
        if sub_path:
            source = _sub_path(source, sub_path, mount, container)
        read_only = bool(mount.get("readOnly")) or volume.read_only
        out.append(Mount(str(source), mount["mountPath"], read_only, _PROPAGATION[mount.get("mountPropagation")]))
    return out


def _sub_path(root: Path, sub_path: str, mount: Obj, container: Obj) -> Path:
    if sub_path.startswith("/") or ".." in sub_path.split("/"):
        raise ConfigError(f'subPath "{sub_path}" must not be absolute or contain ".."')
    base = Path(os.path.realpath(root))
    path = root / sub_path
    if not path.exists() and not path.is_symlink():
        try:
            # Resolved first, so that a link in the volume cannot make us create folders elsewhere.
            if not Path(os.path.realpath(path)).is_relative_to(base):
                raise OSError("outside the volume")
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(base.stat().st_mode & 0o7777)
            os.chown(path, -1, base.stat().st_gid)
        except OSError as e:
            raise ConfigError(
                f'failed to create subPath directory for volumeMount "{mount["name"]}" of container "{container["name"]}"'
            ) from e
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(base):
        raise ConfigError(f'failed to prepare subPath for volumeMount "{mount["name"]}" of container "{container["name"]}"')
    return real


def container_spec(
    pod: Obj, container: Obj, *, attempt: int, image: Image, env: Mapping[str, str], binds: list[Mount], seccomp_root: Path,
    memory_capacity: int, cgroup_parent: str, target_id: str = "",
) -> ContainerSpec:  # fmt: skip
    """Everything the runtime needs to know. Raises ConfigError."""
    command = container.get("command")
    args = container.get("args")
    devices = tuple(d["devicePath"] for d in container.get("volumeDevices") or ())
    s = pod["spec"]
    return ContainerSpec(
        pod=spec.identity(pod), name=container["name"], attempt=attempt, image=image.id, image_name=container.get("image", ""),
        command=tuple(expand(c, env) for c in command) if command else None,
        args=tuple(expand(a, env) for a in args) if args else None,
        env=tuple(env.items()), working_dir=container.get("workingDir") or "", mounts=tuple(binds), devices=devices,
        resources=resources(pod, container, memory_capacity), security=security(pod, container, image, seccomp_root),
        tty=bool(container.get("tty")), stdin=bool(container.get("stdin")), stdin_once=bool(container.get("stdinOnce")),
        stop_signal=(container.get("lifecycle") or {}).get("stopSignal") or "", share_pid=bool(s.get("shareProcessNamespace")),
        host_pid=bool(s.get("hostPID")), host_ipc=bool(s.get("hostIPC")), target_id=target_id, cgroup_parent=cgroup_parent,
        spec_hash=spec.container_hash(container),
    )  # fmt: skip


def sandbox_spec(pod: Obj, attempt: int, hostname: str, cgroup_parent: str) -> SandboxSpec:
    """The pod's sandbox."""
    s = pod["spec"]
    ports = tuple(
        PortMapping(p["containerPort"], p["hostPort"], (p.get("protocol") or "TCP").lower(), p.get("hostIP") or "")
        for c in (*spec.containers(pod), *spec.init_containers(pod))
        for p in c.get("ports") or ()
        if p.get("hostPort")
    )
    host = spec.host_network(pod)
    return SandboxSpec(
        pod=PodIdentity(pod["metadata"]["namespace"], pod["metadata"]["name"], pod["metadata"]["uid"]), attempt=attempt, hostname=hostname,
        host_network=host, host_pid=bool(s.get("hostPID")), host_ipc=bool(s.get("hostIPC")), ports=() if host else ports,
        sysctls={x["name"]: x["value"] for x in (s.get("securityContext") or {}).get("sysctls") or ()}, cgroup_parent=cgroup_parent,
    )  # fmt: skip
