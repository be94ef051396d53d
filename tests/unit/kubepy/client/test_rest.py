"""Verbs, errors, retries and watches against a real HTTP server."""

import asyncio
import sys
from pathlib import Path

import pytest
from aiohttp import web

from kubepy.api.errors import AlreadyExists, Conflict, Gone, NotFound
from kubepy.client import Client, Config, Unreachable
from kubepy.client.config import ExecPlugin
from kubepy.client.watch import LineSplitter
from tests.support.fakeapi import FakeAPI, reply, status

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
PODS = "/api/v1/namespaces/ns/pods"


async def test_verbs_and_errors() -> None:
    async with FakeAPI() as api, api.client() as client:
        made = await client.create("pods", POD, "ns")
        assert made["metadata"]["namespace"] == "ns"
        with pytest.raises(AlreadyExists):
            await client.create("pods", POD, "ns")
        patched = await client.patch("pods", "a", {"metadata": {"labels": {"x": "y"}}}, "ns")
        assert patched["metadata"]["labels"] == {"x": "y"}
        with pytest.raises(Conflict):
            await client.update("pods", made)
        await client.update_status("pods", {**patched, "status": {"phase": "Running"}})
        assert (await client.get("pods", "a", "ns"))["status"] == {"phase": "Running"}
        assert [p["metadata"]["name"] for p in (await client.list("pods"))["items"]] == ["a"]
        await client.delete("pods", "a", "ns", propagation="Background")
        with pytest.raises(NotFound):
            await client.get("pods", "a", "ns")


async def test_a_refused_connection_is_tried_until_the_server_is_back() -> None:
    async with FakeAPI() as api, api.client() as client:
        await client.create("pods", POD, "ns")
        await api.stop()
        waiting = asyncio.create_task(client.get("pods", "a", "ns"))
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        await api.start()
        assert (await waiting)["metadata"]["name"] == "a"


async def test_patience_ends() -> None:
    async with FakeAPI() as api:
        config = api.config()
    async with Client(config, patience=0.1) as client:
        with pytest.raises(Unreachable) as caught:
            await client.get("pods", "a", "ns")
        assert caught.value.refused


async def test_retry_after_is_obeyed_and_an_eviction_s_429_is_not_retried() -> None:
    async with FakeAPI() as api, api.client() as client:
        await client.create("pods", POD, "ns")
        api.failures = [status(429, "TooManyRequests", "later", {"Retry-After": "0"}), status(503, "", "x", {"Retry-After": "0"})]
        await client.get("pods", "a", "ns")
        api.failures = [status(429, "TooManyRequests", "budget")]
        before = len(api.requests)
        with pytest.raises(Exception, match="budget"):
            await client.create("pods", {"metadata": {"name": "a"}}, "ns", name="a", subresource="eviction")
        assert len(api.requests) == before + 1


@pytest.mark.parametrize("asked", [1, 2])
async def test_a_write_whose_leave_ends_while_it_waits_is_not_sent(asked: int) -> None:
    """With a connection in hand, the body is written in a later turn of the loop: leave is asked anew."""
    async with FakeAPI() as api, api.client() as client:
        await client.create("pods", POD, "ns")
        answers = iter([True] * (asked - 1) + [False])
        client.transport.fence = lambda: next(answers)
        with pytest.raises(Unreachable, match="leader lease") as caught:
            await client.create("pods", {"metadata": {"name": "b"}}, "ns")
        assert caught.value.refused
        assert list(api.objects) == [f"{PODS}/a"]
        # What reads is not asked, and the client goes on.
        assert (await client.get("pods", "a", "ns"))["metadata"]["name"] == "a"


async def test_watch_delivers_and_an_error_event_raises() -> None:
    async with FakeAPI() as api, api.client() as client:
        stream = client.watch("pods", None, "10")
        await api.put(f"{PODS}/a", POD)
        assert (await anext(stream))[0] == "ADDED"
        await api.remove(f"{PODS}/a")
        kind, gone = await anext(stream)
        assert (kind, gone["metadata"]["resourceVersion"]) == ("DELETED", "12")
        await stream.aclose()
        api.expire()
        with pytest.raises(Gone):
            await anext(client.watch("pods", None, "10"))


async def test_exec_plugin_token_is_asked_again_after_401(tmp_path: Path) -> None:
    counter = tmp_path / "n"
    counter.write_text("")
    script = (
        f"import pathlib, json; p = pathlib.Path({str(counter)!r}); p.write_text(p.read_text() + 'x'); "
        "print(json.dumps({'status': {'token': 'T' + str(len(p.read_text()))}}))"
    )
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return status(401, "Unauthorized", "Unauthorized") if len(seen) == 1 else reply({"metadata": {}})

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = Config(server=f"http://127.0.0.1:{runner.addresses[0][1]}", exec_plugin=ExecPlugin(sys.executable, ("-c", script)))
    async with Client(config) as client:
        with pytest.raises(Exception, match="Unauthorized"):
            await client.get("pods", "a", "ns")
        await client.get("pods", "a", "ns")
        await client.get("pods", "a", "ns")
    await runner.cleanup()
    assert seen == ["Bearer T1", "Bearer T2", "Bearer T2"]


def test_line_splitter_joins_lines_over_chunks() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"a") == []
    assert splitter.feed(b"b") == []
    assert splitter.feed(b"c\nd\n\ne") == [b"abc", b"d"]
    assert splitter.feed(b"\n") == [b"e"]
    assert splitter.feed(b"f\n") == [b"f"]
