"""ObjectMeta: what the server sets and what it refuses."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apiserver.context import SYSTEM_USER, Context, RequestInfo
from apiserver.registry import objectmeta
from kubepy.api import names
from kubepy.api.errors import BadRequest


def test_uids_are_version_4() -> None:
    uids = {objectmeta.new_uid() for _ in range(100)}
    assert len(uids) == 100
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", u) for u in uids)


def test_names_are_generated_once() -> None:
    meta: dict[str, Any] = {"generateName": "x-"}
    objectmeta.fill_system_fields(meta)
    assert re.fullmatch(r"x-[a-z0-9]{5}", meta["name"])


@pytest.mark.parametrize(("given", "request_", "result"), [("", "ns", "ns"), ("ns", "ns", "ns"), ("other", "", None)])
def test_namespace_of_the_request_wins(given: str, request_: str, result: str | None) -> None:
    obj: dict[str, Any] = {"metadata": {"namespace": given} if given else {}}
    objectmeta.match_namespace(obj, request_)
    assert obj["metadata"].get("namespace") == result
    with pytest.raises(BadRequest):
        objectmeta.match_namespace({"metadata": {"namespace": "a"}}, "b")


def errors_of(meta: dict[str, Any], namespaced: bool = True) -> list[str]:
    return [str(e) for e in objectmeta.validate_create(meta, namespaced, names.name_is_subdomain)]


def test_create() -> None:
    assert errors_of({"name": "a", "namespace": "b"}) == []
    assert errors_of({"namespace": "b"}) == ["metadata.name: Required value: name or generateName is required"]
    assert errors_of({"name": "a", "namespace": "b"}, False) == ["metadata.namespace: Forbidden: not allowed on this type"]
    both = {"name": "a", "namespace": "b", "finalizers": ["orphan", "foregroundDeletion"]}
    assert errors_of(both) == [
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set'
    ]
    owner = {"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}
    assert "is disallowed from being an owner" in errors_of({"name": "a", "namespace": "b", "ownerReferences": [owner]})[0]
    assert errors_of({"name": "a", "namespace": "b", "ownerReferences": [{"apiVersion": "a/b/c", "kind": "K", "name": "n"}]}) == [
        'metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty',
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ]


def test_update() -> None:
    old = {"name": "a", "uid": "1", "resourceVersion": "5", "creationTimestamp": "t", "deletionTimestamp": "t", "finalizers": ["x/y"]}
    assert objectmeta.validate_update(old, old) == []
    new = {**old, "uid": "2", "finalizers": ["x/y", "x/z"]}
    assert [str(e) for e in objectmeta.validate_update(new, old)] == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"x/z"}',
        'metadata.uid: Invalid value: "2": field is immutable',
    ]


def test_repeated_owners_are_dropped_with_a_warning() -> None:
    ctx = Context(SYSTEM_USER, RequestInfo(True, "", "create"))
    ref = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    meta: dict[str, Any] = {"ownerReferences": [ref, dict(ref), {**ref, "name": "q"}]}
    objectmeta.dedup_owner_references(ctx, meta, after_admission=False)
    assert [r["name"] for r in meta["ownerReferences"]] == ["p", "q"]
    assert ctx.warnings[0].endswith("duplicate UID(s) observed: u")


@pytest.mark.parametrize(("manager", "found"), [("kubectl", 0), ("a" * 129, 1), ("a\nb", 1), ("ü", 0)])
def test_field_managers(manager: str, found: int) -> None:
    assert len(objectmeta.field_manager_errors("fieldManager", manager)) == found


def test_owners() -> None:
    meta = {"name": "a", "namespace": "b", "ownerReferences": [{"apiVersion": "apps/", "kind": "", "name": "n", "uid": "u"}]}
    assert [str(e) for e in objectmeta.validate_create(meta, True, names.name_is_subdomain)] == [
        'metadata.ownerReferences.apiVersion: Invalid value: "apps/": version must not be empty',
        'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
    ]
