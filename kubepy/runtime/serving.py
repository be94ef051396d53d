"""uvicorn as the daemons need it: TLS with optional client certificates, raw sockets after an Upgrade, graceful end of streams.

HTTP/1.1 only. An ASGI app finds in `scope["extensions"]`:
  "tls"     {"client_cert": the peer certificate in DER, or None}
  "kubepy"  the `Exchange` of this request: answers in one write, streams without per-message overhead, takes the socket over
Everything else is plain ASGI, so that the same app also runs under any other server and in tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

log = logging.getLogger("kubepy.serving")

App = Any
"""An ASGI application: async (scope, receive, send) -> None."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may do. Seconds and bytes; upstream's values (apiserver pkg/server/secure_serving.go)."""

    header_bytes: int = 1 << 20
    header_timeout: float = 32.0
    idle_timeout: float = 90.0
    body_timeout: float = 60.0
    write_buffer: int = 1 << 20
    grace: float = 10.0
    stall_timeout: float = 60.0
    """How long a client may read nothing of an answer that is complete."""


_SLICE = 64 * 1024
"""Bytes of a large answer that are written at a time: what the TLS layer takes at once stays in its buffers."""


def server_context(cert: Path, key: Path, client_cas: Sequence[Path] = ()) -> ssl.SSLContext:
    """TLS ≥ 1.2 for a server that asks clients for a certificate of one of `client_cas`, but does not demand it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])
    if client_cas:
        for ca in client_cas:
            context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; `shared` lets several processes accept on one port (SO_REUSEPORT). Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Peers that vanish without a word are noticed; connections inherit this.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        sock.bind((host, port))
        sock.listen(2048)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


class Exchange(RequestResponseCycle):
    """One request and its answer, with shortcuts past ASGI's messages for those who know of them."""

    protocol: _Protocol
    on_gone: Callable[[], None] | None = None
    """Called when the client hangs up before the answer is complete."""

    def respond(self, status: int, headers: bytes, *body: bytes) -> None:
        """The whole answer in one write; the body may come in parts.

        `headers` are complete lines (`name: value\\r\\n`) without content-length.
        """
        if self.disconnected:
            return
        parts = [STATUS_LINE[status], self.protocol.server_state.date_line, headers]  # type: ignore[attr-defined]
        if status != 304:
            parts.append(b"content-length: %d\r\n" % (len(body[0]) if len(body) == 1 else sum(map(len, body))))
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        self.response_started = True
        if self.scope["method"] == "HEAD":
            self.transport.write(b"".join(parts))
        elif len(body) == 1 and len(body[0]) <= _SLICE:
            self.transport.write(b"".join((*parts, body[0])))
        else:
            self._write_sliced((b"".join(parts), *body))
        self._complete()

    def _write_sliced(self, parts: Sequence[bytes]) -> None:
        """Many small writes cost less than one large one: no block becomes a mapping of its own, nor stays in a TLS buffer."""
        write = self.transport.write
        small: list[bytes] = []
        for part in parts:
            if len(part) < 4096:
                small.append(part)
                continue
            view = memoryview(part)
            start = 0
            if small:
                start = min(_SLICE, len(part))
                write(b"".join((*small, view[:start])))
                small.clear()
            for at in range(start, len(part), _SLICE):
                write(view[at : at + _SLICE])
        if small:
            write(b"".join(small))

    async def respond_large(self, status: int, headers: bytes, size: int, parts: Iterable[bytes]) -> None:
        """The answer in parts of `size` bytes together, at the pace the client reads: little of it is ever buffered."""
        if self.disconnected:
            return
        close = b"" if self.keep_alive else b"connection: close\r\n"
        date: bytes = self.protocol.server_state.date_line  # type: ignore[attr-defined]
        head = (STATUS_LINE[status], date, headers, b"content-length: %d\r\n" % size, close, b"\r\n")
        self.transport.write(b"".join(head))
        self.response_started = True
        if self.scope["method"] != "HEAD":
            try:
                for part in parts:
                    view = memoryview(part)
                    for at in range(0, len(view), _SLICE):
                        if self.flow.write_paused:
                            async with asyncio.timeout(self.protocol.limits.stall_timeout):
                                await self.drained()
                        if self.gone:
                            return
                        self.transport.write(view[at : at + _SLICE])
            except TimeoutError:
                self.transport.abort()
                return
        self._complete()

    async def run_asgi(self, app: App) -> None:
        """Run the app, and see to it that there is an answer."""
        try:
            await app(self.scope, self.receive, self.send)
            if not self.response_complete and not self.disconnected:
                log.error("no complete answer to %s %s", self.scope["method"], self.scope["path"])
                await self._fail()
        except Exception:
            log.exception("request failed: %s %s", self.scope["method"], self.scope["path"])
            await self._fail()
        finally:
            self.on_response = lambda: None
            # Cycles that would keep the request, and its connection's TLS buffers, until a full garbage collection.
            self.scope["extensions"] = {}
            if self.disconnected:
                self.protocol.forget(self)

    async def _fail(self) -> None:
        if self.response_started:
            self.transport.close()
        elif not self.disconnected:
            await self.send_500_response()

    def start(self, status: int, headers: bytes) -> None:
        """Begin an answer of unknown length."""
        if self.disconnected:
            return
        self.response_started = True
        close = b"" if self.keep_alive else b"connection: close\r\n"
        self.transport.write(
            b"".join(
                (STATUS_LINE[status], self.protocol.server_state.date_line, headers, close, b"transfer-encoding: chunked\r\n\r\n")  # type: ignore[attr-defined]
            )
        )

    def write(self, data: bytes) -> bool:
        """One chunk, not empty. False when the client is gone. Await `drained` before the next one."""
        if self.disconnected or self.transport.is_closing():
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    @property
    def gone(self) -> bool:
        """Whether the client has hung up."""
        return self.disconnected or self.transport.is_closing()

    @property
    def full(self) -> bool:
        """Whether the client reads slower than is written: `await drained()` then."""
        return self.flow.write_paused

    async def drained(self) -> None:
        """Returns when the write buffer has room again, or the client is gone."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()

    def end(self) -> None:
        """The last chunk."""
        if not self.disconnected and not self.response_complete:
            self.transport.write(b"0\r\n\r\n")
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    async def body_bytes(self, limit: int) -> bytes | None:
        """The whole request body, or None when it is longer than `limit` bytes.

        Raises ConnectionError when the client hangs up, TimeoutError when it takes longer than the limits allow.
        """
        if not self.more_body and not self.waiting_for_100_continue:
            body = bytes(self.body)
            self.body = bytearray()
            return body if len(body) <= limit else None
        async with asyncio.timeout(self.protocol.limits.body_timeout):
            return await self._collected(limit)

    async def _collected(self, limit: int) -> bytes | None:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("client disconnected")
            chunk: bytes = message.get("body", b"")  # type: ignore[assignment]
            size += len(chunk)
            if size > limit:
                self.keep_alive = False
                return None
            chunks.append(chunk)
            if not message.get("more_body"):
                return b"".join(chunks)

    def take_over(self, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send `head` (a complete 101 answer) and hand the connection to the caller, with whatever the client sent already."""
        protocol = self.protocol
        reader = asyncio.StreamReader(limit=1 << 20, loop=protocol.loop)
        streams = asyncio.StreamReaderProtocol(reader, loop=protocol.loop)
        self.response_started = self.response_complete = True
        self.on_response = lambda: None
        protocol.taken_over = True
        protocol.connections.discard(protocol)
        transport = self.transport
        transport.write(head)
        streams.connection_made(transport)
        transport.set_protocol(streams)
        if protocol.tail:
            reader.feed_data(protocol.tail)
            protocol.tail = b""
        self.flow.resume_reading()
        writer = asyncio.StreamWriter(transport, streams, reader, protocol.loop)
        tunnels: set[asyncio.StreamWriter] = protocol.server_state.tunnels  # type: ignore[attr-defined]
        tunnels.add(writer)
        return reader, writer


