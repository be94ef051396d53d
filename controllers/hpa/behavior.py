"""From the replicas that metrics ask for to those that are set: limits, rates and stabilization windows. Pure (horizontal.go)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]


@dataclass
class Memory:
    """What is remembered of one autoscaler: recommendations and scale events as (time, number)."""

    recommendations: list[tuple[float, int]] = field(default_factory=list)
    ups: list[tuple[float, int]] = field(default_factory=list)
    downs: list[tuple[float, int]] = field(default_factory=list)

    def changed(self, before: int, after: int, now: float, keep: float) -> None:
        """Note a change of size; events older than `keep` seconds are forgotten."""
        events = self.ups if after > before else self.downs
        events[:] = [e for e in events if e[0] > now - keep]
        events.append((now, abs(after - before)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The replicas to set, and the conditions (type, status, reason, message) that explain them."""

    replicas: int
    conditions: tuple[tuple[str, str, str, str], ...]


_READY = ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
_DOWN = (
    "AbleToScale", "True", "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)  # fmt: skip
_UP = (
    "AbleToScale", "True", "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)  # fmt: skip
_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_UP_RATE = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_DOWN_RATE = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
_WITHIN = ("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range")


def plain(hpa: Obj, current: int, wanted: int, memory: Memory, window: float, now: float) -> Outcome:
    """Without spec.behavior (normalizeDesiredReplicas)."""
    memory.recommendations = [r for r in memory.recommendations if r[0] > now - window]
    stable = max([wanted, *(n for _, n in memory.recommendations)])
    memory.recommendations.append((now, wanted))
    able = _DOWN if stable != wanted else _READY
    low = _least(hpa)
    high = hpa["spec"]["maxReplicas"]
    rate = max(2 * current, 4)
    top, why = (rate, _UP_RATE) if high > rate else (high, _MANY)
    if stable < low:
        return Outcome(low, (able, ("ScalingLimited", "True", *_FEW)))
    if stable > top:
        return Outcome(top, (able, ("ScalingLimited", "True", *why)))
    return Outcome(stable, (able, _WITHIN))


def _least(hpa: Obj) -> int:
    found = hpa["spec"].get("minReplicas")
    return 1 if found is None else int(found)


def ruled(hpa: Obj, current: int, wanted: int, memory: Memory, default_window: float, now: float) -> Outcome:
    """With spec.behavior (normalizeDesiredReplicasWithBehaviors)."""
    rules = hpa["spec"]["behavior"]
    up, down = rules.get("scaleUp") or {}, rules.get("scaleDown") or {}
    up_window = up.get("stabilizationWindowSeconds") or 0
    down_window = down.get("stabilizationWindowSeconds")
    down_window = default_window if down_window is None else down_window
    memory.recommendations = [r for r in memory.recommendations if r[0] > now - max(up_window, down_window)]
    lowest = min([wanted, *(n for t, n in memory.recommendations if t > now - up_window)])
    highest = max([wanted, *(n for t, n in memory.recommendations if t > now - down_window)])
    stable = max(current, lowest) if current < lowest else min(current, highest) if current > highest else current
    memory.recommendations.append((now, wanted))
    able = _READY if stable == wanted else _UP if wanted > stable else _DOWN
    low, high = _least(hpa), hpa["spec"]["maxReplicas"]
    if stable > current:
        limit = _up_limit(current, up, memory, now)
        limit = max(limit, current)
        top, why = (limit, _UP_RATE) if high > limit else (high, _MANY)
        if stable > top:
            return Outcome(top, (able, ("ScalingLimited", "True", *why)))
    elif stable < current:
        limit = min(_down_limit(current, down, memory, now), current)
        bottom, why = (limit, _DOWN_RATE) if low < limit else (low, _FEW)
        if stable < bottom:
            return Outcome(bottom, (able, ("ScalingLimited", "True", *why)))
    return Outcome(stable, (able, _WITHIN))


def _recent(events: list[tuple[float, int]], period: float, now: float) -> int:
    return sum(n for t, n in events if t > now - period)


def _up_limit(current: int, rules: Obj, memory: Memory, now: float) -> int:
    if rules.get("selectPolicy") == "Disabled":
        return current
    limits = []
    for policy in rules.get("policies") or ():
        period = policy["periodSeconds"]
        start = current - _recent(memory.ups, period, now) + _recent(memory.downs, period, now)
        limits.append(start + policy["value"] if policy["type"] == "Pods" else math.ceil(start * (1 + policy["value"] / 100)))
    pick = min if rules.get("selectPolicy") == "Min" else max
    return pick(limits) if limits else max(2 * current, 4)


def _down_limit(current: int, rules: Obj, memory: Memory, now: float) -> int:
    if rules.get("selectPolicy") == "Disabled":
        return current
    limits = []
    for policy in rules.get("policies") or ():
        period = policy["periodSeconds"]
        start = current + _recent(memory.downs, period, now) - _recent(memory.ups, period, now)
        limits.append(start - policy["value"] if policy["type"] == "Pods" else int(start * (1 - policy["value"] / 100)))
    pick = max if rules.get("selectPolicy") == "Min" else min
    return pick(limits) if limits else 0


def longest_period(hpa: Obj) -> float:
    """The longest period of any policy in seconds: how long scale events matter."""
    rules = hpa["spec"].get("behavior") or {}
    periods = [p["periodSeconds"] for side in ("scaleUp", "scaleDown") for p in (rules.get(side) or {}).get("policies") or ()]
    return float(max(periods, default=0))
