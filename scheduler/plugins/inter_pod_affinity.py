"""InterPodAffinity: pods near to or far from other pods (upstream plugins/interpodaffinity).

Symmetric: what running pods ask of the new one counts too. Running pods' terms are tallies of the snapshot, one row of counts
per distinct term, so the work grows with the number of different terms, not of pods.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scheduler.framework import affinity
from scheduler.framework.affinity import Term
from scheduler.framework.interface import MAX_SCORE, Cycle, Rejection, Scores
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.snapshot import Bools, Ints, Snapshot

NEED = "node(s) didn't match pod affinity rules"
AVOID = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
HARD_WEIGHT = 1


def _spread(s: Snapshot, key: str, counts: Ints) -> Scores:
    """For every node the sum of `counts` over its domain; 0 where the node lacks the key."""
    column = s.column(key)
    totals = np.bincount(column.ids, weights=counts, minlength=len(column.values))
    totals[0] = 0
    out: Scores = totals[column.ids].astype(np.float64, copy=False)
    return out


def _count(s: Snapshot, terms: tuple[Term, ...]) -> Ints:
    """Per node, the pods that satisfy all of the terms' selectors."""
    scoped = all(t.namespace_selector is None and len(t.namespaces) == 1 for t in terms)
    namespace = next(iter(terms[0].namespaces)) if scoped else None

    def matches(pod: PodInfo) -> int:
        return int(all(t.matches(pod.namespace, pod.labels, s.namespaces) for t in terms))

    version = None if scoped else s.namespace_generation
    return s.counter(("affinity", terms, version), matches, namespace).counts


class InterPodAffinity:
    """Filter and score."""

    name = "InterPodAffinity"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes whose domain lacks a wanted pod, holds an unwanted one, or holds one that does not want this pod."""
        s, pod = cycle.snapshot, cycle.pod
        spec = pod.spec
        wanted = tuple(affinity.required(spec, affinity.AFFINITY, pod.namespace))
        if wanted:
            yield Rejection(NEED, self._unmet(s, pod, wanted), False)
        for t in affinity.required(spec, affinity.ANTI, pod.namespace):
            hit = _spread(s, t.topology_key, _count(s, (t,))) > 0
            if hit.any():
                yield Rejection(AVOID, hit, True)
        for (why, t), row in s.tallies.items():
            if why == "anti" and t.matches(pod.namespace, pod.labels, s.namespaces):
                yield Rejection(EXISTING, _spread(s, t.topology_key, row) > 0, True)

    @staticmethod
    def _unmet(s: Snapshot, pod: PodInfo, wanted: tuple[Term, ...]) -> Bools:
        counts = _count(s, wanted)
        keyed = s.alive.copy()
        met = s.alive.copy()
        for t in wanted:
            keyed &= s.column(t.topology_key).present
            met &= _spread(s, t.topology_key, counts) > 0
        # The first pod of a group that wants its own kind near may go anywhere the topology is known.
        if not (counts[keyed] > 0).any() and all(t.matches(pod.namespace, pod.labels, s.namespaces) for t in wanted):
            met = keyed
        return ~met

    def score(self, cycle: Cycle) -> Scores | None:
        """Sum the weights of preferred terms, the pod's own and those of running pods towards it."""
        s, pod = cycle.snapshot, cycle.pod
        own = affinity.preferred(pod.spec, pod.namespace)
        if not own and not any(why != "anti" for why, _ in s.tallies):
            return None
        raw = np.zeros(s.capacity)
        for t, weight in own:
            raw += weight * _spread(s, t.topology_key, _count(s, (t,)))
        for (why, t), row in s.tallies.items():
            if why != "anti" and t.matches(pod.namespace, pod.labels, s.namespaces):
                raw += (HARD_WEIGHT if why == "need" else 1) * _spread(s, t.topology_key, row)
        values = raw[cycle.feasible]
        low, high = float(values.min()), float(values.max())
        if high == low:
            return None
        out: Scores = np.floor(MAX_SCORE * (raw - low) / (high - low))
        return out
