"""What a newcomer does: a Deployment, a Service, a page, a new version, logs, exec, copies and tunnels."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster, free_port, until
from tests.e2e.workloads import shell, web

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def serve(cluster: Cluster, namespace: str, image: str) -> None:
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=web(image))
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=shell(image))
    cluster.kubectl("-n", namespace, "expose", "deployment", "web", "--port=80", "--target-port=8080")
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=80s")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/client", "--timeout=60s")


def fetch(cluster: Cluster, namespace: str, host: str, times: int = 1) -> list[str]:
    script = f"for i in {' '.join(map(str, range(times)))}; do timeout 5 fetch {host} || echo FAILED; done"
    return cluster.kubectl("-n", namespace, "exec", "client", "--", "sh", "-c", script).split("\n")[:-1]


def test_a_page_comes_from_every_pod_by_address_and_by_name(cluster: Cluster, namespace: str, image: str) -> None:
    serve(cluster, namespace, image)
    pods = {p["metadata"]["name"] for p in cluster.get("-n", namespace, "pods", "-l", "app=web")["items"]}
    address = cluster.get("-n", namespace, "service", "web")["spec"]["clusterIP"]
    assert {line.split()[0] for line in fetch(cluster, namespace, address, 40)} == pods
    for name in ("web", f"web.{namespace}", f"web.{namespace}.svc.cluster.local"):
        (line,) = fetch(cluster, namespace, name)
        assert line.split()[0] in pods
    table = cluster.kubectl("-n", namespace, "get", "deployment", "web")
    assert "3/3" in table


def test_a_new_version_replaces_the_old_without_a_failed_request(cluster: Cluster, namespace: str, image: str) -> None:
    serve(cluster, namespace, image)
    loop = "while true; do timeout 5 fetch web || echo FAILED; done"
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=shell(image, "loop", loop))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/loop", "--timeout=60s")
    until(lambda: cluster.kubectl("-n", namespace, "logs", "loop", "--tail=1"), 20, "a first answer")
    cluster.kubectl("-n", namespace, "set", "image", "deployment/web", f"web={image}:2")
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=90s")
    pods = {
        p["metadata"]["name"]
        for p in cluster.get("-n", namespace, "pods", "-l", "app=web")["items"]
        if "deletionTimestamp" not in p["metadata"]
    }
    until(lambda: cluster.kubectl("-n", namespace, "logs", "loop", "--tail=1").split(" ")[0] in pods, 20, "an answer from a new pod")
    assert "FAILED" not in cluster.kubectl("-n", namespace, "logs", "loop")
    cluster.kubectl("-n", namespace, "rollout", "undo", "deployment/web")
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=90s")
    images = {c["image"] for p in cluster.get("-n", namespace, "deployment", "web")["spec"]["template"]["spec"]["containers"] for c in [p]}
    assert images == {f"{image}:1"}
    cluster.kubectl("-n", namespace, "scale", "deployment/web", "--replicas=1")
    until(lambda: len(cluster.get("-n", namespace, "pods", "-l", "app=web")["items"]) == 1, 60, "one pod")


def test_logs_exec_cp_and_port_forward(cluster: Cluster, namespace: str, image: str, tmp_path: Path) -> None:
    talk = "echo first; i=0; while true; do echo line $i; i=$((i+1)); sleep 1; done"
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=shell(image, "talk", talk))
    serve(cluster, namespace, image)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/talk", "--timeout=60s")

    follow = subprocess.Popen(["kubectl", "-n", namespace, "logs", "-f", "talk"], env=cluster.env, stdout=subprocess.PIPE, text=True)
    assert follow.stdout is not None
    assert follow.stdout.readline() == "first\n" and follow.stdout.readline() == "line 0\n"
    follow.terminate()
    follow.communicate()

    assert cluster.kubectl("-n", namespace, "exec", "-i", "client", "--", "cat", stdin="through\n") == "through\n"
    failed = subprocess.run(
        ["kubectl", "-n", namespace, "exec", "client", "--", "sh", "-c", "exit 3"], env=cluster.env, capture_output=True, check=False
    )
    assert failed.returncode == 3

    source = tmp_path / "file"
    source.write_bytes(b"\x00data" * 1000)
    cluster.kubectl("cp", str(source), f"{namespace}/client:/tmp/there")
    cluster.kubectl("cp", f"{namespace}/client:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == source.read_bytes()

    port = free_port()
    tunnel = subprocess.Popen(
        ["kubectl", "-n", namespace, "port-forward", "service/web", f"{port}:80"], env=cluster.env, stdout=subprocess.PIPE, text=True
    )
    assert tunnel.stdout is not None and tunnel.stdout.readline().startswith("Forwarding from")
    try:
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                assert answer.read().startswith(b"web-")
    finally:
        tunnel.terminate()
        tunnel.communicate()

    described = cluster.kubectl("-n", namespace, "describe", "pod", "talk")
    for text in ("Scheduled", "Pulled", "Created", "Started", "Successfully assigned"):
        assert text in described


def test_a_terminal(cluster: Cluster, namespace: str, image: str) -> None:
    """`exec -it` over a real pseudo-terminal: what is typed is echoed, and the size arrives."""
    import os
    import pty

    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=shell(image))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    main, child = pty.openpty()
    process = subprocess.Popen(
        ["kubectl", "-n", namespace, "exec", "-it", "client", "--", "sh"], env=cluster.env, stdin=child, stdout=child, stderr=child
    )
    os.close(child)
    os.set_blocking(main, False)
    seen = b""

    def read_until(text: bytes) -> bool:
        nonlocal seen
        with contextlib.suppress(BlockingIOError):
            seen += os.read(main, 65536)
        return text in seen

    try:
        until(lambda: read_until(b"#"), 20, "a prompt")
        os.write(main, b"echo a$((6*7))b; test -t 0 && echo is-a-tty\n")
        until(lambda: read_until(b"a42b") and b"is-a-tty\r" in seen, 20, "the answer")
        os.write(main, b"exit 5\n")
        assert process.wait(20) == 5
    finally:
        process.kill()
        process.wait()
        os.close(main)


def test_crashing_and_unpullable_pods_say_why(cluster: Cluster, namespace: str, image: str) -> None:
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=shell(image, "crash", "echo dying; exit 7"))
    bad = json.loads(shell(image, "bad"))
    bad["spec"]["containers"][0]["image"] = "registry.invalid/no/such:image"
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(bad))

    def reason(pod: str) -> str:
        for status in cluster.get("-n", namespace, "pod", pod).get("status", {}).get("containerStatuses", []):
            return str((status["state"].get("waiting") or {}).get("reason", ""))
        return ""

    until(lambda: reason("crash") == "CrashLoopBackOff", 60, "CrashLoopBackOff")
    until(lambda: reason("bad") in ("ErrImagePull", "ImagePullBackOff"), 60, "ErrImagePull")
    assert cluster.kubectl("-n", namespace, "logs", "crash", "--previous") == "dying\n"
    status = cluster.get("-n", namespace, "pod", "crash")["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 7 and status["restartCount"] >= 1


def test_deletion_leaves_no_container(cluster: Cluster, namespace: str, image: str) -> None:
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=web(image, replicas=2))
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=80s")
    start = time.monotonic()
    cluster.kubectl("-n", namespace, "delete", "deployment", "web")
    until(lambda: not [c for c in cluster.containers() if f"_{namespace}_" in c], 60, "containers gone")
    assert time.monotonic() - start < 45
