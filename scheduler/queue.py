"""Pods waiting to be scheduled: ready ones by priority and age, others until their back-off or a change that may help them.

Invariants: a pod is in exactly one of `_active`, `_waiting` (back-off), `_parked`, `_gated`, or being tried (`_in_flight`).
Changes that arrive while a pod is being tried are kept, so that it is not parked on stale knowledge. When nothing is ready, a
pod whose back-off has not ended is tried all the same, unless an error put it there (upstream's SchedulerPopFromBackoffQ).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kubepy.runtime.clock import Clock
from scheduler.framework.changes import Change
from scheduler.framework.podinfo import Obj, PodInfo

INITIAL_BACKOFF = 1.0
MAX_BACKOFF = 10.0
FLUSH_AFTER = 300.0
"""Parked pods are tried again after five minutes even if nothing seems to concern them (upstream's safety net)."""

Concerns = Callable[[PodInfo, frozenset[str], Change], bool]
"""(pod, the plugins that refused it, change) → whether the change may help."""


@dataclass(slots=True)
class Queued:
    """A pod with its history in the queue; times in seconds of the clock."""

    pod: PodInfo
    added: float
    attempts: int = 0
    errors: int = 0
    parked_at: float = 0.0
    rejected_by: frozenset[str] = field(default_factory=frozenset)


class SchedulingQueue:
    """All unscheduled pods of this scheduler."""

    def __init__(
        self, clock: Clock, concerns: Concerns, *, initial: float = INITIAL_BACKOFF, most: float = MAX_BACKOFF,
        flush_after: float = FLUSH_AFTER,
    ) -> None:  # fmt: skip
        self._clock, self._concerns, self._initial, self._most, self._flush_after = clock, concerns, initial, most, flush_after
        self._active: list[tuple[int, float, int, str]] = []
        self._backoff: list[tuple[float, int, str]] = []
        self._parked: dict[str, Queued] = {}
        self._known: dict[str, Queued] = {}
        self._gated: set[str] = set()
        self._waiting: dict[str, float] = {}
        """Pods in back-off, by when it ends; what the heaps hold beside is stale."""
        self._ready: set[str] = set()
        self._in_flight: dict[str, list[Change]] = {}
        self._count = itertools.count()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def busy(self) -> bool:
        """Whether a pod is ready to be tried."""
        return bool(self._ready)

    def counts(self) -> dict[str, int]:
        """How many pods are in which part (upstream's pending_pods metric)."""
        return {
            "active": len(self._ready), "backoff": len(self._waiting), "unschedulable": len(self._parked), "gated": len(self._gated),
        }  # fmt: skip

    def __contains__(self, uid: str) -> bool:
        return uid in self._known

    def pods(self) -> Iterator[PodInfo]:
        """All pods, whatever they wait for."""
        return (q.pod for q in self._known.values())

    def add(self, pod: PodInfo, *, gated: bool = False) -> None:
        """A new pod, ready at once unless gated; a known one is updated."""
        if pod.uid in self._known:
            self.update(pod, gated=gated)
            return
        self._known[pod.uid] = Queued(pod, self._clock.monotonic())
        if gated:
            self._gated.add(pod.uid)
        else:
            self._activate(pod.uid)

    def update(self, pod: PodInfo, *, gated: bool = False, helps: bool = True) -> None:
        """A changed pod; a parked one is tried again if its change `helps`."""
        queued = self._known.get(pod.uid)
        if queued is None:
            self.add(pod, gated=gated)
            return
        queued.pod = pod
        if pod.uid in self._gated:
            if not gated:
                self._gated.discard(pod.uid)
                self._activate(pod.uid)
        elif helps and pod.uid in self._parked:
            self._release(pod.uid)
        elif helps and pod.uid in self._in_flight:
            self._in_flight[pod.uid].append(Change(("Self",)))

    def refresh(self, uid: str, obj: Obj) -> PodInfo | None:
        """Take over a pod's new state when it asks for the same as before; the pod, or None when it is not here."""
        queued = self._known.get(uid)
        if queued is None:
            return None
        queued.pod.obj = obj
        return queued.pod

    def remove(self, uid: str) -> None:
        """A pod that was deleted or bound."""
        for part in (self._known, self._parked, self._waiting, self._in_flight):
            part.pop(uid, None)
        self._ready.discard(uid)
        self._gated.discard(uid)

    def move(self, change: Change) -> None:
        """Something changed in the cluster: try again the parked pods it may concern."""
        if self._parked:
            for uid in [uid for uid, q in self._parked.items() if self._concerns(q.pod, q.rejected_by, change)]:
                self._release(uid)
        for missed in self._in_flight.values():
            missed.append(change)

    def activate(self, uid: str) -> None:
        """Try a pod at once, whatever it waits for (what it waited for will not tell)."""
        if uid in self._parked:
            del self._parked[uid]
            self._activate(uid)

    def park(self, uid: str, rejected_by: frozenset[str]) -> None:
        """The pod could not be scheduled; it waits for a change, or for its back-off when one came meanwhile."""
        queued = self._known.get(uid)
        missed = self._in_flight.pop(uid, [])
        if queued is None:
            return
        queued.rejected_by, queued.errors = rejected_by, 0
        queued.parked_at = self._clock.monotonic()
        if any(c.kinds == ("Self",) or self._concerns(queued.pod, rejected_by, c) for c in missed):
            self._back_off(queued)
        else:
            self._parked[uid] = queued

    def retry(self, uid: str) -> None:
        """The attempt failed for a reason that is not the pod's (a lost connection, say): again after its back-off."""
        queued = self._known.get(uid)
        self._in_flight.pop(uid, None)
        if queued is not None:
            queued.errors += 1
            queued.parked_at = self._clock.monotonic()
            self._back_off(queued)

    def done(self, uid: str) -> None:
        """The attempt ended with a node; until the pod is removed it only waits for its binding, and no change concerns it."""
        self._in_flight.pop(uid, None)

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
        self._end_backoffs(now)
        while self._active:
            uid = heapq.heappop(self._active)[3]
            if uid in self._ready:
                return self._take(uid)
        for _, _, uid in sorted(self._backoff):
            if uid in self._waiting and not self._known[uid].errors:
                del self._waiting[uid]
                return self._take(uid)
        for uid in [uid for uid, q in self._parked.items() if now - q.parked_at > self._flush_after]:
            self._release(uid)
            return self._next()
        return None

    def _take(self, uid: str) -> Queued:
        self._ready.discard(uid)
        queued = self._known[uid]
        queued.attempts += 1
        self._in_flight[uid] = []
        return queued

    def _end_backoffs(self, now: float) -> None:
        while self._backoff and self._backoff[0][0] <= now:
            ends, _, uid = heapq.heappop(self._backoff)
            if self._waiting.get(uid) == ends:
                del self._waiting[uid]
                self._activate(uid)

    def _until_next(self) -> float | None:
        now = self._clock.monotonic()
        ends = [self._backoff[0][0]] if self._backoff else []
        if self._parked:
            ends.append(min(q.parked_at for q in self._parked.values()) + self._flush_after)
        return max(0.0, min(ends) - now) + 0.001 if ends else None

    def _activate(self, uid: str) -> None:
        queued = self._known[uid]
        self._ready.add(uid)
        heapq.heappush(self._active, (-queued.pod.priority, queued.added, next(self._count), uid))
        self._wake.set()

    def _release(self, uid: str) -> None:
        self._back_off(self._parked.pop(uid))

    def _back_off(self, queued: Queued) -> None:
        count = queued.errors or queued.attempts
        delay = min(self._initial * 2 ** max(0, min(count, 30) - 1), self._most)
        ready = queued.parked_at + delay
        uid = queued.pod.uid
        if ready <= self._clock.monotonic():
            self._activate(uid)
            return
        self._waiting[uid] = ready
        heapq.heappush(self._backoff, (ready, next(self._count), uid))
        self._wake.set()
