"""Pods as the kubelet runs them: restarts, probes, volumes that change, hooks, streams over both of kubectl's protocols."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cluster, free_port, until

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

Obj = dict[str, Any]


def apply(cluster: Cluster, namespace: str, *objects: Obj) -> None:
    """Apply objects in the namespace."""
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin="\n".join(json.dumps(o) for o in objects))


def pod(name: str, image: str, script: str, container: Obj | None = None, **spec: Any) -> Obj:
    """A pod of one container that runs a script."""
    app = {"name": "app", "image": f"{image}:1", "command": ["/bin/sh", "-c", script], "env": [{"name": "PATH", "value": "/bin"}]}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{**app, **(container or {})}], **spec},
    }  # fmt: skip


def state(cluster: Cluster, namespace: str, name: str) -> tuple[Obj, Obj]:
    """(status, first container's status)."""
    status = cluster.get("-n", namespace, "pod", name)["status"]
    return status, (status.get("containerStatuses") or [{}])[0]


def test_restarts_reasons_and_phases(cluster: Cluster, namespace: str, image: str) -> None:
    """Every common way in which a container ends or does not begin, side by side."""
    from_missing = {"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x"}}}]}
    apply(
        cluster, namespace,
        pod("crash", image, "echo why > /dev/termination-log; exit 3"),
        pod("done", image, "echo fine", restartPolicy="Never"),
        pod("fail", image, "exit 4", restartPolicy="Never"),
        pod("config", image, "true", from_missing),
        pod("never", image, "true", {"image": "nothing/here:1", "imagePullPolicy": "Never"}),
        pod("late", image, "sleep 1000", activeDeadlineSeconds=2),
    )  # fmt: skip

    def waiting(name: str) -> str:
        return str((state(cluster, namespace, name)[1].get("state", {}).get("waiting") or {}).get("reason", ""))

    until(lambda: waiting("crash") == "CrashLoopBackOff", 40, "the crash loop")
    _, crash = state(cluster, namespace, "crash")
    assert crash["restartCount"] >= 1 and crash["lastState"]["terminated"]["exitCode"] == 3
    assert crash["lastState"]["terminated"]["message"] == "why\n"
    until(lambda: state(cluster, namespace, "done")[0]["phase"] == "Succeeded", 20, "success")
    until(lambda: state(cluster, namespace, "fail")[0]["phase"] == "Failed", 20, "failure")
    assert state(cluster, namespace, "fail")[1]["state"]["terminated"]["exitCode"] == 4
    until(lambda: waiting("config") == "CreateContainerConfigError", 20, "the configuration error")
    until(lambda: waiting("never") == "ErrImageNeverPull", 20, "the missing image")
    until(lambda: state(cluster, namespace, "late")[0].get("reason") == "DeadlineExceeded", 20, "the deadline")
    assert cluster.kubectl("-n", namespace, "logs", "done") == "fine\n"
    apply(cluster, namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "none"}, "data": {"x": "1"}})
    until(lambda: waiting("config") != "CreateContainerConfigError", 20, "the configuration to be found")


