"""Termination messages of exited containers, each read once (kuberuntime getTerminationMessage, FallbackToLogsOnError)."""

from __future__ import annotations

import contextlib
from typing import Any

from kubelet.host import Host
from kubelet.pods import spec
from kubelet.pods.starter import termination_file
from kubelet.runtime.interface import Container, LogOptions, PodView, RuntimeFailure, State

Obj = dict[str, Any]

LIMIT = 4096
LOG_LIMIT, LOG_LINES = 2048, 80


class Messages:
    """The messages of one pod's containers, by container id."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.texts: dict[str, str] = {}

    async def read(self, pod: Obj, view: PodView | None) -> None:
        """Read those of newly exited containers."""
        if not self._host.runtime.materialises or view is None:
            return
        for container in view.containers:
            if container.state is State.EXITED and container.id not in self.texts:
                self.texts[container.id] = await self._one(pod, container)

    def forget(self, container_id: str) -> None:
        """The container is being removed."""
        self.texts.pop(container_id, None)

    async def _one(self, pod: Obj, container: Container) -> str:
        path = termination_file(self._host.volumes.pod_dir(pod["metadata"]["uid"]), container.name, container.attempt)
        text = ""
        with contextlib.suppress(OSError), path.open("rb") as file:
            text = file.read(LIMIT).decode(errors="replace")
        wanted = spec.find_container(pod, container.name) or {}
        if text or container.exit_code == 0 or wanted.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return text or container.message
        out = bytearray()
        with contextlib.suppress(RuntimeFailure):
            async for _, data in self._host.runtime.logs(container.id, LogOptions(tail=LOG_LINES)):
                out += data
        return bytes(out[-LOG_LIMIT:]).decode(errors="replace") or container.message
