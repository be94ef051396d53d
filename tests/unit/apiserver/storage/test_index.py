"""The index of one prefix, against a plain model of it."""

from __future__ import annotations

import random

from apiserver.storage.entry import Entry
from apiserver.storage.index import PrefixIndex

PREFIX = "/registry/pods/"


def entry(namespace: str, name: str, revision: int, raw: bytes = b"{}") -> Entry:
    return Entry(f"{PREFIX}{namespace}/{name}", revision, raw, namespace, name)


def test_random_changes_keep_lists_pages_and_indexes_right() -> None:
    rng = random.Random(7)
    index = PrefixIndex(PREFIX)
    index.add_index("digit", lambda e: e.raw.decode())
    model: dict[str, Entry] = {}
    for revision in range(1, 1500):
        namespace, name = rng.choice(["a", "a-b", "a.b", "b", "ä"]), f"n{rng.randrange(25)}"
        key = f"{PREFIX}{namespace}/{name}"
        new = None if rng.random() < 0.35 else entry(namespace, name, revision, b"%d" % rng.randrange(4))
        before, values = index.apply(key, namespace, new, revision)
        assert before is model.get(key)
        assert values["digit"] == (before.raw.decode() if before else None, new.raw.decode() if new else None)
        if new is None:
            model.pop(key, None)
        else:
            model[key] = new
        everything = [model[k] for k in sorted(model)]
        probe = rng.choice(["a", "b", None])
        wanted = [e for e in everything if probe is None or e.namespace == probe]
        assert list(index.list(probe)) == wanted
        after, limit = f"{PREFIX}{probe or 'a'}/n{rng.randrange(25)}", rng.randrange(0, 6)
        rest = [e for e in wanted if e.key > after]
        page, remaining = index.page(probe, after, limit)
        assert list(page) == (rest[:limit] if limit else rest)
        assert remaining == len(rest) - len(page)
        assert list(index.by_index("digit", "2")) == [e for e in everything if e.raw == b"2"]
        assert index.generation == revision


def test_lists_are_shared_until_a_change_in_their_namespace() -> None:
    index = PrefixIndex(PREFIX)
    for number, namespace in enumerate(["a", "b"]):
        index.apply(f"{PREFIX}{namespace}/x", namespace, entry(namespace, "x", number), number)
    one, other, both = index.list("a"), index.list("b"), index.list(None)
    assert index.list("a") is one
    index.apply(f"{PREFIX}a/y", "a", entry("a", "y", 3), 3)
    assert index.list("b") is other
    assert index.list("a") is not one and len(one) == 1
    assert index.list(None) is not both and len(both) == 2


def test_joined_is_remembered_until_a_change_and_counted() -> None:
    index = PrefixIndex(PREFIX)
    index.apply(f"{PREFIX}a/x", "a", entry("a", "x", 1, b"1"), 1)
    index.apply(f"{PREFIX}b/x", "b", entry("b", "x", 2, b"2"), 2)
    rendered: list[Entry] = []

    def render(e: Entry) -> bytes:
        rendered.append(e)
        return e.raw

    assert index.joined(None, "v", render) == b"1,2"
    assert index.joined(None, "v", render) == b"1,2"
    assert index.joined("b", "v", render) == b"2"
    assert (len(rendered), index.joined_bytes) == (3, 4)
    index.apply(f"{PREFIX}a/x", "a", entry("a", "x", 3, b"3"), 3)
    assert index.joined("b", "v", render) == b"2"
    assert len(rendered) == 3
    assert index.joined(None, "v", render) == b"3,2"
    assert index.joined(None, "w", lambda e: b"-" + e.raw) == b"-3,-2"
    assert index.joined("none", "v", render) == b""
    index.drop_joined()
    assert index.joined_bytes == 0


def test_load_replaces_everything() -> None:
    index = PrefixIndex(PREFIX)
    index.add_index("raw", lambda e: e.raw.decode())
    index.apply(f"{PREFIX}a/x", "a", entry("a", "x", 1, b"1"), 1)
    assert index.joined(None, "v", lambda e: e.raw) == b"1"
    index.load([entry("b", "y", 5, b"5"), entry("b", "z", 4, b"4")], 7)
    assert [e.name for e in index.list(None)] == ["y", "z"]
    assert index.joined(None, "v", lambda e: e.raw) == b"5,4"
    assert (index.by_index("raw", "1"), [e.name for e in index.by_index("raw", "5")], index.generation) == ((), ["y"], 7)
