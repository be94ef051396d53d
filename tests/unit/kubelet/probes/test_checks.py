"""Probes against real servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from aiohttp import web

from kubelet.probes import grpc as health
from kubelet.probes.checks import Checker, Outcome, port_of
from kubelet.runtime.simulated.runtime import SimulatedRuntime
from tests.unit.kubelet.harness import pod

Obj = dict[str, Any]


@pytest.fixture
async def checker() -> AsyncIterator[Checker]:
    out = Checker(SimulatedRuntime())
    yield out
    await out.close()


@pytest.fixture
async def server() -> AsyncIterator[int]:
    """A web server; its port."""

    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async def ok(request: web.Request) -> web.Response:
        return web.Response(text="fine")

    async def bad(request: web.Request) -> web.Response:
        return web.Response(status=503)

    async def moved(request: web.Request) -> web.Response:
        target = "/bad" if request.match_info["way"] == "here" else "http://elsewhere.invalid/"
        return web.Response(status=302, headers={"Location": target})

    async def echo(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.headers.get("X-A") == "1" else 418, text=request.headers["User-Agent"])

    app = web.Application()
    app.router.add_get("/ok", ok)
    app.router.add_get("/bad", bad)
    app.router.add_get("/{way:here|there}", moved)
    app.router.add_get("/slow", slow)
    app.router.add_get("/headers", echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def ask(checker: Checker, probe: Obj) -> tuple[Outcome, str]:
    return await checker.probe(probe, {"name": "a"}, "id", pod(), "127.0.0.1")


@pytest.mark.parametrize(
    ("path", "outcome", "text"),
    [
        ("/ok", Outcome.SUCCESS, "fine"), ("/bad", Outcome.FAILURE, "HTTP probe failed with statuscode: 503"),
        ("/here", Outcome.FAILURE, "HTTP probe failed with statuscode: 503"), ("/there", Outcome.WARNING, "Probe terminated redirects"),
    ],
)  # fmt: skip
async def test_http(checker: Checker, server: int, path: str, outcome: Outcome, text: str) -> None:
    found = await ask(checker, {"httpGet": {"path": path, "port": server}})
    assert found[0] is outcome and text in found[1]


async def test_http_timeouts_headers_and_refusals(checker: Checker, server: int, unused_port: int) -> None:
    slow = await ask(checker, {"httpGet": {"path": "/slow", "port": server}, "timeoutSeconds": 0.1})
    assert slow[0] is Outcome.FAILURE and "context deadline exceeded" in slow[1]
    headers = [{"name": "X-A", "value": "1"}]
    named = await ask(checker, {"httpGet": {"path": "/headers", "port": server, "httpHeaders": headers}})
    assert named == (Outcome.SUCCESS, "kube-probe/1.36")
    refused = await ask(checker, {"httpGet": {"path": "/x", "port": unused_port}})
    where = f"127.0.0.1:{unused_port}"
    assert refused == (Outcome.FAILURE, f'Get "http://{where}/x": dial tcp {where}: connect: connection refused')


@pytest.fixture
def unused_port() -> int:
    """Nobody listens there."""
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


async def test_tcp(checker: Checker, server: int, unused_port: int) -> None:
    assert await ask(checker, {"tcpSocket": {"port": server}}) == (Outcome.SUCCESS, "")
    refused = await ask(checker, {"tcpSocket": {"port": unused_port}})
    assert refused == (Outcome.FAILURE, f"dial tcp 127.0.0.1:{unused_port}: connect: connection refused")


class Health(grpc.GenericRpcHandler):
    """grpc.health.v1.Health/Check by hand: `up` serves, everything else does not."""

    def service(self, details: Any) -> Any:
        if details.method != "/grpc.health.v1.Health/Check":
            return None

        def check(request: bytes, context: Any) -> bytes:
            return b"\x08\x01" if request == b"\x0a\x02up" else b"\x08\x02"

        return grpc.unary_unary_rpc_method_handler(check)


async def test_grpc(checker: Checker, unused_port: int) -> None:
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((Health(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            assert await ask(checker, {"grpc": {"port": port, "service": "up"}}) == (Outcome.SUCCESS, "service healthy")
            assert await ask(checker, {"grpc": {"port": port}}) == (Outcome.FAILURE, 'service unhealthy (responded with "NOT_SERVING")')
        finally:
            await asyncio.to_thread(server.stop(0).wait)
    assert (await ask(checker, {"grpc": {"port": unused_port}}))[0] is Outcome.FAILURE


def test_ports_by_name() -> None:
    container = {"ports": [{"name": "web", "containerPort": 8080}]}
    assert (port_of("web", container), port_of(1, container), port_of("7", container)) == (8080, 1, 7)
    with pytest.raises(ValueError):
        port_of("none", container)
    assert health.serving_status(b"") == 0
