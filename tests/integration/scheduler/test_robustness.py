"""The scheduler when others fail: API servers that are killed, leaders that go, nodes that vanish."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.integration.conftest import ApiServer
from tests.integration.scheduler.conftest import Api, Schedulers

PODS = 150


@pytest.fixture
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server of its own for each test: they kill it."""
    server = ApiServer(tmp_path_factory.mktemp("apiserver"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_no_pod_is_lost_when_the_api_server_is_killed(api: Api, apiserver: ApiServer, schedulers: Schedulers) -> None:
    for i in range(10):
        api.node(f"n{i}", "4")
    for i in range(PODS):
        api.pod(f"p{i}", "200m")
    schedulers.start()
    api.until(api.path("pods") + "?fieldSelector=spec.nodeName!%3D&limit=1", lambda l: l.get("items"))
    apiserver.stop(signal.SIGKILL)
    apiserver.start()
    with apiserver.http() as http:
        again = Api(http, api.namespace)
        again.until(again.path("pods") + "?fieldSelector=spec.nodeName%3D", lambda l: l.get("items") == [], 60)
        pods = again.get(again.path("pods"))["items"]
    used = [sum(p["spec"]["nodeName"] == f"n{i}" for p in pods) for i in range(10)]
    assert len(pods) == PODS and max(used) <= 20  # 20 × 200m: no node got more than it has


def test_the_next_leader_goes_on_where_the_last_one_ended(api: Api, schedulers: Schedulers) -> None:
    api.node("n1", "2")
    flags = ("--leader-elect", "--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms")
    first = schedulers.start(*flags)
    api.pod("one", "1")
    api.bound("one")
    schedulers.start(*flags)
    first.kill()
    api.pod("two", "1")
    assert api.bound("two") == "n1"
    api.pod("three", "1")
    assert "1 Insufficient cpu" in api.unschedulable("three")  # the new leader knows what the old one placed
    lease = api.get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler")
    assert lease["spec"]["leaseTransitions"] == 1


def test_a_node_that_comes_back_still_has_its_pods(api: Api, schedulers: Schedulers) -> None:
    api.node("n1", "2")
    schedulers.start()
    api.pod("one", "2")
    api.bound("one")
    api.http.delete("/api/v1/nodes/n1")
    api.pod("two", "2")
    api.unschedulable("two")
    api.node("n1", "2")
    api.until(api.path("pods", "two"), lambda p: "Insufficient cpu" in str(p["status"].get("conditions")))
    api.http.delete(api.path("pods", "one") + "?gracePeriodSeconds=0")
    assert api.bound("two") == "n1"


def test_two_schedulers_that_race_leave_each_other_alone(api: Api, schedulers: Schedulers) -> None:
    for i in range(5):
        api.node(f"n{i}", "4")
    for i in range(60):
        api.pod(f"p{i}", "100m")
    schedulers.start()
    schedulers.start()
    api.until(api.path("pods") + "?fieldSelector=spec.nodeName%3D", lambda l: l.get("items") == [])
    # Whoever lost a race for a pod left it as the other one bound it.
    for pod in api.get(api.path("pods"))["items"]:
        scheduled = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
        assert scheduled["status"] == "True"
