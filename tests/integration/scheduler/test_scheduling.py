"""The scheduler as a process: binding, waiting, volumes, preemption, profiles, extenders, explanations."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.integration.conftest import ApiServer
from tests.integration.scheduler.conftest import Api, Schedulers

STORAGE, SCHEDULING, EVENTS = "storage.k8s.io/v1", "scheduling.k8s.io/v1", "events.k8s.io/v1"


def test_a_pod_is_bound_and_the_event_tells(api: Api, schedulers: Schedulers) -> None:
    api.node("n1")
    schedulers.start()
    api.pod("web")
    assert api.bound("web") == "n1"
    found = api.until(api.path("events", group=EVENTS), lambda l: l.get("items"))["items"][0]
    assert (found["reason"], found["action"], found["type"]) == ("Scheduled", "Binding", "Normal")
    assert found["reportingController"] == "default-scheduler" and found["note"] == f"Successfully assigned {api.namespace}/web to n1"


def test_a_pod_waits_for_a_node_that_is_large_enough(api: Api, schedulers: Schedulers) -> None:
    schedulers.start()
    api.pod("large", "6")
    assert api.unschedulable("large") == "no nodes available to schedule pods"
    api.node("small", "2")
    found = api.until(api.path("events", group=EVENTS), lambda l: any(e["reason"] == "FailedScheduling" for e in l.get("items", [])))
    assert found["items"][0]["action"] == "Scheduling"
    api.node("big", "8")
    assert api.bound("large") == "big"


def test_a_gated_pod_is_left_alone_until_its_gates_are_gone(api: Api, schedulers: Schedulers) -> None:
    api.node("n1")
    schedulers.start()
    api.pod("gated", schedulingGates=[{"name": "example.com/wait"}])
    api.pod("free")
    api.bound("free")
    assert "nodeName" not in api.get(api.path("pods", "gated"))["spec"]
    api.merge(api.path("pods", "gated"), {"spec": {"schedulingGates": None}})
    assert api.bound("gated") == "n1"


def test_a_waiting_claim_gets_a_volume_where_the_pod_can_run(api: Api, schedulers: Schedulers) -> None:
    api.node("n1", "1")
    api.node("n2", "4")
    name = f"c-{api.namespace}"
    waiting = {"metadata": {"name": name}, "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    api.create(api.path("storageclasses", group=STORAGE, namespaced=False), {"kind": "StorageClass", "apiVersion": STORAGE, **waiting})
    for node in ("n1", "n2"):
        terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
        spec = {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name, "hostPath": {"path": "/x"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        }  # fmt: skip
        volume = {"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"name": f"{name}-{node}"}, "spec": spec}
        api.create(api.path("persistentvolumes", namespaced=False), volume)
        api.merge(api.path("persistentvolumes", f"{name}-{node}/status", namespaced=False), {"status": {"phase": "Available"}})
    wanted = {"accessModes": ["ReadWriteOnce"], "storageClassName": name, "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"name": "data"}, "spec": wanted}
    api.create(api.path("persistentvolumeclaims"), claim)
    schedulers.start()
    api.pod("user", "2", volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])
    # The scheduler claims the volume of the one node that has room, and waits for the volume controller (here: us).
    volume = api.until(api.path("persistentvolumes", f"{name}-n2", namespaced=False), lambda v: v.get("spec", {}).get("claimRef"))
    assert (
        volume["spec"]["claimRef"]["name"] == "data" and volume["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] == "yes"
    )
    api.until(api.path("pods", "user"), lambda p: p.get("status", {}).get("nominatedNodeName") == "n2")
    done = {"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": {"volumeName": f"{name}-n2"}}
    api.merge(api.path("persistentvolumeclaims", "data"), done)
    assert api.bound("user") == "n2"


def test_a_provisioner_is_told_the_node_and_may_refuse_it(api: Api, schedulers: Schedulers) -> None:
    api.node("n1")
    name = f"p-{api.namespace}"
    made = {"metadata": {"name": name}, "provisioner": "example.com/csi", "volumeBindingMode": "WaitForFirstConsumer"}
    api.create(api.path("storageclasses", group=STORAGE, namespaced=False), {"kind": "StorageClass", "apiVersion": STORAGE, **made})
    wanted = {"accessModes": ["ReadWriteOnce"], "storageClassName": name, "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"name": "data"}, "spec": wanted}
    api.create(api.path("persistentvolumeclaims"), claim)
    schedulers.start()
    api.pod("user", volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])
    path, key = api.path("persistentvolumeclaims", "data"), "volume.kubernetes.io/selected-node"

    def selected(c: dict[str, Any]) -> bool:
        return (c["metadata"].get("annotations") or {}).get(key) == "n1"

    api.until(path, selected)
    api.merge(path, {"metadata": {"annotations": {key: None}}})
    api.until(path, selected)  # given back, and asked for anew


def test_a_resource_claim_is_allocated_and_reserved(api: Api, schedulers: Schedulers) -> None:
    for name in ("n1", "n2"):
        api.node(name)
    group, kind = "resource.k8s.io/v1", f"gpu-{api.namespace}"
    pool = {"name": "n2", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "gpu.example.com", "nodeName": "n2", "pool": pool, "devices": [{"name": "d1"}]}
    meta = {"name": kind}
    selector = {"cel": {"expression": 'device.driver == "gpu.example.com"'}}
    cls = {"kind": "DeviceClass", "apiVersion": group, "metadata": meta, "spec": {"selectors": [selector]}}
    api.create(api.path("deviceclasses", group=group, namespaced=False), cls)
    piece = {"kind": "ResourceSlice", "apiVersion": group, "metadata": meta, "spec": spec}
    api.create(api.path("resourceslices", group=group, namespaced=False), piece)
    schedulers.start()
    for name in ("one", "two"):
        wanted = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": kind}}]}}
        claim = {"kind": "ResourceClaim", "apiVersion": group, "metadata": {"name": name}, "spec": wanted}
        api.create(api.path("resourceclaims", group=group), claim)
    api.pod("first", resourceClaims=[{"name": "gpu", "resourceClaimName": "one"}])
    assert api.bound("first") == "n2"
    status = api.get(api.path("resourceclaims", "one", group=group))["status"]
    assert status["allocation"]["devices"]["results"] == [{"request": "r", "driver": "gpu.example.com", "pool": "n2", "device": "d1"}]
    assert [u["name"] for u in status["reservedFor"]] == ["first"]
    api.pod("second", resourceClaims=[{"name": "gpu", "resourceClaimName": "two"}])
    assert api.unschedulable("second").startswith("0/2 nodes are available: 2 cannot allocate all claims.")


def test_an_important_pod_takes_the_place_of_another(api: Api, schedulers: Schedulers) -> None:
    api.node("n1", "2")
    name = f"high-{api.namespace}"
    important = {"kind": "PriorityClass", "apiVersion": SCHEDULING, "metadata": {"name": name}, "value": 1000}
    api.create(api.path("priorityclasses", group=SCHEDULING, namespaced=False), important)
    schedulers.start()
    api.pod("low", "2", terminationGracePeriodSeconds=30)
    api.bound("low")
    api.pod("high", "2", priorityClassName=name)
    victim = api.until(api.path("pods", "low"), lambda p: "deletionTimestamp" in p.get("metadata", {}))
    condition = next(c for c in victim["status"]["conditions"] if c["type"] == "DisruptionTarget")
    assert condition["reason"] == "PreemptionByScheduler"
    assert condition["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
    api.until(api.path("pods", "high"), lambda p: p["status"].get("nominatedNodeName") == "n1")
    api.http.delete(api.path("pods", "low") + "?gracePeriodSeconds=0")
    assert api.bound("high") == "n1"
    assert "nominatedNodeName" not in api.get(api.path("pods", "high"))["status"]
    events = api.until(api.path("events", group=EVENTS), lambda l: any(e["reason"] == "Preempted" for e in l.get("items", [])))["items"]
    told = next(e for e in events if e["reason"] == "Preempted")
    assert told["action"] == "Preempting" and told["regarding"]["name"] == "low" and "related" not in told


class _Extender(BaseHTTPRequestHandler):
    """Lets pods run on nodes whose name ends in 2."""

    def do_POST(self) -> None:
        args = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        names = [n["metadata"]["name"] for n in args["Nodes"]["items"]]
        kept = [n for n in args["Nodes"]["items"] if n["metadata"]["name"].endswith("2")]
        refused = {n: "not mine" for n in names if not n.endswith("2")}
        body = json.dumps({"Nodes": {"items": kept}, "FailedNodes": refused, "Error": ""}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Nothing."""


