"""A backoff per key that grows with each use: 1 s, doubled, at most 15 min, forgotten when unused for twice that."""

from __future__ import annotations

from kubepy.runtime.clock import Clock

BASE, LIMIT = 1.0, 900.0


class PodBackoff:
    """How long to wait before a failed pod is replaced again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: dict[str, tuple[float, float]] = {}
        """key → (time of the next attempt, the delay after it)."""

    def delay(self, key: str) -> float:
        """Seconds to wait; 0 counts as an attempt, and the next one waits longer."""
        now = self._clock.monotonic()
        at, delay = self._next.get(key, (now, BASE))
        if now < at:
            return at - now
        if now - at > 2 * LIMIT:
            delay = BASE
        self._next[key] = (now + delay, min(delay * 2, LIMIT))
        if len(self._next) > 4096:
            self._next = {k: v for k, v in self._next.items() if now - v[0] <= 2 * LIMIT}
        return 0.0
