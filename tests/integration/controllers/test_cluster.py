"""The controllers against a real API server: workloads, owners, namespaces, events."""

from __future__ import annotations

import asyncio
from typing import Any

from kubepy.client import Client
from tests.integration.controllers.conftest import until, until_count, until_gone

Obj = dict[str, Any]

DEPLOYMENTS, SETS, JOBS = "deployments.apps", "replicasets.apps", "jobs.batch"


def workload(kind: str, api_version: str = "apps/v1", name: str = "web", **spec: Any) -> Obj:
    pod = {
        "terminationGracePeriodSeconds": 0,
        "schedulerName": "by-hand",
        "containers": [{"name": "app", "image": "registry.example/app:1"}],
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    return {
        "apiVersion": api_version, "kind": kind, "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }  # fmt: skip


async def play_kubelet(client: Client, pod: Obj, phase: str = "Running") -> None:
    """Say that a pod runs and is ready, or that it ended."""
    ready = {"type": "Ready", "status": "True" if phase == "Running" else "False", "lastTransitionTime": "2025-01-01T00:00:00Z"}
    status = {"phase": phase, "conditions": [ready], "podIP": "10.9.0.1", "podIPs": [{"ip": "10.9.0.1"}]}
    meta = pod["metadata"]
    await client.patch("pods", meta["name"], {"status": status}, meta["namespace"], type="strategic", subresource="status")


def condition(obj: Obj, kind: str) -> Obj:
    return next((c for c in obj.get("status", {}).get("conditions", ()) if c["type"] == kind), {})


async def test_a_deployment_rolls_out_scales_and_is_collected(client: Client, namespace: str) -> None:
    await client.create(DEPLOYMENTS, workload("Deployment", replicas=2), namespace)
    for pod in await until_count(client, "pods", namespace, 2):
        await play_kubelet(client, pod)
    done = await until(
        client, DEPLOYMENTS, "web", namespace, lambda d: condition(d, "Progressing").get("reason") == "NewReplicaSetAvailable"
    )
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    await client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}}, namespace)
    await until_count(client, "pods", namespace, 0)
    await client.delete(DEPLOYMENTS, "web", namespace, propagation="Background")
    await until_count(client, SETS, namespace, 0)
    events = (await client.list("events", namespace, field_selector="involvedObject.kind=Deployment"))["items"]
    assert [e["message"].rsplit(" from ", 1)[1] for e in sorted(events, key=lambda e: e["metadata"]["name"])] == ["0 to 2", "2 to 0"]


async def test_a_thousand_pods_are_created_at_once(client: Client, namespace: str) -> None:
    await client.create(DEPLOYMENTS, workload("Deployment", name="big", replicas=1000), namespace)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await until(client, DEPLOYMENTS, "big", namespace, lambda d: d.get("status", {}).get("replicas") == 1000, seconds=60)
    assert loop.time() - began < 30
    await client.delete(DEPLOYMENTS, "big", namespace, propagation="Foreground")
    await until_gone(client, DEPLOYMENTS, "big", namespace, seconds=60)
    assert (await client.list("pods", namespace))["items"] == []


async def test_a_job_counts_its_pods_once(client: Client, namespace: str) -> None:
    job = workload("Job", "batch/v1", "work", completions=2, parallelism=2)
    del job["spec"]["selector"]
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    await client.create(JOBS, job, namespace)
    for pod in await until_count(client, "pods", namespace, 2):
        assert pod["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
        await play_kubelet(client, pod, "Succeeded")
    done = await until(client, JOBS, "work", namespace, lambda j: condition(j, "Complete"))
    assert (done["status"]["succeeded"], done["status"].get("uncountedTerminatedPods", {})) == (2, {})


async def test_a_statefulset_starts_in_order(client: Client, namespace: str) -> None:
    await client.create("statefulsets.apps", workload("StatefulSet", name="db", replicas=2, serviceName="db"), namespace)
    (first,) = await until_count(client, "pods", namespace, 1)
    assert first["metadata"]["name"] == "db-0"
    await play_kubelet(client, first)
    assert {p["metadata"]["name"] for p in await until_count(client, "pods", namespace, 2)} == {"db-0", "db-1"}


async def test_endpoints_follow_pods(client: Client, namespace: str) -> None:
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }  # fmt: skip
    await client.create("services", service, namespace)
    bound = workload("ReplicaSet", replicas=1)
    bound["spec"]["template"]["spec"]["nodeName"] = "by-hand"
    await client.create(SETS, bound, namespace)
    (pod,) = await until_count(client, "pods", namespace, 1)
    await play_kubelet(client, pod)
    found = await until(client, "endpoints", "web", namespace, lambda e: e.get("subsets"))
    assert found["subsets"][0]["addresses"][0]["targetRef"]["name"] == pod["metadata"]["name"]


async def test_a_namespace_is_emptied_and_goes(client: Client) -> None:
    name = "t-doomed"
    await client.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await until(client, "configmaps", "kube-root-ca.crt", name, lambda c: c["data"]["ca.crt"].startswith("-----BEGIN"))
    await until(client, "serviceaccounts", "default", name, lambda a: True)
    await client.create(SETS, workload("ReplicaSet", replicas=3), name)
    await until_count(client, "pods", name, 3)
    await client.delete("namespaces", name)
    await until_gone(client, "namespaces", name, None)


async def test_a_quota_is_counted(client: Client, namespace: str) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"count/configmaps": "5"}}}
    await client.create("resourcequotas", quota, namespace)
    before = await until(client, "resourcequotas", "q", namespace, lambda q: q.get("status", {}).get("used"))
    await client.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}, namespace)
    wanted = str(int(before["status"]["used"]["count/configmaps"]) + 1)
    await until(client, "resourcequotas", "q", namespace, lambda q: q["status"]["used"]["count/configmaps"] == wanted)
