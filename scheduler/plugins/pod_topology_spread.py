"""PodTopologySpread: keeps matching pods even over the domains of a topology (upstream plugins/podtopologyspread, KEP-895).

A domain's count is one `bincount` over the nodes: the counts of matching pods per node come from the snapshot's counters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kubepy.api.selectors import LabelSelector, from_label_selector
from scheduler.framework import changes, nodeselector
from scheduler.framework.cluster import Cluster, narrowed
from scheduler.framework.interface import MAX_SCORE, Cycle, Hint, Rejection, Scores
from scheduler.framework.podinfo import Obj, PodInfo
from scheduler.framework.snapshot import Bools, Ids, Ints
from scheduler.framework.tolerations import per_taint_set, untolerated

HARD, SOFT = "DoNotSchedule", "ScheduleAnyway"
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
MISMATCH = "node(s) didn't match pod topology spread constraints"
NO_LABEL = MISMATCH + " (missing required label)"


@dataclass(frozen=True, slots=True)
class Constraint:
    """One topologySpreadConstraint of a pod, with matchLabelKeys folded into the selector."""

    max_skew: int
    key: str
    selector: LabelSelector
    min_domains: int
    honor_affinity: bool
    honor_taints: bool

    def self_match(self, pod: PodInfo) -> int:
        """1 when the pod itself will count."""
        return int(self.selector.matches(pod.labels))


SYSTEM_DEFAULTS: tuple[Obj, ...] = (
    {"maxSkew": 3, "topologyKey": HOSTNAME, "whenUnsatisfiable": SOFT},
    {"maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": SOFT},
)
"""What spreads the pods of a service or controller that say nothing themselves (PodTopologySpreadArgs defaultingType System)."""


def constraints(pod: PodInfo, action: str) -> list[Constraint]:
    """The pod's own constraints with this whenUnsatisfiable, parsed once."""
    known: list[Constraint] | None = pod.memo.get(action)
    if known is None:
        known = pod.memo[action] = parse(pod, pod.spec.get("topologySpreadConstraints") or (), action, None)
    return known


def parse(pod: PodInfo, raw: Sequence[Obj], action: str, default: LabelSelector | None) -> list[Constraint]:
    """Constraints with this whenUnsatisfiable; `default` is the selector of those that all pods have."""
    out = []
    for c in raw:
        if c["whenUnsatisfiable"] != action:
            continue
        selector = default or narrowed(from_label_selector(c.get("labelSelector")), pod.labels, c.get("matchLabelKeys") or ())
        out.append(
            Constraint(
                max_skew=c["maxSkew"],
                key=c["topologyKey"],
                selector=selector,
                min_domains=c.get("minDomains") or 1,
                honor_affinity=c.get("nodeAffinityPolicy", "Honor") == "Honor",
                honor_taints=c.get("nodeTaintsPolicy", "Ignore") == "Honor",
            )
        )
    return out


def _per_node(cycle: Cycle, c: Constraint) -> Ints:
    """Matching pods on each node; terminating ones do not count."""
    namespace, selector = cycle.pod.namespace, c.selector

    def matches(pod: PodInfo) -> int:
        return int(not pod.terminating and selector.matches(pod.labels))

    return cycle.snapshot.counter(("spread", namespace, selector), matches, namespace).counts


def _eligible(cycle: Cycle, found: list[Constraint], all_keys: bool = True) -> list[Bools]:
    """For each constraint the nodes that count: with all topology keys (or its own alone), and as its policies say."""
    s, spec = cycle.snapshot, cycle.pod.spec
    keyed = s.alive.copy()
    for c in found if all_keys else ():
        keyed &= s.column(c.key).present
    affinity = nodeselector.required(s, spec) if _selects(spec) and any(c.honor_affinity for c in found) else None
    bearing = spec.get("tolerations") or []
    tainted = None
    if any(c.honor_taints for c in found):
        tainted = per_taint_set(s, lambda taints: bool(untolerated(bearing, taints, ("NoSchedule", "NoExecute")))).astype(np.bool_)
    out = []
    for c in found:
        mask = keyed if all_keys else keyed & s.column(c.key).present
        if c.honor_affinity and affinity is not None:
            mask = mask & affinity
        if c.honor_taints and tainted is not None:
            mask = mask & ~tainted
        out.append(mask)
    return out


def _selects(spec: Obj) -> bool:
    return bool(spec.get("nodeSelector") or (spec.get("affinity") or {}).get("nodeAffinity"))


def _domain_counts(ids: Ids, counts: Ints, mask: Bools, size: int) -> Scores:
    out: Scores = np.bincount(ids[mask], weights=counts[mask], minlength=size).astype(np.float64, copy=False)
    return out


