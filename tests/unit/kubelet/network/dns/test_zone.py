"""Names of the cluster: the DNS specification's record kinds."""

from __future__ import annotations

from typing import Any

import pytest

from kubelet.network.dns.zone import Record, Zone, names_of_service, names_of_slice


def service(name: str, **spec: Any) -> dict[str, Any]:
    base = {"clusterIP": "10.96.0.20", "clusterIPs": ["10.96.0.20"], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    return {"metadata": {"namespace": "shop", "name": name}, "spec": {**base, **spec}}


SERVICES = {
    "web": service("web"),
    "db": service("db", clusterIP="None", clusterIPs=["None"]),
    "empty": service("empty", clusterIP="None", clusterIPs=["None"]),
    "far": service("far", type="ExternalName", clusterIP="", clusterIPs=[], externalName="Example.COM."),
}
DB_SLICE = {
    "metadata": {"namespace": "shop", "name": "db-x", "labels": {"kubernetes.io/service-name": "db"}},
    "addressType": "IPv4",
    "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}],
    "endpoints": [
        {"addresses": ["10.244.0.5"], "hostname": "db-0", "conditions": {"ready": True}},
        {"addresses": ["10.244.0.6"], "conditions": {"ready": True}},
        {"addresses": ["10.244.0.7"], "hostname": "db-2", "conditions": {"ready": False}},
    ],
}


@pytest.fixture
def zone() -> Zone:
    reverse: dict[str, list[str]] = {}
    for ip, name in [*names_of_service(SERVICES["web"]), *names_of_slice(DB_SLICE)]:
        reverse.setdefault(ip, []).append(name)
    return Zone(
        "cluster.local",
        lambda ns, name: SERVICES.get(name) if ns == "shop" else None,
        lambda ns, name: [DB_SLICE] if (ns, name) == ("shop", "db") else [],
        lambda ip: reverse.get(ip, []),
    )


@pytest.mark.parametrize(
    ("name", "kind", "want"),
    [
        ("web.shop.svc", "A", ["10.96.0.20"]),
        ("db.shop.svc", "A", ["10.244.0.5", "10.244.0.6"]),
        ("db-0.db.shop.svc", "A", ["10.244.0.5"]),
        ("10-244-0-6.db.shop.svc", "A", ["10.244.0.6"]),
        ("10-244-3-4.shop.pod", "A", ["10.244.3.4"]),
        ("far.shop.svc", "A", ["example.com"]),
        ("_http._tcp.web.shop.svc", "SRV", [(0, 100, 80, "web.shop.svc.cluster.local")]),
        (
            "_sql._tcp.db.shop.svc",
            "SRV",
            [(0, 50, 5432, "db-0.db.shop.svc.cluster.local"), (0, 50, 5432, "10-244-0-6.db.shop.svc.cluster.local")],
        ),
        ("dns-version", "TXT", ["1.1.0"]),
    ],
)
def test_records(zone: Zone, name: str, kind: str, want: list[Any]) -> None:
    found = zone.answer(f"{name}.cluster.local", kind)
    assert found.exists and [r.data for r in found.records] == want


@pytest.mark.parametrize("name", ["web.shop.svc", "shop.svc", "svc", "db.shop.svc", "_http._tcp.web.shop.svc"])
def test_names_that_exist_have_no_data_of_other_kinds(zone: Zone, name: str) -> None:
    assert zone.answer(f"{name}.cluster.local", "AAAA") == zone.answer("cluster.local", "AAAA")


@pytest.mark.parametrize(
    "name",
    ["nope.shop.svc", "web.other.svc", "a.web.shop.svc", "db-2.db.shop.svc", "empty.shop.svc", "_no._tcp.web.shop.svc", "x.shop.pod", "y"],
)
def test_names_that_do_not_exist(zone: Zone, name: str) -> None:
    assert not zone.answer(f"{name}.cluster.local", "A").exists


def test_reverse_names(zone: Zone) -> None:
    found = zone.reverse("5.0.244.10.in-addr.arpa", "PTR")
    assert found is not None and found.records == (Record("5.0.244.10.in-addr.arpa", "PTR", "db-0.db.shop.svc.cluster.local"),)
    assert zone.reverse("20.0.96.10.in-addr.arpa", "PTR") is not None
    assert zone.reverse("1.1.1.1.in-addr.arpa", "PTR") is None
