"""The default plugins: one table, in upstream's order (pkg/scheduler/apis/config/v1/default_plugins.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scheduler.framework.interface import Hints, Plugin
from scheduler.plugins.default_preemption import DefaultPreemption
from scheduler.plugins.dynamic_resources import DynamicResources
from scheduler.plugins.image_locality import ImageLocality
from scheduler.plugins.inter_pod_affinity import InterPodAffinity
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_resources import NodeResourcesBalancedAllocation, NodeResourcesFit, Share, least, most, shaped
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.node_volume_limits import NodeVolumeLimits
from scheduler.plugins.pod_topology_spread import SYSTEM_DEFAULTS, PodTopologySpread
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.plugins.taint_toleration import TaintToleration
from scheduler.plugins.volume_binding import VolumeBinding
from scheduler.plugins.volume_restrictions import VolumeRestrictions
from scheduler.plugins.volume_zone import VolumeZone

Args = dict[str, Any]


def _fit(args: Args) -> NodeResourcesFit:
    strategy = args.get("scoringStrategy") or {}
    weights = {r["name"]: int(r.get("weight") or 1) for r in strategy.get("resources") or ()} or {"cpu": 1, "memory": 1}
    kind = strategy.get("type") or "LeastAllocated"
    if kind not in ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"):
        raise ValueError(f'scoringStrategy.type: Unsupported value: "{kind}"')
    share: Share = least if kind == "LeastAllocated" else most
    if kind == "RequestedToCapacityRatio":
        shape = (strategy.get("requestedToCapacityRatio") or {}).get("shape") or []
        if not shape:
            raise ValueError("requestedToCapacityRatio.shape: Required value: at least one point must be specified")
        # Scores of the shape go to 10, those of plugins to 100.
        share = shaped([(int(p.get("utilization") or 0), int(p.get("score") or 0) * 10) for p in shape])
    return NodeResourcesFit(
        weights, share, drop_zero=kind == "RequestedToCapacityRatio",
        ignored=frozenset(args.get("ignoredResources") or ()), ignored_groups=frozenset(args.get("ignoredResourceGroups") or ()),
    )  # fmt: skip


def _spread(args: Args) -> PodTopologySpread:
    if (args.get("defaultingType") or "System") == "List":
        return PodTopologySpread(tuple(args.get("defaultConstraints") or ()), system=False)
    return PodTopologySpread(SYSTEM_DEFAULTS)


def _affinity(args: Args) -> InterPodAffinity:
    weight = args.get("hardPodAffinityWeight")
    return InterPodAffinity(1 if weight is None else int(weight), bool(args.get("ignorePreferredTermsOfExistingPods")))


def _balanced(args: Args) -> NodeResourcesBalancedAllocation:
    return NodeResourcesBalancedAllocation([r["name"] for r in args.get("resources") or ()] or ("cpu", "memory"))


def _preemption(args: Args) -> DefaultPreemption:
    percentage, absolute = args.get("minCandidateNodesPercentage"), args.get("minCandidateNodesAbsolute")
    return DefaultPreemption(10 if percentage is None else int(percentage), 100 if absolute is None else int(absolute))


class _Fixed:
    """A plugin that upstream has and that is part of the loop here: order of the queue, binding."""

    hints: Hints = {}

    def __init__(self, name: str) -> None:
        self.name = name


PLUGINS: dict[str, tuple[Callable[[Args], Plugin], int]] = {
    "SchedulingGates": (lambda args: SchedulingGates(), 0),
    "PrioritySort": (lambda args: _Fixed("PrioritySort"), 0),
    "NodeUnschedulable": (lambda args: NodeUnschedulable(), 0),
    "NodeName": (lambda args: NodeName(), 0),
    "TaintToleration": (lambda args: TaintToleration(), 3),
    "NodeAffinity": (lambda args: NodeAffinity(args.get("addedAffinity")), 2),
    "NodePorts": (lambda args: NodePorts(), 0),
    "NodeResourcesFit": (_fit, 1),
    "VolumeRestrictions": (lambda args: VolumeRestrictions(), 0),
    "NodeVolumeLimits": (lambda args: NodeVolumeLimits(), 0),
    "VolumeBinding": (lambda args: VolumeBinding(), 0),
    "VolumeZone": (lambda args: VolumeZone(), 0),
    "PodTopologySpread": (_spread, 2),
    "InterPodAffinity": (_affinity, 2),
    "DynamicResources": (lambda args: DynamicResources(), 0),
    "DefaultPreemption": (_preemption, 0),
    "NodeResourcesBalancedAllocation": (_balanced, 1),
    "ImageLocality": (lambda args: ImageLocality(), 1),
    "DefaultBinder": (lambda args: _Fixed("DefaultBinder"), 0),
}
"""Name → (maker from the plugin's arguments, default weight of its score)."""
