"""DefaultPreemption: how widely to look for pods to evict; the search itself is `scheduler.preemption` (plugins/defaultpreemption)."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.framework.interface import Hint


class DefaultPreemption:
    """The arguments of preemption: of how many of the nodes that could help victims are sought."""

    name = "DefaultPreemption"
    hints: Mapping[str, Hint] = {}

    def __init__(self, percentage: int = 10, absolute: int = 100) -> None:
        self.percentage, self.absolute = percentage, absolute

    def candidates(self, nodes: int) -> int:
        """How many candidates are enough among `nodes` possible ones."""
        return min(nodes, max(nodes * self.percentage // 100, self.absolute))
