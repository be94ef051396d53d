"""SchedulingGates: a pod with gates does not enter the queue (upstream plugins/schedulinggates, KEP-3521)."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.framework.interface import Hint
from scheduler.framework.podinfo import Obj


class SchedulingGates:
    """Admission to the queue."""

    name = "SchedulingGates"
    hints: Mapping[str, Hint] = {}

    def waits(self, pod: Obj) -> bool:
        """Whether the pod must not be tried yet."""
        return bool(pod["spec"].get("schedulingGates"))
