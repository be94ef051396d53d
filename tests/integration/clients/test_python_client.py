"""The official Python client: typed objects, patches, watches that resume, the dynamic client, leader election."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import kubernetes as k8s
    from kubernetes import dynamic, watch
    from kubernetes.leaderelection.electionconfig import Config
    from kubernetes.leaderelection.leaderelection import LeaderElection
    from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from tests.integration.clients.conftest import Plane

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def api(plane: Plane) -> Iterator[Any]:
    client = k8s.config.new_client_from_config(str(plane.kubeconfig))
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def namespace(api: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    core = k8s.client.CoreV1Api(api)
    name = f"python-{request.node.name.removeprefix('test_').replace('_', '-')}"[:50].strip("-")
    core.create_namespace(k8s.client.V1Namespace(metadata=k8s.client.V1ObjectMeta(name=name)))
    yield name
    core.delete_namespace(name)


def _deployment(name: str, replicas: int) -> Any:
    c = k8s.client
    labels = {"app": name}
    pod = c.V1PodSpec(containers=[c.V1Container(name="c", image="example/web:1", ports=[c.V1ContainerPort(container_port=80)])])
    template = c.V1PodTemplateSpec(metadata=c.V1ObjectMeta(labels=labels), spec=pod)
    spec = c.V1DeploymentSpec(replicas=replicas, selector=c.V1LabelSelector(match_labels=labels), template=template)
    return c.V1Deployment(metadata=c.V1ObjectMeta(name=name), spec=spec)


def test_typed_objects_are_written_read_patched_and_deleted(api: Any, namespace: str) -> None:
    apps, core = k8s.client.AppsV1Api(api), k8s.client.CoreV1Api(api)
    made = apps.create_namespaced_deployment(namespace, _deployment("web", 2))
    assert made.spec.strategy.rolling_update.max_surge == "25%"
    made.spec.replicas = 9
    made.metadata.resource_version = "1"
    with pytest.raises(k8s.client.ApiException, match="the object has been modified") as refused:
        apps.replace_namespaced_deployment("web", namespace, made)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    # The client's own choice of patch type: a list is a JSON patch, a dictionary a strategic one.
    patched = apps.patch_namespaced_deployment("web", namespace, [{"op": "replace", "path": "/spec/replicas", "value": 1}])
    assert patched.spec.replicas == 1
    containers = [{"name": "c", "image": "example/web:2"}]
    patched = apps.patch_namespaced_deployment("web", namespace, {"spec": {"template": {"spec": {"containers": containers}}}})
    assert [(c.image, c.ports[0].container_port) for c in patched.spec.template.spec.containers] == [("example/web:2", 80)]
    scale = apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 3}})
    assert scale.status.selector == "app=web"
    for event in watch.Watch().stream(apps.list_namespaced_deployment, namespace, timeout_seconds=30):
        if event["object"].status.available_replicas == 3:
            break
    else:
        pytest.fail("three replicas are never available")
    assert {p.status.phase for p in core.list_namespaced_pod(namespace, field_selector="status.phase=Running").items} == {"Running"}
    version = apps.list_namespaced_deployment(namespace).metadata.resource_version
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    for event in watch.Watch().stream(apps.list_namespaced_deployment, namespace, resource_version=version, timeout_seconds=30):
        if event["type"] == "DELETED":
            break
    else:
        pytest.fail("the deployment never goes")
    assert not [p for p in core.list_namespaced_pod(namespace).items if p.metadata.deletion_timestamp is None]
    with pytest.raises(k8s.client.ApiException) as refused:
        core.read_namespaced_pod("nobody", namespace)
    assert refused.value.status == 404


def test_lists_are_read_in_chunks(api: Any, namespace: str) -> None:
    core = k8s.client.CoreV1Api(api)
    for n in range(5):
        core.create_namespaced_config_map(namespace, {"metadata": {"name": f"c{n}", "labels": {"n": str(n % 2)}}, "data": {"n": str(n)}})
    names, proceed = [], None
    while True:
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=proceed, label_selector="n")
        names += [c.metadata.name for c in page.items]
        proceed = page.metadata._continue
        if not proceed:
            break
    assert names == ["c0", "c1", "c2", "c3", "c4"]
    core.delete_collection_namespaced_config_map(namespace, label_selector="n=0")
    assert [c.metadata.name for c in core.list_namespaced_config_map(namespace, label_selector="n").items] == ["c1", "c3"]


def test_a_watch_resumes_where_it_was_left(api: Any, namespace: str) -> None:
    core = k8s.client.CoreV1Api(api)

    def make(name: str) -> None:
        core.create_namespaced_config_map(namespace, {"metadata": {"name": name, "labels": {"w": "1"}}})

    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    make("one")
    make("two")
    seen, version = [], start
    for want in ("one", "two"):
        for event in watch.Watch().stream(
            core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=20, label_selector="w"
        ):
            seen.append((event["type"], event["object"].metadata.name))
            version = event["object"].metadata.resource_version
            break
        assert seen[-1] == ("ADDED", want)
    core.delete_namespaced_config_map("one", namespace)
    for event in watch.Watch().stream(core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=20):
        assert (event["type"], event["object"].metadata.name) == ("DELETED", "one")
        break


def test_the_dynamic_client_finds_kinds_and_applies(api: Any, namespace: str) -> None:
    client = dynamic.DynamicClient(api)
    services = client.resources.get(api_version="v1", kind="Service")
    assert services.namespaced and "patch" in services.verbs
    body = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}
    made = client.server_side_apply(services, body, "s", namespace, field_manager="test")
    assert made.spec.ports[0].targetPort == 80 and made.spec.clusterIP
    assert [m.operation for m in made.metadata.managedFields] == ["Apply"]
    services.patch(body={"metadata": {"labels": {"l": "v"}}}, name="s", namespace=namespace, content_type="application/merge-patch+json")
    assert [s.metadata.name for s in services.get(namespace=namespace, label_selector="l=v").items] == ["s"]
    services.delete(name="s", namespace=namespace)
    with pytest.raises(dynamic.exceptions.NotFoundError):
        services.get(name="s", namespace=namespace)


def test_one_of_two_candidates_leads_until_it_ends(plane: Plane, api: Any, namespace: str) -> None:
    k8s.config.load_kube_config(str(plane.kubeconfig))

    def candidate(name: str) -> Any:
        lock = LeaseLock("lock", namespace, name)
        return LeaderElection(
            Config(lock, lease_duration=3, renew_deadline=2, retry_period=1, onstarted_leading=print, onstopped_leading=print)
        )

    one, other = candidate("one"), candidate("other")
    assert one.try_acquire_or_renew()
    assert not other.try_acquire_or_renew()
    assert one.try_acquire_or_renew()
    lease = k8s.client.CoordinationV1Api(api).read_namespaced_lease("lock", namespace)
    assert (lease.spec.holder_identity, lease.spec.lease_duration_seconds) == ("one", 3)
    assert lease.spec.renew_time > lease.spec.acquire_time
