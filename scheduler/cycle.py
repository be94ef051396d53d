"""The decision: (snapshot, pod) → a node, or why there is none. Pure and replayable; draws only on the generator it is given."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scheduler.framework.interface import Cycle, FilterPlugin, ScorePlugin, Scores, Unschedulable
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.snapshot import Bools, Snapshot


@dataclass(frozen=True)
class Placement:
    """The chosen node; `scores` by plugin (weighted) are kept when asked for."""

    node: str
    score: float
    scores: dict[str, Scores] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """No node fits. `reasons` counts nodes by reason; `plugins` are those that refused; `resolvable` are nodes where
    removing pods could help; `general` is a reason that concerns no single node."""

    total: int
    reasons: Counter[str]
    plugins: frozenset[str]
    resolvable: Bools
    general: str = ""


def schedule(
    snapshot: Snapshot,
    pod: PodInfo,
    filters: Sequence[FilterPlugin],
    scores: Sequence[tuple[ScorePlugin, int]],
    rng: random.Random,
    *,
    explain: bool = False,
) -> Placement | Refusal:
    """Filter all nodes, score what is left, choose among the best at random."""
    cycle = Cycle(pod, snapshot, snapshot.alive.copy())
    refusal = run_filters(cycle, filters)
    if refusal is not None:
        return refusal
    total = np.zeros(snapshot.capacity)
    kept: dict[str, Scores] = {}
    if explain or np.count_nonzero(cycle.feasible) > 1:
        for plugin, weight in scores:
            raw = plugin.score(cycle)
            if raw is not None:
                total += raw * weight
                if explain:
                    kept[plugin.name] = raw * weight
    total[~cycle.feasible] = -1.0
    best = np.flatnonzero(total == total.max())
    slot = int(best[rng.randrange(len(best))])
    node = snapshot.by_slot[slot]
    assert node is not None
    return Placement(node.name, float(total[slot]), kept)


def run_filters(cycle: Cycle, filters: Sequence[FilterPlugin]) -> Refusal | None:
    """Narrow `cycle.feasible`; returns why nothing is left, or None."""
    snapshot = cycle.snapshot
    reasons: Counter[str] = Counter()
    plugins: set[str] = set()
    unresolvable = np.zeros(snapshot.capacity, np.bool_)
    for plugin in filters:
        before = cycle.feasible.copy()
        try:
            for rejection in plugin.filter(cycle):
                hit = before & rejection.nodes
                count = int(np.count_nonzero(hit))
                if count:
                    reasons[rejection.reason] += count
                    plugins.add(plugin.name)
                    cycle.feasible &= ~hit
                    if not rejection.resolvable:
                        unresolvable |= hit
        except Unschedulable as refusal:
            nothing = np.zeros(snapshot.capacity, np.bool_)
            return Refusal(len(snapshot.nodes), reasons, frozenset([plugin.name]), nothing, str(refusal))
        if not cycle.feasible.any():
            break
    if cycle.feasible.any():
        return None
    return Refusal(len(snapshot.nodes), reasons, frozenset(plugins), snapshot.alive & ~unresolvable)


def message(refusal: Refusal, after: str = "") -> str:
    """Upstream's text of a failed attempt (framework.FitError): reasons sorted, then what preemption said."""
    text = f"0/{refusal.total} nodes are available"
    if refusal.general:
        text += f": {refusal.general}"
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in refusal.reasons.items()))
    if reasons:
        text += f": {reasons}"
    text += "."
    return f"{text} {after}" if after else text
