"""The kubelet's settings as its flags give them. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KubeletConfig:
    """Settings of all nodes of one kubelet process; durations in seconds. Names as upstream's flags and KubeletConfiguration."""

    root_dir: Path
    cluster_id: str = "default"
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    cluster_cidr: str = "10.244.0.0/16"
    resolv_conf: Path = Path("/etc/resolv.conf")
    max_pods: int = 110
    register_node: bool = True
    register_with_taints: tuple[dict[str, str], ...] = ()
    node_labels: dict[str, str] = field(default_factory=dict)
    node_ips: tuple[str, ...] = ()
    hostname_override: str = ""
    pod_manifest_path: Path | None = None
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    node_status_frequency: float = 10.0
    lease_seconds: int = 40
    system_reserved: dict[str, str] = field(default_factory=dict)
    crash_loop_base: float = 10.0
    crash_loop_max: float = 300.0
    image_pull_max: float = 300.0
    capacity: dict[str, str] = field(default_factory=dict)
    """Replaces what is measured on the machine (simulated nodes)."""
