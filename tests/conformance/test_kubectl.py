"""[sig-cli] rows, by an unmodified kubectl."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conformance.plane import Plane, pod, running, until, workload

pytestmark = [pytest.mark.kubectl, pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")]


class Kubectl:
    def __init__(self, plane: Plane, ns: str) -> None:
        self.base = ["kubectl", f"--kubeconfig={plane.kubeconfig}", f"--namespace={ns}"]

    def __call__(self, *arguments: str, given: Any = None, code: int = 0) -> str:
        text = None if given is None else given if isinstance(given, str) else json.dumps(given)
        done = subprocess.run([*self.base, *arguments], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def kubectl(plane: Plane, ns: str) -> Kubectl:
    return Kubectl(plane, ns)


def test_versions_and_cluster_info(kubectl: Kubectl) -> None:
    assert "v1" in kubectl("api-versions").split()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", kubectl("cluster-info"))
    assert re.search(r"Kubernetes control plane.*is running at", plain)
    told = kubectl("version")
    assert "Client Version" in told and "Server Version: v1." in told


def test_describe(plane: Plane, ns: str, kubectl: Kubectl) -> None:
    plane.create("replicationcontrollers", workload("ReplicationController", "agnhost-primary", 1, api="v1"), ns)
    (one,) = plane.until_list("pods", ns, running)
    told = kubectl("describe", "pod", one["metadata"]["name"])
    for part in ("Name:", "Namespace:", "Node:", "Labels:", "Status:", "Running", "IP:", "Controlled By:",
                 "ReplicationController/agnhost-primary",
                 "Image:", "State:", "QoS Class:", "Events:"):  # fmt: skip
        assert part in told, part
    told = kubectl("describe", "rc", "agnhost-primary")
    for part in (
        "Name:",
        "Selector:",
        "Replicas:",
        "1 current",
        "1 desired",
        "Pods Status:",
        "1 Running",
        "Pod Template:",
        "Image:",
        "SuccessfulCreate",
    ):
        assert part in told, part
    assert "Active" in kubectl("describe", "namespace", ns)


def test_diff_finds_a_difference(kubectl: Kubectl) -> None:
    made = workload("Deployment", "d", 1)
    kubectl("create", "-f", "-", given=made)
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.k8s.io/e2e:new"
    told = kubectl("diff", "-f", "-", given=made, code=1)
    assert "+" in told and "registry.k8s.io/e2e:new" in told
    kubectl("apply", "-f", "-", given=made)


def test_expose_label_patch_and_replace(plane: Plane, ns: str, kubectl: Kubectl) -> None:
    plane.create("replicationcontrollers", workload("ReplicationController", "primary", 1, api="v1"), ns)
    (one,) = plane.until_list("pods", ns, running)
    name = one["metadata"]["name"]
    kubectl("expose", "rc", "primary", "--name=rm2", "--port=1234", "--target-port=6379")
    kubectl("expose", "service", "rm2", "--name=rm3", "--port=2345", "--target-port=6379")
    for service, port in (("rm2", 1234), ("rm3", 2345)):
        got = plane.until("endpoints", service, ns, lambda e: e.get("subsets")) if _there(plane, ns, service) else {}
        assert got["subsets"][0]["ports"][0]["port"] == 6379
        assert plane.get("services", service, ns)["spec"]["ports"][0]["port"] == port
    kubectl("label", "pods", name, "testing-label=testing-label-value")
    assert "testing-label-value" in kubectl("get", "pod", name, "-L", "testing-label")
    kubectl("label", "pods", name, "testing-label-")
    assert "testing-label-value" not in kubectl("get", "pod", name, "-L", "testing-label")
    kubectl("patch", "pod", name, "-p", '{"metadata":{"annotations":{"x":"y"}}}')
    assert plane.get("pods", name, ns)["metadata"]["annotations"]["x"] == "y"
    plane.create("pods", pod("replaced"), ns)
    now = plane.until("pods", "replaced", ns, lambda o: o["status"].get("phase") == "Running")
    now["spec"]["containers"][0]["image"] = "busybox:1.29"
    now["metadata"].pop("resourceVersion")
    until(
        lambda: subprocess.run([*kubectl.base, "replace", "-f", "-"], input=json.dumps(now), text=True, capture_output=True).returncode == 0
    )
    assert plane.get("pods", "replaced", ns)["spec"]["containers"][0]["image"] == "busybox:1.29"


def _there(plane: Plane, ns: str, service: str) -> bool:
    return bool(until(lambda: [e for e in plane.list("endpoints", ns) if e["metadata"]["name"] == service]))


def test_run_and_server_side_dry_run(plane: Plane, ns: str, kubectl: Kubectl) -> None:
    kubectl("run", "e2e-pod", "--restart=Never", "--image=httpd:2.4", "--labels=run=e2e-pod")
    made = plane.get("pods", "e2e-pod", ns)
    assert made["spec"]["restartPolicy"] == "Never" and made["spec"]["containers"][0]["image"] == "httpd:2.4"
    change = '{"spec":{"containers":[{"name": "e2e-pod","image": "busybox:1.29"}]}}'
    kubectl("patch", "pod", "e2e-pod", "-p", change, "--dry-run=server")
    assert plane.get("pods", "e2e-pod", ns)["spec"]["containers"][0]["image"] == "httpd:2.4"
    assert "deleted" in kubectl("delete", "pods", "e2e-pod", "--wait=false")


def test_update_demo_and_guestbook(plane: Plane, ns: str, kubectl: Kubectl) -> None:
    made = [workload("ReplicationController", "update-demo", 2, api="v1"), workload("Deployment", "frontend", 3)]
    made.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "frontend"},
                 "spec": {"selector": {"app": "frontend"}, "ports": [{"port": 80}]}})  # fmt: skip
    text = "---\n".join(yaml.safe_dump(m) for m in made)
    kubectl("create", "-f", "-", given=text)
    plane.until_list("pods", ns, lambda found: len(running(found)) == 5)
    names = "{{range.items}}{{.metadata.name}} {{end}}"
    for count in (1, 2):
        assert "scaled" in kubectl("scale", "rc", "update-demo", f"--replicas={count}", "--timeout=1m")
        plane.until_list("pods", ns, lambda found, count=count: len(running(found)) == count, labelSelector="app=update-demo")
        until(
            lambda count=count: (
                len(kubectl("get", "pods", "-o", "template", f"--template={names}", "-l", "app=update-demo").split()) == count
            )
        )
    kubectl("delete", "--grace-period=0", "--force", "-f", "-", given=text)
    plane.until_list("pods", ns, lambda found: not found)
    assert "No resources found" in kubectl("get", "rc,svc", "-l", "app=update-demo", "--no-headers")


@pytest.mark.parametrize("how", ["port", "socket"])
def test_proxy(plane: Plane, kubectl: Kubectl, tmp_path: Path, how: str) -> None:
    flag = "--port=0" if how == "port" else f"--unix-socket={tmp_path / 's'}"
    process = subprocess.Popen([*kubectl.base, "proxy", flag, "--disable-filter"], stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if how == "port":
            port = int(line.rpartition(":")[2])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/", timeout=10) as answer:
                got = json.load(answer)
        else:
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "s"))) as http:
                got = http.get("http://localhost/api/").json()
        assert got["kind"] == "APIVersions"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
