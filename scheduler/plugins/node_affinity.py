"""NodeAffinity: nodeSelector and node affinity (upstream plugins/nodeaffinity)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scheduler.framework import nodeselector
from scheduler.framework.interface import Cycle, Rejection, Scores, normalise


class NodeAffinity:
    """Filter and score."""

    name = "NodeAffinity"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes that the selector or the required affinity leaves out."""
        spec = cycle.pod.spec
        if spec.get("nodeSelector") or (spec.get("affinity") or {}).get("nodeAffinity"):
            fitting = nodeselector.required(cycle.snapshot, spec)
            yield Rejection("node(s) didn't match Pod's node affinity/selector", ~fitting, False)

    def score(self, cycle: Cycle) -> Scores | None:
        """The sum of the weights of the preferred terms that a node satisfies."""
        affinity = (cycle.pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or []
        if not preferred:
            return None
        raw = np.zeros(cycle.snapshot.capacity)
        for p in preferred:
            raw += nodeselector.term(cycle.snapshot, p["preference"]) * float(p["weight"])
        return normalise(raw, cycle.feasible)
