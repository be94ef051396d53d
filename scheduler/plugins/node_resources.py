"""NodeResourcesFit and NodeResourcesBalancedAllocation: what nodes have left (upstream plugins/noderesources)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from scheduler.framework import changes
from scheduler.framework.interface import MAX_SCORE, Cycle, Hint, Rejection, Scores
from scheduler.framework.podinfo import CPU, MEMORY, PODS, Obj, PodInfo, amounts, pod_requests
from scheduler.framework.snapshot import Snapshot

Shape = Sequence[tuple[int, int]]
"""(utilisation in per cent, score 0…100), ascending."""
Weights = Mapping[str, int]
Share = Callable[[Scores, Scores], Scores]
"""(what nodes have, what would be used) → 0…100."""
DEFAULT_WEIGHTS: Weights = {CPU: 1, MEMORY: 1}


def _room(pod: PodInfo, old: Obj | None, new: Obj | None) -> bool:
    """A node came or grew: does its whole size hold the pod, and did it grow in anything that the pod wants?"""
    have = amounts(((new or {}).get("status") or {}).get("allocatable"))
    if any(value > have.get(name, 0) for name, value in pod.requests.items()):
        return False
    if old is None:
        return True
    had = amounts((old.get("status") or {}).get("allocatable"))
    return any(have.get(name, 0) > had.get(name, 0) for name in (*pod.requests, PODS))


def _freed(pod: PodInfo, old: Obj | None, new: Obj | None) -> bool:
    """A pod left or shrank: did it hold anything that the pod wants? A place among a node's pods is always wanted."""
    if new is None or old is None:
        return True
    before, after = pod_requests(old["spec"], old.get("status")), pod_requests(new["spec"], new.get("status"))
    return any(after.get(name, 0) < before.get(name, 0) for name in pod.requests)


def least(have: Scores, used: Scores) -> Scores:
    """The share that stays free."""
    out: Scores = np.where(used <= have, (have - used) * int(MAX_SCORE) // np.maximum(have, 1), 0)
    return out


def most(have: Scores, used: Scores) -> Scores:
    """The share that is taken."""
    out: Scores = np.where(used <= have, used * int(MAX_SCORE) // np.maximum(have, 1), 0)
    return out


def shaped(shape: Shape) -> Share:
    """The score that a piecewise linear function gives to the utilisation (RequestedToCapacityRatio)."""
    points = np.array([p[0] for p in shape]), np.array([p[1] for p in shape])

    def score(have: Scores, used: Scores) -> Scores:
        utilisation = np.where(used <= have, used * 100 // np.maximum(have, 1), 100)
        out: Scores = np.trunc(np.interp(utilisation, *points))
        return out

    return score


class NodeResourcesFit:
    """Filter, and score by a strategy: `share` turns (allocatable, used with the pod) into 0…100 for one resource."""

    name = "NodeResourcesFit"
    all_reasons = True

    def __init__(
        self,
        weights: Weights = DEFAULT_WEIGHTS,
        share: Share = least,
        *,
        drop_zero: bool = False,
        ignored: frozenset[str] = frozenset(),
        ignored_groups: frozenset[str] = frozenset(),
    ) -> None:
        self.weights, self.share, self.drop_zero = weights, share, drop_zero
        self.ignored, self.ignored_groups = ignored, ignored_groups
        self.hints: Mapping[str, Hint] = {
            changes.NODE_ADD: _room,
            changes.NODE_ALLOCATABLE: _room,
            changes.POD_DELETE: _freed,
            changes.POD_SCALE_DOWN: _freed,
        }

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes that lack a requested resource or a free place among their pods."""
        s = cycle.snapshot
        full = s.requested[PODS] + 1 > s.allocatable[PODS]
        if full.any():
            yield Rejection("Too many pods", full, True)
        for name, wanted in cycle.pod.requests.items():
            if not wanted or name in self.ignored or (self.ignored_groups and name.partition("/")[0] in self.ignored_groups):
                continue
            if name not in s.allocatable:
                yield Rejection(f"Insufficient {name}", np.ones(s.capacity, np.bool_), False)
                continue
            total = s.allocatable[name]
            short = wanted > total - s.requested[name]
            if short.any():
                never = short & (wanted > total)
                if never.any():
                    yield Rejection(f"Insufficient {name}", never, False)
                yield Rejection(f"Insufficient {name}", short & ~never, True)

    def score(self, cycle: Cycle) -> Scores | None:
        """The weighted mean of the resources' shares; resources that a node lacks do not count there."""
        s, pod = cycle.snapshot, cycle.pod
        total = np.zeros(s.capacity)
        weights = np.zeros(s.capacity)
        for name, weight in self.weights.items():
            have, used = _use(s, pod, name)
            if have is None or used is None:
                continue
            share = self.share(have, used)
            counted = (have > 0) & (share > 0) if self.drop_zero else have > 0
            total += np.where(counted, share, 0) * weight
            weights += counted * weight
        mean = total / np.maximum(weights, 1)
        return np.floor(mean + 0.5) if self.drop_zero else np.floor(mean)


def _use(s: Snapshot, pod: PodInfo, name: str) -> tuple[Scores | None, Scores | None]:
    """What nodes have of a resource and what would be used; None when the pod does not concern it (an extended resource)."""
    if name in s.nonzero:
        return s.allocatable[name], s.nonzero[name] + pod.nonzero.get(name, 0)  # type: ignore[return-value]
    if name not in s.allocatable or not pod.requests.get(name):
        return None, None
    return s.allocatable[name], s.requested[name] + pod.requests[name]  # type: ignore[return-value]


class NodeResourcesBalancedAllocation:
    """Score."""

    name = "NodeResourcesBalancedAllocation"
    hints: Mapping[str, Hint] = {}

    def __init__(self, resources: Sequence[str] = (CPU, MEMORY)) -> None:
        self.resources = tuple(resources)

    def score(self, cycle: Cycle) -> Scores | None:
        """Prefer nodes whose resources would be used to the same degree (not for pods that request none of them)."""
        s, requests = cycle.snapshot, cycle.pod.requests
        names = [n for n in self.resources if n in s.allocatable and (n in (CPU, MEMORY) or requests.get(n))]
        if not any(requests.get(n) for n in names):
            return None
        shares = []
        for name in names:
            have = np.maximum(s.allocatable[name], 1)
            shares.append(np.minimum((s.requested[name] + requests.get(name, 0)) / have, 1.0))
        deviation = np.abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else np.std(shares, axis=0)
        out: Scores = np.floor((1 - deviation) * MAX_SCORE)
        return out
