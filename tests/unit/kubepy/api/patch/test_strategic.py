from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from kubepy.api.patch.errors import PatchError
from kubepy.api.patch.strategic import apply_strategic_patch
from tests.support.nodes import POD

LIVE: dict[str, Any] = {
    "metadata": {"name": "p", "finalizers": ["a", "b"], "labels": {"x": "y"}},
    "spec": {
        "containers": [{"name": "one", "image": "i", "args": ["p"]}, {"name": "two", "image": "j"}],
        "tolerations": [{"key": "k"}],
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
    },
}


def patched(patch: Any) -> Any:
    before, sent = deepcopy(LIVE), deepcopy(patch)
    out = apply_strategic_patch(LIVE, patch, POD)
    assert (before, sent) == (LIVE, patch)
    return out


def names(out: Any) -> list[str]:
    return [c["name"] for c in out["spec"]["containers"]]


def test_lists_merge_by_key_and_new_items_come_first() -> None:
    out = patched({"spec": {"containers": [{"name": "three", "image": "k"}, {"name": "two", "image": "z"}]}})
    assert names(out) == ["one", "three", "two"] or names(out) == ["three", "one", "two"]
    assert out["spec"]["containers"][-1] == {"name": "two", "image": "z"}


def test_delete_and_replace_elements() -> None:
    assert names(patched({"spec": {"containers": [{"name": "one", "$patch": "delete"}]}})) == ["two"]
    out = patched({"spec": {"containers": [{"$patch": "replace"}, {"name": "new", "image": "n"}]}})
    assert out["spec"]["containers"] == [{"name": "new", "image": "n"}]
    assert patched({"spec": {"$patch": "delete"}})["spec"] == {}
    assert patched({"metadata": {"$patch": "replace", "name": "q"}})["metadata"] == {"name": "q"}


def test_atomic_lists_are_replaced_and_primitive_lists_united() -> None:
    out = patched({"metadata": {"finalizers": ["c", "a"]}, "spec": {"tolerations": [{"key": "z"}]}})
    assert sorted(out["metadata"]["finalizers"]) == ["a", "b", "c"]
    assert out["spec"]["tolerations"] == [{"key": "z"}]
    assert patched({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})["metadata"]["finalizers"] == ["b"]


def test_element_order() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "two"}, {"name": "one"}]}}
    assert names(patched(patch)) == ["two", "one"]
    patch["spec"]["containers"] = [{"name": "three", "image": "k"}]
    patch["spec"]["$setElementOrder/containers"] = [{"name": "three"}, {"name": "one"}]
    assert names(patched(patch)) in (["three", "one", "two"], ["three", "two", "one"])
    with pytest.raises(PatchError, match="The order in patch list"):
        patched({"spec": {"$setElementOrder/containers": [{"name": "one"}], "containers": [{"name": "zzz"}]}})


def test_retain_keys() -> None:
    out = patched({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})
    assert out["spec"]["strategy"] == {"type": "Recreate"}
    with pytest.raises(PatchError, match="invalid patch format of retainKeys") as e:
        patched({"spec": {"strategy": {"$retainKeys": ["type"], "other": 1}}})
    assert e.value.status_code == 400


def test_nulls_remove_and_unknown_nulls_vanish() -> None:
    out = patched({"metadata": {"labels": {"x": None, "n": "m"}, "annotations": {"a": None, "b": "c"}}, "status": None})
    assert out["metadata"]["labels"] == {"n": "m"}
    assert out["metadata"]["annotations"] == {"b": "c"}
    assert "status" not in out


@pytest.mark.parametrize(
    ("patch", "text", "code"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, "map: map[image:x] does not contain declared merge key: name", 500),
        ({"spec": {"containers": [{"$patch": "zap", "name": "a"}]}}, "unknown patch type: zap in map: map[$patch:zap name:a]", 500),
        ({"$patch": "zap"}, "unknown patch type: zap in map: map[$patch:zap]", 500),
        ({"metadata": {"finalizers": [1]}}, "list element types are not identical: [[a b] [1]]", 500),
        ([], "json: cannot unmarshal array into Go value of type map[string]interface {}", 400),
    ],
)
def test_errors(patch: Any, text: str, code: int) -> None:
    with pytest.raises(PatchError) as e:
        patched(patch)
    assert (e.value.detail, e.value.status_code) == (text, code)
