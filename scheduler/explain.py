"""`python -m scheduler.explain POD`: print what the scheduler would do with a pod now, node by node. Changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable

from kubepy.api import kinds
from kubepy.api.errors import StatusError
from kubepy.client.config import ConfigError
from kubepy.client.config import load as load_kubeconfig
from kubepy.client.rest import Client
from scheduler import config
from scheduler.explanation import Explanation, explain
from scheduler.framework.cluster import KINDS
from scheduler.framework.podinfo import DEFAULT_SCHEDULER, Obj, parse
from scheduler.framework.snapshot import Snapshot
from scheduler.profile import Profile
from scheduler.tracking import NOT_TERMINAL


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scheduler.explain", description="Say why a pod goes where it goes, or nowhere.")
    parser.add_argument("pod", help="name of the pod")
    parser.add_argument("-n", "--namespace", default="default", help="its namespace")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="json for programs")
    parser.add_argument("--kubeconfig", default=None, help="kubeconfig file")
    parser.add_argument("--config", default=None, help="the scheduler's KubeSchedulerConfiguration, when it runs with one")
    return parser


async def take_snapshot(client: Client, without: str) -> Snapshot:
    """The cluster as it is, but for the pod with uid `without` (which would otherwise be in its own way)."""
    nodes, namespaces, pods, *others = await asyncio.gather(
        client.list("nodes"), client.list("namespaces"), client.list("pods", field_selector=NOT_TERMINAL), *map(client.list, KINDS)
    )
    snapshot = Snapshot()
    for node in nodes["items"]:
        snapshot.set_node(node)
    for namespace in namespaces["items"]:
        snapshot.set_namespace(namespace["metadata"]["name"], namespace["metadata"].get("labels") or {})
    for kind, found in zip(KINDS, others, strict=True):
        for obj in found["items"]:
            snapshot.cluster.put(kind, obj)
    for raw in pods["items"]:
        pod = parse(raw)
        if pod.uid == without:
            continue
        if pod.node:
            snapshot.add_pod(pod.node, pod)
        elif pod.nominated:
            snapshot.nominated[pod.uid] = (pod.nominated, pod)
    return snapshot


async def run(args: argparse.Namespace, profiles: dict[str, Profile]) -> Explanation:
    """Ask the API and explain. Raises StatusError; ValueError when no profile is for the pod."""
    async with Client(load_kubeconfig(args.kubeconfig), user_agent="kubepy-explain", patience=2.0) as client:
        pod: Obj = await client.get(kinds.resource("pods"), args.pod, args.namespace)
        name = pod["spec"].get("schedulerName", DEFAULT_SCHEDULER)
        if name not in profiles:
            raise ValueError(f'pod "{args.pod}" is for another scheduler, "{name}"')
        snapshot = await take_snapshot(client, pod["metadata"]["uid"])
    spec = {k: v for k, v in pod["spec"].items() if k != "nodeName"}  # where it runs is not what it asks for
    return explain(snapshot, parse({**pod, "spec": spec}), profiles[name])


def table(found: Explanation, running_on: str = "") -> str:
    """The explanation as text: a line a node, the best first."""
    plugins = sorted({name for row in found.nodes for name in row.scores})
    rows = [["NODE", "TOTAL", *(p.upper() for p in plugins), "REFUSED BY"]]
    for row in sorted(found.nodes, key=lambda r: (bool(r.refusals), -r.total, r.name)):
        why = "; ".join(f"{plugin}: {', '.join(reasons)}" for plugin, reasons in row.refusals.items())
        scores = [f"{row.scores[p]:.0f}" if p in row.scores else "-" for p in plugins]
        rows.append([row.name, f"{row.total:.0f}" if not row.refusals else "-", *scores, why or "-"])
    lines = [*_columns(rows), "", found.message]
    if len(found.equal) > 1:
        lines.append(f"{len(found.equal)} nodes are equally good; the scheduler takes one of them at random")
    if found.preemption is not None:
        p = found.preemption
        lines.append(
            f"preemption: {', '.join(p['victims'])} on {p['node']} would have to go" if p["node"] else f"preemption: {p['message']}"
        )
    return "\n".join(lines)


def _columns(rows: list[list[str]]) -> Iterable[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def main(argv: list[str] | None = None) -> int:
    """Print the explanation; 0 when a node fits, 1 when none does, 2 when nothing could be said."""
    args = make_parser().parse_args(argv)
    try:
        found = config.load(args.config) if args.config else config.Configuration()
        result = asyncio.run(run(args, dict(found.profiles)))
    except StatusError as error:
        print(f"Error from server ({error.reason}): {error}" if error.reason else f"error: {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result.as_json(), indent=2) if args.output == "json" else table(result))
    return 0 if result.node else 1


if __name__ == "__main__":
    sys.exit(main())
