"""What every pod worker of a node shares: settings, runtime, API access, recorders. Holds parts, decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from kubelet.config import KubeletConfig
from kubelet.objects import ObjectSource
from kubelet.pods.allocation import Allocations
from kubelet.pods.statuses import StatusManager
from kubelet.probes.checks import Checker
from kubelet.runtime.interface import Runtime
from kubelet.volumes.manager import VolumeManager
from kubepy.client import Client
from kubepy.runtime import Clock, EventRecorder

Obj = dict[str, Any]


@dataclass(slots=True)
class Host:
    """One node, as its pods see it."""

    node_name: str
    config: KubeletConfig
    client: Client
    clock: Clock
    runtime: Runtime
    objects: ObjectSource
    volumes: VolumeManager
    statuses: StatusManager
    recorder: EventRecorder
    checker: Checker
    services: Callable[[str], Iterable[Obj]]
    """The Services of a namespace."""
    node_ips: tuple[str, ...]
    capacity: dict[str, str] = field(default_factory=dict)
    allocatable: dict[str, str] = field(default_factory=dict)
    memory_capacity: int = 0
    network_ready: asyncio.Event = field(default_factory=asyncio.Event)
    services_synced: asyncio.Event = field(default_factory=asyncio.Event)
    port_holders: dict[str, Obj] = field(default_factory=dict)
    """Pods that were admitted and have ports of the node, by uid."""
    drain: Callable[[str], Awaitable[None]] | None = None
    """Waits until no Service sends new connections to a pod's address."""
    undrain: Callable[[str], None] | None = None
    allocations: Allocations = field(init=False)

    def __post_init__(self) -> None:
        self.allocations = Allocations(self.allocatable, self.event)

    def event(self, pod: Obj, type: str, reason: str, message: str, container: str = "") -> None:
        """An event about the pod, or about one of its containers."""
        path = ""
        if container:
            for kind in ("containers", "initContainers", "ephemeralContainers"):
                if any(c["name"] == container for c in pod["spec"].get(kind) or ()):
                    path = f"spec.{kind}{{{container}}}"
        self.recorder.event(pod, type, reason, message, field_path=path)
