"""What this node's part of the engine looks like, in memory: made from inspections, our own calls and events."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kubelet.runtime.docker import naming
from kubelet.runtime.interface import Container, PodView, Resources, Sandbox, State

START_ERROR = 128
"""Exit code of a container that could not be started (containerd's)."""


@dataclass(slots=True)
class _Extra:
    stop_signal: str = ""
    tty: bool = False
    starting: bool = False
    exited: asyncio.Event = field(default_factory=asyncio.Event)


_TIME = re.compile(r"^([0-9T:-]{19})(\.[0-9]+)?(Z|[+-][0-9:]{5})$")


def seconds(text: str | None) -> float:
    """Docker's RFC 3339 time with nanoseconds as seconds since the epoch; 0 for Go's zero time."""
    if not text or text.startswith("0001-"):
        return 0.0
    match = _TIME.match(text)
    if match is None:
        return 0.0
    zone = match[3] if match[3] != "Z" else "+00:00"
    return dt.datetime.fromisoformat(match[1] + zone).timestamp() + float(f"0{match[2] or '.0'}")


def _resources(host: dict[str, Any]) -> Resources:
    return Resources(
        cpu_shares=host.get("CpuShares") or 0, cpu_quota=host.get("CpuQuota") or 0, cpu_period=host.get("CpuPeriod") or 100_000,
        memory_limit=host.get("Memory") or 0, pids_limit=host.get("PidsLimit") or 0, oom_score_adj=host.get("OomScoreAdj") or 0,
    )  # fmt: skip


class Picture:
    """Sandboxes and containers by id and by pod. Not thread-safe: used on the event loop only."""

    def __init__(self) -> None:
        self._pods: dict[str, PodView] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, Container] = {}
        self._extra: dict[str, _Extra] = {}

    def view(self, uid: str) -> PodView | None:
        """One pod's."""
        return self._pods.get(uid)

    def views(self) -> list[PodView]:
        """Every pod's."""
        return list(self._pods.values())

    def sandboxes(self) -> Iterable[Sandbox]:
        """All sandboxes."""
        return self._sandboxes.values()

    def ids(self) -> set[str]:
        """All ids, of sandboxes and containers."""
        return self._sandboxes.keys() | self._containers.keys()

    def running_ids(self) -> list[str]:
        """Ids of what runs."""
        out = [s.id for s in self._sandboxes.values() if s.running and not s.host_network]
        return out + [c.id for c in self._containers.values() if c.state is State.RUNNING]

    def knows(self, container_id: str) -> bool:
        """Whether it is in the picture; a prefix of an id will do."""
        return container_id in self._sandboxes or container_id in self._containers or any(i.startswith(container_id) for i in self.ids())

    def agrees(self, container_id: str, running: bool) -> bool:
        """Whether the picture shows it, and as running or not as said."""
        if (sandbox := self._sandboxes.get(container_id)) is not None:
            return sandbox.running == running
        if (container := self._containers.get(container_id)) is not None:
            return (container.state is State.RUNNING) == running
        return False

    def starting(self, container_id: str) -> bool:
        """Whether our own call to start it is under way."""
        extra = self._extra.get(container_id)
        return extra is not None and extra.starting

    def set_starting(self, container_id: str, value: bool) -> None:
        """Mark the time of our call to start it."""
        if (extra := self._extra.get(container_id)) is not None:
            extra.starting = value

    def _view_of(self, thing: Sandbox | Container) -> PodView:
        return self._pods.setdefault(thing.pod.uid, PodView(thing.pod))

    def put_sandbox(self, sandbox: Sandbox) -> None:
        """Add or replace."""
        view = self._view_of(sandbox)
        view.sandboxes = sorted(
            [s for s in view.sandboxes if s.id != sandbox.id] + [sandbox], key=lambda s: (s.attempt, s.created_at), reverse=True
        )
        self._sandboxes[sandbox.id] = sandbox

    def put_container(self, container: Container, stop_signal: str, tty: bool) -> None:
        """Add or replace."""
        view = self._view_of(container)
        view.containers = sorted(
            [c for c in view.containers if c.id != container.id] + [container], key=lambda c: (c.created_at, c.attempt), reverse=True
        )
        self._containers[container.id] = container
        extra = self._extra.setdefault(container.id, _Extra())
        extra.stop_signal, extra.tty = stop_signal, tty
        if container.state is State.EXITED:
            extra.exited.set()

    def put_inspected(self, found: dict[str, Any]) -> str:
        """Add or refresh from Docker's inspect; the pod's uid, empty when the labels are not ours."""
        labels = found["Config"].get("Labels") or {}
        pod, state = naming.identity(labels), found["State"]
        if not pod.uid:
            return ""
        created, running = seconds(found["Created"]), bool(state["Running"])
        if labels.get(naming.KIND) == "sandbox":
            host = labels.get(naming.NETWORK_HOST) == "true"
            self.put_sandbox(Sandbox(found["Id"], pod, naming.attempt(labels), running, labels.get(naming.ADDRESS, ""), host, created))
            return pod.uid
        old = self._containers.get(found["Id"])
        container = Container(
            found["Id"], pod, labels.get(naming.CONTAINER_NAME, ""), naming.attempt(labels), State.RUNNING if running else State.EXITED,
            old.created_at if old else created, labels.get(naming.IMAGE, found["Config"].get("Image", "")),
            labels.get(naming.IMAGE_REF, ""), started_at=(old.started_at if old else 0.0) or seconds(state.get("StartedAt")),
            spec_hash=labels.get(naming.HASH, ""), resources=old.resources if old else _resources(found["HostConfig"]),
            sandbox_id=labels.get(naming.SANDBOX, ""),
        )  # fmt: skip
        if not running:
            container.finished_at = seconds(state.get("FinishedAt")) or created
            container.exit_code = int(state.get("ExitCode", 0))
            if state.get("Error") and not seconds(state.get("StartedAt")):
                container.reason, container.exit_code, container.message = "StartError", START_ERROR, state["Error"]
            elif state.get("OOMKilled"):
                container.reason = "OOMKilled"
            else:
                container.reason = "Error" if container.exit_code else "Completed"
        self.put_container(container, labels.get(naming.STOP_SIGNAL, ""), bool(found["Config"].get("Tty")))
        return pod.uid

    def started(self, container_id: str, now: float) -> bool:
        """Our start was answered. False when it is known to have exited meanwhile."""
        container = self._containers.get(container_id)
        if container is None or container.state is State.EXITED:
            return container is None
        container.state, container.started_at = State.RUNNING, container.started_at or now
        return True

    def failed(self, container_id: str, message: str, now: float) -> None:
        """Our start was refused."""
        if (container := self._containers.get(container_id)) is not None:
            container.state, container.reason, container.exit_code = State.EXITED, "StartError", START_ERROR
            container.message, container.finished_at = message, now
            self._extra[container_id].exited.set()

    def resized(self, container_id: str, resources: Resources) -> None:
        """Its limits were changed."""
        if (container := self._containers.get(container_id)) is not None:
            container.resources = resources

    def exit_event(self, container_id: str) -> asyncio.Event | None:
        """Set once it has exited or is gone."""
        extra = self._extra.get(container_id)
        return extra.exited if extra else None

    def stop_signal(self, container_id: str) -> str:
        """The signal that asks it to stop; empty for SIGTERM."""
        extra = self._extra.get(container_id)
        return extra.stop_signal if extra else ""

    def tty(self, container_id: str) -> bool:
        """Whether it has a terminal, so that its output is not framed."""
        extra = self._extra.get(container_id)
        return extra is not None and extra.tty

    def forget(self, container_id: str) -> tuple[str, str] | None:
        """Drop it; the pod's uid and the address that is free now."""
        if (extra := self._extra.pop(container_id, None)) is not None:
            extra.exited.set()
        sandbox, container = self._sandboxes.pop(container_id, None), self._containers.pop(container_id, None)
        thing = sandbox or container
        if thing is None:
            return None
        view = self._pods[thing.pod.uid]
        view.sandboxes = [s for s in view.sandboxes if s.id != container_id]
        view.containers = [c for c in view.containers if c.id != container_id]
        if not view.sandboxes and not view.containers:
            del self._pods[thing.pod.uid]
        return thing.pod.uid, sandbox.ip if sandbox and not sandbox.host_network else ""