def test_profiles_and_extenders_of_a_configuration_file(api: Api, schedulers: Schedulers, tmp_path: Path) -> None:
    for i in (1, 2, 3):
        api.node(f"n{i}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Extender)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    most = {"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "MostAllocated"}}}
    configuration = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "profiles": [{"schedulerName": "default-scheduler"}, {"schedulerName": "packing", "pluginConfig": [most]}],
        "extenders": [{"urlPrefix": f"http://127.0.0.1:{server.server_port}", "filterVerb": "filter"}],
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(configuration))
    try:
        schedulers.start(f"--config={path}")
        api.pod("one")
        api.pod("two", schedulerName="packing")
        assert api.bound("one") == "n2" and api.bound("two") == "n2"
        api.pod("three", nodeSelector={"kubernetes.io/hostname": "n1"})
        assert api.unschedulable("three").startswith("0/3 nodes are available: 1 not mine, 2 node(s) didn't match")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_command_explains_a_placement(api: Api, apiserver: ApiServer) -> None:
    api.node("n1", "1")
    api.node("n2", "4")
    api.pod("web", "2")
    argv = [sys.executable, "-m", "kubepy", "schedule", "--explain", "web", "-n", api.namespace, f"--kubeconfig={apiserver.kubeconfig}"]
    done = subprocess.run([*argv, "-o", "json"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row["name"]: row for row in found["nodes"]}
    assert found["node"] == "n2" and rows["n1"]["refusedBy"] == {"NodeResourcesFit": ["Insufficient cpu"]} and rows["n2"]["total"] > 0
    table = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stdout
    assert "NodeResourcesFit: Insufficient cpu" in table and table.startswith("NODE")
    assert "nodeName" not in api.get(api.path("pods", "web"))["spec"]
