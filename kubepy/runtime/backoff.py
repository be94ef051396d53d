"""Growing delays: per item (workqueue), in a row (reflector), and a token bucket. No clock of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable

from kubepy.runtime.clock import Clock


class ItemBackoff:
    """base * 2^failures per item, at most `limit` seconds (client-go ItemExponentialFailureRateLimiter: 5 ms, 1000 s)."""

    def __init__(self, base: float = 0.005, limit: float = 1000.0) -> None:
        self._base, self._limit = base, limit
        self._failures: dict[Hashable, int] = {}

    def when(self, item: Hashable) -> float:
        """The delay of the next attempt in seconds; counts a failure."""
        failures = self._failures.get(item, 0)
        self._failures[item] = failures + 1
        return min(self._base * 2.0 ** min(failures, 60), self._limit)

    def failures(self, item: Hashable) -> int:
        """Failures counted since `forget`."""
        return self._failures.get(item, 0)

    def forget(self, item: Hashable) -> None:
        """The item succeeded."""
        self._failures.pop(item, None)


class TokenBucket:
    """`rate` tokens a second, at most `burst` saved."""

    def __init__(self, clock: Clock, rate: float, burst: int) -> None:
        self._clock, self._rate, self._burst = clock, rate, float(burst)
        self._tokens, self._last = float(burst), clock.monotonic()

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._last) * self._rate)
        self._last = now

    def try_take(self) -> bool:
        """Take a token if there is one."""
        self._refill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def take(self) -> float:
        """Take a token, in debt if need be; the seconds until it is really there."""
        self._refill()
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._rate)


class Backoff:
    """Delays in a row with jitter, reset after a quiet time (client-go reflector: 0.8 s doubling to 30 s, reset after 120 s)."""

    def __init__(
        self, clock: Clock, base: float = 0.8, limit: float = 30.0, jitter: float = 1.0, reset: float = 120.0,
        rand: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._clock, self._base, self._limit, self._jitter, self._reset, self._rand = clock, base, limit, jitter, reset, rand
        self._current, self._last = base, clock.monotonic()

    def next(self) -> float:
        """The seconds to wait before the next attempt."""
        now = self._clock.monotonic()
        if now - self._last > self._reset:
            self._current = self._base
        self._last = now
        delay = self._current
        self._current = min(self._current * 2, self._limit)
        return delay + delay * self._jitter * self._rand()
