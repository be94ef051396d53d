"""Back-off per key with a memory of when it last grew: crash loops and image pulls (client-go util/flowcontrol Backoff). Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Entry:
    delay: float
    updated: float


class Backoffs:
    """Delays that double from `base` to `limit` seconds, and are forgotten after twice the limit without use."""

    def __init__(self, base: float, limit: float) -> None:
        self._base, self._limit = base, limit
        self._entries: dict[str, _Entry] = {}

    def delay(self, key: str) -> float:
        """The present delay; 0 when there is none."""
        entry = self._entries.get(key)
        return entry.delay if entry else 0.0

    def until(self, key: str, since: float) -> float:
        """When the back-off that began at `since` ends (0: there is none, or it was long ago)."""
        entry = self._entries.get(key)
        if entry is None or since - entry.updated > 2 * self._limit:
            return 0.0
        return since + entry.delay

    def grow(self, key: str, now: float) -> None:
        """One more failure."""
        entry = self._entries.get(key)
        if entry is None or now - entry.updated > 2 * self._limit:
            self._entries[key] = _Entry(self._base, now)
        else:
            entry.delay, entry.updated = min(entry.delay * 2, self._limit), now

    def updated(self, key: str) -> float:
        """When it last grew; 0 for never."""
        entry = self._entries.get(key)
        return entry.updated if entry else 0.0
