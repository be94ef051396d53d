"""Paths and methods → RequestInfo: a table."""

from __future__ import annotations

import pytest

from apiserver.rest.requestinfo import parse

CASES = [
    # method, path, query → verb, group, version, resource, subresource, namespace, name
    ("GET", "/api/v1/namespaces/ns/pods", "", ("list", "", "v1", "pods", "", "ns", "")),
    ("GET", "/api/v1/namespaces/ns/pods/p", "", ("get", "", "v1", "pods", "", "ns", "p")),
    ("GET", "/api/v1/namespaces/ns/pods/p/log", "", ("get", "", "v1", "pods", "log", "ns", "p")),
    ("POST", "/api/v1/namespaces/ns/pods", "", ("create", "", "v1", "pods", "", "ns", "")),
    ("DELETE", "/api/v1/namespaces/ns/pods", "", ("deletecollection", "", "v1", "pods", "", "ns", "")),
    ("GET", "/api/v1/namespaces", "", ("list", "", "v1", "namespaces", "", "", "")),
    ("GET", "/api/v1/namespaces/ns", "", ("get", "", "v1", "namespaces", "", "ns", "ns")),
    ("PUT", "/api/v1/namespaces/ns/status", "", ("update", "", "v1", "namespaces", "status", "ns", "ns")),
    ("PUT", "/api/v1/namespaces/ns/finalize", "", ("update", "", "v1", "namespaces", "finalize", "ns", "ns")),
    ("PATCH", "/apis/apps/v1/namespaces/ns/deployments/d/scale", "", ("patch", "apps", "v1", "deployments", "scale", "ns", "d")),
    ("GET", "/apis/apps/v1/deployments", "watch=true", ("watch", "apps", "v1", "deployments", "", "", "")),
    ("GET", "/apis/apps/v1/deployments", "watch=0", ("list", "apps", "v1", "deployments", "", "", "")),
    ("GET", "/api/v1/watch/namespaces/ns/pods", "", ("watch", "", "v1", "pods", "", "ns", "")),
    ("GET", "/api/v1/watch/namespaces/ns/pods/p", "", ("watch", "", "v1", "pods", "", "ns", "p")),
    ("GET", "/api/v1/pods", "fieldSelector=metadata.name%3Dx", ("list", "", "v1", "pods", "", "", "x")),
    ("DELETE", "/api/v1/pods", "fieldSelector=metadata.name%3Dx", ("deletecollection", "", "v1", "pods", "", "", "")),
    ("GET", "/api/v1/nodes/n/proxy/stats/summary", "", ("get", "", "v1", "nodes", "proxy", "", "n")),
]


@pytest.mark.parametrize(("method", "path", "query", "wanted"), CASES)
def test_resources(method: str, path: str, query: str, wanted: tuple[str, ...]) -> None:
    info = parse(method, path, query.encode())
    assert info.is_resource
    assert (info.verb, info.group, info.version, info.resource, info.subresource, info.namespace, info.name) == wanted


@pytest.mark.parametrize("path", ["/", "/version", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz/ping", "/x/y/z"])
def test_everything_else_is_no_resource(path: str) -> None:
    info = parse("GET", path)
    assert not info.is_resource
    assert (info.verb, info.path) == ("get", path)
