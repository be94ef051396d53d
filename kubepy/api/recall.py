"""What was found out about JSON texts that come again, in bounded memory. Pure; must not be used where the answer depends on anything else.

Objects made from one template differ in little but their names: whatever was computed for one of them holds for the others.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recall(Generic[K, V]):
    """Keeps findings until their sizes exceed `limit` bytes; the oldest go first. What is larger than `longest` bytes is not kept."""

    __slots__ = ("_found", "_held", "limit", "longest")

    def __init__(self, limit: int = 1 << 20, longest: int = 1 << 14) -> None:
        self.limit = limit
        self.longest = longest
        self._found: dict[K, tuple[V, int]] = {}
        self._held = 0

    def find(self, key: K) -> V | None:
        """What is known of `key`, None when nothing is."""
        known = self._found.get(key)
        return None if known is None else known[0]

    def keep(self, key: K, value: V, size: int) -> None:
        """Remember `value`; `size` is about what key and value take, in bytes."""
        if size > self.longest or key in self._found:
            return
        self._found[key] = (value, size)
        self._held += size
        while self._held > self.limit:
            oldest = next(iter(self._found))
            self._held -= self._found.pop(oldest)[1]
