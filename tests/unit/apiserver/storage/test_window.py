"""The window of recent changes: what it keeps, and up to where it is complete."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from apiserver.storage import window as window_module
from apiserver.storage.entry import Entry
from apiserver.storage.events import CacheEvent, EventType
from apiserver.storage.window import Window


def event(revision: int, size: int = 2) -> CacheEvent:
    return CacheEvent(EventType.ADDED, Entry(f"k{revision}", revision, b"x" * size, "", "k"), None, revision)


def kept(window: Window) -> list[int]:
    return [e.revision for e in window.since(window.floor)]


class Timed:
    """A window whose clock stands still unless told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0
        self.window = Window(0, lambda: self.now)

    def append(self, revisions: Iterable[int], every: float = 0.0) -> Window:
        for revision in revisions:
            self.now += every
            self.window.append(event(revision))
        return self.window


def test_since() -> None:
    window = Window(10)
    for revision in (11, 13, 13, 17):
        window.append(event(revision))
    assert [e.revision for e in window.since(10)] == [11, 13, 13, 17]
    assert [e.revision for e in window.since(12)] == [13, 13, 17]
    assert [e.revision for e in window.since(13)] == [17]
    assert window.since(17) == [] == window.since(99)
    assert window.floor == 10


def test_bounded_by_count_and_the_floor_rises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MIN_EVENTS", 5)
    monkeypatch.setattr(window_module, "MAX_EVENTS", 5)
    window = Timed().append(range(2, 40, 2))
    assert window.floor == 29, "complete above the revision before the first one kept"
    assert kept(window) == [30, 32, 34, 36, 38]


def test_events_of_one_revision_leave_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MIN_EVENTS", 4)
    monkeypatch.setattr(window_module, "MAX_EVENTS", 4)
    window = Timed().append((1, 2, 2, 2, 3, 4))
    assert window.floor == 2
    assert kept(window) == [3, 4]


def test_more_events_in_one_revision_than_are_kept_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MIN_EVENTS", 4)
    monkeypatch.setattr(window_module, "MAX_EVENTS", 4)
    window = Timed().append([7] * 5)
    assert window.floor == 7
    assert kept(window) == []
    window.append(event(8))
    assert kept(window) == [8]


def test_what_is_fresh_is_kept() -> None:
    timed = Timed()
    window = timed.append(range(1, 151))
    assert window.floor == 0 and len(kept(window)) == 150
    timed.append(range(151, 201))
    timed.now += window_module.FRESH
    timed.append([201])
    assert len(kept(window)) == 200, "full, and what was there first is no longer fresh"
    timed.now += window_module.FRESH + 1
    timed.append([202])
    assert len(kept(window)) == 100 == 202 - window.floor, "little happens: as few as at first"


def test_a_slow_stream_of_events_keeps_as_few_as_at_first() -> None:
    window = Timed().append(range(1, 300), every=1.0)
    assert window.floor == 199 and len(kept(window)) == 100


def test_bounded_by_bytes_but_never_below_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MAX_BYTES", 10_000)
    monkeypatch.setattr(window_module, "MIN_EVENTS", 3)
    window = Window(0)
    for revision in range(1, 50):
        window.append(event(revision, size=600))
    assert len(kept(window)) == 10
    for revision in range(50, 60):
        window.append(event(revision, size=9_000))
    assert kept(window) == [57, 58, 59]
