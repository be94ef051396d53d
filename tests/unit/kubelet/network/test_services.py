"""Which endpoints stand behind a Service port."""

from __future__ import annotations

from typing import Any

from kubelet.network.services import Endpoint, is_proxied, service_ports


def service(**spec: Any) -> dict[str, Any]:
    base = {"clusterIP": "10.96.0.20", "clusterIPs": ["10.96.0.20"], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    return {"metadata": {"namespace": "default", "name": "web"}, "spec": {**base, **spec}}


def endpoint(ip: str, node: str = "a", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [ip], "nodeName": node, "conditions": conditions}


def slice_(*endpoints: dict[str, Any], port: int = 8080) -> dict[str, Any]:
    return {"addressType": "IPv4", "ports": [{"name": "http", "port": port}], "endpoints": list(endpoints)}


def ips(endpoints: tuple[Endpoint, ...]) -> list[str]:
    return [e.ip for e in endpoints]


def test_ready_endpoints_are_chosen_once_each() -> None:
    slices = [slice_(endpoint("10.0.0.2", ready=True), endpoint("10.0.0.1", ready=True)), slice_(endpoint("10.0.0.1", ready=True))]
    (port,) = service_ports(service(), slices, nodes=())
    assert ips(port.cluster) == ["10.0.0.1", "10.0.0.2"] and port.cluster[0].port == 8080


def test_serving_terminating_endpoints_are_used_only_while_none_is_ready() -> None:
    leaving = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    (port,) = service_ports(service(), [slice_(leaving, endpoint("10.0.0.2", ready=True))], nodes=())
    assert ips(port.cluster) == ["10.0.0.2"]
    (port,) = service_ports(service(), [slice_(leaving)], nodes=())
    assert ips(port.cluster) == ["10.0.0.1"]


def test_a_drained_address_counts_as_terminating() -> None:
    slices = [slice_(endpoint("10.0.0.1", ready=True), endpoint("10.0.0.2", ready=True))]
    (port,) = service_ports(service(), slices, nodes=(), drained={"10.0.0.1"})
    assert ips(port.cluster) == ["10.0.0.2"]
    (port,) = service_ports(service(), [slice_(endpoint("10.0.0.1", ready=True))], nodes=(), drained={"10.0.0.1"})
    assert ips(port.cluster) == ["10.0.0.1"]


def test_local_policies_keep_to_the_nodes_of_this_machine() -> None:
    slices = [slice_(endpoint("10.0.0.1", "a", ready=True), endpoint("10.0.0.2", "b", ready=True))]
    (port,) = service_ports(service(internalTrafficPolicy="Local"), slices, nodes={"a"})
    assert ips(port.cluster) == ["10.0.0.1"] and ips(port.external) == ["10.0.0.1", "10.0.0.2"]
    (port,) = service_ports(service(externalTrafficPolicy="Local"), slices, nodes={"b"})
    assert ips(port.cluster) == ["10.0.0.1", "10.0.0.2"] and ips(port.external) == ["10.0.0.2"]


def test_affinity_has_upstreams_default_of_three_hours() -> None:
    (port,) = service_ports(service(sessionAffinity="ClientIP"), [], nodes=())
    assert port.affinity_seconds == 10800


def test_services_without_an_address_or_with_a_proxy_of_their_own_are_left_alone() -> None:
    assert is_proxied(service())
    assert not is_proxied(service(clusterIP="None"))
    assert not is_proxied(service(type="ExternalName"))
    foreign = service()
    foreign["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "other"}
    assert not is_proxied(foreign)
