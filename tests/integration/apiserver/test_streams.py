"""Requests that are passed on: logs and exec to a kubelet, a group to another API server. Both are played by the test."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kubepy import pki
from kubepy.runtime import serving
from tests.integration.conftest import ApiServer

SEEN: list[tuple[str, str, dict[bytes, bytes]]] = []


async def other(scope: Any, receive: Any, send: Any) -> None:
    """A kubelet and an extension API server in one."""
    exchange: serving.Exchange = scope["extensions"]["kubepy"]
    SEEN.append((scope["path"], scope["query_string"].decode(), dict(scope["headers"])))
    if scope["path"].startswith("/exec/"):
        reader, writer = exchange.take_over(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: SPDY/3.1\r\nconnection: upgrade\r\n\r\n")
        writer.write((await reader.read(100)).upper())
        await writer.drain()
        writer.close()
    elif scope["path"].startswith("/containerLogs/"):
        exchange.start(200, b"content-type: text/plain\r\n")
        exchange.write(b"line 1\n")
        exchange.end()
    elif scope["path"] == "/page":
        exchange.respond(200, b"content-type: text/html; charset=utf-8\r\n", b'<a href="/next">there</a>')
    elif scope["path"] == "/moved":
        exchange.respond(302, b"location: /page\r\n", b"")
    elif scope["path"] == "/apis/demo.example.com/v1":
        listed = (
            b'{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"demo.example.com/v1","resources":[{"name":"things",'
            b'"singularName":"thing","namespaced":true,"kind":"Thing","verbs":["get","list"]}]}'
        )
        exchange.respond(200, b"content-type: application/json\r\n", listed)
    else:
        exchange.respond(200, b"content-type: application/json\r\n", b'{"kind":"ThingList","items":[]}')


@pytest.fixture(scope="module")
def backend(apiserver: ApiServer) -> Iterator[int]:
    """The other server's port; it runs in a thread of its own."""
    files = pki.Pki(apiserver.data_dir / "pki")
    context = serving.server_context(files.cert("apiserver"), files.key("apiserver"), [files.ca_cert, files.cert("front-proxy-ca")])
    sock = serving.listen("127.0.0.1", 0)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    up = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serving.serve(other, [sock], context, stop, started=up.set))

    thread = threading.Thread(target=run)
    thread.start()
    assert up.wait(10)
    port = sock.getsockname()[1]
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


@pytest.fixture
def pod(apiserver: ApiServer, namespace: str, backend: int) -> str:
    """A pod on a node whose kubelet is the backend."""
    node = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}}
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": backend}},
    }
    merge = {"Content-Type": "application/merge-patch+json"}
    with apiserver.http() as http:
        http.post("/api/v1/nodes", json=node)
        http.patch("/api/v1/nodes/n1/status", json={"status": status}, headers=merge).raise_for_status()
        spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
        body = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec}
        http.post(f"/api/v1/namespaces/{namespace}/pods", json=body).raise_for_status()
    return f"/api/v1/namespaces/{namespace}/pods/p"


def test_logs_come_from_the_kubelet(apiserver: ApiServer, pod: str, namespace: str) -> None:
    with apiserver.http() as http:
        answer = http.get(f"{pod}/log", params={"tailLines": "5", "follow": "false"})
        assert (answer.status_code, answer.text) == (200, "line 1\n")
        assert SEEN[-1][:2] == (f"/containerLogs/{namespace}/p/c", "tailLines=5")
        assert b"authorization" not in SEEN[-1][2]
        wrong = http.get(f"{pod}/log", params={"container": "x"})
        assert (wrong.status_code, wrong.json()["message"]) == (400, "container x is not valid for pod p")
        assert http.get(f"{pod}/log", params={"tailLines": "-1"}).status_code == 422