_NOT_ALLOWED = (
    b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server does not allow this method on the '
    b'requested resource","reason":"MethodNotAllowed","details":{},"code":405}\n'
)
_UNKNOWN_METHOD = (
    b"HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_NOT_ALLOWED), _NOT_ALLOWED)
)
"""The parser gives up at a method it has never heard of."""
_BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 15\r\n\r\n400 Bad Request"
)
_HEADERS_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
LINGER = 0.5
"""Seconds for which a refused client may still send."""


class _Protocol(HttpToolsProtocol):
    limits = Limits()
    parser: Any
    """None once the connection is lost."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=self.limits.write_buffer)
        tls = transport.get_extra_info("ssl_object")
        self.tls: dict[str, Any] = {"client_cert": tls.getpeercert(True) if tls is not None else None}
        self.waiting_since: float | None = self.loop.time()
        self.idle_since: float | None = None
        self.header_bytes = 0
        self.unfinished = 0
        self.refused = False
        self.tail = b""
        self.upgrading = False
        self.taken_over = False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.taken_over:
            return
        super().connection_lost(exc)
        cycle = self.cycle
        if isinstance(cycle, Exchange) and cycle.on_gone is not None and not cycle.response_complete:
            cycle.on_gone()
        if cycle is None or cycle.response_complete:
            self.forget(cycle)

    def forget(self, exchange: RequestResponseCycle | None) -> None:
        """The connection is lost and `exchange` done: let go what refers back to this object."""
        if self.cycle is exchange:
            self.cycle = None  # type: ignore[assignment]
            self.parser = None

    def data_received(self, data: bytes) -> None:
        self.idle_since = None
        if self.parser is None or self.refused:
            return
        if self.upgrading:
            self.tail += data
            if len(self.tail) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.upgrading = True
            self.tail = data[upgrade.args[0] :]
        except httptools.HttpParserInvalidMethodError:
            self._refuse(_UNKNOWN_METHOD)
        except httptools.HttpParserError:
            self._refuse(_BAD_REQUEST)
        # The parser tells only of headers that are complete.
        if self.waiting_since is None:
            self.unfinished = 0
        else:
            self.unfinished += len(data)
            if self.unfinished > self.limits.header_bytes:
                self._refuse(_HEADERS_TOO_LARGE)

    def _refuse(self, answer: bytes) -> None:
        """Answer and close; what still comes is thrown away for a while, or the client's system would throw away the answer."""
        if self.refused or self.transport.is_closing():
            return
        self.refused = True
        self.transport.write(answer)
        self.loop.call_later(LINGER, self.transport.close)

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.header_bytes = 0
        self.headers = []
        if self.waiting_since is None:
            self.waiting_since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        self.url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        self._count(len(name) + len(value))

    def _count(self, size: int) -> None:
        self.header_bytes += size
        if self.header_bytes > self.limits.header_bytes:
            self._refuse(_HEADERS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        if self.refused or self.transport.is_closing():
            return
        self.waiting_since = None
        parser = self.parser
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse(_BAD_REQUEST)
            return
        url = self.url
        path, _, query = url.partition(b"?")
        if not path.startswith(b"/"):
            parsed = httptools.parse_url(url)
            path, query = parsed.path or b"/", parsed.query or b""
        # What is no UTF-8 becomes U+FFFD here: names have none, and it can be shown.
        text = (unquote_to_bytes(path) if b"%" in path else path).decode("utf-8", "replace")
        exchange = Exchange.__new__(Exchange)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "path": text,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "server": self.server,
            "client": self.client,
            "state": {},
            "extensions": {"tls": self.tls, "kubepy": exchange},
        }
        self.scope = scope  # type: ignore[assignment]
        upgrade = parser.should_upgrade()
        Exchange.__init__(
            exchange,
            scope=scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=not upgrade and scope["http_version"] != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        exchange.protocol = self
        previous = self.cycle
        self.cycle = exchange
        if previous is None or previous.response_complete:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: App) -> None:
        task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_body(self, body: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            return
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self.idle_since = self.loop.time()

    def expire(self, now: float) -> None:
        """Close the connection when it has been idle, or has not finished its headers, for too long."""
        if (self.idle_since is not None and now - self.idle_since > self.limits.idle_timeout) or (
            self.waiting_since is not None and self.idle_since is None and now - self.waiting_since > self.limits.header_timeout
        ):
            self.transport.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stop: asyncio.Event, started: Callable[[], None] | None, limits: Limits) -> None:
        super().__init__(config)
        self._stop = stop
        self._on_started = started
        self._limits = limits
        self.server_state.tunnels = set()  # type: ignore[attr-defined]
        self._date()

    def _date(self) -> None:
        line = formatdate(time.time(), usegmt=True).encode()
        self.server_state.default_headers = [(b"date", line)]
        self.server_state.date_line = b"date: " + line + b"\r\n"  # type: ignore[attr-defined]

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        # Signals belong to the daemon: they set the stop event.
        yield

    async def main_loop(self) -> None:
        if self._on_started is not None:
            self._on_started()
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            self._date()
            now = loop.time()
            for connection in tuple(self.server_state.connections):
                connection.expire(now)  # type: ignore[union-attr]
            tunnels: set[asyncio.StreamWriter] = self.server_state.tunnels  # type: ignore[attr-defined]
            for writer in [w for w in tunnels if w.is_closing()]:
                tunnels.discard(writer)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        deadline = time.monotonic() + self._limits.grace
        while (state.connections or state.tasks) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        tunnels: set[asyncio.StreamWriter] = state.tunnels  # type: ignore[attr-defined]
        for writer in list(tunnels):
            writer.close()
        tasks = list(state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(state.connections):
            connection.transport.abort()
        # Transports close in callbacks of the loop: give them their turn.
        for _ in range(3):
            await asyncio.sleep(0)


async def serve(
    app: App,
    sockets: Sequence[socket.socket],
    context: ssl.SSLContext | None,
    stop: asyncio.Event,
    *,
    started: Callable[[], None] | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve `app` on the listening `sockets` until `stop` is set; then finish what runs, at most `limits.grace` seconds.

    Apps that stream for ever must watch the same `stop` and end their streams. `started` is called when connections are accepted.
    """
    limits = limits or Limits()
    protocol = type("Protocol", (_Protocol,), {"limits": limits})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        interface="asgi3",
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )
    config.load()
    config.ssl = context
    server = _Server(config, stop, started, limits)
    await server.serve(sockets=list(sockets))


@contextlib.asynccontextmanager
async def running(
    app: App, sockets: Sequence[socket.socket], context: ssl.SSLContext | None, **options: Any
) -> AsyncIterator[asyncio.Event]:
    """As `serve`, in the background for the time of a `with` block; yields the stop event."""
    stop = asyncio.Event()
    up = asyncio.Event()
    task = asyncio.create_task(serve(app, sockets, context, stop, started=up.set, **options))
    waiter = asyncio.create_task(up.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if task.done():
        await task
    try:
        yield stop
    finally:
        stop.set()
        await task


def on_signals(call: Callable[[], None]) -> None:
    """SIGTERM and SIGINT make `call`; must be called in the main thread's running loop."""
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, call)


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT set `stop`; must be called in the main thread's running loop."""
    on_signals(stop.set)
