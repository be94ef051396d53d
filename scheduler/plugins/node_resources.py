"""NodeResourcesFit and NodeResourcesBalancedAllocation: what nodes have left (upstream plugins/noderesources)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scheduler.framework.interface import MAX_SCORE, Cycle, Rejection, Scores
from scheduler.framework.podinfo import CPU, MEMORY, PODS


class NodeResourcesFit:
    """Filter, and score by least allocated."""

    name = "NodeResourcesFit"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes that lack a requested resource or a free place among their pods."""
        s = cycle.snapshot
        full = s.requested[PODS] + 1 > s.allocatable[PODS]
        if full.any():
            yield Rejection("Too many pods", full, True)
        for name, wanted in cycle.pod.requests.items():
            if not wanted:
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
        """The mean of the shares of cpu and memory that would stay free."""
        s = cycle.snapshot
        total = np.zeros(s.capacity)
        weights = np.zeros(s.capacity)
        for name in (CPU, MEMORY):
            have = s.allocatable[name]
            after = s.nonzero[name] + cycle.pod.nonzero.get(name, 0)
            known = have > 0
            share = np.where(known & (after <= have), (have - after) * int(MAX_SCORE) // np.maximum(have, 1), 0)
            total += share
            weights += known
        return np.floor(total / np.maximum(weights, 1))


class NodeResourcesBalancedAllocation:
    """Score."""

    name = "NodeResourcesBalancedAllocation"

    def score(self, cycle: Cycle) -> Scores | None:
        """Prefer nodes whose cpu and memory would be used to the same degree (not for pods that request neither)."""
        s, requests = cycle.snapshot, cycle.pod.requests
        if not requests.get(CPU) and not requests.get(MEMORY):
            return None
        shares = []
        for name in (CPU, MEMORY):
            have = np.maximum(s.allocatable[name], 1)
            shares.append(np.minimum((s.requested[name] + requests.get(name, 0)) / have, 1.0))
        deviation = np.abs(shares[0] - shares[1]) / 2
        out: Scores = np.floor((1 - deviation) * MAX_SCORE)
        return out