class PodTopologySpread:
    """Filter (DoNotSchedule) and score (ScheduleAnyway). `defaults` are the constraints of pods that have none."""

    name = "PodTopologySpread"

    def __init__(self, defaults: Sequence[Obj] = SYSTEM_DEFAULTS, *, system: bool = True) -> None:
        self.defaults, self.system = tuple(defaults), system
        self._hard_defaults = any(d["whenUnsatisfiable"] == HARD for d in self.defaults)
        self.hints: Mapping[str, Hint] = {
            changes.POD_ADD: self._pod_changed,
            changes.POD_DELETE: self._pod_changed,
            changes.POD_LABEL: self._pod_changed,
            changes.NODE_ADD: self._node_changed,
            changes.NODE_LABEL: self._node_changed,
            changes.NODE_TAINT: lambda pod, old, new: True,
        }

    def _pod_changed(self, pod: PodInfo, old: Obj | None, new: Obj | None) -> bool:
        other = new or old
        if other is None or other["metadata"].get("namespace", "") != pod.namespace:
            return False
        found = constraints(pod, HARD)
        labels = [(o["metadata"].get("labels") or {}) for o in (old, new) if o is not None]
        return not found or any(c.selector.matches(seen) for c in found for seen in labels)

    def _node_changed(self, pod: PodInfo, old: Obj | None, new: Obj | None) -> bool:
        found = constraints(pod, HARD)
        before, after = ((o or {"metadata": {}})["metadata"].get("labels") or {} for o in (old, new))
        return not found or (all(c.key in after for c in found) and any(before.get(c.key) != after[c.key] for c in found))

    def _constraints(self, pod: PodInfo, action: str, cluster: Cluster) -> list[Constraint]:
        """The pod's own, or the defaults where it has none and belongs to a service or controller."""
        if pod.spec.get("topologySpreadConstraints"):
            return constraints(pod, action)
        if not self.defaults or (action == HARD and not self._hard_defaults):
            return []
        owner = next((o for o in pod.obj["metadata"].get("ownerReferences") or [] if o.get("controller")), None)
        selector = cluster.default_selector(pod.namespace, pod.labels, owner)
        return parse(pod, self.defaults, action, selector) if selector is not None else []

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes where placing the pod would exceed a constraint's maxSkew."""
        found = self._constraints(cycle.pod, HARD, cycle.snapshot.cluster)
        if not found:
            return
        for c, mask in zip(found, _eligible(cycle, found), strict=True):
            column = cycle.snapshot.column(c.key)
            if not column.everywhere(cycle.snapshot.alive):
                yield Rejection(NO_LABEL, ~column.present, False)
            totals = _domain_counts(column.ids, _per_node(cycle, c), mask, len(column.values))
            present = np.zeros(len(column.values), np.bool_)
            present[column.ids[mask]] = True
            domains = int(np.count_nonzero(present))
            least = float(totals[present].min()) if domains and domains >= c.min_domains else 0.0
            over = totals + c.self_match(cycle.pod) - least > c.max_skew
            if over.any():
                yield Rejection(MISMATCH, column.present & over[column.ids], True)

    def score(self, cycle: Cycle) -> Scores | None:
        """Prefer nodes in domains with fewer matching pods."""
        found = self._constraints(cycle.pod, SOFT, cycle.snapshot.cluster)
        if not found:
            return None
        s = cycle.snapshot
        raw = np.zeros(s.capacity)
        ignored = np.zeros(s.capacity, np.bool_)
        # The system's defaults are for clusters with and without zones: a node need not have every label.
        demanding = not self.system or bool(cycle.pod.spec.get("topologySpreadConstraints"))
        for c in found if demanding else ():
            ignored |= ~s.column(c.key).present
        counted = cycle.feasible & ~ignored
        if not counted.any():
            return np.zeros(s.capacity)
        for c, mask in zip(found, _eligible(cycle, found, demanding), strict=True):
            column, counts = s.column(c.key), _per_node(cycle, c)
            if c.key == HOSTNAME:
                matching, size = counts.astype(np.float64), int(np.count_nonzero(counted))
            else:
                domains = _domain_counts(column.ids, counts, mask, len(column.values))
                domains[0] = 0
                matching = domains[column.ids]
                size = int(np.count_nonzero(np.bincount(column.ids[counted], minlength=len(column.values))[1:]))
            raw += np.where(column.present, matching * math.log(size + 2) + (c.max_skew - 1), 0.0)
        raw = np.round(raw)
        values = raw[counted]
        low, high = float(values.min()), float(values.max())
        if high == 0:
            return np.where(counted, MAX_SCORE, 0.0)
        out: Scores = np.where(counted, np.floor(MAX_SCORE * (high + low - raw) / high), 0.0)
        return out
