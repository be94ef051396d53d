"""NodeUnschedulable: keeps pods off cordoned nodes unless they tolerate that (upstream plugins/nodeunschedulable)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubepy.api.taints import tolerates
from scheduler.framework import changes
from scheduler.framework.interface import Cycle, Hint, Rejection

TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class NodeUnschedulable:
    """Filter."""

    name = "NodeUnschedulable"
    hints: Mapping[str, Hint] = {
        changes.NODE_ADD: lambda pod, old, new: not ((new or {}).get("spec") or {}).get("unschedulable"),
        changes.NODE_TAINT: lambda pod, old, new: not ((new or {}).get("spec") or {}).get("unschedulable"),
    }

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes with spec.unschedulable."""
        cordoned = cycle.snapshot.unschedulable
        if cordoned.any() and not any(tolerates(t, TAINT) for t in cycle.pod.spec.get("tolerations") or []):
            yield Rejection("node(s) were unschedulable", cordoned, False)