async def test_exec_is_a_tunnel(apiserver: ApiServer, pod: str, namespace: str) -> None:
    context = ssl.create_default_context(cafile=str(apiserver.ca_file))
    reader, writer = await asyncio.open_connection("127.0.0.1", apiserver.port, ssl=context)
    lines = (
        f"POST {pod}/exec?command=ls&command=-l&stdin=true&stdout=true HTTP/1.1", "Host: x", f"Authorization: Bearer {apiserver.token}",
        "Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io", "Content-Length: 0", "", "",
    )  # fmt: skip
    writer.write("\r\n".join(lines).encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 101 ")
    writer.write(b"hello")
    assert await asyncio.wait_for(reader.read(100), 10) == b"HELLO"
    assert SEEN[-1][:2] == (f"/exec/{namespace}/p/c", "input=1&output=1&command=ls&command=-l")
    assert SEEN[-1][2][b"x-stream-protocol-version"] == b"v4.channel.k8s.io"
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


def test_exec_without_upgrade_is_refused(apiserver: ApiServer, pod: str) -> None:
    with apiserver.http() as http:
        answer = http.post(f"{pod}/exec", params={"command": "ls"})
        assert (answer.status_code, answer.json()["message"]) == (400, "Upgrade request required")


def test_a_proxied_page_leads_back_through_the_proxy(apiserver: ApiServer, pod: str) -> None:
    proxy = "/api/v1/nodes/n1/proxy"
    with apiserver.http() as http:
        assert http.get(f"{proxy}/page").text == f'<a href="{proxy}/next">there</a>'
        assert SEEN[-1][2][b"x-forwarded-uri"] == f"{proxy}/page".encode()
        assert http.get(f"{proxy}/moved").headers["location"] == f"{proxy}/page"
        assert (http.get(f"{proxy}?a=b").status_code, http.head(proxy).status_code) == (301, 301)
        assert http.put(f"{proxy}?a=b", content=b"{}").status_code == 200
        assert SEEN[-1][:2] == ("/", "a=b") and b"content-type" not in SEEN[-1][2]


def wait_for(http: httpx.Client, path: str, status: int) -> httpx.Response:
    for _ in range(200):
        answer = http.get(path)
        if answer.status_code == status:
            return answer
        threading.Event().wait(0.05)
    raise AssertionError(f"{path}: {answer.status_code} {answer.text}")


def test_other_api_servers_are_aggregated(apiserver: ApiServer, namespace: str, backend: int) -> None:
    spec = {
        "group": "demo.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10, "insecureSkipTLSVerify": True,
        "service": {"name": "demo", "namespace": namespace},
    }  # fmt: skip
    with apiserver.http() as http:
        body = {"kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1", "metadata": {"name": "v1.demo.example.com"}, "spec": spec}
        http.post("/apis/apiregistration.k8s.io/v1/apiservices", json=body).raise_for_status()
        try:
            assert wait_for(http, "/apis/demo.example.com/v1", 503).text == "service unavailable\n"
            # Loopback is no endpoint: the address goes through a name instead.
            named = {"type": "ExternalName", "externalName": "127.0.0.1"}
            service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "demo"}, "spec": named}
            http.post(f"/api/v1/namespaces/{namespace}/services", json=service).raise_for_status()
            merge = {"Content-Type": "application/merge-patch+json"}
            change = {"spec": {"service": {"port": backend}}}
            http.patch("/apis/apiregistration.k8s.io/v1/apiservices/v1.demo.example.com", json=change, headers=merge).raise_for_status()
            wait_for(http, "/apis/demo.example.com/v1", 200)
            things = http.get(f"/apis/demo.example.com/v1/namespaces/{namespace}/things", params={"limit": "5"})
            assert things.json()["kind"] == "ThingList"
            # The availability check asks in between: ours is one of the requests that arrived, not surely the last.
            wanted = (f"/apis/demo.example.com/v1/namespaces/{namespace}/things", "limit=5")
            (headers,) = [headers for path, query, headers in SEEN if (path, query) == wanted]
            assert headers[b"x-remote-user"] == b"admin"
            assert b"authorization" not in headers
            groups = [g["name"] for g in http.get("/apis").json()["groups"]]
            assert groups[-1] == "demo.example.com"
        finally:
            http.delete("/apis/apiregistration.k8s.io/v1/apiservices/v1.demo.example.com")
        wait_for(http, "/apis/demo.example.com/v1", 404)
