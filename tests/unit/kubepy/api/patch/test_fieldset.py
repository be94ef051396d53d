from __future__ import annotations

import random

import pytest

from kubepy.api.patch import fieldset as fs
from kubepy.api.patch.shape import BadItem, shape_of
from tests.support.nodes import CONTAINER, PORT, STRING, keyed, node

PATHS = [("f:a",), ("f:a", "f:b"), ("f:a", "f:b", "f:c"), ("f:a", "f:d"), ("f:e", 'k:{"n":"x"}'), ("f:e", 'k:{"n":"x"}', "f:v"), ("f:g",)]


def members(fields: fs.FieldSet) -> set[tuple[str, ...]]:
    return set(fs.paths(fields))


@pytest.mark.parametrize("seed", range(60))
def test_operations_are_those_of_sets_of_paths(seed: int) -> None:
    rng = random.Random(seed)
    one = set(rng.sample(PATHS, rng.randrange(len(PATHS) + 1)))
    two = set(rng.sample(PATHS, rng.randrange(len(PATHS) + 1)))
    a, b = fs.of(*one), fs.of(*two)
    assert members(a) == one
    assert members(fs.union(a, b)) == one | two
    assert members(fs.intersection(a, b)) == one & two
    assert members(fs.difference(a, b)) == one - two
    below = {p for p in one if any(p[: len(q)] == q for q in two)}
    assert members(fs.recursive_difference(a, b)) == one - below
    assert fs.parse(a) == a
    assert (a, b) == (fs.of(*one), fs.of(*two)), "inputs stay as they were"


def test_serialised_form_is_fields_v1() -> None:
    assert fs.of(("f:a",), ("f:a", "f:b")) == {"f:a": {".": {}, "f:b": {}}}
    assert fs.parse({"f:a": {".": {}}, 'k:{ "b":1,"a":"<" }': {}, "x:what": {"f:z": {}}}) == {"f:a": {}, 'k:{"a":"\\u003c","b":1}': {}}
    for bad in ({"fa": {}}, {"k:{": {}}, {"i:x": {}}):
        with pytest.raises(fs.InvalidFields):
            fs.parse(bad)


def test_paths_print_like_upstream_members_before_children() -> None:
    fields = fs.of(("f:s", 'k:{"name":"x","port":80}', "f:i"), ("f:s", "f:z"), ("f:s", 'v:"q"'), ("f:s", "i:3"))
    assert [fs.path_text(p) for p in fs.paths(fields)] == [".s.z", '.s[="q"]', ".s[3]", '.s[name="x",port=80].i']


def test_elements_of_lists() -> None:
    ports = shape_of(keyed(PORT, "containerPort", "protocol"))
    assert ports.element({"containerPort": 80}) == 'k:{"containerPort":80,"protocol":"TCP"}'
    assert shape_of(node("list", items=STRING, list_type="set")).element(1) == "v:1"
    with pytest.raises(BadItem, match="omits all key fields"):
        shape_of(keyed(CONTAINER, "name")).element({"image": "x"})
