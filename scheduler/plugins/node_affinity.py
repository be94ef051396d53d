"""NodeAffinity: nodeSelector and node affinity (upstream plugins/nodeaffinity)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scheduler.framework import changes, nodeselector
from scheduler.framework.interface import Cycle, Hint, Rejection, Scores, Unschedulable, normalise
from scheduler.framework.podinfo import Obj
from scheduler.framework.snapshot import Bools

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
CONFLICT = "pod affinity terms conflict"


class NodeAffinity:
    """Filter and score. `added` is a node affinity that all pods of the profile have beside their own (NodeAffinityArgs)."""

    name = "NodeAffinity"

    def __init__(self, added: Obj | None = None) -> None:
        self.added = added or {}
        self.hints: Mapping[str, Hint] = {kind: (lambda pod, old, new: True) for kind in (changes.NODE_ADD, changes.NODE_LABEL)}

    def prefilter(self, cycle: Cycle) -> Bools | None:
        """The nodes that the pod names, when each of its terms names some (as the pods of daemon sets do)."""
        affinity = ((cycle.pod.spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED) or {}
        terms = affinity.get("nodeSelectorTerms") or []
        names: set[str] = set()
        for term in terms:
            fields = [
                set(f.get("values") or ()) for f in term.get("matchFields") or [] if f["key"] == "metadata.name" and f["operator"] == "In"
            ]
            if not fields:
                return None
            names |= set.intersection(*fields)
        if not terms:
            return None
        if not names:
            raise Unschedulable(CONFLICT)
        out = np.zeros(cycle.snapshot.capacity, np.bool_)
        for name in names:
            node = cycle.snapshot.nodes.get(name)
            if node is not None:
                out[node.slot] = True
        return out

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes that the selector or the required affinity leaves out."""
        spec = cycle.pod.spec
        if REQUIRED in self.added:
            enforced = nodeselector.selector(cycle.snapshot, self.added[REQUIRED])
            yield Rejection("node(s) didn't match scheduler-enforced node affinity", ~enforced, False)
        if spec.get("nodeSelector") or (spec.get("affinity") or {}).get("nodeAffinity"):
            fitting = nodeselector.required(cycle.snapshot, spec)
            yield Rejection("node(s) didn't match Pod's node affinity/selector", ~fitting, False)

    def score(self, cycle: Cycle) -> Scores | None:
        """The sum of the weights of the preferred terms that a node satisfies."""
        affinity = (cycle.pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
        preferred = [*(affinity.get(PREFERRED) or []), *(self.added.get(PREFERRED) or [])]
        if not preferred:
            return None
        raw = np.zeros(cycle.snapshot.capacity)
        for p in preferred:
            raw += nodeselector.term(cycle.snapshot, p["preference"]) * float(p["weight"])
        return normalise(raw, cycle.feasible)
