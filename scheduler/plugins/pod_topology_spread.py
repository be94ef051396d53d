"""PodTopologySpread: keeps matching pods even over the domains of a topology (upstream plugins/podtopologyspread, KEP-895).

A domain's count is one `bincount` over the nodes: the counts of matching pods per node come from the snapshot's counters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kubepy.api.selectors import LabelSelector, from_label_selector, requirement
from scheduler.framework import nodeselector
from scheduler.framework.interface import MAX_SCORE, Cycle, Rejection, Scores
from scheduler.framework.podinfo import Obj, PodInfo
from scheduler.framework.snapshot import Bools, Ids, Ints
from scheduler.framework.tolerations import per_taint_set, untolerated

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


def constraints(pod: PodInfo, action: str) -> list[Constraint]:
    """The pod's constraints with this whenUnsatisfiable."""
    out = []
    for c in pod.spec.get("topologySpreadConstraints") or []:
        if c["whenUnsatisfiable"] != action:
            continue
        selector = from_label_selector(c.get("labelSelector"))
        keys = [k for k in c.get("matchLabelKeys") or [] if k in pod.labels]
        if keys:
            more = tuple(requirement(k, "in", [pod.labels[k]]) for k in keys)
            selector = LabelSelector((*selector.requirements, *more))
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


def _eligible(cycle: Cycle, found: list[Constraint]) -> list[Bools]:
    """For each constraint the nodes that count: with all topology keys, and as its policies say."""
    s, spec = cycle.snapshot, cycle.pod.spec
    keyed = s.alive.copy()
    for c in found:
        keyed &= s.column(c.key).present
    affinity = nodeselector.required(s, spec) if _selects(spec) and any(c.honor_affinity for c in found) else None
    bearing = spec.get("tolerations") or []
    tainted = None
    if any(c.honor_taints for c in found):
        tainted = per_taint_set(s, lambda taints: bool(untolerated(bearing, taints, ("NoSchedule", "NoExecute")))).astype(np.bool_)
    out = []
    for c in found:
        mask = keyed
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
    """Filter (DoNotSchedule) and score (ScheduleAnyway)."""

    name = "PodTopologySpread"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes where placing the pod would exceed a constraint's maxSkew."""
        found = constraints(cycle.pod, "DoNotSchedule")
        if not found:
            return
        for c, mask in zip(found, _eligible(cycle, found), strict=True):
            column = cycle.snapshot.column(c.key)
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
        found = constraints(cycle.pod, "ScheduleAnyway")
        if not found:
            return None
        s = cycle.snapshot
        raw = np.zeros(s.capacity)
        ignored = np.zeros(s.capacity, np.bool_)
        for c in found:
            ignored |= ~s.column(c.key).present
        counted = cycle.feasible & ~ignored
        if not counted.any():
            return np.zeros(s.capacity)
        for c, mask in zip(found, _eligible(cycle, found), strict=True):
            column, counts = s.column(c.key), _per_node(cycle, c)
            if c.key == HOSTNAME:
                matching, size = counts.astype(np.float64), int(np.count_nonzero(counted))
            else:
                matching = _domain_counts(column.ids, counts, mask, len(column.values))[column.ids]
                size = len(np.unique(column.ids[counted]))
            raw += matching * math.log(size + 2) + (c.max_skew - 1)
        raw = np.round(raw)
        values = raw[counted]
        low, high = float(values.min()), float(values.max())
        if high == 0:
            return np.where(counted, MAX_SCORE, 0.0)
        out: Scores = np.where(counted, np.floor(MAX_SCORE * (high + low - raw) / high), 0.0)
        return out
