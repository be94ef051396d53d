"""The recent changes of one prefix, from which a watch resumes. Bounded by count and by bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from apiserver.storage.events import CacheEvent

MAX_EVENTS = 16384
MAX_BYTES = 12 << 20
MIN_EVENTS = 128
"""Kept whatever they weigh."""


class Window:
    """A ring of events in revision order. It is complete for revisions above `floor`."""

    __slots__ = ("_bytes", "_events", "floor")

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self._bytes = 0
        self._events: deque[CacheEvent] = deque()

    def append(self, event: CacheEvent) -> None:
        """Add the newest event, drop the oldest where there are too many."""
        events = self._events
        events.append(event)
        self._bytes += _weight(event)
        while len(events) > MAX_EVENTS or (self._bytes > MAX_BYTES and len(events) > MIN_EVENTS):
            old = events.popleft()
            self._bytes -= _weight(old)
            self.floor = old.revision
        # Events of one revision go together: a watch cannot resume in the middle of a revision.
        while events and events[0].revision == self.floor:
            self._bytes -= _weight(events.popleft())

    def since(self, revision: int) -> Sequence[CacheEvent]:
        """The events after `revision`, which must not be below `floor`."""
        found: list[CacheEvent] = []
        for event in reversed(self._events):
            if event.revision <= revision:
                break
            found.append(event)
        found.reverse()
        return found


def _weight(event: CacheEvent) -> int:
    assert event.entry is not None
    return len(event.entry.raw) + 400