def test_probes_gate_and_restart(cluster: Cluster, namespace: str, image: str) -> None:
    ready = {"readinessProbe": {"exec": {"command": ["/bin/cat", "/tmp/ready"]}, "periodSeconds": 1}}
    probe = {"exec": {"command": ["/bin/cat", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 1}
    apply(
        cluster, namespace,
        pod("gate", image, "sleep 1000", ready),
        pod("alive", image, "echo > /tmp/alive; sleep 1000", {"livenessProbe": probe}),
    )  # fmt: skip
    until(lambda: state(cluster, namespace, "gate")[0]["phase"] == "Running", 20, "the gated pod to run")
    assert not state(cluster, namespace, "gate")[1]["ready"]
    cluster.kubectl("-n", namespace, "exec", "gate", "--", "sh", "-c", "echo > /tmp/ready")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/gate", "--timeout=20s")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/alive", "--timeout=20s")
    cluster.kubectl("-n", namespace, "exec", "alive", "--", "/bin/sh", "-c", "mv /tmp/alive /tmp/dead", check=False)
    until(lambda: state(cluster, namespace, "alive")[1]["restartCount"] >= 1, 20, "the restart")
    events = cluster.kubectl("-n", namespace, "get", "events")
    assert "Container app failed liveness probe, will be restarted" in events and "Readiness probe failed" in events


def test_a_configmap_changes_under_a_running_pod(cluster: Cluster, namespace: str, image: str) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "old"}}
    volumes = [{"name": "c", "configMap": {"name": "c"}}, {"name": "m", "emptyDir": {"medium": "Memory"}}]
    mounts = [{"name": "c", "mountPath": "/c"}, {"name": "m", "mountPath": "/m"}]
    apply(cluster, namespace, config, pod("reader", image, "sleep 1000", {"volumeMounts": mounts}, volumes=volumes))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/reader", "--timeout=30s")

    def shown() -> str:
        return cluster.kubectl("-n", namespace, "exec", "reader", "--", "cat", "/c/k")

    assert shown() == "old"
    assert " /m tmpfs " in cluster.kubectl("-n", namespace, "exec", "reader", "--", "cat", "/proc/mounts")
    token = cluster.kubectl("-n", namespace, "exec", "reader", "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
    assert token.count(".") == 2
    apply(cluster, namespace, {**config, "data": {"k": "new"}})
    until(lambda: shown() == "new", 20, "the new content")


@pytest.mark.parametrize("websockets", ["true", "false"])
def test_streams_over_both_protocols(cluster: Cluster, namespace: str, image: str, tmp_path: Path, websockets: str) -> None:
    """exec with stdin and exit codes, copies, and tunnels; kubectl falls back to SPDY where WebSockets are switched off."""
    apply(cluster, namespace, pod("box", image, "mkdir -p /www; echo page > /www/index.html; exec httpd -f -p 8080 -h /www"))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/box", "--timeout=30s")
    switches = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets, "KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets}
    env = {**cluster.env, **switches}

    def run(*argv: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["kubectl", "-n", namespace, *argv], env=env, input=stdin, capture_output=True, check=False, timeout=60)

    payload = os.urandom(300_000)
    echoed = run("exec", "-i", "box", "--", "cat", stdin=payload)
    assert echoed.returncode == 0 and echoed.stdout == payload
    failed = run("exec", "box", "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 7")
    assert (failed.returncode, failed.stdout) == (7, b"out\n") and failed.stderr.startswith(b"err\n")
    (tmp_path / "up").write_bytes(payload)
    assert run("cp", str(tmp_path / "up"), "box:/tmp/up").returncode == 0
    assert run("cp", "box:/tmp/up", str(tmp_path / "down")).returncode == 0
    assert (tmp_path / "down").read_bytes() == payload
    port = free_port()
    tunnel = subprocess.Popen(["kubectl", "-n", namespace, "port-forward", "pod/box", f"{port}:8080"], env=env, stdout=subprocess.DEVNULL)
    try:

        def page() -> bytes:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    found: bytes = answer.read()
                    return found
            except (urllib.error.URLError, ConnectionError):
                return b""

        assert until(page, 20, "a page through the tunnel") == b"page\n"
        assert [page() for _ in range(3)] == [b"page\n"] * 3
    finally:
        tunnel.terminate()
        tunnel.wait(10)


def test_hooks_and_grace(cluster: Cluster, namespace: str, image: str) -> None:
    """preStop runs before the stop signal, and a container that obeys does not wait for its grace to pass."""
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo hook > /proc/1/fd/1"]}}}
    script = "trap 'echo term; exit 0' TERM; echo up; while true; do sleep 0.1; done"
    apply(cluster, namespace, pod("polite", image, script, {"lifecycle": hook}, terminationGracePeriodSeconds=60))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/polite", "--timeout=30s")
    follow = subprocess.Popen(["kubectl", "-n", namespace, "logs", "-f", "polite"], env=cluster.env, stdout=subprocess.PIPE, text=True)
    assert follow.stdout is not None
    assert follow.stdout.readline() == "up\n"
    began = time.monotonic()
    cluster.kubectl("-n", namespace, "delete", "pod", "polite", "--timeout=40s")
    assert time.monotonic() - began < 30
    assert follow.stdout.read() == "hook\nterm\n"
    follow.stdout.close()
    assert follow.wait(10) == 0
