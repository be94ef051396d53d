"""Pods waiting to be scheduled: ready ones by priority and age, others until their back-off or an event that may help them.

Invariants: a pod is in exactly one of `_active`, `_backoff`, `_parked`, or being tried (`_in_flight`). An event that arrives
while a pod is being tried is remembered, so that the pod is not parked on stale knowledge.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from kubepy.runtime.clock import Clock
from scheduler.framework.podinfo import PodInfo

INITIAL_BACKOFF = 1.0
MAX_BACKOFF = 10.0
FLUSH_AFTER = 300.0
"""Parked pods are tried again after five minutes even if nothing seems to concern them (upstream's safety net)."""


@dataclass(slots=True)
class Queued:
    """A pod with its history in the queue; times in seconds of the clock."""

    pod: PodInfo
    added: float
    attempts: int = 0
    parked_at: float = 0.0
    rejected_by: frozenset[str] = field(default_factory=frozenset)


class SchedulingQueue:
    """All unscheduled pods of this scheduler."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._active: list[tuple[int, float, int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        self._parked: dict[str, Queued] = {}
        self._known: dict[str, Queued] = {}
        self._waiting: set[str] = set()
        self._in_flight: dict[str, bool] = {}
        self._count = itertools.count()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, pod: PodInfo) -> None:
        """A new pod, ready at once."""
        if pod.uid in self._known:
            self.update(pod)
            return
        self._known[pod.uid] = Queued(pod, self._clock.monotonic())
        self._activate(pod.uid)

    def update(self, pod: PodInfo) -> None:
        """A changed pod; a parked one is tried again, for its change may be what it waited for."""
        queued = self._known.get(pod.uid)
        if queued is None:
            self.add(pod)
            return
        queued.pod = pod
        if pod.uid in self._parked:
            self._release(pod.uid)
        elif pod.uid in self._in_flight:
            self._in_flight[pod.uid] = True

    def remove(self, uid: str) -> None:
        """A pod that was deleted or bound."""
        self._known.pop(uid, None)
        self._parked.pop(uid, None)
        self._waiting.discard(uid)
        self._in_flight.pop(uid, None)

    def move(self, concerned: Callable[[Queued], bool]) -> None:
        """Something changed in the cluster: try again the parked pods it may concern."""
        for uid in [uid for uid, q in self._parked.items() if concerned(q)]:
            self._release(uid)
        for uid in self._in_flight:
            self._in_flight[uid] = True

    def park(self, uid: str, rejected_by: frozenset[str]) -> None:
        """The pod could not be scheduled; it waits for an event, or for its back-off when one came meanwhile."""
        queued = self._known.get(uid)
        missed = self._in_flight.pop(uid, False)
        if queued is None:
            return
        queued.rejected_by = rejected_by
        queued.parked_at = self._clock.monotonic()
        if missed:
            self._back_off(queued)
        else:
            self._parked[uid] = queued

    def retry(self, uid: str) -> None:
        """The attempt failed for a reason that is not the pod's (a lost connection, say): again after its back-off."""
        queued = self._known.get(uid)
        self._in_flight.pop(uid, None)
        if queued is not None:
            queued.parked_at = self._clock.monotonic()
            self._back_off(queued)

    async def pop(self) -> Queued:
        """The next pod to try; it stays known until removed, parked or retried."""
        while True:
            queued = self._next()
            if queued is not None:
                return queued
            self._wake.clear()
            timeout = self._until_next()
            waiter = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait([waiter], timeout=timeout)
            finally:
                waiter.cancel()

    def _next(self) -> Queued | None:
        now = self._clock.monotonic()
        while self._backoff and self._backoff[0][0] <= now:
            uid = heapq.heappop(self._backoff)[2]
            if uid in self._waiting:
                self._waiting.discard(uid)
                self._activate(uid)
        for uid in [uid for uid, q in self._parked.items() if now - q.parked_at > FLUSH_AFTER]:
            self._release(uid)
        while self._active:
            uid = heapq.heappop(self._active)[3]
            queued = self._known.get(uid)
            if queued is None or uid in self._in_flight or uid in self._parked or uid in self._waiting:
                continue
            queued.attempts += 1
            self._in_flight[uid] = False
            return queued
        return None

    def _until_next(self) -> float | None:
        now = self._clock.monotonic()
        ends = [self._backoff[0][0]] if self._backoff else []
        if self._parked:
            ends.append(min(q.parked_at for q in self._parked.values()) + FLUSH_AFTER)
        return max(0.0, min(ends) - now) + 0.001 if ends else None

    def _activate(self, uid: str) -> None:
        queued = self._known[uid]
        heapq.heappush(self._active, (-queued.pod.priority, queued.added, next(self._count), uid))
        self._wake.set()

    def _release(self, uid: str) -> None:
        self._back_off(self._parked.pop(uid))

    def _back_off(self, queued: Queued) -> None:
        delay = min(INITIAL_BACKOFF * 2 ** max(0, queued.attempts - 1), MAX_BACKOFF)
        ready = queued.parked_at + delay
        uid = queued.pod.uid
        if ready <= self._clock.monotonic():
            self._activate(uid)
            return
        self._waiting.add(uid)
        heapq.heappush(self._backoff, (ready, next(self._count), uid))
        self._wake.set()
