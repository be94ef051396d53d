"""exec, attach and port-forward: the handshake of the upgrade, then streams between the client and the container.

Upstream: pkg/cri/streaming. The API server passes the upgraded connection's bytes through untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse, Response
from websockets.utils import accept_key

from kubelet.pods import spec
from kubelet.runtime.interface import NoSuchContainer, RuntimeFailure, Stream
from kubelet.server import forwarding
from kubelet.server.logs import running_container
from kubelet.server.transports import PING_EVERY, Channels, Gone, SpdyChannels, WebSocketChannels, WebSocketWire, Wire
from kubepy.streams import portforward, remotecommand

if TYPE_CHECKING:
    from kubelet.agent import Agent
    from kubelet.server.app import Agents

log = logging.getLogger(__name__)

Endpoint = Callable[[Any, Any, Any], Awaitable[None]]
HANDSHAKE = 30.0


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class _Request:
    """What an upgrade request says."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope
        self.params: dict[str, str] = scope.get("path_params") or {}
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.query = dict(pairs)
        self.command = [value for key, value in pairs if key == "command"]
        self._headers = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in scope["headers"]]

    def header(self, name: str) -> str:
        """The first value."""
        return next((v for k, v in self._headers if k == name), "")

    def listed(self, name: str) -> list[str]:
        """All comma-separated values."""
        return [part.strip() for k, v in self._headers if k == name for part in v.split(",") if part.strip()]

    @property
    def websocket(self) -> bool:
        """Whether it asks for a WebSocket (else for SPDY)."""
        return self.header("upgrade").lower() == "websocket"

    def check(self) -> None:
        """Raises _Refused unless it is an upgrade that we know."""
        if self.header("upgrade").lower() not in ("websocket", "spdy/3.1"):
            raise _Refused(400, f"unable to upgrade: missing upgrade headers in request: {dict(self._headers)!r}"[:200])

    def take_over(self, protocol: str | None) -> Wire:
        """Answer 101 and have the connection."""
        lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade"]
        if self.websocket:
            lines += ["Upgrade: websocket", f"Sec-WebSocket-Accept: {accept_key(self.header('sec-websocket-key'))}"]
            if protocol:
                lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        else:
            lines.append("Upgrade: SPDY/3.1")
            if protocol:
                lines.append(f"X-Stream-Protocol-Version: {protocol}")
        head = "\r\n".join([*lines, "", ""]).encode()
        reader, writer = self.scope["extensions"]["kubepy"].take_over(head)
        return Wire(reader, writer)


