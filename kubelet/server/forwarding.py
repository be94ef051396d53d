"""Port-forward sessions: connections into a pod's network namespace, carried by SPDY streams or WebSocket channels."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from typing import TYPE_CHECKING

from kubelet.runtime.interface import Connection, RuntimeFailure, Sandbox
from kubelet.server.transports import Gone, WebSocketWire, Wire
from kubepy.streams import portforward, spdy

if TYPE_CHECKING:
    from kubelet.agent import Agent

log = logging.getLogger(__name__)

QUEUED = 64
"""Pieces held for a slow pod connection before reading from the client pauses."""


class _Forward:
    """One forwarded connection of an SPDY session."""

    def __init__(self, pair: portforward.Pair) -> None:
        self.pair = pair
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUED)
        self.task: asyncio.Task[None] | None = None


class _SpdySession:
    def __init__(self, agent: Agent, sandbox: Sandbox, wire: Wire | WebSocketWire) -> None:
        self._agent, self._sandbox, self._wire = agent, sandbox, wire
        self._connection = spdy.Connection()
        self._pairs = portforward.Pairs()
        self._forwards: dict[int, _Forward] = {}
        self._early: dict[int, list[bytes | None]] = {}
        self._lock = asyncio.Lock()

    async def flush(self) -> None:
        async with self._lock:
            await self._wire.write(self._connection.take_output())

    async def run(self) -> None:
        try:
            while True:
                try:
                    events = self._connection.receive(await self._wire.read())
                except spdy.SpdyError as e:
                    raise Gone(str(e)) from e
                for event in events:
                    await self._handle(event)
                await self.flush()
        finally:
            tasks = [f.task for f in self._forwards.values() if f.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, event: spdy.Event) -> None:
        match event:
            case spdy.Opened(stream, headers, fin):
                try:
                    pair = self._pairs.add(stream, headers)
                except ValueError:
                    self._connection.reset(stream, spdy.REFUSED_STREAM)
                    return
                self._connection.reply(stream)
                if fin:
                    self._early.setdefault(stream, []).append(None)
                if pair is not None and pair.data is not None:
                    await self._begin(pair, pair.data)
            case spdy.Data(stream, data, fin):
                pieces: list[bytes | None] = ([data] if data else []) + ([None] if fin else [])
                forward = self._forwards.get(stream)
                for piece in pieces:
                    if forward is not None:
                        await forward.inbox.put(piece)
                    else:
                        self._early.setdefault(stream, []).append(piece)
            case spdy.Reset(stream, _):
                forward = self._forwards.get(stream)
                if forward is not None and forward.task is not None:
                    forward.task.cancel()
            case _:
                pass

    async def _begin(self, pair: portforward.Pair, stream: int) -> None:
        forward = self._forwards[stream] = _Forward(pair)
        for piece in self._early.pop(stream, []):
            await forward.inbox.put(piece)
        forward.task = asyncio.create_task(self._forward(forward, stream))

    async def _forward(self, forward: _Forward, stream: int) -> None:
        error = forward.pair.error
        assert error is not None
        try:
            try:
                connection = await self._agent.host.runtime.connect(self._sandbox, forward.pair.port)
            except RuntimeFailure as e:
                text = f"error forwarding port {forward.pair.port} to pod {self._sandbox.pod.uid}, uid : {e}"
                self._connection.send(error, text.encode())
                return
            try:
                await self._copy(connection, forward, stream)
            finally:
                await connection.close()
        except Gone:
            return
        finally:
            self._connection.send(stream, b"", fin=True)
            self._connection.send(error, b"", fin=True)
            self._forwards.pop(stream, None)
            with contextlib.suppress(Gone):
                await self.flush()

    async def _copy(self, connection: Connection, forward: _Forward, stream: int) -> None:
        async def inward() -> None:
            while (data := await forward.inbox.get()) is not None:
                try:
                    await connection.write(data)
                except OSError:
                    return
            await connection.write_eof()

        async def outward() -> None:
            while data := await connection.read():
                self._connection.send(stream, data)
                await self.flush()

        feeding = asyncio.create_task(inward())
        try:
            # The pod closing its side ends the connection; the client closing its side does not.
            await outward()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def spdy_session(agent: Agent, sandbox: Sandbox, wire: Wire | WebSocketWire) -> None:
    """Serve one client until it goes. Raises Gone."""
    await _SpdySession(agent, sandbox, wire).run()


async def channel_session(agent: Agent, sandbox: Sandbox, wire: WebSocketWire, ports: list[int], encoded: bool) -> None:
    """The older WebSocket protocol: channel 2n carries the n-th port's data, 2n+1 its error. Raises Gone."""

    async def send(channel: int, data: bytes) -> None:
        if encoded:
            await wire.write_text(b"%d" % channel + base64.b64encode(data))
        else:
            await wire.write(bytes([channel]) + data)

    connections: list[Connection | None] = []
    tasks: list[asyncio.Task[None]] = []

    async def outward(channel: int, connection: Connection) -> None:
        with contextlib.suppress(Gone):
            while data := await connection.read():
                await send(channel, data)

    try:
        for index, port in enumerate(ports):
            await send(2 * index, portforward.greeting(port))
            await send(2 * index + 1, portforward.greeting(port))
            try:
                connection = await agent.host.runtime.connect(sandbox, port)
            except RuntimeFailure as e:
                await send(2 * index + 1, str(e).encode())
                connections.append(None)
                continue
            connections.append(connection)
            tasks.append(asyncio.create_task(outward(2 * index, connection)))
        while True:
            message = await wire.read()
            if not message:
                continue
            channel, data = (message[0] - 48, base64.b64decode(message[1:])) if encoded else (message[0], message[1:])
            target = connections[channel // 2] if channel % 2 == 0 and channel // 2 < len(connections) else None
            if target is not None and data:
                await target.write(data)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for held in connections:
            if held is not None:
                await held.close()
