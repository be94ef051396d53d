"""`kubepy status`: the processes of a cluster with what they use, and its nodes."""

from __future__ import annotations

import argparse
import json
from typing import Any

import httpx

from kubepy.cli import api, cluster, processes, supervisor
from kubepy.cli.cluster import Cluster
from kubepy.cli.components import components
from kubepy.cli.output import columns, duration, megabytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `status`."""
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="json for programs")


def run(options: argparse.Namespace) -> int:
    """Print; the exit code is 0 when everything runs and all nodes are ready, else 1."""
    found = cluster.require(options.data_dir)
    report = gather(found)
    print(json.dumps(report, indent=2) if options.output == "json" else _text(report))
    healthy = all(c["running"] for c in report["components"]) and report["ready"] and all(n["ready"] for n in report["nodes"])
    return 0 if healthy else 1


def gather(found: Cluster) -> dict[str, Any]:
    """The whole status as JSON-able data."""
    rows: list[dict[str, Any]] = []
    files = [("supervisor", supervisor.supervisor_pid_file(found))]
    files += [(c.name, supervisor.component_pid_file(found, c)) for c in components(found)]
    for name, file in files:
        process = processes.read(file)
        row: dict[str, Any] = {"name": name, "running": process is not None}
        if process is not None:
            used = {"uptimeSeconds": process.uptime(), "cpuSeconds": process.cpu_seconds(), "residentBytes": process.resident_bytes()}
            row |= {"pid": process.pid, **used}
        rows.append(row)
    ready, nodes = _ask(found)
    return {"name": found.name, "server": found.server, "dataDir": str(found.dir), "ready": ready, "components": rows, "nodes": nodes}


def _ask(found: Cluster) -> tuple[bool, list[dict[str, Any]]]:
    try:
        with api.connect(found, timeout=2.0) as client:
            nodes = [
                {"name": n["metadata"]["name"], "ready": api.ready_condition(n).get("status") == "True", "addresses": _addresses(n)}
                for n in api.nodes(client)
            ]
            return api.ready(client), nodes
    except (OSError, httpx.HTTPError):
        return False, []


def _addresses(node: dict[str, Any]) -> list[str]:
    return [a["address"] for a in node.get("status", {}).get("addresses") or [] if a.get("type") == "InternalIP"]


def _text(report: dict[str, Any]) -> str:
    rows = [["COMPONENT", "STATE", "PID", "UPTIME", "CPU", "MEMORY"]]
    for c in report["components"]:
        if c["running"]:
            use = [duration(c["uptimeSeconds"]), f"{c['cpuSeconds']:.1f}s", megabytes(c["residentBytes"])]
            rows.append([c["name"], "running", str(c["pid"]), *use])
        else:
            rows.append([c["name"], "stopped", "-", "-", "-", "-"])
    total = sum(c.get("residentBytes", 0) for c in report["components"])
    nodes = report["nodes"]
    ready = sum(n["ready"] for n in nodes)
    state = "answers" if report["ready"] else "does not answer"
    names = ", ".join(n["name"] for n in nodes if not n["ready"])
    lines = [
        columns(rows),
        "",
        f"API:    {report['server']} {state}",
        f"Nodes:  {ready} of {len(nodes)} ready" + (f" (not ready: {names})" if names else ""),
        f"Memory: {megabytes(total)} in all",
        f"Data:   {report['dataDir']}",
    ]
    return "\n".join(lines)
