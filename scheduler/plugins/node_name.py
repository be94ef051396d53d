"""NodeName: a pod that names its node fits only there (upstream plugins/nodename)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scheduler.framework import changes
from scheduler.framework.interface import Cycle, Hint, Rejection


class NodeName:
    """Filter."""

    name = "NodeName"
    hints: Mapping[str, Hint] = {
        changes.NODE_ADD: lambda pod, old, new: new is not None and new["metadata"]["name"] == pod.spec.get("nodeName"),
    }

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse all nodes but spec.nodeName."""
        wanted = cycle.pod.spec.get("nodeName")
        if wanted:
            others = np.ones(cycle.snapshot.capacity, np.bool_)
            node = cycle.snapshot.nodes.get(wanted)
            if node is not None:
                others[node.slot] = False
            yield Rejection("node(s) didn't match the requested node name", others, False)
