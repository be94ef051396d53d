"""How many replicas a metric asks for. Pure (replica_calculator.go): missing and unready pods damp the change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.common import pods as podlib
from controllers.hpa.metrics import MetricsError
from kubepy.api import meta
from kubepy.api.quantity import parse
from kubepy.runtime.clock import parse_time

Obj = dict[str, Any]
Values = dict[str, int]


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Changes of the ratio that are ignored, and how long pods take to start."""

    up: float = 0.1
    down: float = 0.1
    cpu_initialization: float = 300.0
    initial_readiness: float = 30.0

    def within(self, ratio: float) -> bool:
        """Whether a ratio is near enough to one."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Groups:
    """Pods by what their metrics are worth."""

    ready: int
    unready: set[str]
    missing: set[str]
    ignored: set[str]


def group(pods: Sequence[Obj], stamps: Mapping[str, tuple[str, float]], resource: str, tolerances: Tolerances, now: float) -> Groups:
    """Sort pods (groupPods); `stamps` are time and window of each pod's metric. Only cpu looks at readiness."""
    ready, unready, missing, ignored = 0, set[str](), set[str](), set[str]()
    for pod in pods:
        name = meta.name(pod)
        if meta.deleting(pod) or podlib.phase(pod) == "Failed":
            ignored.add(name)
        elif podlib.phase(pod) == "Pending":
            unready.add(name)
        elif name not in stamps:
            missing.add(name)
        elif resource == "cpu" and _is_unready(pod, stamps[name], tolerances, now):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, unready, missing, ignored)


def _is_unready(pod: Obj, stamp: tuple[str, float], tolerances: Tolerances, now: float) -> bool:
    condition, started = podlib.condition(pod, "Ready"), pod.get("status", {}).get("startTime")
    if condition is None or not started:
        return True
    begin, changed = parse_time(started), parse_time(condition.get("lastTransitionTime") or started)
    if begin + tolerances.cpu_initialization > now:
        # Still starting: not ready, or the metric covers time before it was.
        taken = parse_time(stamp[0]) if stamp[0] else now
        return bool(condition["status"] == "False") or taken < changed + stamp[1]
    return bool(condition["status"] == "False") and begin + tolerances.initial_readiness > changed


def requests(pods: Sequence[Obj], resource: str, container: str | None) -> Values:
    """pod → milli request; raises MetricsError when a container has none."""
    out: Values = {}
    for pod in pods:
        total, found = 0, container is None
        sidecars = [c for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"]
        for entry in (*pod["spec"].get("containers", ()), *sidecars):
            if container is not None and entry["name"] != container:
                continue
            amount = ((entry.get("resources") or {}).get("requests") or {}).get(resource)
            if amount is None:
                raise MetricsError(f"missing request for {resource} in container {entry['name']} of Pod {meta.name(pod)}")
            total += parse(amount).milli_value()
            found = True
        if not found:
            raise MetricsError(f"container {container} not found in Pod {meta.name(pod)}")
        out[meta.name(pod)] = total
    return out


def utilization(values: Values, wanted: Values, target: int) -> tuple[float, int, int]:
    """(ratio to the target, percent used, average milli value) over pods with both (GetResourceUtilizationRatio)."""
    used = [(v, wanted[name]) for name, v in values.items() if name in wanted]
    total = sum(r for _, r in used)
    if not total:
        raise MetricsError("no metrics returned matched known pods")
    whole = sum(v for v, _ in used)
    percent = whole * 100 // total
    return percent / target, percent, whole // len(used)


def average(values: Values, target: int) -> tuple[float, int]:
    """(ratio, average milli value) (GetMetricUsageRatio)."""
    if not values:
        raise MetricsError("no metrics returned matched known pods")
    mean = sum(values.values()) // len(values)
    return mean / target, mean


def _usable(values: Values, groups: Groups) -> Values:
    kept = {k: v for k, v in values.items() if k not in groups.ignored and k not in groups.unready}
    if not kept:
        raise MetricsError("did not receive metrics for targeted pods (pods might be unready)")
    return kept


def by_utilization(
    current: int, target: int, values: Values, wanted: Values, groups: Groups, tolerances: Tolerances
) -> tuple[int, int, int]:
    """(replicas, percent, average milli value) for a resource's utilization (GetResourceReplicas)."""
    kept = _usable(values, groups)
    ratio, percent, raw = utilization(kept, wanted, target)
    fill = {name: wanted.get(name, 0) * max(100, target) // 100 for name in groups.missing}
    count = _settle(current, ratio, kept, groups, fill, tolerances, lambda v: utilization(v, wanted, target)[0])
    return count, percent, raw


def by_average(current: int, target: int, values: Values, groups: Groups, tolerances: Tolerances) -> tuple[int, int]:
    """(replicas, average milli value) for an average per pod (calcPlainMetricReplicas)."""
    kept = _usable(values, groups)
    ratio, raw = average(kept, target)
    fill = dict.fromkeys(groups.missing, target)
    return _settle(current, ratio, kept, groups, fill, tolerances, lambda v: average(v, target)[0]), raw


def _settle(current: int, ratio: float, kept: Values, groups: Groups, fill: Values, tolerances: Tolerances, again: Any) -> int:
    rising = bool(groups.unready) and ratio > 1.0
    if not rising and not groups.missing:
        return current if tolerances.within(ratio) else math.ceil(ratio * groups.ready)
    values = dict(kept)
    if groups.missing:
        # Assume the worst: full use when shrinking, none when growing.
        values.update(fill if ratio < 1.0 else dict.fromkeys(groups.missing, 0) if ratio > 1.0 else {})
    if rising:
        values.update(dict.fromkeys(groups.unready, 0))
    new: float = again(values)
    if tolerances.within(new) or (ratio < 1.0 < new) or (ratio > 1.0 > new):
        return current
    count = math.ceil(new * len(values))
    if (new < 1.0 and count > current) or (new > 1.0 and count < current):
        return current
    return count


def by_value(current: int, ratio: float, ready: int, tolerances: Tolerances) -> int:
    """Replicas for a value of the whole, such as a queue's length (GetObjectMetricReplicas)."""
    if current == 0:
        return math.ceil(ratio)
    return current if tolerances.within(ratio) else math.ceil(ratio * ready)


def per_pod(current: int, total: int, target: int, tolerances: Tolerances) -> int:
    """Replicas for an average of a whole over the pods (GetExternalPerPodMetricReplicas)."""
    count = current
    if current == 0 or not tolerances.within(total / (target * current)):
        count = math.ceil(total / target)
    return count
