"""Entries: bytes with a resourceVersion spliced in, and what is derived from them."""

from __future__ import annotations

import orjson
import pytest

from apiserver.storage import entry as entry_module
from apiserver.storage.entry import Entry, ParsedBudget, splice

VALUE = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","labels":{"app":"x","b":"c"}},"spec":{"x":[1]}}'


def make(value: bytes = VALUE, revision: int = 12) -> Entry:
    return Entry("/registry/pods/ns/a", revision, splice(value, revision), "ns", "a")


def test_splice_puts_the_version_into_metadata() -> None:
    parsed = orjson.loads(splice(VALUE, 12))
    assert parsed == {**orjson.loads(VALUE), "metadata": {"name": "a", "labels": {"app": "x", "b": "c"}, "resourceVersion": "12"}}


def test_splice_into_empty_metadata() -> None:
    assert orjson.loads(splice(b'{"kind":"A","apiVersion":"v1","metadata":{},"x":1}', 3))["metadata"] == {"resourceVersion": "3"}


def test_only_the_objects_own_metadata_is_touched() -> None:
    value = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"template":{"metadata":{"name":"b"}}}}'
    assert orjson.loads(splice(value, 3))["spec"] == {"template": {"metadata": {"name": "b"}}}


def test_a_value_without_metadata_stays() -> None:
    entry = make(b"plain")
    assert (entry.raw, entry.value, entry.item, entry.at(99).raw, dict(entry.labels)) == (b"plain", b"plain", b"plain", b"plain", {})


@pytest.mark.parametrize("value", [VALUE, b'{"kind":"A","apiVersion":"v1","metadata":{},"x":1}'])
def test_value_is_what_was_stored(value: bytes) -> None:
    assert make(value).value == value


def test_item_has_neither_kind_nor_version() -> None:
    item = orjson.loads(make().item)
    assert list(item) == ["metadata", "spec"]
    assert item["metadata"]["resourceVersion"] == "12"


def test_at_another_revision() -> None:
    moved = make(revision=999).at(1000)
    assert moved.revision == 1000
    assert orjson.loads(moved.raw) == orjson.loads(splice(VALUE, 1000))
    assert moved.value == VALUE


def test_labels() -> None:
    assert make().labels == {"app": "x", "b": "c"}
    assert make(b'{"kind":"A","apiVersion":"v1","metadata":{"name":"a"}}').labels == {}


def test_obj_is_shared_and_fresh_is_not() -> None:
    entry = make()
    assert entry.obj is entry.obj
    assert entry.fresh() == entry.obj
    assert entry.fresh() is not entry.obj
    entry.forget()
    assert entry.obj["metadata"]["resourceVersion"] == "12"


def test_parsed_objects_are_forgotten_beyond_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = make(), make(), make()
    monkeypatch.setattr(entry_module, "_BUDGET", ParsedBudget(limit=2 * len(first.raw)))
    kept = first.obj
    assert second.obj is second.obj
    assert first.obj is kept
    assert third.obj == kept
    assert first.obj is not kept
    assert first.obj == kept


def test_an_adopted_object_is_not_parsed_again_and_counts_as_one_that_is_held() -> None:
    entry, mine = make(), orjson.loads(make().raw)
    entry.adopt(mine)
    assert entry.obj is mine
    entry_module.forget_parsed()
    assert entry.obj is not mine
    assert entry.obj == mine


def test_the_first_object_stays_when_another_is_offered() -> None:
    entry = make()
    first = entry.obj
    entry.adopt(orjson.loads(entry.raw))
    assert entry.obj is first
