"""Usage of pods and node: /stats/summary, /metrics/resource, and the kubelet's own /metrics.

Upstream: pkg/kubelet/server/stats, collectors/resource_metrics.go.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubelet.agent import Agent
from kubelet.node import machine
from kubelet.pods import status
from kubelet.runtime.interface import State, Usage

Obj = dict[str, Any]


def _node_usage() -> tuple[int, int, int]:
    """(CPU nanoseconds since boot, memory in use, working set) of the machine."""
    ticks = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    idle = int(ticks[3]) + int(ticks[4])
    busy = (sum(int(t) for t in ticks) - idle) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())

    def kib(key: str) -> int:
        return int(facts[key].split()[0]) * 1024

    used = kib("MemTotal") - kib("MemFree")
    return busy, used, kib("MemTotal") - kib("MemAvailable")


def _cpu_memory(usage: Usage) -> Obj:
    now = status.rfc3339(usage.time)
    return {
        "cpu": {"time": now, "usageCoreNanoSeconds": usage.cpu_nanoseconds},
        "memory": {
            "time": now, "usageBytes": usage.memory_bytes, "workingSetBytes": usage.working_set_bytes, "rssBytes": usage.rss_bytes,
        },
    }  # fmt: skip


async def summary(agent: Agent) -> Obj:
    """The Summary API's answer (stats/v1alpha1)."""
    usage = await agent.host.runtime.usage()
    now = status.rfc3339(time.time())
    busy, used, working = _node_usage()
    disk = shutil.disk_usage(agent.host.config.root_dir)
    pods = []
    for view in agent.host.runtime.views():
        containers = [
            {"name": c.name, "startTime": status.rfc3339(c.started_at), **_cpu_memory(usage[c.id])}
            for c in view.containers
            if c.state is State.RUNNING and c.id in usage
        ]
        entry: Obj = {
            "podRef": {"name": view.pod.name, "namespace": view.pod.namespace, "uid": view.pod.uid}, "containers": containers,
            "startTime": status.rfc3339(view.sandbox.created_at if view.sandbox else time.time()),
            "cpu": {"time": now, "usageCoreNanoSeconds": sum(c["cpu"]["usageCoreNanoSeconds"] for c in containers)},
            "memory": {"time": now, "workingSetBytes": sum(c["memory"]["workingSetBytes"] for c in containers)},
        }  # fmt: skip
        if view.sandbox is not None and (net := usage.get(view.sandbox.id)) is not None:
            entry["network"] = {"time": now, "name": "eth0", "rxBytes": net.rx_bytes, "txBytes": net.tx_bytes}
        pods.append(entry)
    return {
        "node": {
            "nodeName": agent.host.node_name, "startTime": now,
            "cpu": {"time": now, "usageCoreNanoSeconds": busy},
            "memory": {"time": now, "usageBytes": used, "workingSetBytes": working, "availableBytes": machine.memory_bytes() - working},
            "fs": {"time": now, "availableBytes": disk.free, "capacityBytes": disk.total, "usedBytes": disk.used},
        },
        "pods": pods,
    }  # fmt: skip


async def resource_metrics(agent: Agent) -> str:
    """What metrics-server scrapes."""
    usage = await agent.host.runtime.usage()
    now = int(time.time() * 1000)
    busy, _, working = _node_usage()
    lines = [
        "# TYPE node_cpu_usage_seconds_total counter", f"node_cpu_usage_seconds_total {busy / 1e9} {now}",
        "# TYPE node_memory_working_set_bytes gauge", f"node_memory_working_set_bytes {working} {now}",
    ]  # fmt: skip
    cpu, memory, starts, pod_cpu, pod_memory = [], [], [], [], []
    for view in agent.host.runtime.views():
        where = f'namespace="{view.pod.namespace}",pod="{view.pod.name}"'
        total_cpu = total_memory = 0
        for c in view.containers:
            if c.state is not State.RUNNING or c.id not in usage:
                continue
            u, label = usage[c.id], f'{{container="{c.name}",{where}}}'
            cpu.append(f"container_cpu_usage_seconds_total{label} {u.cpu_nanoseconds / 1e9} {now}")
            memory.append(f"container_memory_working_set_bytes{label} {u.working_set_bytes} {now}")
            starts.append(f"container_start_time_seconds{label} {c.started_at}")
            total_cpu, total_memory = total_cpu + u.cpu_nanoseconds, total_memory + u.working_set_bytes
        pod_cpu.append(f"pod_cpu_usage_seconds_total{{{where}}} {total_cpu / 1e9} {now}")
        pod_memory.append(f"pod_memory_working_set_bytes{{{where}}} {total_memory} {now}")
    lines += ["# TYPE container_cpu_usage_seconds_total counter", *cpu, "# TYPE container_memory_working_set_bytes gauge", *memory]
    lines += ["# TYPE container_start_time_seconds gauge", *starts, "# TYPE pod_cpu_usage_seconds_total counter", *pod_cpu]
    lines += ["# TYPE pod_memory_working_set_bytes gauge", *pod_memory, "# TYPE scrape_error gauge", "scrape_error 0"]
    return "".join(f"{line}\n" for line in lines)


def metrics(agents: Sequence[Agent]) -> str:
    """The kubelet's own."""
    views = [v for a in agents for v in a.host.runtime.views()]
    states = [c.state for v in views for c in v.containers]
    lines = [
        "# TYPE kubelet_running_pods gauge", f"kubelet_running_pods {sum(1 for v in views if v.sandbox and v.sandbox.running)}",
        "# TYPE kubelet_running_containers gauge",
        *(f'kubelet_running_containers{{container_state="{s}"}} {states.count(s)}' for s in State),
        "# TYPE kubelet_desired_pods gauge", f"kubelet_desired_pods {sum(len(a.pods()) for a in agents)}",
        "# TYPE kubelet_node_name gauge", *(f'kubelet_node_name{{node="{a.host.node_name}"}} 1' for a in agents),
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in lines)
