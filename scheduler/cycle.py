"""The decision: (snapshot, pod) → a node, or why there is none. Pure and replayable; draws only on the generator it is given."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from scheduler.framework.interface import Cycle, FilterPlugin, Scores, Unschedulable
from scheduler.framework.podinfo import PodInfo
from scheduler.framework.snapshot import Bools, Snapshot
from scheduler.profile import Profile

NO_NODES = "no nodes available to schedule pods"
DYNAMIC_RESOURCES = "DynamicResources"


@dataclass(frozen=True)
class Placement:
    """The chosen node; `scores` by plugin (weighted) are kept when asked for. `cycle` holds what plugins remember of it."""

    node: str
    score: float
    cycle: Cycle
    scores: dict[str, Scores] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """No node fits. `reasons` counts nodes by reason; `plugins` are those that refused; `resolvable` are nodes where
    removing pods could help; `general` is a reason that concerns no single node, given before any node was looked at."""

    total: int
    reasons: Counter[str]
    plugins: frozenset[str]
    resolvable: Bools
    general: str = ""


def schedule(snapshot: Snapshot, pod: PodInfo, profile: Profile, rng: random.Random, *, explain: bool = False) -> Placement | Refusal:
    """Filter all nodes, score what is left, choose among the best at random."""
    cycle = Cycle(pod, snapshot, snapshot.alive.copy())
    refusal = find_nodes(cycle, profile)
    if refusal is not None:
        return refusal
    return choose(cycle, profile, rng, explain=explain)


def find_nodes(cycle: Cycle, profile: Profile) -> Refusal | None:
    """Narrow `cycle.feasible` to the nodes that take the pod; returns why there are none, or None.

    Pods that are nominated to a node and no less important count as if they ran there; because such a pod may also be what
    this one wants near, a node must fit with and without them (RunFilterPluginsWithNominatedPods).
    """
    snapshot, pod = cycle.snapshot, cycle.pod
    if not snapshot.nominated:
        return run_filters(cycle, profile)
    plus = [(node, p) for node, p in snapshot.nominated.values() if p.priority >= pod.priority and p.uid != pod.uid]
    if not plus:
        return run_filters(cycle, profile)
    with snapshot.supposing(plus=plus):
        refusal = run_filters(cycle, profile)
    if refusal is not None:
        return refusal
    cycle.state.clear()
    return run_filters(cycle, profile)


def choose(
    cycle: Cycle, profile: Profile, rng: random.Random, *, extra: dict[str, float] | None = None, explain: bool = False
) -> Placement:
    """The best of the feasible nodes; `extra` are scores by node from outside (extenders)."""
    snapshot, nominated = cycle.snapshot, cycle.pod.nominated
    if nominated and not explain:
        known = snapshot.nodes.get(nominated)
        if known is not None and cycle.feasible[known.slot]:
            return Placement(nominated, 0.0, cycle)
    total = np.zeros(snapshot.capacity)
    kept: dict[str, Scores] = {}
    if explain or np.count_nonzero(cycle.feasible) > 1:
        for plugin, weight in profile.scores:
            raw = plugin.score(cycle)
            if raw is not None:
                total += raw * weight
                if explain:
                    kept[plugin.name] = raw * weight
        for name, score in (extra or {}).items():
            if name in snapshot.nodes:
                total[snapshot.nodes[name].slot] += score
    total[~cycle.feasible] = -1.0
    best = np.flatnonzero(total == total.max())
    slot = int(best[rng.randrange(len(best))])
    node = snapshot.by_slot[slot]
    assert node is not None
    return Placement(node.name, float(total[slot]), cycle, kept)


def run_filters(cycle: Cycle, profile: Profile, *, skip: frozenset[str] = frozenset()) -> Refusal | None:
    """Narrow `cycle.feasible` by all filters but `skip`; returns why nothing is left, or None."""
    snapshot = cycle.snapshot
    try:
        _prefilter(cycle, profile)
    except Unschedulable as refusal:
        name, text = refusal.args
        return Refusal(len(snapshot.nodes), Counter(), frozenset([name]), np.zeros(snapshot.capacity, np.bool_), text)
    for plugin in profile.filters:
        if plugin.name in skip:
            continue
        if apply(cycle, plugin) and not cycle.feasible.any():
            return refused(cycle)
    return None if cycle.feasible.any() else refused(cycle)


def refused(cycle: Cycle) -> Refusal:
    """The refusal that a cycle without a feasible node amounts to."""
    s = cycle.snapshot
    return Refusal(len(s.nodes), cycle.reasons, frozenset(cycle.refused_by), s.alive & ~cycle.unresolvable)


def _prefilter(cycle: Cycle, profile: Profile) -> None:
    for plugin in profile.prefilters:
        try:
            only = plugin.prefilter(cycle)
        except Unschedulable as refusal:
            raise Unschedulable(plugin.name, str(refusal)) from None
        if only is not None:
            name = plugin.name
            out = cycle.feasible & ~only
            if out.any():
                cycle.reasons[f"node(s) didn't satisfy plugin(s) [{name}]"] += int(np.count_nonzero(out))
                cycle.refused_by.add(name)
                cycle.unresolvable |= out
                cycle.feasible &= only


def apply(cycle: Cycle, plugin: FilterPlugin) -> bool:
    """Let one plugin refuse nodes, and tell whether it did; without `all_reasons` a node counts for the first of its reasons only."""
    several = getattr(plugin, "all_reasons", False)
    before = cycle.feasible.copy() if several else cycle.feasible
    some = False
    for rejection in plugin.filter(cycle):
        hit = before & rejection.nodes
        count = int(np.count_nonzero(hit))
        if count:
            some = True
            cycle.reasons[rejection.reason] += count
            cycle.refused_by.add(plugin.name)
            cycle.feasible &= ~hit
            if not rejection.resolvable:
                cycle.unresolvable |= hit
    return some


def message(refusal: Refusal, after: str = "") -> str:
    """Upstream's text of a failed attempt (framework.FitError): reasons sorted, then what the post-filter plugins said."""
    if not refusal.total:
        return NO_NODES
    text = f"0/{refusal.total} nodes are available:"
    if refusal.general:
        text += f" {refusal.general}."
    reasons = histogram(refusal.reasons)
    if reasons:
        text += f" {reasons}."
    return f"{text} {after}" if after else text


def histogram(reasons: Counter[str]) -> str:
    """`<count> <reason>` joined and sorted as upstream does (as texts)."""
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
