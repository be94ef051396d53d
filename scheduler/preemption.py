"""Preemption: which less important pods would have to go, on which node, so that a pod fits (upstream framework/preemption).

Pure. On each node that could help, all less important pods are taken away in thought; if the pod then fits, as many of them as
possible are put back, first those whose disruption budget would be broken, each time the most important first. Among the
candidates the one that hurts least is chosen.

Where nothing of the pod looks at other pods (affinity, spreading, claims), taking pods away changes only what a node has left,
and a node is judged by arithmetic. Otherwise the filters themselves judge each step.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kubepy.api.selectors import LabelSelector, from_label_selector
from scheduler.cycle import Refusal, find_nodes, message, run_filters
from scheduler.framework.cluster import BUDGETS
from scheduler.framework.interface import Cycle
from scheduler.framework.podinfo import PODS, Obj, PodInfo
from scheduler.framework.snapshot import NodeSlot, Snapshot
from scheduler.profile import Profile

NEVER = "not eligible due to preemptionPolicy=Never."
TERMINATING = "not eligible due to a terminating pod on the nominated node."
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
BY_SCHEDULER = "PreemptionByScheduler"
LOCAL = frozenset({"NodeResourcesFit", "NodePorts"})
"""Filters that look at one node and what its pods take of it, and at nothing else."""


@dataclass(frozen=True)
class Candidate:
    """A node, and its pods that would have to go, the most important first; `violations` of them break a budget."""

    node: str
    victims: tuple[PodInfo, ...]
    violations: int


@dataclass(frozen=True)
class Outcome:
    """What preemption came to: a candidate, or why not. `clear`: the pod's nomination no longer means anything."""

    candidate: Candidate | None = None
    text: str = ""
    clear: bool = False


def preempt(snapshot: Snapshot, pod: PodInfo, profile: Profile, refusal: Refusal, rng: random.Random) -> Outcome:
    """Find the victims that cost least; the snapshot is as before afterwards."""
    why = _not_eligible(snapshot, pod, refusal)
    if why:
        return Outcome(text=why)
    possible = [int(slot) for slot in np.flatnonzero(refusal.resolvable)]
    found, reasons = candidates(snapshot, pod, profile, possible, rng)
    if not found:
        reasons[NOT_HELPFUL] += refusal.total - reasons.total()
        if not reasons[NOT_HELPFUL]:
            del reasons[NOT_HELPFUL]
        nothing = np.zeros(snapshot.capacity, np.bool_)
        return Outcome(text=message(Refusal(refusal.total, reasons, frozenset(), nothing)), clear=True)
    return Outcome(min(found, key=_cost))


def _not_eligible(snapshot: Snapshot, pod: PodInfo, refusal: Refusal) -> str:
    if pod.spec.get("preemptionPolicy") == "Never":
        return NEVER
    node = snapshot.nodes.get(pod.nominated) if pod.nominated else None
    if node is not None and refusal.resolvable[node.slot] and any(p.priority < pod.priority and leaving(p) for p in node.pods.values()):
        return TERMINATING
    return ""


def leaving(pod: PodInfo) -> bool:
    """Whether a pod ends because the scheduler preempted it."""
    conditions = (pod.obj.get("status") or {}).get("conditions") or []
    return pod.terminating and any(
        c["type"] == "DisruptionTarget" and c.get("status") == "True" and c.get("reason") == BY_SCHEDULER for c in conditions
    )


def candidates(
    snapshot: Snapshot, pod: PodInfo, profile: Profile, possible: Sequence[int], rng: random.Random
) -> tuple[list[Candidate], Counter[str]]:
    """Candidates among `possible` slots, as many as the profile asks for; and why the others are none."""
    found: list[Candidate] = []
    reasons: Counter[str] = Counter()
    if not possible or profile.preemption is None:
        return found, reasons
    enough = profile.preemption.candidates(len(possible))
    budgets = [_Budget(b) for b in snapshot.cluster.all(BUDGETS)]
    judge = _judge(snapshot, pod, profile)
    clean = 0
    start = rng.randrange(len(possible))
    for slot in (*possible[start:], *possible[:start]):
        node = snapshot.by_slot[slot]
        if node is None:
            continue
        lesser = sorted((p for p in node.pods.values() if p.priority < pod.priority), key=importance)
        if not lesser:
            reasons[NO_VICTIMS] += 1
            continue
        candidate, why = _victims(node, lesser, budgets, judge(node))
        if candidate is None:
            reasons.update(why)
            continue
        found.append(candidate)
        clean += not candidate.violations
        if len(found) >= enough and clean:
            break
    return found, reasons


Fits = Callable[[Sequence[PodInfo]], Counter[str] | None]
"""Without these pods, does the pod fit? None when it does, else the reasons."""


def _judge(snapshot: Snapshot, pod: PodInfo, profile: Profile) -> Callable[[NodeSlot], Fits]:
    if _looks_at_others(snapshot, pod):
        return lambda node: lambda gone: _fits_by_filters(snapshot, pod, profile, node, gone)
    rest = Cycle(pod, snapshot, snapshot.alive.copy())
    refusal = run_filters(rest, profile, skip=LOCAL)
    rivals = [(n, p) for n, p in snapshot.nominated.values() if p.priority >= pod.priority and p.uid != pod.uid]

    def of(node: NodeSlot) -> Fits:
        if refusal is not None or not rest.feasible[node.slot]:
            return lambda gone: Counter({NOT_HELPFUL: 1})
        room = _Room(snapshot, pod, node, [p for n, p in rivals if n == node.name])
        return room.fits

    return of


