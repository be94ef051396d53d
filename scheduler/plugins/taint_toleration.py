"""TaintToleration: taints repel pods that do not tolerate them (upstream plugins/tainttoleration)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scheduler.framework import changes
from scheduler.framework.interface import Cycle, Hint, Rejection, Scores, normalise
from scheduler.framework.podinfo import Obj, PodInfo
from scheduler.framework.tolerations import per_taint_set, untolerated

REPELLING = ("NoSchedule", "NoExecute")


def _borne(pod: PodInfo, _old: Obj | None, new: Obj | None) -> bool:
    taints = ((new or {}).get("spec") or {}).get("taints") or []
    return not untolerated(pod.spec.get("tolerations") or [], taints, REPELLING)


class TaintToleration:
    """Filter and score."""

    name = "TaintToleration"
    hints: Mapping[str, Hint] = {changes.NODE_ADD: _borne, changes.NODE_TAINT: _borne}

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes with a NoSchedule or NoExecute taint that the pod does not tolerate."""
        if len(cycle.snapshot.taint_sets) > 1:
            bearing = cycle.pod.spec.get("tolerations") or []
            bad = per_taint_set(cycle.snapshot, lambda taints: bool(untolerated(bearing, taints, REPELLING)))
            if bad.any():
                yield Rejection("node(s) had untolerated taint(s)", bad.astype(np.bool_), False)

    def score(self, cycle: Cycle) -> Scores | None:
        """The fewer PreferNoSchedule taints are not tolerated, the better."""
        sets = cycle.snapshot.taint_sets
        if not any(t["effect"] == "PreferNoSchedule" for taints in sets for t in taints):
            return None
        bearing = [t for t in cycle.pod.spec.get("tolerations") or [] if t.get("effect") in (None, "", "PreferNoSchedule")]
        count = per_taint_set(cycle.snapshot, lambda taints: len(untolerated(bearing, taints, ("PreferNoSchedule",))))
        return normalise(count.astype(np.float64), cycle.feasible, reverse=True)
