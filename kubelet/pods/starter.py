"""Starts one container: back-off, image, configuration, create, start, postStart hook (kuberuntime startContainer)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from kubelet import env
from kubelet.env import ConfigError
from kubelet.host import Host
from kubelet.pods import container as making
from kubelet.pods import files, spec
from kubelet.pods.backoff import Backoffs
from kubelet.pods.images import ImageKeeper, NotStarted
from kubelet.pods.killer import Deadline, kill_container
from kubelet.runtime.interface import ContainerSpec, Image, Mount, PodView, RuntimeFailure, Sandbox, State
from kubelet.volumes.manager import Volume

Obj = dict[str, Any]
T = TypeVar("T")


def _go_seconds(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


class Starter:
    """Starts the containers of one pod."""

    def __init__(self, host: Host, unless_ending: Callable[[Awaitable[Any]], Awaitable[Any]]) -> None:
        self._host = host
        self._unless_ending = unless_ending
        self.images = ImageKeeper(host)
        self._crashes = Backoffs(host.config.crash_loop_base, host.config.crash_loop_max)

    def check_backoff(self, pod: Obj, container: Obj, view: PodView | None) -> None:
        """Raises NotStarted while the container is in its crash back-off; else counts this restart."""
        latest = next((c for c in view.containers if c.name == container["name"] and c.state is State.EXITED), None) if view else None
        if latest is None:
            return
        key = f"{container['name']}_{spec.container_hash(container)}"
        until = self._crashes.until(key, latest.finished_at)
        if until > time.time():
            who = str(spec.identity(pod))
            text = f"Back-off restarting failed container {container['name']} in pod {who}"
            self._host.event(pod, "Warning", "BackOff", text, container["name"])
            message = f"back-off {_go_seconds(self._crashes.delay(key))} restarting failed container={container['name']} pod={who}"
            raise NotStarted("CrashLoopBackOff", message, until)
        self._crashes.grow(key, latest.finished_at)

    async def start(
        self, pod: Obj, container: Obj, sandbox: Sandbox, volumes: Mapping[str, Volume], *, cgroup_parent: str, ephemeral: bool = False
    ) -> None:
        """Start it. Raises NotStarted with the reason."""
        host, name = self._host, container["name"]
        view = host.runtime.view(pod["metadata"]["uid"])
        if not ephemeral:
            self.check_backoff(pod, container, view)
        image = await self.images.ensure(pod, container, self._unless_ending)
        previous = view.latest(name) if view else None
        attempt = previous.attempt + 1 if previous else self._reported_restarts(pod, name)
        try:
            wanted = self._spec(pod, container, sandbox, volumes, image, attempt, cgroup_parent, view)
        except ConfigError as e:
            host.event(pod, "Warning", "Failed", f"Error: {e}", name)
            raise NotStarted("CreateContainerConfigError", str(e)) from e
        try:
            made = await host.runtime.create_container(sandbox, wanted)
        except RuntimeFailure as e:
            host.event(pod, "Warning", "Failed", f"Error: {e}", name)
            raise NotStarted("CreateContainerError", str(e)) from e
        host.event(pod, "Normal", "Created", "Container created", name)
        try:
            await host.runtime.start_container(made.id)
        except RuntimeFailure as e:
            host.event(pod, "Warning", "Failed", f"Error: {e}", name)
            raise NotStarted("RunContainerError", str(e)) from e
        host.event(pod, "Normal", "Started", "Container started", name)
        hook = (container.get("lifecycle") or {}).get("postStart")
        if hook and host.runtime.materialises:
            problem = await self._unless_ending(host.checker.hook(hook, container, made.id, pod, sandbox.ip or host.node_ips[0]))
            if problem:
                host.event(pod, "Warning", "FailedPostStartHook", "PostStartHook failed", name)
                deadline = Deadline(time.time() + spec.grace_period(pod))
                await kill_container(host, pod, made, f"FailedPostStartHook: {problem}"[:1024], deadline, sandbox.ip)
                raise NotStarted("PostStartHookError", problem)

    def _reported_restarts(self, pod: Obj, name: str) -> int:
        """The attempt that follows what the API was told, when the runtime has forgotten (its containers were removed)."""
        status = self._host.statuses.get(pod["metadata"]["uid"]) or {}
        for kind in ("containerStatuses", "initContainerStatuses"):
            for known in status.get(kind) or ():
                if known["name"] == name:
                    before = "terminated" in (known.get("state") or {}) or "terminated" in (known.get("lastState") or {})
                    return int(known.get("restartCount", 0)) + (1 if before and "terminated" in (known.get("state") or {}) else 0)
        return 0

    def _spec(
        self, pod: Obj, container: Obj, sandbox: Sandbox, volumes: Mapping[str, Volume], image: Image, attempt: int, cgroup_parent: str,
        view: PodView | None,
    ) -> ContainerSpec:  # fmt: skip
        host, namespace = self._host, pod["metadata"]["namespace"]
        values: dict[str, str] = {}
        binds: list[Mount] = []
        if host.runtime.materialises:
            ip = sandbox.ip or host.node_ips[0]
            ips = {
                "status.podIP": ip, "status.podIPs": ip, "status.hostIP": host.node_ips[0], "status.hostIPs": ",".join(host.node_ips),
            }  # fmt: skip
            values = env.environment(
                pod, container, lookup=lambda plural, name: host.objects.get(plural, namespace, name), services=self._services(pod),
                node_name=host.node_name, ips=ips, allocatable=host.allocatable,
            )  # fmt: skip
            binds = [*making.mounts(container, volumes, values), *self._own_files(pod, container, sandbox, attempt)]
        target = ""
        if wanted := container.get("targetContainerName"):
            found = view.latest(wanted) if view else None
            if found is None or found.state is not State.RUNNING:
                raise ConfigError(f"unable to find target container {wanted}")
            target = found.id
        return making.container_spec(
            pod, container, attempt=attempt, image=image, env=values, binds=binds, seccomp_root=host.config.root_dir / "seccomp",
            memory_capacity=host.memory_capacity, cgroup_parent=cgroup_parent, target_id=target,
        )  # fmt: skip

    def _services(self, pod: Obj) -> dict[str, str]:
        host, namespace = self._host, pod["metadata"]["namespace"]
        services = [s for s in host.services("default") if s["metadata"]["name"] == "kubernetes"]
        if pod["spec"].get("enableServiceLinks", True):
            services += [s for s in host.services(namespace) if not (namespace == "default" and s["metadata"]["name"] == "kubernetes")]
        return env.service_variables(services)

    def _own_files(self, pod: Obj, container: Obj, sandbox: Sandbox, attempt: int) -> list[Mount]:
        """/etc/hosts, /etc/resolv.conf and the termination log, unless the container mounts something there itself."""
        host = self._host
        taken = {m["mountPath"] for m in container.get("volumeMounts") or ()}
        folder = host.volumes.pod_dir(pod["metadata"]["uid"])
        folder.mkdir(parents=True, exist_ok=True)
        out = []
        node_dns = files.parse_resolv(_read(str(host.config.resolv_conf)))
        contents = {
            "/etc/hosts": files.hosts(pod, sandbox.ip, host.config.cluster_domain, _read("/etc/hosts")),
            "/etc/resolv.conf": files.resolver(pod, host.config.cluster_dns, host.config.cluster_domain, node_dns).text(),
        }
        for target, content in contents.items():
            if target not in taken:
                path = folder / target.strip("/").replace("/", "-")
                path.write_text(content)
                path.chmod(0o644)
                out.append(Mount(str(path), target))
        target = container.get("terminationMessagePath") or "/dev/termination-log"
        if target not in taken:
            log = termination_file(folder, container["name"], attempt)
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
            log.chmod(0o666)
            out.append(Mount(str(log), target))
        return out


def termination_file(pod_dir: Path, container: str, attempt: int) -> Path:
    """Where a container's termination message is written."""
    return pod_dir / "containers" / container / f"{attempt}.message"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
