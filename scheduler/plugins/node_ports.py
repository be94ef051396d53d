"""NodePorts: host ports are taken once per node, protocol and address (upstream plugins/nodeports)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scheduler.framework import changes
from scheduler.framework.interface import Cycle, Hint, Rejection
from scheduler.framework.podinfo import Obj, PodInfo, host_ports

Port = tuple[str, str, int]
ANY = "0.0.0.0"


def _conflict(a: Port, b: Port) -> bool:
    return a[1:] == b[1:] and (a[0] == b[0] or ANY in (a[0], b[0]))


def _freed(pod: PodInfo, old: Obj | None, _new: Obj | None) -> bool:
    return old is not None and any(_conflict(a, b) for a in host_ports(old["spec"]) for b in pod.ports)


class NodePorts:
    """Filter."""

    name = "NodePorts"
    hints: Mapping[str, Hint] = {changes.NODE_ADD: lambda pod, old, new: True, changes.POD_DELETE: _freed}

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes where another pod has one of the ports."""
        wanted = cycle.pod.ports
        if not wanted or not cycle.snapshot.port_users:
            return
        taken = np.zeros(cycle.snapshot.capacity, np.bool_)
        for slot in cycle.snapshot.port_users:
            node = cycle.snapshot.by_slot[slot]
            if node is not None:
                taken[slot] = any(_conflict(a, b) for pod in node.pods.values() for a in pod.ports for b in wanted)
        if taken.any():
            yield Rejection("node(s) didn't have free ports for the requested pod ports", taken, True)
