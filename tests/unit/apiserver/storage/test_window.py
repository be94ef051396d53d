"""The window of recent changes: what it keeps, and up to where it is complete."""

from __future__ import annotations

import pytest

from apiserver.storage import window as window_module
from apiserver.storage.entry import Entry
from apiserver.storage.events import CacheEvent, EventType
from apiserver.storage.window import Window


def event(revision: int, size: int = 2) -> CacheEvent:
    return CacheEvent(EventType.ADDED, Entry(f"k{revision}", revision, b"x" * size, "", "k"), None, revision)


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
    monkeypatch.setattr(window_module, "MAX_EVENTS", 5)
    window = Window(0)
    for revision in range(1, 20):
        window.append(event(revision))
    assert window.floor == 14
    assert [e.revision for e in window.since(14)] == [15, 16, 17, 18, 19]


def test_events_of_one_revision_leave_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MAX_EVENTS", 4)
    window = Window(0)
    for revision in (1, 2, 2, 2, 3):
        window.append(event(revision))
    window.append(event(4))
    assert window.floor == 2
    assert [e.revision for e in window.since(2)] == [3, 4]


def test_bounded_by_bytes_but_never_below_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MAX_BYTES", 10_000)
    monkeypatch.setattr(window_module, "MIN_EVENTS", 3)
    window = Window(0)
    for revision in range(1, 50):
        window.append(event(revision, size=600))
    assert len(window.since(window.floor)) == 10
    for revision in range(50, 60):
        window.append(event(revision, size=9_000))
    assert [e.revision for e in window.since(window.floor)] == [57, 58, 59]