async def _refuse(send: Any, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Upgrades:
    """The endpoints."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    def process(self, verb: str) -> Endpoint:
        """The raw ASGI endpoint of exec or attach."""

        async def endpoint(scope: Any, receive: Any, send: Any) -> None:
            request = _Request(scope)
            try:
                agent, container_id, tty = self._target(request, verb)
                options = remotecommand.Options.of(request.query)
                request.check()
                protocol = self._protocol(request)
            except _Refused as e:
                await _refuse(send, e.status, e.text)
                return
            except ValueError as e:
                await _refuse(send, 400, str(e))
                return
            wire = request.take_over(protocol)
            channels: Channels
            try:
                if request.websocket:
                    sockets = WebSocketChannels(WebSocketWire(wire), protocol)
                    await sockets.greet()
                    channels = sockets
                else:
                    framed = SpdyChannels(wire, protocol)
                    async with asyncio.timeout(HANDSHAKE):
                        await framed.open(remotecommand.streams(options, protocol))
                    channels = framed
                await _converse(agent, verb, container_id, request.command, options, tty, channels)
            except (Gone, TimeoutError) as e:
                log.debug("%s ended: %s", verb, e)
                await wire.close()

        return endpoint

    def _target(self, request: _Request, verb: str) -> tuple[Agent, str, bool]:
        p = request.params
        found = self._agents.find(p["namespace"], p["name"], p.get("uid", ""))
        if found is None:
            raise _Refused(404, "pod does not exist")
        agent, pod = found
        name = p["container"]
        container_id = running_container(agent, pod, name)
        if container_id is None:
            if verb == "exec":
                raise _Refused(500, f'unable to upgrade connection: container not found ("{name}")')
            raise _Refused(500, f"container {name} not found in pod {p['name']}_{p['namespace']}")
        wanted = spec.find_container(pod, name) or {}
        tty = bool(wanted.get("tty")) if verb == "attach" else request.query.get("tty") in ("1", "true")
        return agent, container_id, tty

    @staticmethod
    def _protocol(request: _Request) -> str:
        if request.websocket:
            offered = request.listed("sec-websocket-protocol")
            found = remotecommand.negotiate(offered, remotecommand.WEBSOCKET_PROTOCOLS)
            if offered and found is None:
                raise _Refused(400, f"unable to upgrade: requested protocols {offered} are not supported")
            return found or "channel.k8s.io"
        offered = request.listed("x-stream-protocol-version")
        found = remotecommand.negotiate(offered, remotecommand.SPDY_PROTOCOLS)
        if offered and found is None:
            raise _Refused(403, f"unable to upgrade: unable to negotiate protocol: client supports {offered}")
        return found or "channel.k8s.io"

    async def port_forward(self, scope: Any, receive: Any, send: Any) -> None:
        """The raw ASGI endpoint of port-forward."""
        request = _Request(scope)
        p = request.params
        found = self._agents.find(p["namespace"], p["name"], p.get("uid", ""))
        if found is None:
            await _refuse(send, 404, "pod does not exist")
            return
        agent, pod = found
        view = agent.host.runtime.view(pod["metadata"]["uid"])
        if view is None or view.sandbox is None or not view.sandbox.running:
            await _refuse(send, 500, f'pod not found ("{p["name"]}_{p["namespace"]}")')
            return
        try:
            request.check()
            if request.websocket:
                protocol = remotecommand.negotiate(request.listed("sec-websocket-protocol"), portforward.WEBSOCKET_PROTOCOLS)
                if protocol is None:
                    raise _Refused(400, "unable to upgrade: no supported protocol requested")
            else:
                protocol = portforward.PROTOCOL
        except _Refused as e:
            await _refuse(send, e.status, e.text)
            return
        wire = request.take_over(protocol)
        try:
            if not request.websocket:
                await forwarding.spdy_session(agent, view.sandbox, wire)
            elif protocol == portforward.TUNNEL:
                await forwarding.spdy_session(agent, view.sandbox, WebSocketWire(wire))
            else:
                ports = [int(x) for x in request.query.get("ports", "").split(",") if x.isdigit()]
                await forwarding.channel_session(agent, view.sandbox, WebSocketWire(wire), ports, "base64" in protocol)
        except Gone as e:
            log.debug("port-forward ended: %s", e)
        finally:
            await wire.close()

    async def run(self, namespace: str, name: str, container: str, command: list[str]) -> Response:
        """POST /run: a command's output."""
        found = self._agents.find(namespace, name)
        container_id = running_container(*found, container) if found else None
        if found is None or container_id is None:
            return PlainTextResponse(f'container not found ("{container}")', 404)
        try:
            _, output = await found[0].host.runtime.exec_sync(container_id, command, 0)
        except RuntimeFailure as e:
            return PlainTextResponse(str(e), 500)
        return Response(output, media_type="text/plain")


async def _converse(
    agent: Agent, verb: str, container_id: str, command: list[str], options: remotecommand.Options, tty: bool, channels: Channels
) -> None:
    runtime = agent.host.runtime
    try:
        if verb == "exec":
            stream = await runtime.exec(container_id, command, tty=tty, stdin=options.stdin)
        else:
            stream = await runtime.attach(container_id, tty=tty, stdin=options.stdin)
    except RuntimeFailure as e:
        await channels.finish(remotecommand.status_of_error(str(e)))
        return
    outward = asyncio.create_task(_outward(stream, options, channels))
    inward = asyncio.create_task(_inward(stream, channels))
    beat = asyncio.create_task(_heartbeat(channels))
    try:
        # The output's end is the process's end; the client going away ends the conversation, not the process.
        await asyncio.wait({outward, inward}, return_when=asyncio.FIRST_COMPLETED)
        if not outward.done() and inward.exception() is not None:
            return
        await outward
        inward.cancel()
        await asyncio.gather(inward, return_exceptions=True)
        code = await _exit_code(stream) if verb == "exec" else 0
        beat.cancel()
        await channels.finish(remotecommand.status_of_exit(code))
    except RuntimeFailure as e:
        await channels.finish(remotecommand.status_of_error(str(e)))
    finally:
        for task in (outward, inward, beat):
            task.cancel()
        await asyncio.gather(outward, inward, beat, return_exceptions=True)
        await stream.close()


async def _exit_code(stream: Stream) -> int:
    try:
        return await stream.exit_code()
    except NoSuchContainer:
        return 0


async def _outward(stream: Stream, options: remotecommand.Options, channels: Channels) -> None:
    while True:
        kind, data = await stream.read()
        if not kind:
            return
        name = "stderr" if kind == 2 else "stdout"
        if getattr(options, name) or options.tty:
            await channels.send(name, data)


async def _inward(stream: Stream, channels: Channels) -> None:
    """Until the client is gone (raises Gone)."""
    while True:
        name, data = await channels.receive()
        if name == "stdin":
            if data is None:
                await stream.close_stdin()
            else:
                await stream.write(data)
        elif name == "resize" and data:
            size = remotecommand.parse_resize(data)
            if size:
                await stream.resize(*size)


async def _heartbeat(channels: Channels) -> None:
    ping = getattr(channels, "ping", None)
    with contextlib.suppress(Gone):
        while ping is not None:
            await asyncio.sleep(PING_EVERY)
            await ping()
