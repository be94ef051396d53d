"""Decisions about pods' claims, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.resourceclaims import plan

Obj = dict[str, Any]
GIVEN, TEMPLATE = {"name": "a", "resourceClaimName": "given"}, {"name": "b", "resourceClaimTemplateName": "tmpl"}
ALLOCATED = {"allocation": {"devices": {}}}


def pod(*entries: Obj, made: dict[str, str | None] | None = None, node: str = "", phase: str = "Pending", deleting: bool = False) -> Obj:
    statuses = [{"name": k, **({"resourceClaimName": v} if v else {})} for k, v in (made or {}).items()]
    metadata = {"name": "p", "namespace": "ns", "uid": "u", **({"deletionTimestamp": "2024-01-01T00:00:00Z"} if deleting else {})}
    spec = {"resourceClaims": list(entries), **({"nodeName": node} if node else {})}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase, "resourceClaimStatuses": statuses}}


def claim(owner: str = "", finalizer: bool = False, deleting: bool = False, **status: Any) -> Obj:
    metadata: Obj = {"name": "c", "namespace": "ns"}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": owner, "controller": True}]
    if finalizer:
        metadata["finalizers"] = ["other", plan.FINALIZER]
    if deleting:
        metadata["deletionTimestamp"] = "2024-01-01T00:00:00Z"
    return {"metadata": metadata, "status": status}


def consumer(uid: str) -> Obj:
    return {"resource": "pods", "name": uid, "uid": uid}


@pytest.mark.parametrize(
    ("subject", "claims", "expected"),
    [
        (pod(), {}, False),
        (pod(GIVEN), {}, False),
        (pod(TEMPLATE), {}, True),
        (pod(TEMPLATE, deleting=True), {}, False),
        (pod(TEMPLATE, made={"b": None}), {}, False),
        (pod(TEMPLATE, made={"b": "c"}), {}, True),
        (pod(TEMPLATE, made={"b": "c"}), {"c": claim("u")}, False),
        (pod(TEMPLATE, made={"b": "c"}), {"c": claim("other")}, False),
        (pod(GIVEN), {"given": claim(**ALLOCATED)}, False),
        (pod(GIVEN, node="n"), {"given": claim(**ALLOCATED)}, True),
        (pod(GIVEN, node="n"), {"given": claim()}, False),
        (pod(GIVEN, node="n"), {"given": claim(**ALLOCATED, reservedFor=[consumer("u")])}, False),
        (pod(GIVEN, node="n"), {"given": claim(**ALLOCATED, reservedFor=[consumer(str(i)) for i in range(256)])}, False),
        (pod(GIVEN, TEMPLATE), {"given": claim()}, True),
        # What was made for a pod goes when it has ended, and is not made again.
        (pod(TEMPLATE, made={"b": "gone"}, node="n", phase="Succeeded"), {}, False),
    ],
)
def test_needs_work(subject: Obj, claims: dict[str, Obj], expected: bool) -> None:
    assert plan.needs_work(subject, lambda key: claims.get(key.removeprefix("ns/"))) is expected


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (pod(), False), (pod(node="n", deleting=True), False), (pod(deleting=True), True), (pod(node="n", phase="Failed"), True),
        (pod(phase="Succeeded"), True),
    ],
)  # fmt: skip
def test_is_done(subject: Obj, expected: bool) -> None:
    assert plan.is_done(subject) is expected


def test_index_of_claims() -> None:
    found = pod(GIVEN, TEMPLATE, made={"b": "c"})
    found["status"]["extendedResourceClaimStatus"] = {"resourceClaimName": "ext"}
    assert plan.claims_of(found) == ["ns/given", "ns/c", "ns/ext"]


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [("p", "gpu", "p-gpu-"), ("x" * 60, "gpu", "x" * 52 + "-gp"), ("x" * 30, "y" * 30, "x" * 27 + "-" + "y" * 27)],
)
def test_generated_names(name: str, entry: str, expected: str) -> None:
    assert plan.generate_name(name, entry) == expected
    assert len(expected) <= 57


def test_a_claim_from_a_template() -> None:
    template = {"spec": {"metadata": {"labels": {"l": "1"}, "annotations": {"x": "y"}}, "spec": {"devices": {}}}}
    made = plan.from_template(pod(TEMPLATE), "b", template)
    assert made["metadata"] == {
        "generateName": "p-b-", "labels": {"l": "1"}, "annotations": {"x": "y", plan.POD_CLAIM: "b"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}],
    }  # fmt: skip
    assert made["spec"] == {"devices": {}}


ONE, TWO = consumer("1"), consumer("2")


@pytest.mark.parametrize(
    ("subject", "kept", "status", "finalizer"),
    [
        # Nothing to release.
        (claim(finalizer=True, reservedFor=[ONE], **ALLOCATED), [ONE], None, True),
        (claim(finalizer=True, **ALLOCATED), [], None, True),
        # Some go, some stay.
        (claim(finalizer=True, reservedFor=[ONE, TWO], **ALLOCATED), [TWO], {"reservedFor": [TWO], **ALLOCATED}, True),
        # The last goes, and the allocation with it.
        (claim(finalizer=True, reservedFor=[ONE], **ALLOCATED), [], {}, False),
        # Without the finalizer somebody else allocated it.
        (claim(reservedFor=[ONE], **ALLOCATED), [], ALLOCATED, None),
        # Never reserved, and to be deleted.
        (claim(finalizer=True, deleting=True, **ALLOCATED), [], {}, False),
        (claim(finalizer=True, deleting=True), [], None, False),
        (claim(finalizer=True, deleting=True, reservedFor=[ONE], **ALLOCATED), [ONE], None, True),
    ],
)
def test_release(subject: Obj, kept: list[Obj], status: Obj | None, finalizer: bool | None) -> None:
    less = plan.released(subject, kept)
    assert (less and less["status"]) == status
    free = plan.unprotected(less or subject, less is not None)
    assert (free is not None) == (finalizer is False)
    if free is not None:
        assert free["metadata"]["finalizers"] == ["other"]


def test_owner_of_a_claim() -> None:
    assert plan.owning_pod(claim("u")) == ("ns/p", "u")
    assert plan.owning_pod(claim()) is None
