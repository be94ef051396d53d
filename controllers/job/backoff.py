"""How long a Job waits before it replaces failed pods: 10 s, doubled with each failure since the last success, at most 10 min. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controllers.common import pods
from controllers.job.policies import absolute_failures
from kubepy.api import meta
from kubepy.runtime.clock import parse_time

Obj = dict[str, Any]

BASE, LIMIT = 10.0, 600.0


@dataclass(frozen=True, slots=True)
class Record:
    """Failures since the last success, and when the last one was (Unix seconds)."""

    failures: int = 0
    last: float | None = None

    def remaining(self, now: float) -> float:
        """Seconds to wait."""
        return _remaining(self.failures, self.last, now)


def _remaining(failures: int, last: float | None, now: float) -> float:
    if not failures or last is None:
        return 0.0
    delay: float = min(BASE * 2.0 ** min(failures - 1, 30), LIMIT)
    return max(0.0, last + delay - now)


def updated(record: Record, succeeded: Sequence[Obj], failed: Sequence[Obj]) -> Record:
    """The record after pods finished (backoff_utils.go newBackoffRecord)."""
    times = sorted(map(finished_at, failed))
    if not succeeded:
        return Record(record.failures + len(times), times[-1]) if times else record
    success = max(map(finished_at, succeeded))
    later = [t for t in times if t > success]
    return Record(len(later), later[-1] if later else None)


def finished_at(pod: Obj) -> float:
    """When a pod finished: when its last container ended, it stopped being ready or was deleted; else when it was made."""
    ends = _container_ends(pod)
    if ends:
        return max(ends)
    ready = pods.condition(pod, "Ready")
    if ready is not None and ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return parse_time(ready["lastTransitionTime"])
    metadata = meta.metadata(pod)
    if meta.deleting(pod):
        return parse_time(metadata["deletionTimestamp"]) - (metadata.get("deletionGracePeriodSeconds") or 0)
    return parse_time(metadata["creationTimestamp"])


def _container_ends(pod: Obj) -> list[float]:
    """When each container ended, sidecars included; nothing unless all of a sort have (latestFinishTime)."""
    status = pod.get("status", {})
    sidecars = {c["name"] for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"}
    out: list[float] = []
    for entries in (
        status.get("containerStatuses") or (),
        [e for e in status.get("initContainerStatuses") or () if e["name"] in sidecars],
    ):
        ends = [(e.get("state", {}).get("terminated") or {}).get("finishedAt") for e in entries]
        out = [*out, *(parse_time(end) for end in ends if end)] if all(ends) else []
    return out


def remaining_for_index(failed: Obj | None, now: float) -> float:
    """Seconds before an index gets its next pod; `failed` is the one to replace."""
    if failed is None:
        return 0.0
    return _remaining(absolute_failures(failed) + 1, finished_at(failed), now)
