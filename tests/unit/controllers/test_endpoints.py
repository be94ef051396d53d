"""Subsets of Endpoints, and the conditions of a namespace that goes."""

from typing import Any

from controllers import namespace
from controllers.common.services import TriggerTimes, find_port
from controllers.endpoints import CAPACITY, subsets, truncate
from tests.support.objects import NOW, meta, pod

Obj = dict[str, Any]


def service(**spec: Any) -> Obj:
    return {
        "metadata": meta("web"),
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}], **spec},
    }


def addressed(name: str, ip: str, *, is_ready: bool = True) -> Obj:
    made = pod(name, is_ready=is_ready, node="n")
    made["status"]["podIPs"] = [{"ip": ip}]
    return made


def test_ready_and_unready_addresses_share_a_subset() -> None:
    (found,) = subsets(service(), [addressed("b", "10.0.0.2"), addressed("a", "10.0.0.1", is_ready=False), pod("none")])
    assert [a["ip"] for a in found["addresses"]] == ["10.0.0.2"]
    assert [a["ip"] for a in found["notReadyAddresses"]] == ["10.0.0.1"]
    assert found["ports"] == [{"port": 8080, "protocol": "TCP"}]


def test_publish_not_ready_and_host_names() -> None:
    made = addressed("db-0", "10.0.0.1", is_ready=False)
    made["spec"].update(hostname="db-0", subdomain="web")
    (found,) = subsets(service(publishNotReadyAddresses=True), [made])
    assert found["addresses"][0]["hostname"] == "db-0"


def test_named_ports_split_subsets() -> None:
    one, two = addressed("a", "10.0.0.1"), addressed("b", "10.0.0.2")
    for made, number in ((one, 1), (two, 2)):
        made["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": number}]
    port = {"port": 80, "targetPort": "http"}
    assert find_port(one, port) == 1
    assert [s["ports"][0]["port"] for s in subsets(service(ports=[port]), [one, two])] == [1, 2]
    assert subsets(service(ports=[{"port": 80, "targetPort": "other"}]), [one]) == []


def test_ports_that_the_same_pods_serve_share_a_subset_in_upstreams_order() -> None:
    one, two = addressed("a", "10.0.0.1"), addressed("b", "10.0.0.2", is_ready=False)
    one["spec"]["containers"][0]["ports"] = [
        {"name": "http", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"},
    ]  # fmt: skip
    ports = [
        {"name": "a", "port": 80, "targetPort": "http"},
        {"name": "b", "port": 53, "targetPort": "dns", "protocol": "UDP"},
        {"name": "d", "port": 1, "appProtocol": "kubernetes.io/h2c"},
    ]
    assert [[p["name"] for p in s["ports"]] for s in subsets(service(ports=ports), [one])] == [["b", "a", "d"]]
    found = {tuple(p["name"] for p in s["ports"]): s for s in subsets(service(ports=ports), [one, two])}
    assert set(found) == {("b", "a"), ("d",)}
    assert "notReadyAddresses" not in found["b", "a"] and len(found["d",]["notReadyAddresses"]) == 1


def test_a_pod_without_node_has_an_empty_node_name() -> None:
    made = addressed("a", "10.0.0.1")
    del made["spec"]["nodeName"]
    (found,) = subsets(service(), [made])
    assert found["addresses"][0]["nodeName"] == ""


def test_at_most_a_thousand() -> None:
    many = [{"addresses": [{"ip": str(n)} for n in range(CAPACITY + 200)], "notReadyAddresses": [{"ip": "x"}]}]
    (cut,), over = truncate(many)
    assert over
    assert (len(cut["addresses"]), "notReadyAddresses" in cut) == (CAPACITY, False)


def test_trigger_times_are_told_once() -> None:
    times = TriggerTimes()
    web, member = service(), addressed("a", "10.0.0.1")
    assert times.compute("k", web, [member]) == min(
        web["metadata"]["creationTimestamp"], member["status"]["conditions"][0]["lastTransitionTime"]
    )
    assert times.compute("k", web, [member]) == ""


def test_namespace_conditions() -> None:
    bad = namespace.summary({"pods.": 2}, {"x/hold": 1})
    found = {c["type"]: c for c in namespace.conditions([], bad, NOW)}
    assert found[namespace.REMAINING]["message"] == "Some resources are remaining: pods. has 2 resource instances"
    assert found[namespace.FINALIZERS]["reason"] == "SomeFinalizersRemain"
    assert found[namespace.CONTENT]["status"] == "False"
    later = {c["type"]: c for c in namespace.conditions(found.values(), {}, NOW + 60)}
    assert later[namespace.REMAINING]["status"] == "False"
    assert later[namespace.CONTENT] == found[namespace.CONTENT]
