"""The recent changes of one prefix, from which a watch resumes. Bounded by age, count and bytes.

Upstream: apiserver pkg/storage/cacher/watch_cache.go. A client can tell how much is kept: an older resourceVersion is Expired.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from apiserver.storage.events import CacheEvent

FRESH = 75.0
"""Seconds that events are kept at least; beyond that there may be more, or `MAX_BYTES` less."""
MIN_EVENTS = 100
"""Kept whatever their age and weight."""
MAX_EVENTS = 16384
MAX_BYTES = 12 << 20


class Window:
    """A ring of events in revision order. It is complete for revisions above `floor`.

    Its capacity doubles when it is full of fresh events, and halves when a quarter of it holds all that is fresh.
    """

    __slots__ = ("_bytes", "_capacity", "_events", "_now", "_times", "floor")

    def __init__(self, floor: int, now: Callable[[], float] = time.monotonic) -> None:
        self.floor = floor
        self._now = now
        self._bytes = 0
        self._capacity = MIN_EVENTS
        self._events: deque[CacheEvent] = deque()
        self._times: deque[float] = deque()

    def append(self, event: CacheEvent) -> None:
        """Add the newest event, drop the oldest where there are too many."""
        events = self._events
        now = self._now()
        if len(events) >= self._capacity:
            self._resize(now)
        events.append(event)
        self._times.append(now)
        self._bytes += _weight(event)
        last = 0
        while len(events) > self._capacity or (self._bytes > MAX_BYTES and len(events) > MIN_EVENTS):
            last = self._drop()
        if last:
            # Events of one revision go together: a watch cannot resume in the middle of a revision.
            while events and events[0].revision == last:
                self._drop()
            self.floor = events[0].revision - 1 if events else last

    def since(self, revision: int) -> Sequence[CacheEvent]:
        """The events after `revision`, which must not be below `floor`."""
        found: list[CacheEvent] = []
        for event in reversed(self._events):
            if event.revision <= revision:
                break
            found.append(event)
        found.reverse()
        return found

    def _resize(self, now: float) -> None:
        if now - self._times[0] < FRESH:
            self._capacity = min(self._capacity * 2, MAX_EVENTS)
        elif now - self._times[-(self._capacity // 4)] > FRESH:
            self._capacity = max(self._capacity // 2, MIN_EVENTS)

    def _drop(self) -> int:
        event = self._events.popleft()
        self._times.popleft()
        self._bytes -= _weight(event)
        return event.revision


def _weight(event: CacheEvent) -> int:
    assert event.entry is not None
    return len(event.entry.raw) + 400
