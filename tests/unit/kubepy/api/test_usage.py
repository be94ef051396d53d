"""What objects count against quotas."""

from __future__ import annotations

from typing import Any

import pytest

from kubepy.api.usage import in_scope, tracked, unspecified, usage

NOW = 1_000_000_000.0


def shown(group: str, plural: str, obj: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in usage(group, plural, obj, NOW).items()}


def container(name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, **more}


def asking(cpu: str, **more: Any) -> dict[str, Any]:
    return container(resources={"requests": {"cpu": cpu}}, **more)


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [asking("100m"), asking("200m")]}, "300m"),
        ({"containers": [asking("100m")], "initContainers": [asking("1")]}, "1"),
        ({"containers": [asking("100m")], "initContainers": [asking("50m", restartPolicy="Always"), asking("80m")]}, "150m"),
        ({"containers": [asking("100m")], "initContainers": [asking("50m", restartPolicy="Always"), asking("2")]}, "2050m"),
        ({"containers": [asking("100m")], "overhead": {"cpu": "5m"}}, "105m"),
        ({"containers": [asking("100m")], "resources": {"requests": {"cpu": "3"}}}, "3"),
    ],
)
def test_pods_as_a_whole(spec: dict[str, Any], cpu: str) -> None:
    assert shown("", "pods", pod(**spec))["requests.cpu"] == cpu


def test_pods_that_are_over_count_as_objects_only() -> None:
    assert shown("", "pods", {**pod(containers=[asking("1")]), "status": {"phase": "Failed"}}) == {"count/pods": "1"}
    late = pod(containers=[])
    late["metadata"] |= {"deletionTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}
    assert shown("", "pods", late) == {"count/pods": "1"}


def test_extended_resources_and_huge_pages() -> None:
    requests = {"example.com/gpu": "2", "hugepages-2Mi": "4Mi"}
    found = shown("", "pods", pod(containers=[container(resources={"requests": requests})]))
    assert found["requests.example.com/gpu"] == "2"
    assert found["hugepages-2Mi"] == found["requests.hugepages-2Mi"] == "4Mi"
    assert tracked("", "pods", ["requests.example.com/gpu", "hugepages-2Mi", "services"]) == {"requests.example.com/gpu", "hugepages-2Mi"}


def test_services_and_claims() -> None:
    balancer = {"metadata": {}, "spec": {"type": "LoadBalancer", "ports": [{"port": 1}, {"port": 2, "nodePort": 3}]}}
    assert shown("", "services", balancer)["services.nodeports"] == "2"
    balancer["spec"]["allocateLoadBalancerNodePorts"] = False
    assert shown("", "services", balancer)["services.nodeports"] == "1"
    claim = {"metadata": {}, "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}}
    found = shown("", "persistentvolumeclaims", claim)
    assert found["fast.storageclass.storage.k8s.io/requests.storage"] == found["requests.storage"] == "1Gi"
    assert found["persistentvolumeclaims"] == found["count/persistentvolumeclaims"] == "1"


def test_anything_else_is_counted() -> None:
    assert shown("apps", "deployments", {"metadata": {}}) == {"count/deployments.apps": "1"}
    assert shown("", "configmaps", {"metadata": {}}) == {"count/configmaps": "1", "configmaps": "1"}


def test_scopes() -> None:
    def quota(*scopes: str) -> dict[str, Any]:
        return {"spec": {"scopes": list(scopes)}}

    plain = pod(containers=[container()])
    assert in_scope(quota(), "", "pods", plain)
    assert in_scope(quota("BestEffort", "NotTerminating"), "", "pods", plain)
    assert not in_scope(quota("BestEffort"), "", "pods", pod(containers=[asking("1m")]))
    assert not in_scope(quota("BestEffort"), "", "configmaps", {"metadata": {}})
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["x"]}]}}
    assert in_scope(quota("CrossNamespacePodAffinity"), "", "pods", pod(affinity=affinity))


def test_a_quota_on_cpu_demands_that_containers_speak() -> None:
    silent = pod(containers=[container("b"), container("a")])
    assert unspecified({"requests.cpu", "pods"}, silent) == "must specify requests.cpu for: a,b"
    assert unspecified({"limits.memory", "requests.cpu"}, pod(containers=[asking("1")])) == "must specify limits.memory for: c"
    assert unspecified({"pods"}, silent) == ""
