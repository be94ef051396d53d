"""From Docker's stats JSON to a usage sample, for cgroups v1 and v2. Pure."""

from __future__ import annotations

from typing import Any

from kubelet.runtime.interface import Usage


def usage_of(stats: dict[str, Any], now: float) -> Usage:
    """Working set is memory in use less the inactive file cache (cAdvisor's definition)."""
    memory = stats.get("memory_stats") or {}
    detail = memory.get("stats") or {}
    used = int(memory.get("usage", 0))
    inactive = int(detail.get("total_inactive_file", detail.get("inactive_file", 0)))
    networks = (stats.get("networks") or {}).values()
    return Usage(
        time=now,
        cpu_nanoseconds=int(((stats.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage", 0)),
        memory_bytes=used,
        working_set_bytes=max(0, used - inactive),
        rss_bytes=int(detail.get("total_rss", detail.get("rss", detail.get("anon", 0)))),
        rx_bytes=sum(int(n.get("rx_bytes", 0)) for n in networks),
        tx_bytes=sum(int(n.get("tx_bytes", 0)) for n in networks),
    )
