"""What a cluster survives: kill -9 of each process and of all at once, a stop and a start."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.conftest import Cluster, until
from tests.e2e.workloads import web

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def converged(cluster: Cluster, namespace: str, tag: str, replicas: int) -> bool:
    out = cluster.kubectl("-n", namespace, "get", "deployment", "web", "-o", "json", check=False, seconds=20)
    if not out.startswith("{"):
        return False
    import json

    deployment = json.loads(out)
    status = deployment.get("status", {})
    counts = {status.get(k, 0) for k in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")}
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image.endswith(tag) and counts == {replicas} and status.get("observedGeneration") == deployment["metadata"]["generation"]


def test_kill_9_of_each_process_in_turn_during_rollouts(cluster: Cluster, namespace: str, image: str) -> None:
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=web(image, replicas=2))
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=80s")
    names = list(cluster.pids())
    assert len(names) >= 5
    for turn, name in enumerate(names):
        tag = str(2 - turn % 2)
        cluster.kubectl("-n", namespace, "set", "image", "deployment/web", f"web={image}:{tag}")
        os.kill(cluster.pids()[name], signal.SIGKILL)
        until(lambda tag=tag: converged(cluster, namespace, tag, 2), 90, f"the rollout after the death of {name}")
    until(lambda: set(cluster.pids()) == set(names), 20, "all processes")


def test_kill_9_of_all_components_at_once_during_a_rollout(cluster: Cluster, namespace: str, image: str) -> None:
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=web(image, replicas=2))
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=80s")
    cluster.kubectl("-n", namespace, "set", "image", "deployment/web", f"web={image}:2")
    for pid in cluster.pids().values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: converged(cluster, namespace, "2", 2), 90, "the rollout")
    own = [c for c in cluster.containers() if f"_{namespace}_" in c]
    until(lambda: len([c for c in cluster.containers() if f"_{namespace}_" in c]) == 4, 60, f"two pods of two containers, not {own}")


def test_down_and_up_bring_everything_back(cluster: Cluster, namespace: str, image: str) -> None:
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=web(image, replicas=2))
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=80s")
    before = {p["metadata"]["uid"] for p in cluster.get("-n", namespace, "pods")["items"]}
    cluster.kubepy("down")
    assert cluster.pids() == {}
    seconds = cluster.up()
    until(lambda: converged(cluster, namespace, "1", 2), 60, "the Deployment")
    assert {p["metadata"]["uid"] for p in cluster.get("-n", namespace, "pods")["items"]} == before
    assert seconds < 10, f"the second start took {seconds:.1f} s"
