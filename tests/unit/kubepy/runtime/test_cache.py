"""Indexes follow additions, changes and removals."""

from typing import Any

import pytest

from kubepy.runtime.cache import Cache, key_of, split_key


def pod(name: str, node: str, namespace: str = "ns") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"nodeName": node}}


def by_node(obj: dict[str, Any]) -> tuple[str, ...]:
    return (obj["spec"]["nodeName"],)


def names(objects: list[dict[str, Any]]) -> list[str]:
    return sorted(o["metadata"]["name"] for o in objects)


def test_indexes_follow() -> None:
    cache = Cache()
    cache.put("ns/a", pod("a", "n1"))
    cache.add_index("node", by_node)
    cache.put("ns/b", pod("b", "n1"))
    cache.put("other/c", pod("c", "n2", "other"))
    assert names(cache.by_index("node", "n1")) == ["a", "b"]
    assert names(cache.list("ns")) == ["a", "b"]
    cache.put("ns/a", pod("a", "n2"))
    assert names(cache.by_index("node", "n1")) == ["b"]
    assert names(cache.by_index("node", "n2")) == ["a", "c"]
    cache.pop("ns/b")
    assert list(cache.index_values("node")) == ["n2"]
    assert cache.by_index("node", "n1") == []


def test_the_same_index_twice_is_harmless_and_another_is_not() -> None:
    cache = Cache()
    cache.add_index("node", by_node)
    cache.add_index("node", by_node)
    with pytest.raises(ValueError, match="node"):
        cache.add_index("node", lambda obj: ())


def test_keys() -> None:
    assert key_of(pod("a", "n")) == "ns/a"
    assert key_of({"metadata": {"name": "node"}}) == "node"
    assert (split_key("ns/a"), split_key("node")) == (("ns", "a"), ("", "node"))
