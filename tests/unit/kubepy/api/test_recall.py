"""What is remembered, and for how long."""

from __future__ import annotations

from kubepy.api.recall import Recall


def test_the_oldest_findings_go_when_there_are_too_many() -> None:
    memory: Recall[bytes, int] = Recall(limit=10, longest=6)
    for number, key in enumerate((b"a", b"b", b"c")):
        memory.keep(key, number, 4)
    assert [memory.find(k) for k in (b"a", b"b", b"c")] == [None, 1, 2]


def test_what_is_too_large_is_not_kept() -> None:
    memory: Recall[bytes, int] = Recall(limit=10, longest=6)
    memory.keep(b"a", 1, 7)
    assert memory.find(b"a") is None


def test_a_finding_is_counted_once() -> None:
    memory: Recall[bytes, int] = Recall(limit=10)
    for _ in range(5):
        memory.keep(b"a", 1, 6)
    memory.keep(b"b", 2, 4)
    assert (memory.find(b"a"), memory.find(b"b")) == (1, 2)
