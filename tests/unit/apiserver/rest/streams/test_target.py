"""Where proxied requests go: which pods, services and ports are reached, and how the rest is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from apiserver.rest.streams.target import Target, Targets
from kubepy.api import errors

Obj = dict[str, Any]


class Cache:
    """The watch cache, by resource and name; all in namespace ns."""

    def __init__(self, **objects: dict[str, Obj]) -> None:
        self.objects = objects

    def get(self, group: str, plural: str, namespace: str | None, name: str) -> Obj | None:
        return self.objects.get(plural, {}).get(name)

    def list(self, group: str, plural: str, namespace: str | None = None) -> Iterable[Obj]:
        return self.objects.get(plural, {}).values()

    def generation(self, group: str, plural: str) -> int:
        return 0


def pod(ip: str, *ports: int) -> Obj:
    containers = [{"name": "c"}, {"name": "d", "ports": [{"containerPort": p} for p in ports]}]
    return {"spec": {"containers": containers}, "status": {"podIP": ip, "podIPs": [{"ip": ip}]} if ip else {}}


def backed(*names: str) -> Obj:
    addresses = [{"ip": f"10.244.0.{n}", "targetRef": {"kind": "Pod", "namespace": "ns", "name": name}} for n, name in enumerate(names)]
    return {"subsets": [{"addresses": addresses, "ports": [{"name": "web", "port": 8080}]}]}


NODE = {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}}
CACHE = Cache(
    nodes={"n": NODE},
    pods={"p": pod("10.244.0.0", 81, 82), "portless": pod("10.244.0.9"), "new": pod(""), "local": pod("127.0.0.1")},
    services={"s": {"spec": {"ports": [{"name": "web", "port": 80}]}}},
    endpoints={"s": backed("p"), "none": {"metadata": {}}, "gone": backed("was"), "foreign": backed("portless")},
)


def to(plural: str, name: str) -> Target:
    return Targets(CACHE, ["InternalIP"]).proxy(plural, "ns", name, "/x", "q=1")


@pytest.mark.parametrize(
    ("plural", "name", "wanted"),
    [
        ("pods", "p", Target("10.244.0.0", 81, "/x?q=1")),
        ("pods", "https:p:82", Target("10.244.0.0", 82, "/x?q=1", True)),
        ("pods", "portless", Target("10.244.0.9", 80, "/x?q=1")),
        ("pods", "https:portless:", Target("10.244.0.9", 443, "/x?q=1", True)),
        ("nodes", "n", Target("192.0.2.1", 10250, "/x?q=1", True, True)),
        ("nodes", "n:10250", Target("192.0.2.1", 10250, "/x?q=1", True, True)),
        ("nodes", "n:9100", Target("192.0.2.1", 9100, "/x?q=1")),
        ("services", "s:web", Target("10.244.0.0", 8080, "/x?q=1")),
        ("services", "https:s:80", Target("10.244.0.0", 8080, "/x?q=1", True)),
    ],
)
def test_reached(plural: str, name: str, wanted: Target) -> None:
    assert to(plural, name) == wanted


@pytest.mark.parametrize(
    ("plural", "name", "status", "message"),
    [
        ("pods", "x", 404, 'pods "x" not found'),
        ("pods", "new", 400, "address not allowed"),
        ("pods", "local", 400, "address not allowed"),
        ("pods", "ftp:p:21", 400, 'invalid pod request "ftp:p:21"'),
        ("pods", "a:b:c:d", 400, 'invalid pod request "a:b:c:d"'),
        ("nodes", ":1", 400, 'invalid node request ":1"'),
        ("services", "x", 404, 'endpoints "x" not found'),
        ("services", "x:80", 404, 'services "x" not found'),
        ("services", "s:81", 503, 'no service port 81 found for service "s"'),
        ("services", "none", 503, 'no endpoints available for service "none"'),
        ("services", "s", 503, 'no endpoints available for service "s"'),
        ("services", "gone:web", 503, 'no endpoints available for service "gone:web"'),
        ("services", "foreign:web", 503, 'no endpoints available for service "foreign:web"'),
    ],
)
def test_refused(plural: str, name: str, status: int, message: str) -> None:
    with pytest.raises(errors.StatusError) as raised:
        to(plural, name)
    assert (raised.value.status_code, raised.value.message) == (status, message)
