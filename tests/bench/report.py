"""The table that is printed, and the file of past runs (`.bench/runs.jsonl`, one JSON object a run)."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

RUNS = Path(".bench/runs.jsonl")


@dataclass(frozen=True)
class Row:
    """One kind of work: `unit` says what is counted, `reference` what kube-apiserver v1.36.2 on etcd does on a 2-core machine,
    `bar` what we ask of ourselves there; `more` whether more is better."""

    key: str
    text: str
    unit: str
    reference: float
    bar: float
    more: bool = True


ROWS = (
    Row("start", "start to ready (API server alone)", "s", 3.0, 1.0, more=False),
    Row("idle_memory", "resident memory, idle", "MB", 271, 100, more=False),
    Row("get", "GET one pod, 16 connections", "/s", 2197, 6600),
    Row("list", "LIST 64 pods, 16 connections", "/s", 265, 1060),
    Row("patch", "merge-PATCH of 64 pods, 16 connections", "/s", 346, 1000),
    Row("create", "CREATE pods, 16 connections", "/s", 401, 1200),
    Row("watch", "50 watchers, events delivered", "/s", 8032, 24000),
    Row("list_all", "LIST of everything, per 1,000 pods", "ms", 267, 60, more=False),
    Row("loaded_memory", "resident memory after 2,500 pods and these runs", "MB", 803, 250, more=False),
    Row("scheduling", "scheduling, 1,000 nodes, 3,000 pods with topology spread", "/s", 130, 650),
    Row("scheduling_cpu", "processor time of the scheduler per pod", "µs", float("nan"), 1500, more=False),
    Row("scheduling_memory", "resident memory of the scheduler afterwards", "MB", float("nan"), 150, more=False),
    Row("scheduling_big", "scheduling, 5,000 nodes, 10,000 pods with topology spread", "/s", float("nan"), 300),
    Row("scheduling_big_memory", "resident memory of the scheduler afterwards (5,000 nodes)", "MB", float("nan"), 400, more=False),
    Row("preemption", "pods that take the place of less important ones", "/s", float("nan"), 30),
    Row("plane_memory", "whole idle control plane, resident", "MB", 503, 250, more=False),
    Row("plane_cpu", "whole idle control plane, share of a core", "%", float("nan"), 2.0, more=False),
    Row("deployment", "a Deployment 0 → 1,000 pods, created and bound", "s", 50.8, 10.0, more=False),
    Row("churn_early", "resident memory after two twelfths of the churn", "MB", float("nan"), 250, more=False),
    Row("churn_memory", "resident memory after all of it", "MB", float("nan"), 250, more=False),
    Row("deployment_running", "the same, until Running on simulated nodes", "s", float("nan"), 10.0, more=False),
    Row("deployments", "500 Deployments of one pod created at once, until available", "s", float("nan"), 30.0, more=False),
    Row("deletion", "a Deployment of 1,000 deleted, until its last pod is gone", "s", float("nan"), 10.0, more=False),
    Row("deletion_foreground", "the same in the foreground", "s", float("nan"), 10.0, more=False),
    Row("namespace_deletion", "a namespace of 500 Deployments deleted", "s", float("nan"), 15.0, more=False),
    Row("controllers_idle", "controllers at rest, share of a core", "%", float("nan"), 0.1, more=False),
    Row("scheduler_idle", "scheduler at rest, share of a core", "%", float("nan"), 0.1, more=False),
)


def show(figures: dict[str, float], title: str) -> None:
    """Print the table of one run beside the references, the bars and the last run of the same title."""
    before = _last(title)
    print(f"\n{title}")
    print(f"{'work':<58} {'here':>9} {'upstream':>9} {'bar':>8} {'last run':>9}")
    for row in ROWS:
        if row.key in figures:
            value = figures[row.key]
            met = value >= row.bar if row.more else value <= row.bar
            last = before.get(row.key)
            cells = [_number(value), _number(row.reference), _number(row.bar), _number(last) if last is not None else "-"]
            print(
                f"{row.text:<58} {cells[0]:>9} {cells[1]:>9} {cells[2]:>8} {cells[3]:>9}  {row.unit:<3}{'' if met else '  below the bar'}"
            )


def keep(figures: dict[str, float], title: str) -> None:
    """Append the run to the file."""
    RUNS.parent.mkdir(exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    run = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "title": title, "commit": commit, "machine": platform.platform()}
    with RUNS.open("a") as file:
        file.write(json.dumps({**run, "figures": figures}) + "\n")


def _last(title: str) -> dict[str, float]:
    if not RUNS.exists():
        return {}
    runs = [json.loads(line) for line in RUNS.read_text().splitlines() if line.strip()]
    same = [r for r in runs if r["title"] == title]
    return dict(same[-1]["figures"]) if same else {}


def _number(value: float) -> str:
    if value != value:  # NaN: not measured there
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.0f}"
