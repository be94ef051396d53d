"""Calls over one connection, against a gRPC server that is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from apiserver.storage.etcd import channel as channel_module
from apiserver.storage.etcd.channel import Channel
from apiserver.storage.etcd.rpc import CANCELLED, DEADLINE_EXCEEDED, NOT_FOUND, UNAVAILABLE, UNIMPLEMENTED, NeverSent, RpcError

BIG = 3 << 20
"""More than any window that is open at the start."""


class Service(grpc.GenericRpcHandler):
    """Echo and its kin, by the last part of the path."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.metadata: list[tuple[str, Any]] = []

    def service(self, details: Any) -> Any:
        method = details.method.rpartition("/")[2]
        if method in ("count", "flood", "huge"):
            return grpc.unary_stream_rpc_method_handler(getattr(self, method))
        found = getattr(self, method, None)
        return None if found is None else grpc.unary_unary_rpc_method_handler(found)

    def echo(self, request: bytes, context: Any) -> bytes:
        self.metadata = [(k, v) for k, v in context.invocation_metadata()]
        return request

    def fail(self, request: bytes, context: Any) -> None:
        context.abort(grpc.StatusCode.NOT_FOUND, request.decode())

    def hang(self, _request: bytes, context: Any) -> bytes:
        context.add_callback(self.cancelled.set)
        self.cancelled.wait(10)
        return b""

    def count(self, request: bytes, _context: Any) -> Iterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    def flood(self, request: bytes, _context: Any) -> Iterator[bytes]:
        for _ in range(int(request)):
            yield bytes(1 << 20)

    def huge(self, request: bytes, _context: Any) -> Iterator[bytes]:
        yield bytes(int(request))

    async def until_cancelled(self) -> None:
        assert await asyncio.to_thread(self.cancelled.wait, 5)


@pytest.fixture
async def service() -> AsyncIterator[tuple[Service, Channel, grpc.Server]]:
    handler = Service()
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        _, channel = await asyncio.get_running_loop().create_connection(lambda: Channel("http", f"127.0.0.1:{port}"), "127.0.0.1", port)
        yield handler, channel, server
        channel.close()
        await asyncio.to_thread(server.stop(None).wait)


Given = tuple[Service, Channel, grpc.Server]


@pytest.mark.parametrize("size", [0, 1, 5_000, 70_000, BIG])
async def test_a_question_of_any_size_is_answered(service: Given, size: int) -> None:
    _, channel, _ = service
    assert await channel.unary("/x/echo", b"a" * size) == b"a" * size


async def test_many_at_once_do_not_get_into_each_others_way(service: Given) -> None:
    _, channel, _ = service
    asked = [bytes([n]) * (n * 5_000) for n in range(100)]
    assert await asyncio.gather(*(channel.unary("/x/echo", a) for a in asked)) == asked


async def test_errors_come_with_code_and_text(service: Given) -> None:
    _, channel, _ = service
    with pytest.raises(RpcError) as caught:
        await channel.unary("/x/fail", "etcdserver: größer\n100%".encode())
    assert (caught.value.code, caught.value.details) == (NOT_FOUND, "etcdserver: größer\n100%")
    with pytest.raises(RpcError) as caught:
        await channel.unary("/x/nothing", b"")
    assert caught.value.code == UNIMPLEMENTED


async def test_a_caller_who_goes_away_ends_the_call(service: Given) -> None:
    handler, channel, _ = service
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await channel.unary("/x/hang", b"")
    await handler.until_cancelled()
    assert await channel.unary("/x/echo", b"still here") == b"still here"


async def test_a_server_that_does_not_answer_is_not_waited_for(service: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    handler, channel, _ = service
    monkeypatch.setattr(channel_module, "CALL_TIMEOUT", 0.1)
    with pytest.raises(RpcError) as caught:
        await channel.unary("/x/hang", b"")
    assert caught.value.code == DEADLINE_EXCEEDED
    await handler.until_cancelled()


async def test_a_stream_yields_everything_in_order_and_ends(service: Given) -> None:
    _, channel, _ = service
    batches = [batch async for batch in channel.stream("/x/count", b"2000")]
    assert [m for batch in batches for m in batch] == [b"%d" % n for n in range(2000)]


async def test_a_slow_reader_holds_the_server_back_and_gets_everything(service: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    _, channel, _ = service
    received = most = 0
    async with contextlib.aclosing(channel.stream("/x/flood", b"64")) as stream:
        async for batch in stream:
            received += len(batch)
            await asyncio.sleep(0.02)
            most = max(most, sum(call.untaken for call in channel._calls.values()))
            if received == 64:
                break
    assert most <= channel_module._WINDOW
    assert received == 64


async def test_a_message_may_be_longer_than_the_window(service: Given) -> None:
    _, channel, _ = service
    size = channel_module._WINDOW + BIG
    assert [len(m) async for batch in channel.stream("/x/huge", b"%d" % size) for m in batch] == [size]


async def test_a_stream_that_is_left_is_ended(service: Given) -> None:
    _, channel, _ = service
    async with contextlib.aclosing(channel.stream("/x/flood", b"100000")) as stream:
        async for _ in stream:
            break
    assert channel._calls == {}


async def test_metadata_is_sent(service: Given) -> None:
    handler, channel, _ = service
    async with contextlib.aclosing(channel.stream("/x/echo", b"", (("hasleader", "true"),))) as stream:
        with contextlib.suppress(RpcError, asyncio.TimeoutError):
            async with asyncio.timeout(1):
                await anext(stream)
    assert ("hasleader", "true") in handler.metadata


async def test_a_server_that_stops_lets_calls_finish_and_takes_no_new_ones(service: Given) -> None:
    _, channel, server = service
    await channel.unary("/x/echo", b"")
    stopping = server.stop(0.2)
    with pytest.raises(RpcError) as caught:
        await channel.unary("/x/hang", b"")
    assert caught.value.code in (UNAVAILABLE, CANCELLED)
    await asyncio.to_thread(stopping.wait)
    assert channel.unusable
    with pytest.raises(NeverSent):
        await channel.unary("/x/echo", b"")


async def test_a_connection_without_a_sign_of_life_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "KEEPALIVE", 0.05)
    monkeypatch.setattr(channel_module, "TICK", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        _, channel = await asyncio.get_running_loop().create_connection(lambda: Channel("http", "silent"), "127.0.0.1", port)
        with pytest.raises(RpcError, match="the connection was lost"):
            await asyncio.wait_for(channel.unary("/x/echo", b""), 5)
