"""What a controller has done and not yet seen: it waits for its own writes before it acts on a cache again.

controller_utils.go ControllerExpectations and UIDTrackingControllerExpectations; keys are owners' `namespace/name`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kubepy.runtime.clock import Clock

TIMEOUT = 300.0
"""Seconds after which unmet expectations no longer hold a controller back."""


@dataclass(slots=True)
class _Expected:
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)


class Expectations:
    """Expected creations (a number) and deletions (object keys) per owner."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[str, _Expected] = {}

    def satisfied(self, owner: str) -> bool:
        """Whether everything expected was seen, or it has taken too long, or nothing was ever expected."""
        expected = self._of.get(owner)
        if expected is None or (expected.creations <= 0 and not expected.deletions):
            return True
        return self._clock.monotonic() - expected.since > TIMEOUT

    def expect(self, owner: str, creations: int = 0, deletions: Iterable[str] = ()) -> None:
        """Begin to wait for creations and deletions; what was expected before is forgotten."""
        self._of[owner] = _Expected(self._clock.monotonic(), creations, set(deletions))

    def created(self, owner: str, count: int = 1) -> None:
        """A creation was seen, or will not come."""
        if (expected := self._of.get(owner)) is not None:
            expected.creations -= count

    def deleted(self, owner: str, key: str) -> None:
        """A deletion was seen, or will not come."""
        if (expected := self._of.get(owner)) is not None:
            expected.deletions.discard(key)

    def forget(self, owner: str) -> None:
        """The owner is gone."""
        self._of.pop(owner, None)
