from __future__ import annotations

from typing import Any

import pytest

from kubepy.api.patch.errors import PatchError
from kubepy.api.patch.json import apply_json_patch, strict_errors
from kubepy.api.patch.merge import apply_merge_patch

DOC = {"data": {"a": "1", "b": "2", "c": "3"}, "list": ["x"], "labels": {"a/b": "c", "m~n": "o"}}


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ([], DOC),
        ([{"op": "test", "path": "/data/a", "value": "1"}, {"op": "replace", "path": "/data/a", "value": "9"}], {"data": {"a": "9"}}),
        ([{"op": "remove", "path": "/data/b"}], {"data": {"b": None}}),
        ([{"op": "copy", "from": "/data/a", "path": "/data/d"}], {"data": {"d": "1"}}),
        ([{"op": "move", "from": "/data/c", "path": "/data/e"}], {"data": {"c": None, "e": "3"}}),
        ([{"op": "add", "path": "/list/-", "value": "z"}, {"op": "add", "path": "/list/0", "value": "w"}], {"list": ["w", "x", "z"]}),
        ([{"op": "add", "path": "/list/-1", "value": "y"}], {"list": ["x", "y"]}),
        ([{"op": "replace", "path": "/labels/a~1b", "value": "new"}], {"labels": {"a/b": "new"}}),
        ([{"op": "remove", "path": "/labels/m~0n"}], {"labels": {"m~n": None}}),
        ([{"op": "replace", "path": "/data/nope", "value": "x"}], {"data": {"nope": "x"}}),
        ([{"op": "test", "path": "/data/nope", "value": None}], DOC),
    ],
)
def test_operations(ops: Any, expected: Any) -> None:
    assert apply_json_patch(DOC, ops) == apply_merge_patch(DOC, expected)


@pytest.mark.parametrize(
    "op",
    [
        {"op": "test", "path": "/data/a", "value": "other"},
        {"op": "test", "path": "/list", "value": [True]},
        {"op": "remove", "path": "/data/nope"},
        {"op": "add", "path": "/annotations/x", "value": "z"},
        {"op": "add", "path": "/list/9", "value": "z"},
        {"op": "add", "path": "/list/x", "value": "z"},
        {"op": "replace", "path": "", "value": 1},
        {"op": "frobnicate", "path": "/data/a"},
        {},
    ],
)
def test_what_does_not_apply_is_unprocessable(op: Any) -> None:
    with pytest.raises(PatchError) as e:
        apply_json_patch(DOC, [op])
    assert e.value.status_code == 422
    assert e.value.status()["message"] == "the server rejected our request due to an error in our request"
    assert e.value.status()["details"] == {}


def test_the_whole_document() -> None:
    assert apply_json_patch(DOC, [{"op": "test", "path": "", "value": DOC}, {"op": "replace", "path": "", "value": {"a": 1}}]) == {"a": 1}


def test_malformed_patches() -> None:
    with pytest.raises(PatchError, match=r"cannot unmarshal object into Go value of type .*jsonPatchOp") as e:
        apply_json_patch(DOC, {"data": 1})
    assert e.value.status_code == 400
    with pytest.raises(PatchError, match=r"number into Go struct field jsonPatchOp.path of type string"):
        apply_json_patch(DOC, [{"op": "add", "path": 1}])
    with pytest.raises(PatchError, match="maximum operations in a JSON patch is 10000, got 10001"):
        apply_json_patch(DOC, [{"op": "test", "path": "/data/a", "value": "1"}] * 10001)
    assert strict_errors([{"op": "add", "path": "/x", "foo": 1}]) == ['json patch unknown field "[0].foo"']


def test_copies_are_bounded() -> None:
    ops = [{"op": "copy", "from": "/a", "path": "/b"}] * 4
    with pytest.raises(PatchError) as e:
        apply_json_patch({"a": "x" * 1024 * 1024}, ops)
    assert "exceeding the limit" in e.value.detail


def test_merge_patch_is_rfc_7386_and_leaves_its_inputs_alone() -> None:
    doc = {"a": {"b": 1, "c": [1, 2]}, "d": 2}
    patch = {"a": {"b": None, "x": {"y": None, "z": 1}}, "d": {"e": None}, "f": None}
    assert apply_merge_patch(doc, patch) == {"a": {"c": [1, 2], "x": {"z": 1}}, "d": {}}
    assert doc == {"a": {"b": 1, "c": [1, 2]}, "d": 2}
    with pytest.raises(PatchError, match="cannot unmarshal array into Go value of type map"):
        apply_merge_patch(doc, [])


@pytest.mark.parametrize(
    ("op", "text"),
    [
        ({"op": "remove", "path": "/a/b"}, 'remove operation does not apply: doc is missing path: "/a/b": missing value'),
        ({"op": "remove", "path": "/x"}, "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value"),
        (
            {"op": "add", "path": "/l/9", "value": 1},
            "error in add for path: '/l/9': Unable to access invalid index: 9: invalid index referenced",
        ),
        ({"op": "replace", "path": "/x/y", "value": 1}, "replace operation does not apply: doc is missing path: /x/y: missing value"),
        ({"op": "replace", "path": "/l/9", "value": 1}, "replace operation does not apply: doc is missing key: /l/9: missing value"),
        ({"op": "move", "from": "/x/y", "path": "/z"}, "move operation does not apply: doc is missing from path: /x/y: missing value"),
        (
            {"op": "copy", "from": "/l", "path": "/x/y"},
            "copy operation does not apply: doc is missing destination path: /x/y: missing value",
        ),
        ({"op": "test", "path": "/l", "value": 1}, "testing value /l failed: test failed"),
        ({"op": "test", "path": "/x/y", "value": 1}, "test operation does not apply: is missing path: /x/y: missing value"),
        ({"op": "frob", "path": "/x"}, "Unexpected kind: frob"),
    ],
)
def test_what_does_not_apply_is_told_in_full_where_it_is_told(op: dict[str, Any], text: str) -> None:
    with pytest.raises(PatchError) as e:
        apply_json_patch({"l": [1, 2]}, [op])
    assert e.value.detail == text
