"""[sig-apps] Deployment, ReplicaSet, ReplicationController, StatefulSet, DaemonSet, DisruptionController."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.plane import Obj, Plane, condition, meta, pod, running, template, until, workload

DEPLOYMENTS, SETS, STATEFUL, DAEMONS = "deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps"


def complete(obj: Obj) -> bool:
    status, want = obj.get("status", {}), obj["spec"]["replicas"]
    counts = [status.get(k, 0) for k in ("replicas", "updatedReplicas", "availableReplicas")]
    return status.get("observedGeneration") == obj["metadata"]["generation"] and counts == [want] * 3


def set_image(plane: Plane, what: str, name: str, ns: str, image: str) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    plane.patch(what, name, change, ns, kind="strategic-merge-patch+json")


@pytest.mark.parametrize("strategy", ["Recreate", "RollingUpdate"])
def test_deployment_replaces_pods(plane: Plane, ns: str, strategy: str) -> None:
    plane.create(DEPLOYMENTS, workload("Deployment", "d", 2, strategy={"type": strategy}), ns)
    plane.until(DEPLOYMENTS, "d", ns, complete)
    with plane.watch("pods", ns, since=plane.call("GET", f"/api/v1/namespaces/{ns}/pods")["metadata"]["resourceVersion"]) as events:
        set_image(plane, DEPLOYMENTS, "d", ns, "new")
        old, alive = set(), {p["metadata"]["name"] for p in plane.list("pods", ns)}
        old |= alive
        for kind, obj in events:
            name, fresh = obj["metadata"]["name"], obj["spec"]["containers"][0]["image"] == "new"
            if kind == "DELETED":
                old.discard(name)
            elif fresh and strategy == "Recreate":
                assert not old or obj["metadata"].get("deletionTimestamp"), "a new pod beside old ones"
            if not old:
                break
    plane.until(DEPLOYMENTS, "d", ns, complete)
    revisions = [s["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for s in plane.list(SETS, ns)]
    assert sorted(revisions) == ["1", "2"]


def test_deployment_adopts_and_deletes_old_replica_sets(plane: Plane, ns: str) -> None:
    plane.create(SETS, workload("ReplicaSet", "old", 1, labels={"app": "d"}), ns)
    plane.create(DEPLOYMENTS, workload("Deployment", "d", 1, labels={"app": "d"}, revisionHistoryLimit=0), ns)
    plane.until(DEPLOYMENTS, "d", ns, complete)
    set_image(plane, DEPLOYMENTS, "d", ns, "new")
    plane.until(DEPLOYMENTS, "d", ns, complete)
    plane.until_list(SETS, ns, lambda found: len(found) == 1)


def test_deployment_rollover(plane: Plane, ns: str) -> None:
    made = workload("Deployment", "d", 1, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}})
    made["spec"]["minReadySeconds"] = 0
    plane.create(DEPLOYMENTS, made, ns)
    plane.until(DEPLOYMENTS, "d", ns, complete)
    stuck = {"spec": {"template": {"spec": {"nodeSelector": {"no": "node"}}}}}
    plane.patch(DEPLOYMENTS, "d", stuck, ns)
    plane.until_list(SETS, ns, lambda found: sorted(s["spec"]["replicas"] for s in found) == [1, 1])
    plane.patch(DEPLOYMENTS, "d", {"spec": {"template": {"spec": {"nodeSelector": None, "containers": [
        {"name": "c", "image": "third"}]}}}}, ns, kind="strategic-merge-patch+json")  # fmt: skip
    plane.until(DEPLOYMENTS, "d", ns, complete)
    assert sorted(s["spec"]["replicas"] for s in plane.list(SETS, ns)) == [0, 0, 1]


def test_deployment_scales_proportionally(plane: Plane, ns: str) -> None:
    plane.create(DEPLOYMENTS, workload("Deployment", "d", 10, strategy={"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}), ns)
    plane.until(DEPLOYMENTS, "d", ns, complete)
    plane.patch(DEPLOYMENTS, "d", {"spec": {"template": {"spec": {"nodeSelector": {"no": "node"}}}}}, ns)

    def sizes(found: list[Obj]) -> list[int]:
        return [
            s["spec"]["replicas"] for s in sorted(found, key=lambda s: s["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
        ]

    plane.until_list(SETS, ns, lambda found: sizes(found) == [8, 5])
    plane.patch(DEPLOYMENTS, "d", {"spec": {"replicas": 30}}, ns)
    plane.until_list(SETS, ns, lambda found: sizes(found) == [20, 13])


@pytest.mark.parametrize(
    ("what", "made"),
    [
        (DEPLOYMENTS, workload("Deployment", "w", 1)),
        (SETS, workload("ReplicaSet", "w", 1)),
        (STATEFUL, workload("StatefulSet", "w", 1)),
        ("replicationcontrollers", workload("ReplicationController", "w", 1, api="v1")),
    ],
)
def test_scale_subresource(plane: Plane, ns: str, what: str, made: Obj) -> None:
    plane.create(what, made, ns)
    plane.until(what, "w", ns, lambda o: o.get("status", {}).get("readyReplicas") == 1)
    scale = plane.get(what, "w", ns, "scale")
    assert scale["kind"] == "Scale" and scale["spec"]["replicas"] == 1 and scale["status"]["selector"] == "app=w"
    scale["spec"]["replicas"] = 2
    scale["metadata"].pop("resourceVersion")
    assert plane.update(what, scale, "scale")["spec"]["replicas"] == 2
    assert plane.get(what, "w", ns)["spec"]["replicas"] == 2
    assert plane.patch(what, "w", {"spec": {"replicas": 4}}, ns, sub="scale")["spec"]["replicas"] == 4
    plane.until(what, "w", ns, lambda o: o["status"].get("readyReplicas") == 4)


@pytest.mark.parametrize(
    ("what", "made"),
    [
        (DEPLOYMENTS, workload("Deployment", "w", 1)),
        (SETS, workload("ReplicaSet", "w", 1)),
        (STATEFUL, workload("StatefulSet", "w", 1)),
        (DAEMONS, workload("DaemonSet", "w", None)),
        ("replicationcontrollers", workload("ReplicationController", "w", 1, api="v1")),
    ],
)
def test_status_endpoint(plane: Plane, ns: str, what: str, made: Obj) -> None:
    """A foreign condition survives; the controller goes on writing the rest."""
    plane.create(what, made, ns)
    ready = "numberReady" if what == DAEMONS else "readyReplicas"
    plane.until(what, "w", ns, lambda o: o.get("status", {}).get(ready, 0) >= 1)
    one = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    for _ in range(20):
        now = plane.get(what, "w", ns, "status")
        now["status"]["conditions"] = [*(now["status"].get("conditions") or []), one]
        answer = plane.http.put(f"{_self(what, ns)}/status", json=now)
        if answer.status_code == 200:
            break
    assert "StatusUpdate" in [c["type"] for c in answer.json()["status"]["conditions"]], answer.text
    patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    patched = plane.patch(what, "w", patch, ns, sub="status")
    assert [c["type"] for c in patched["status"]["conditions"]] == ["StatusPatched"]


def _self(what: str, ns: str) -> str:
    from tests.conformance.plane import path_of

    return path_of(what, ns, "w")


@pytest.mark.parametrize(
    ("what", "made"),
    [
        (SETS, workload("ReplicaSet", "w", 1, labels={"name": "pod-adoption"})),
        ("replicationcontrollers", workload("ReplicationController", "w", 1, api="v1", labels={"name": "pod-adoption"})),
    ],
)
def test_pods_are_adopted_and_released(plane: Plane, ns: str, what: str, made: Obj) -> None:
    plane.create("pods", pod("orphan", labels={"name": "pod-adoption"}), ns)
    plane.until_list("pods", ns, running)
    plane.create(what, made, ns)
    plane.until("pods", "orphan", ns, lambda o: [r["name"] for r in o["metadata"].get("ownerReferences") or ()] == ["w"])
    plane.patch("pods", "orphan", {"metadata": {"labels": {"name": "not-matching-label"}}}, ns)
    plane.until("pods", "orphan", ns, lambda o: not o["metadata"].get("ownerReferences"))
    plane.until_list("pods", ns, lambda found: len(running(found)) == 2)


# -- stateful sets


def stateful(plane: Plane, ns: str, replicas: int = 3, **spec: Any) -> None:
    plane.create(STATEFUL, workload("StatefulSet", "ss", replicas, **spec), ns)
    plane.until(STATEFUL, "ss", ns, lambda o: o["status"].get("readyReplicas") == replicas)


def images(plane: Plane, ns: str) -> dict[str, str]:
    return {p["metadata"]["name"]: p["spec"]["containers"][0]["image"] for p in plane.list("pods", ns)}


def updated(plane: Plane, ns: str, count: int) -> Obj:
    return plane.until(
        STATEFUL, "ss", ns, lambda o: [o["status"].get(k) for k in ("updatedReplicas", "readyReplicas")] == [count, o["spec"]["replicas"]]
    )  # fmt: skip


def test_stateful_set_rolls_out_and_back(plane: Plane, ns: str) -> None:
    stateful(plane, ns)
    first = plane.get(STATEFUL, "ss", ns)["status"]["currentRevision"]
    old = images(plane, ns)["ss-0"]
    with plane.watch("pods", ns, since=plane.call("GET", f"/api/v1/namespaces/{ns}/pods")["metadata"]["resourceVersion"]) as events:
        set_image(plane, STATEFUL, "ss", ns, "new")
        gone = [obj["metadata"]["name"] for obj in (next(o for k, o in events if k == "DELETED") for _ in range(3))]
    assert gone == ["ss-2", "ss-1", "ss-0"]
    got = plane.until(STATEFUL, "ss", ns, lambda o: o["status"]["currentRevision"] == o["status"]["updateRevision"] != first)
    assert got["status"]["currentReplicas"] == 3 and set(images(plane, ns).values()) == {"new"}
    set_image(plane, STATEFUL, "ss", ns, old)
    plane.until(STATEFUL, "ss", ns, lambda o: o["status"]["currentRevision"] == o["status"]["updateRevision"] == first)
    assert set(images(plane, ns).values()) == {old}


def test_stateful_set_canary_and_phased(plane: Plane, ns: str) -> None:
    def partition(n: int) -> Obj:
        return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": n}}}

    stateful(plane, ns, **partition(3))
    set_image(plane, STATEFUL, "ss", ns, "new")
    plane.until(STATEFUL, "ss", ns, lambda o: o["status"]["currentRevision"] != o["status"]["updateRevision"])
    assert "new" not in images(plane, ns).values()
    plane.patch(STATEFUL, "ss", {"spec": partition(2)}, ns)
    updated(plane, ns, 1)
    plane.delete("pods", "ss-0", ns)
    plane.delete("pods", "ss-2", ns)
    plane.until_list("pods", ns, lambda found: len(running(found)) == 3)
    assert [i for _, i in sorted(images(plane, ns).items())][2] == "new" and images(plane, ns)["ss-0"] != "new"
    plane.patch(STATEFUL, "ss", {"spec": partition(0)}, ns)
    got = plane.until(STATEFUL, "ss", ns, lambda o: o["status"]["currentRevision"] == o["status"]["updateRevision"])
    assert set(images(plane, ns).values()) == {"new"} and got["status"]["updatedReplicas"] == 3


def _not_ready(plane: Plane, ns: str, name: str, ready: bool) -> None:
    """A readiness gate that the check opens and closes."""
    one = {"type": "e2e.example.com/gate", "status": "True" if ready else "False"}
    plane.patch("pods", name, {"status": {"conditions": [one]}}, ns, sub="status", kind="strategic-merge-patch+json")


GATED = template({"app": "ss"}, readinessGates=[{"conditionType": "e2e.example.com/gate"}])


def test_stateful_set_scales_in_order_and_halts(plane: Plane, ns: str) -> None:
    plane.create(STATEFUL, workload("StatefulSet", "ss", 1, template=GATED), ns)
    plane.until_list("pods", ns, lambda found: len(found) == 1)
    plane.until("pods", "ss-0", ns, lambda o: o["status"].get("phase") == "Running")
    plane.patch(STATEFUL, "ss", {"spec": {"replicas": 3}}, ns)
    plane.until(STATEFUL, "ss", ns, lambda o: o["status"]["observedGeneration"] == 2)
    assert len(plane.list("pods", ns)) == 1, "goes on although ss-0 is not ready"
    for i in range(3):
        plane.until_list("pods", ns, lambda found, i=i: len(found) == i + 1)
        plane.until("pods", f"ss-{i}", ns, lambda o: o["status"].get("phase") == "Running")
        _not_ready(plane, ns, f"ss-{i}", True)
    plane.until(STATEFUL, "ss", ns, lambda o: o["status"].get("readyReplicas") == 3)
    for i in range(3):
        _not_ready(plane, ns, f"ss-{i}", False)
    plane.until(STATEFUL, "ss", ns, lambda o: not o["status"].get("readyReplicas"))
    plane.patch(STATEFUL, "ss", {"spec": {"replicas": 0}}, ns)
    plane.until(STATEFUL, "ss", ns, lambda o: o["status"]["observedGeneration"] == 3)
    assert len(plane.list("pods", ns)) == 3, "goes on although pods are not ready"
    with plane.watch("pods", ns, since=plane.call("GET", f"/api/v1/namespaces/{ns}/pods")["metadata"]["resourceVersion"]) as events:
        # From the last one down: with ss-0 and ss-1 ready, ss-2 would go although it is not.
        for i in (2, 1, 0):
            _not_ready(plane, ns, f"ss-{i}", True)
        assert [next(o for k, o in events if k == "DELETED")["metadata"]["name"] for _ in range(3)] == ["ss-2", "ss-1", "ss-0"]


def test_stateful_set_bursts_although_pods_are_unhealthy(plane: Plane, ns: str) -> None:
    made = workload("StatefulSet", "ss", 3, template=GATED, podManagementPolicy="Parallel")
    plane.create(STATEFUL, made, ns)
    plane.until_list("pods", ns, lambda found: len(found) == 3)
    plane.patch(STATEFUL, "ss", {"spec": {"replicas": 5}}, ns)
    plane.until_list("pods", ns, lambda found: len(found) == 5)
    plane.patch(STATEFUL, "ss", {"spec": {"replicas": 0}}, ns)
    plane.until_list("pods", ns, lambda found: not found)


def test_stateful_set_recreates_a_failed_pod(plane: Plane, ns: str) -> None:
    """A pod whose host port is taken fails on its node; it is deleted and made anew until the port is free."""
    node = plane.list("nodes")[0]["metadata"]["name"]
    port = {"containerPort": 21017, "hostPort": 21017, "name": "conflict"}
    blocker = pod("blocker", nodeName=node)
    blocker["spec"]["containers"][0]["ports"] = [port]
    plane.create("pods", blocker, ns)
    plane.until_list("pods", ns, running)
    whole = template({"app": "ss"}, nodeName=node)
    whole["spec"]["containers"][0]["ports"] = [port]
    plane.create(STATEFUL, workload("StatefulSet", "ss", 1, template=whole), ns)
    failed = plane.until_list("pods", ns, lambda found: any(p["metadata"]["name"] == "ss-0" for p in found))
    uid = next(p["metadata"]["uid"] for p in failed if p["metadata"]["name"] == "ss-0")
    plane.until_list("pods", ns, lambda found: any(p["metadata"]["name"] == "ss-0" and p["metadata"]["uid"] != uid for p in found))
    plane.delete("pods", "blocker", ns)
    plane.until(STATEFUL, "ss", ns, lambda o: o["status"].get("readyReplicas") == 1)


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_claims_of_a_stateful_set(plane: Plane, ns: str, policy: str) -> None:
    claim = {
        "metadata": meta("data"),
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "nobody", "resources": {"requests": {"storage": "1"}}},
    }
    made = workload("StatefulSet", "ss", 2, podManagementPolicy="Parallel", volumeClaimTemplates=[claim])
    made["spec"]["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": policy, "whenScaled": policy}
    plane.create(STATEFUL, made, ns)
    plane.until_list("persistentvolumeclaims", ns, lambda found: {c["metadata"]["name"] for c in found} == {"data-ss-0", "data-ss-1"})
    plane.until_list("pods", ns, lambda found: len(found) == 2)
    plane.patch(STATEFUL, "ss", {"spec": {"replicas": 1}}, ns)
    plane.until_list("pods", ns, lambda found: len(found) == 1)
    plane.until_list("persistentvolumeclaims", ns, lambda found: len(found) == (1 if policy == "Delete" else 2))
    plane.delete(STATEFUL, "ss", ns)
    plane.until_list("pods", ns, lambda found: not found)
    plane.until_list("persistentvolumeclaims", ns, lambda found: len(found) == (0 if policy == "Delete" else 2))


# -- daemon sets


def on_every_node(plane: Plane, ns: str, count: int = 3) -> list[Obj]:
    return plane.until_list("pods", ns, lambda found: len(running(found)) == count == len({p["spec"]["nodeName"] for p in found}))


def test_daemon_set_runs_everywhere_and_revives(plane: Plane, ns: str) -> None:
    plane.create(DAEMONS, workload("DaemonSet", "ds", None), ns)
    first = on_every_node(plane, ns)[0]["metadata"]["name"]
    plane.delete("pods", first, ns)
    on_every_node(plane, ns)
    victim = plane.list("pods", ns)[0]["metadata"]["name"]
    set_failed = {"status": {"phase": "Failed"}}
    plane.patch("pods", victim, set_failed, ns, sub="status")
    plane.gone("pods", victim, ns)
    on_every_node(plane, ns)
    plane.delete_collection(DAEMONS, ns, labelSelector="app=ds")
    plane.until_list("pods", ns, lambda found: not found)


def test_daemon_set_follows_node_labels(plane: Plane, ns: str) -> None:
    key = f"e2e-{ns}"
    made = workload("DaemonSet", "ds", None, template=template({"app": "ds"}, nodeSelector={key: "green"}))
    plane.create(DAEMONS, made, ns)
    plane.until(DAEMONS, "ds", ns, lambda o: o["status"].get("observedGeneration") == 1)
    assert not plane.list("pods", ns)
    node = plane.list("nodes")[0]["metadata"]["name"]
    plane.patch("nodes", node, {"metadata": {"labels": {key: "green"}}})
    on_every_node(plane, ns, 1)
    plane.patch("nodes", node, {"metadata": {"labels": {key: "blue"}}})
    plane.until_list("pods", ns, lambda found: not found)
    change = {"spec": {"template": {"spec": {"nodeSelector": {key: "blue"}}}, "updateStrategy": {"type": "RollingUpdate"}}}
    plane.patch(DAEMONS, "ds", change, ns)
    on_every_node(plane, ns, 1)
    plane.patch("nodes", node, {"metadata": {"labels": {key: None}}})


def test_daemon_set_rolls_out_and_back_without_restarts(plane: Plane, ns: str) -> None:
    plane.create(DAEMONS, workload("DaemonSet", "ds", None), ns)
    on_every_node(plane, ns)
    old = images(plane, ns)
    set_image(plane, DAEMONS, "ds", ns, "new")
    plane.until_list(
        "pods", ns, lambda found: len(running(found)) == 3 and all(p["spec"]["containers"][0]["image"] == "new" for p in found)
    )
    revisions = plane.list("controllerrevisions.apps", ns)
    assert sorted(r["revision"] for r in revisions) == [1, 2]
    # a rollout that gets stuck is rolled back: pods that still run the old image are left alone
    plane.patch(DAEMONS, "ds", {"spec": {"template": {"spec": {"containers": [
        {"name": "c", "image": "stuck", "resources": {"requests": {"cpu": "1000"}}}]}}}}, ns,
                kind="strategic-merge-patch+json")  # fmt: skip
    plane.until_list("pods", ns, lambda found: any(p["spec"]["containers"][0]["image"] == "stuck" for p in found))
    kept = {p["metadata"]["uid"] for p in running(plane.list("pods", ns))}
    assert len(kept) == 2
    plane.patch(DAEMONS, "ds", [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "new"},
                                {"op": "remove", "path": "/spec/template/spec/containers/0/resources"}],
                ns, kind="json-patch+json")  # fmt: skip
    after = plane.until_list("pods", ns, lambda found: len(running(found)) == 3 and set(images(plane, ns).values()) == {"new"})
    assert kept <= {p["metadata"]["uid"] for p in after}
    assert set(old.values()) != {"new"}


# -- disruption budgets


def budget(name: str = "foo", **spec: Any) -> Obj:
    return {"metadata": meta(name), "spec": {"selector": {"matchLabels": {"foo": "bar"}}, **spec}}


def evict(plane: Plane, ns: str, name: str, code: int) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta(name, namespace=ns)}
    plane.create("pods", eviction, ns, name=name, sub="eviction", code=code)


def test_evictions_are_blocked_until_the_budget_allows_them(plane: Plane, ns: str) -> None:
    budgets = "poddisruptionbudgets.policy"
    plane.create(budgets, budget(minAvailable=2), ns)
    plane.create("pods", pod("p0", labels={"foo": "bar"}), ns)
    plane.until_list("pods", ns, running)
    plane.until(budgets, "foo", ns, lambda o: o["status"].get("currentHealthy") == 1)
    evict(plane, ns, "p0", 429)
    for i in (1, 2):
        plane.create("pods", pod(f"p{i}", labels={"foo": "bar"}), ns)
    plane.until(budgets, "foo", ns, lambda o: o["status"].get("disruptionsAllowed") == 1)
    evict(plane, ns, "p0", 201)
    plane.gone("pods", "p0", ns)
    plane.until(budgets, "foo", ns, lambda o: o["status"].get("currentHealthy") == 2)
    evict(plane, ns, "p1", 429)
    plane.patch(budgets, "foo", {"spec": {"minAvailable": 1}}, ns)
    plane.until(budgets, "foo", ns, lambda o: o["status"].get("disruptionsAllowed") == 1)
    evict(plane, ns, "p1", 201)
    plane.delete(budgets, "foo", ns)
    evict(plane, ns, "p2", 201)


def test_status_of_a_budget(plane: Plane, ns: str) -> None:
    budgets = "poddisruptionbudgets.policy"
    plane.create(budgets, budget(minAvailable=1), ns)
    got = plane.until(budgets, "foo", ns, lambda o: o["status"].get("observedGeneration") == 1)
    assert condition(got, "DisruptionAllowed") == "False"
    got["status"]["disruptionsAllowed"] = 7
    until(lambda: plane.http.put(f"/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets/foo/status", json=got).status_code == 200)
    patched = plane.patch(budgets, "foo", {"status": {"disruptionsAllowed": 9}}, ns, sub="status")
    assert patched["status"]["disruptionsAllowed"] == 9
