"""Addresses and ports of Services, allocated and given back by a running server."""

from __future__ import annotations

import ipaddress
from typing import Any

from tests.integration.conftest import ApiServer


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def test_cluster_ips_are_ip_address_objects(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/services"
    addresses = "/apis/networking.k8s.io/v1/ipaddresses"
    with apiserver.http() as http:
        ip = http.post(base, json=service("a")).json()["spec"]["clusterIP"]
        assert ipaddress.ip_address(ip) in ipaddress.ip_network("10.96.0.0/16")
        parent = http.get(f"{addresses}/{ip}").json()["spec"]["parentRef"]
        assert parent == {"resource": "services", "namespace": namespace, "name": "a"}
        taken = http.post(base, json=service("b", clusterIP=ip))
        assert (taken.status_code, taken.json()["details"]["causes"][0]["field"]) == (422, "spec.clusterIPs")
        assert "provided IP is already allocated" in taken.json()["message"]
        http.delete(f"{base}/a").raise_for_status()
        assert http.get(f"{addresses}/{ip}").status_code == 404
        assert http.post(base, json=service("b", clusterIP=ip)).status_code == 201


def test_node_ports_are_unique_and_come_back(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/services"
    with apiserver.http() as http:
        port = http.post(base, json=service("a", type="NodePort")).json()["spec"]["ports"][0]["nodePort"]
        assert 30000 <= port <= 32767
        wanted = [{"port": 80, "nodePort": port}]
        taken = http.post(base, json=service("b", type="NodePort", ports=wanted))
        assert taken.json()["details"]["causes"][0]["message"] == f"Invalid value: {port}: provided port is already allocated"
        outside = http.post(base, json=service("b", type="NodePort", ports=[{"port": 80, "nodePort": 80}]))
        assert "The range of valid ports is 30000-32767" in outside.json()["message"]
        merge = {"Content-Type": "application/merge-patch+json"}
        http.patch(f"{base}/a", content='{"spec":{"type":"ClusterIP"}}', headers=merge).raise_for_status()
        assert http.post(base, json=service("b", type="NodePort", ports=wanted)).status_code == 201


def test_refused_services_hold_nothing(apiserver: ApiServer, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/services"
    addresses = "/apis/networking.k8s.io/v1/ipaddresses"
    with apiserver.http() as http:
        before = {a["metadata"]["name"] for a in http.get(addresses).json()["items"]}
        wrong = service("a", ports=[{"port": 80}, {"port": 81}])
        assert http.post(base, json=wrong).status_code == 422
        assert http.post(base, json=service("d"), params={"dryRun": "All"}).status_code == 201
        for _ in range(100):
            after = {a["metadata"]["name"] for a in http.get(addresses).json()["items"]}
            if after == before:
                break
        assert after == before


def test_the_servers_own_service(apiserver: ApiServer) -> None:
    with apiserver.http() as http:
        own = http.get("/api/v1/namespaces/default/services/kubernetes").json()
        assert own["spec"]["clusterIP"] == "10.96.0.1"
        assert own["metadata"]["labels"] == {"component": "apiserver", "provider": "kubernetes"}
