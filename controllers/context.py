"""What every controller is given: the client, shared informers, clock, flags, and where to register its loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubepy.api.kinds import Resource
from kubepy.client import Client
from kubepy.runtime import Clock, Controller, EventRecorder, Informer, Manager
from kubepy.runtime.controller import Reconcile

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """The controller-manager's flags that controllers read; names and defaults are upstream's. Times in seconds."""

    cluster_cidr: tuple[str, ...] = ()
    service_cluster_ip_range: tuple[str, ...] = ()
    node_cidr_mask_size: int = 24
    node_cidr_mask_size_ipv6: int = 64
    allocate_node_cidrs: bool = True
    service_account_private_key_file: Path | None = None
    root_ca_file: Path | None = None
    cluster_signing_cert_file: Path | None = None
    cluster_signing_key_file: Path | None = None
    cluster_signing_duration: float = 365 * 24 * 3600.0
    node_monitor_grace_period: float = 50.0
    node_monitor_period: float = 5.0
    node_startup_grace_period: float = 60.0
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    unhealthy_zone_threshold: float = 0.55
    large_cluster_size_threshold: int = 50
    terminated_pod_gc_threshold: int = 12500
    horizontal_pod_autoscaler_sync_period: float = 15.0
    horizontal_pod_autoscaler_tolerance: float = 0.1
    horizontal_pod_autoscaler_downscale_stabilization: float = 300.0
    horizontal_pod_autoscaler_cpu_initialization_period: float = 300.0
    horizontal_pod_autoscaler_initial_readiness_delay: float = 30.0
    pvclaimbinder_sync_period: float = 15.0
    attach_detach_reconcile_sync_period: float = 60.0
    disable_force_detach_on_timeout: bool = False
    resource_quota_sync_period: float = 300.0
    legacy_service_account_token_clean_up_period: float = 365 * 24 * 3600.0
    local_path_root: Path | None = None
    concurrency: Mapping[str, int] = field(default_factory=dict)
    """Loop's name → workers, where a flag says other than the controller."""


@dataclass
class Context:
    """One per process; a controller's `start(ctx)` registers its informers and loops here and does nothing else."""

    client: Client
    manager: Manager
    options: Options = field(default_factory=Options)
    shared: dict[str, object] = field(default_factory=dict)
    """What several controllers of the process share, by name."""

    @property
    def clock(self) -> Clock:
        """The process's clock."""
        return self.manager.clock

    def informer(self, resource: Resource | str, **options: Any) -> Informer:
        """The shared informer of a collection."""
        return self.manager.factory.informer(resource, **options)

    def recorder(self, component: str) -> EventRecorder:
        """The event recorder of a controller, under upstream's component name."""
        return self.manager.recorder.named(component)

    def controller(self, name: str, reconcile: Reconcile, workers: int = 5) -> Controller:
        """Make and register a controller, with so many workers unless a flag says otherwise."""
        return self.manager.controller(name, reconcile, self.options.concurrency.get(name, workers))
