"""Why a pod goes where it goes: every node against every filter and score, from the plugins of the real cycle. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scheduler.cycle import Refusal, choose, find_nodes, message
from scheduler.framework.interface import Cycle, Unschedulable
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.snapshot import Snapshot
from scheduler.preemption import preempt
from scheduler.profile import Profile

PREFILTER = "PreFilter"


@dataclass
class NodeRow:
    """One node: the reasons of each filter that refuses it, and its weighted scores by plugin when none does."""

    name: str
    refusals: dict[str, list[str]] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """The sum of the scores."""
        return sum(self.scores.values())


@dataclass
class Explanation:
    """What the scheduler would do with a pod now. `node` is the choice (the first in name order of equally good ones)."""

    pod: str
    profile: str
    node: str
    message: str
    nodes: list[NodeRow]
    equal: list[str] = field(default_factory=list)
    preemption: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        rows = [{"name": r.name, "fits": not r.refusals, "refusedBy": r.refusals, "scores": r.scores, "total": r.total} for r in self.nodes]
        out = {"pod": self.pod, "schedulerName": self.profile, "node": self.node, "message": self.message, "nodes": rows}
        return out | {"equallyGood": self.equal, "preemption": self.preemption}


def explain(snapshot: Snapshot, pod: PodInfo, profile: Profile) -> Explanation:
    """Try the pod without doing anything. Every filter is asked about every node, whatever the filters before it said."""
    rows = {name: NodeRow(name) for name in sorted(snapshot.nodes)}
    _refusals(snapshot, pod, profile, rows)
    cycle = Cycle(pod, snapshot, snapshot.alive.copy())
    rng = random.Random(0)
    result = find_nodes(cycle, profile)
    if isinstance(result, Refusal):
        text = message(result)
        out = Explanation(pod.key, profile.name, "", text, list(rows.values()))
        if result.total and profile.preemption is not None and not result.general:
            outcome = preempt(snapshot, pod, profile, result, rng)
            victims = [v.key for v in outcome.candidate.victims] if outcome.candidate else []
            out.preemption = {"node": outcome.candidate.node if outcome.candidate else "", "victims": victims, "message": outcome.text}
        return out
    placement = choose(cycle, profile, rng, explain=True)
    total = np.zeros(snapshot.capacity)
    for name, scores in placement.scores.items():
        total += scores
        for node in np.flatnonzero(cycle.feasible):
            slot = snapshot.by_slot[node]
            if slot is not None:
                rows[slot.name].scores[name] = float(scores[node])
    best = sorted(snapshot.names(cycle.feasible & (total == total[cycle.feasible].max())))
    return Explanation(pod.key, profile.name, best[0], f"{pod.key} fits {best[0]}", list(rows.values()), best)


def _refusals(snapshot: Snapshot, pod: PodInfo, profile: Profile, rows: dict[str, NodeRow]) -> None:
    cycle = Cycle(pod, snapshot, snapshot.alive.copy())
    for prefilter in profile.prefilters:
        try:
            only = prefilter.prefilter(cycle)
        except Unschedulable as refusal:
            for row in rows.values():
                row.refusals.setdefault(prefilter.name, []).append(str(refusal))
            continue
        for name in snapshot.names(snapshot.alive & ~only) if only is not None else ():
            rows[name].refusals.setdefault(prefilter.name, []).append(f"node(s) didn't satisfy plugin(s) [{prefilter.name}]")
    for plugin in profile.filters:
        for rejection in plugin.filter(cycle):
            for name in snapshot.names(rejection.nodes & snapshot.alive):
                reasons = rows[name].refusals.setdefault(plugin.name, [])
                if rejection.reason not in reasons:
                    reasons.append(rejection.reason)
