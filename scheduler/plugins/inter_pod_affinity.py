"""InterPodAffinity: pods near to or far from other pods (upstream plugins/interpodaffinity).

Symmetric: what running pods ask of the new one counts too. Running pods' terms are tallies of the snapshot, one row of counts
per distinct term, so the work grows with the number of different terms, not of pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scheduler.framework import affinity, changes
from scheduler.framework.affinity import Term
from scheduler.framework.interface import MAX_SCORE, Cycle, Hint, Rejection, Scores
from scheduler.framework.podinfo import Obj, PodInfo
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


def _own(pod: PodInfo) -> tuple[tuple[Term, ...], tuple[Term, ...], list[tuple[Term, int]]]:
    """The pod's required terms of both sorts and its preferred ones, parsed once."""
    known: tuple[tuple[Term, ...], tuple[Term, ...], list[tuple[Term, int]]] | None = pod.memo.get("affinity")
    if known is None:
        spec, namespace = pod.spec, pod.namespace
        near, far = (tuple(affinity.required(spec, kind, namespace)) for kind in (affinity.AFFINITY, affinity.ANTI))
        known = pod.memo["affinity"] = near, far, affinity.preferred(spec, namespace)
    return known


def _near_came(pod: PodInfo, _old: Obj | None, new: Obj | None) -> bool:
    """A pod came, or changed its labels: is it one that the pod wants near? Namespace selectors are not looked into."""
    return new is not None and any(_may_match(t, new) for t in _own(pod)[0])


def _far_left(pod: PodInfo, old: Obj | None, _new: Obj | None) -> bool:
    """A pod left: did the pod not want it near, or it not the pod?"""
    if old is None:
        return True
    theirs = affinity.required(old["spec"], affinity.ANTI, old["metadata"].get("namespace", ""))
    return any(_may_match(t, old) for t in _own(pod)[1]) or any(_may_match(t, pod.obj) for t in theirs)


def _may_match(t: Term, pod: Obj) -> bool:
    meta = pod["metadata"]
    covered = meta.get("namespace", "") in t.namespaces or t.namespace_selector is not None
    return covered and t.selector.matches(meta.get("labels") or {})


def _node_labels(pod: PodInfo, old: Obj | None, new: Obj | None) -> bool:
    """A node came or changed its labels: does it have, or has it changed, a topology that the pod asks for?"""
    near, far, _ = _own(pod)
    labels, before = ((o or {"metadata": {}})["metadata"].get("labels") or {} for o in (new, old))
    keys = {t.topology_key for t in (*near, *far)}
    return (not far and not near) or any(k in labels and labels.get(k) != before.get(k) for k in keys)


class InterPodAffinity:
    """Filter and score. `hard_weight` is what a running pod's required affinity towards the new one counts for in the score."""

    name = "InterPodAffinity"

    def __init__(self, hard_weight: int = HARD_WEIGHT, ignore_preferred_of_others: bool = False) -> None:
        self.hard_weight, self.ignore_preferred_of_others = hard_weight, ignore_preferred_of_others
        self.hints: Mapping[str, Hint] = {
            changes.POD_ADD: _near_came,
            changes.POD_LABEL: lambda pod, old, new: _near_came(pod, old, new) or _far_left(pod, old, new),
            changes.POD_DELETE: _far_left,
            changes.NODE_ADD: _node_labels,
            changes.NODE_LABEL: _node_labels,
            changes.NAMESPACE_UPDATE: lambda pod, old, new: True,
        }

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes whose domain lacks a wanted pod, holds an unwanted one, or holds one that does not want this pod."""
        s, pod = cycle.snapshot, cycle.pod
        wanted, unwanted, _ = _own(pod)
        if wanted:
            # Nodes without the topology, or without a wanted pod in it.
            yield Rejection(NEED, self._unmet(s, pod, wanted), False)
        for t in unwanted:
            hit = _spread(s, t.topology_key, _count(s, (t,))) > 0
            if hit.any():
                yield Rejection(AVOID, hit, True)
        for (why, t), row in s.tallies.items():
            if why == "anti" and t.matches(pod.namespace, pod.labels, s.namespaces):
                yield Rejection(EXISTING, _spread(s, t.topology_key, row) > 0, True)

    @staticmethod
    def _unmet(s: Snapshot, pod: PodInfo, wanted: tuple[Term, ...]) -> Bools:
        counts = _count(s, wanted)
        keyed, placed = s.alive.copy(), np.zeros(s.capacity, np.bool_)
        met = s.alive.copy()
        for t in wanted:
            present = s.column(t.topology_key).present
            keyed &= present
            placed |= present
            met &= _spread(s, t.topology_key, counts) > 0
        # The first pod of a group that wants its own kind near may go anywhere the topology is known.
        if not (counts[placed] > 0).any() and all(t.matches(pod.namespace, pod.labels, s.namespaces) for t in wanted):
            met = keyed
        return ~met

    def score(self, cycle: Cycle) -> Scores | None:
        """Sum the weights of preferred terms, the pod's own and those of running pods towards it."""
        s, pod = cycle.snapshot, cycle.pod
        own = _own(pod)[2]
        if not own and not any(why != "anti" for why, _ in s.tallies):
            return None
        raw = np.zeros(s.capacity)
        for t, weight in own:
            raw += weight * _spread(s, t.topology_key, _count(s, (t,)))
        for (why, t), row in s.tallies.items():
            weight = 0 if why == "anti" else self.hard_weight if why == "need" else 0 if self.ignore_preferred_of_others and not own else 1
            if weight and t.matches(pod.namespace, pod.labels, s.namespaces):
                raw += weight * _spread(s, t.topology_key, row)
        values = raw[cycle.feasible]
        low, high = float(values.min()), float(values.max())
        if high == low:
            return None
        out: Scores = np.floor(MAX_SCORE * (raw - low) / (high - low))
        return out
