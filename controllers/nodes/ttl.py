"""The annotation that tells kubelets how long to trust cached secrets: longer in larger clusters (pkg/controller/ttl)."""

from __future__ import annotations

from typing import Any

from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import NotFound

Obj = dict[str, Any]

ANNOTATION = "node.alpha.kubernetes.io/ttl"
STEPS = ((0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, 1 << 31, 300))
"""(fewest nodes, most nodes, seconds): the ranges overlap so that the value does not flap."""


def next_step(step: int, nodes: int) -> int:
    """The step for a number of nodes, coming from another step."""
    while nodes > STEPS[step][1]:
        step += 1
    while nodes < STEPS[step][0]:
        step -= 1
    return step


def start(ctx: Context) -> None:
    """Register the TTL controller."""
    nodes = ctx.informer("nodes")
    step = 0

    async def reconcile(name: str) -> None:
        node = nodes.cache.get(name)
        wanted = str(STEPS[step][2])
        if node is None or meta.annotations(node).get(ANNOTATION) == wanted:
            return
        try:
            await ctx.client.patch("nodes", name, {"metadata": {"annotations": {ANNOTATION: wanted}}})
        except NotFound:
            return

    controller = ctx.controller("ttl", reconcile, workers=5)

    def changed(kind: str, old: Obj | None, new: Obj) -> None:
        nonlocal step
        now = next_step(step, len(nodes.cache))
        if now != step:
            step = now
            for name in list(nodes.cache.keys()):
                controller.enqueue(name)
        if kind != "DELETED":
            controller.enqueue(meta.name(new))

    controller.depends(nodes)
    nodes.on_event(changed)