def _looks_at_others(snapshot: Snapshot, pod: PodInfo) -> bool:
    spec = pod.spec
    affinity = spec.get("affinity") or {}
    if pod.claims or spec.get("resourceClaims") or affinity.get("podAffinity") or affinity.get("podAntiAffinity"):
        return True
    if spec.get("topologySpreadConstraints"):
        return True
    return any(why == "anti" and t.matches(pod.namespace, pod.labels, snapshot.namespaces) for why, t in snapshot.tallies)


class _Room:
    """What a node would have left, in plain numbers."""

    def __init__(self, snapshot: Snapshot, pod: PodInfo, node: NodeSlot, rivals: Sequence[PodInfo]) -> None:
        self.wanted = {**{n: v for n, v in pod.requests.items() if v}, PODS: 1}
        self.ports, self.node, self.rivals = pod.ports, node, rivals
        zero = np.zeros(snapshot.capacity, np.int64)
        self.free = {
            n: int(snapshot.allocatable.get(n, zero)[node.slot])
            - int(snapshot.requested.get(n, zero)[node.slot])
            - sum(1 if n == PODS else p.requests.get(n, 0) for p in rivals)
            for n in self.wanted
        }

    def fits(self, gone: Sequence[PodInfo]) -> Counter[str] | None:
        short: Counter[str] = Counter()
        for name, wanted in self.wanted.items():
            freed = len(gone) if name == PODS else sum(p.requests.get(name, 0) for p in gone)
            if wanted > self.free[name] + freed:
                short["Too many pods" if name == PODS else f"Insufficient {name}"] += 1
        if self.ports:
            away = {p.uid for p in gone}
            held = (b for p in (*self.node.pods.values(), *self.rivals) if p.uid not in away for b in p.ports)
            if any(a[1:] == b[1:] and (a[0] == b[0] or "0.0.0.0" in (a[0], b[0])) for b in held for a in self.ports):
                short["node(s) didn't have free ports for the requested pod ports"] += 1
        return short or None


def _fits_by_filters(snapshot: Snapshot, pod: PodInfo, profile: Profile, node: NodeSlot, gone: Sequence[PodInfo]) -> Counter[str] | None:
    only = np.zeros(snapshot.capacity, np.bool_)
    only[node.slot] = True
    with snapshot.supposing(without=[(node.name, p) for p in gone]):
        refusal = find_nodes(Cycle(pod, snapshot, only), profile)
    if refusal is None:
        return None
    return refusal.reasons if not refusal.general else Counter({refusal.general: 1})


def _victims(node: NodeSlot, lesser: list[PodInfo], budgets: list[_Budget], fits: Fits) -> tuple[Candidate | None, Counter[str]]:
    why = fits(lesser)
    if why is not None:
        return None, why
    violating, others = _by_budget(lesser, budgets)
    gone = list(lesser)
    violations = 0
    for group, counted in ((violating, 1), (others, 0)):
        for p in group:
            without = [g for g in gone if g is not p]
            if fits(without) is None:
                gone = without
            else:
                violations += counted
    return Candidate(node.name, tuple(gone), violations), Counter()


def importance(pod: PodInfo) -> tuple[int, str]:
    """Sorts the most important first: by priority, then the one that has run longest."""
    return -pod.priority, started(pod)


def started(pod: PodInfo) -> str:
    """When a pod started, as RFC 3339 (which sorts); one that has not is the youngest."""
    return (pod.obj.get("status") or {}).get("startTime") or "~"


def _cost(c: Candidate) -> tuple[int, int, int, int, tuple[int, ...]]:
    top = c.victims[0].priority if c.victims else -(2**31)
    total = sum(p.priority + 2**31 for p in c.victims)
    earliest = min((started(p) for p in c.victims if p.priority == top), default="")
    # The node whose most important victim started last comes first: compare the text backwards.
    return c.violations, top, total, len(c.victims), tuple(-ord(ch) for ch in earliest)


class _Budget:
    """One PodDisruptionBudget as this search sees it."""

    def __init__(self, budget: Obj) -> None:
        status = budget.get("status") or {}
        self.namespace = budget["metadata"].get("namespace", "")
        self.selector: LabelSelector = from_label_selector((budget.get("spec") or {}).get("selector"))
        self.allowed = int(status.get("disruptionsAllowed") or 0)
        self.disrupted = status.get("disruptedPods") or {}

    def covers(self, pod: PodInfo) -> bool:
        return (
            pod.namespace == self.namespace and bool(pod.labels) and not self.selector.empty
            and pod.name not in self.disrupted and self.selector.matches(pod.labels)
        )  # fmt: skip


def _by_budget(pods: Iterable[PodInfo], budgets: list[_Budget]) -> tuple[list[PodInfo], list[PodInfo]]:
    """(those whose eviction would break a budget, the others), each in the order given."""
    left = {id(b): b.allowed for b in budgets}
    violating: list[PodInfo] = []
    others: list[PodInfo] = []
    for pod in pods:
        broken = False
        for b in budgets:
            if b.covers(pod):
                left[id(b)] -= 1
                broken |= left[id(b)] < 0
        (violating if broken else others).append(pod)
    return violating, others
