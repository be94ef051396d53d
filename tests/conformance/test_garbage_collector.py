"""[sig-api-machinery] Garbage collector: background, foreground, orphan; two owners; a circle."""

from __future__ import annotations

import pytest

from tests.conformance.plane import Obj, Plane, meta, path_of, pod, until, workload


@pytest.fixture
def rc(plane: Plane, ns: str) -> Obj:
    """A replication controller with three pods."""
    made = plane.create("replicationcontrollers", workload("ReplicationController", "rc", 3, api="v1"), ns)
    plane.until("replicationcontrollers", "rc", ns, lambda o: o.get("status", {}).get("replicas") == 3)
    plane.until_list("pods", ns, lambda found: len(found) == 3)
    return made


def test_pods_of_an_rc_go_when_not_orphaning(plane: Plane, ns: str, rc: Obj) -> None:
    plane.delete("replicationcontrollers", "rc", ns, propagationPolicy="Background")
    plane.until_list("pods", ns, lambda found: not found)


def test_pods_of_an_rc_stay_when_orphaning(plane: Plane, ns: str, rc: Obj) -> None:
    plane.delete("replicationcontrollers", "rc", ns, orphanDependents=True)
    plane.gone("replicationcontrollers", "rc", ns)
    left = plane.list("pods", ns)
    assert len(left) == 3 and not any(p["metadata"].get("ownerReferences") or p["metadata"].get("deletionTimestamp") for p in left)


def test_the_rc_stays_until_its_pods_are_gone(plane: Plane, ns: str, rc: Obj) -> None:
    held = plane.list("pods", ns)[0]["metadata"]["name"]
    plane.patch("pods", held, {"metadata": {"finalizers": ["e2e.example.com/hold"]}}, ns)
    plane.delete("replicationcontrollers", "rc", ns, propagationPolicy="Foreground")
    plane.until_list("pods", ns, lambda found: len(found) == 1)
    assert plane.get("replicationcontrollers", "rc", ns)["metadata"]["finalizers"] == ["foregroundDeletion"]
    plane.patch("pods", held, {"metadata": {"finalizers": None}}, ns)
    plane.gone("replicationcontrollers", "rc", ns)


@pytest.mark.parametrize("policy", ["Background", "Orphan"])
def test_replica_sets_of_a_deployment(plane: Plane, ns: str, policy: str) -> None:
    plane.create("deployments.apps", workload("Deployment", "d", 2), ns)
    plane.until_list("pods", ns, lambda found: len(found) == 2)
    plane.delete("deployments.apps", "d", ns, propagationPolicy=policy)
    plane.gone("deployments.apps", "d", ns)
    if policy == "Orphan":
        (left,) = plane.list("replicasets.apps", ns)
        assert not left["metadata"].get("ownerReferences") and len(plane.list("pods", ns)) == 2
    else:
        plane.until_list("replicasets.apps", ns, lambda found: not found)
        plane.until_list("pods", ns, lambda found: not found)


def _owner(obj: Obj, kind: str, version: str = "v1", **more: bool) -> Obj:
    return {"apiVersion": version, "kind": kind, "name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"], **more}


def test_dependents_with_another_valid_owner_stay(plane: Plane, ns: str) -> None:
    first = plane.create("replicationcontrollers", workload("ReplicationController", "going", 4, api="v1"), ns)
    second = plane.create("replicationcontrollers", workload("ReplicationController", "staying", 0, api="v1"), ns)
    pods = plane.until_list("pods", ns, lambda found: len(found) == 4)
    for one in pods[:2]:
        owners = [*one["metadata"]["ownerReferences"], _owner(second, "ReplicationController")]
        plane.patch("pods", one["metadata"]["name"], {"metadata": {"ownerReferences": owners}}, ns)
    plane.delete("replicationcontrollers", "going", ns, propagationPolicy="Foreground")
    plane.gone("replicationcontrollers", "going", ns)
    left = plane.list("pods", ns)
    assert len(left) == 2 and not any(p["metadata"].get("deletionTimestamp") for p in left)
    assert all([o["uid"] for o in p["metadata"]["ownerReferences"]] == [second["metadata"]["uid"]] for p in left)
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


def test_a_circle_of_owners_does_not_block(plane: Plane, ns: str) -> None:
    made = [plane.create("pods", pod(f"p{i}"), ns) for i in range(3)]
    for i, one in enumerate(made):
        owners = [_owner(made[(i + 2) % 3], "Pod", controller=True, blockOwnerDeletion=True)]
        plane.patch("pods", one["metadata"]["name"], {"metadata": {"ownerReferences": owners}}, ns)
    plane.delete("pods", "p0", ns, propagationPolicy="Foreground")
    plane.until_list("pods", ns, lambda found: not found)


def test_custom_resources_are_collected(plane: Plane, ns: str) -> None:
    owner = plane.create("configmaps", {"metadata": meta("owner")}, ns)
    plane.create("secrets", {"metadata": meta("dependent", ownerReferences=[_owner(owner, "ConfigMap")])}, ns)
    plane.create("secrets", {"metadata": meta("absent", ownerReferences=[{**_owner(owner, "ConfigMap"), "uid": "0-1-2-3"}])}, ns)
    until(lambda: plane.http.get(path_of("secrets", ns, "absent")).status_code == 404)
    plane.delete("configmaps", "owner", ns)
    plane.gone("secrets", "dependent", ns)
