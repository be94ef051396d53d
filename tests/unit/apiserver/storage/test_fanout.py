"""Fan-out against the definition: what each watcher sees is what a filter of every change would show it."""

from __future__ import annotations

import random

import pytest

from apiserver.storage.entry import Entry
from apiserver.storage.events import Batch
from apiserver.storage.shard import Shard
from apiserver.storage.watcher import Filter, Watcher

PREFIX = "/registry/pods/"


def color(entry: Entry) -> str:
    return entry.raw.decode()


class Seen(Watcher):
    """Records instead of queueing."""

    __slots__ = ("batches",)

    def __init__(self) -> None:
        super().__init__(0)
        self.batches: list[Batch] = []

    def deliver(self, batch: Batch) -> None:
        self.batches.append(batch)

    def lines(self) -> list[tuple[str, str, str, int]]:
        return [(e.type, e.entry.key, e.entry.raw.decode(), e.revision) for b in self.batches for e in b if e.entry is not None]


FILTERS = [
    Filter(),
    Filter(namespace="a"),
    Filter(name="n1"),
    Filter(namespace="b", name="n2"),
    Filter(index=("color", "red")),
    Filter(namespace="a", index=("color", "blue")),
    Filter(selector="warm", matches=lambda e: e.raw in (b"red", b"yellow")),
    Filter(namespace="b", selector="warm", matches=lambda e: e.raw in (b"red", b"yellow")),
    Filter(namespace="a", name="n3", index=("color", "red"), selector="warm", matches=lambda e: e.raw in (b"red", b"yellow")),
]


def passes(filter: Filter, entry: Entry | None) -> bool:
    return entry is not None and (
        filter.namespace in (None, entry.namespace)
        and filter.name in (None, entry.name)
        and (filter.index is None or filter.index[1] == entry.raw.decode())
        and (filter.matches is None or filter.matches(entry))
    )


def test_every_filter_sees_exactly_its_changes() -> None:
    rng = random.Random(3)
    shard = Shard(PREFIX, 0)
    shard.index.add_index("color", color)
    watchers = {filter: Seen() for filter in FILTERS}
    for filter, watcher in watchers.items():
        shard.fanout.join(filter, watcher, shard.index)
    expected: dict[Filter, list[tuple[str, str, str, int]]] = {filter: [] for filter in FILTERS}
    model: dict[str, Entry] = {}
    for revision in range(1, 1200):
        namespace, name = rng.choice("ab"), f"n{rng.randrange(5)}"
        key = f"{PREFIX}{namespace}/{name}"
        old = model.pop(key, None)
        new = None
        if rng.random() < 0.7:
            new = model[key] = Entry(key, revision, rng.choice([b"red", b"blue", b"yellow"]), namespace, name)
        shard.apply(key, namespace, new, revision)
        for filter in FILTERS:
            before, after = passes(filter, old), passes(filter, new)
            if after:
                assert new is not None
                expected[filter].append(("MODIFIED" if before else "ADDED", key, new.raw.decode(), revision))
            elif before:
                assert old is not None
                expected[filter].append(("DELETED", key, old.raw.decode(), revision))
        if rng.random() < 0.3:
            shard.fanout.flush()
    shard.fanout.flush()
    for filter, watcher in watchers.items():
        assert watcher.lines() == expected[filter], filter
        assert len(expected[filter]) > 10


def test_equal_filters_share_batches_and_encodings() -> None:
    shard = Shard(PREFIX, 0)
    first, second, other = Seen(), Seen(), Seen()
    shard.fanout.join(Filter(namespace="a", selector="s", matches=lambda _: True), first, shard.index)
    shard.fanout.join(Filter(namespace="a", selector="s", matches=lambda _: True), second, shard.index)
    shard.fanout.join(Filter(namespace="a"), other, shard.index)
    shard.apply(f"{PREFIX}a/x", "a", Entry(f"{PREFIX}a/x", 1, b"{}", "a", "x"), 1)
    shard.fanout.flush()
    assert first.batches[0] is second.batches[0]
    assert first.batches[0].lines is second.batches[0].lines
    assert first.batches[0].lines == b'{"type":"ADDED","object":{}}\n'
    # Different groups still share the event, and with it what `encode` remembers.
    assert first.batches[0][0] is other.batches[0][0]
    assert first.batches[0][0].encode("t", lambda _: b"1") == other.batches[0][0].encode("t", lambda _: b"2") == b"1"


def test_a_deletion_carries_the_last_state_at_the_new_revision() -> None:
    shard = Shard(PREFIX, 0)
    watcher = Seen()
    shard.fanout.join(Filter(), watcher, shard.index)
    key = f"{PREFIX}a/x"
    raw = b'{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"1","name":"x"}}'
    shard.apply(key, "a", Entry(key, 1, raw, "a", "x"), 1)
    shard.apply(key, "a", None, 12)
    shard.apply(key, "a", None, 13)
    shard.fanout.flush()
    assert watcher.lines()[1:] == [("DELETED", key, raw.decode().replace('"1"', '"12"'), 12)]


def test_who_left_sees_nothing_and_leaves_no_trace() -> None:
    shard = Shard(PREFIX, 0)
    one, two = Seen(), Seen()
    group = shard.fanout.join(Filter(namespace="a"), one, shard.index)
    shard.fanout.join(Filter(namespace="a"), two, shard.index)
    shard.fanout.leave(group, one)
    shard.apply(f"{PREFIX}a/x", "a", Entry(f"{PREFIX}a/x", 1, b"{}", "a", "x"), 1)
    shard.fanout.flush()
    assert (len(one.batches), len(two.batches), shard.fanout.size) == (0, 1, 1)
    shard.fanout.leave(group, two)
    assert not shard.fanout and not shard.fanout.watchers()


def test_a_failing_selector_ends_its_own_watchers_only(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Entry) -> bool:
        raise ValueError("broken")

    shard = Shard(PREFIX, 0)
    broken, healthy = Watcher(0), Seen()
    group = shard.fanout.join(Filter(selector="broken", matches=fail), broken, shard.index)
    broken.on_close = lambda: shard.fanout.leave(group, broken)
    shard.fanout.join(Filter(), healthy, shard.index)
    for revision in (1, 2):
        shard.apply(f"{PREFIX}a/x", "a", Entry(f"{PREFIX}a/x", revision, b"{}", "a", "x"), revision)
    shard.fanout.flush()
    assert broken.closed
    assert [line[0] for line in healthy.lines()] == ["ADDED", "MODIFIED"]
    assert caplog.text.count("ValueError: broken") == 1
